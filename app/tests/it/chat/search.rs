//! Search over one's own messages.

use serde_json::{Value, json};

use super::with_model;
use crate::support::TestApp;
use crate::support::model::{ModelServer, Script};
use crate::support::user::TestUser;

async fn search(user: &TestUser, q: &str, more: &str) -> Value {
    let q: String = url::form_urlencoded::byte_serialize(q.as_bytes()).collect();
    user.get(&format!("/chat/search?q={q}{more}")).await.expect(200)
}

async fn snippets(user: &TestUser, q: &str) -> Vec<String> {
    let found = search(user, q, "").await;
    found["items"].as_array().unwrap().iter().map(|hit| hit["snippet"].as_str().unwrap().to_owned()).collect()
}

/// A conversation in which these are answered with "Noted."
async fn said(user: &TestUser, title: &str, texts: &[&str]) -> String {
    let made = user.post("/chat/conversations", json!({ "title": title })).await.expect(201);
    let conversation = made["id"].as_str().unwrap().to_owned();
    for text in texts {
        user.ask(&conversation, text).await.expect(200);
    }
    conversation
}

async fn app() -> (TestApp, ModelServer) {
    let server = ModelServer::start().await;
    server.always(Script::reply(["Noted."]));
    (with_model(&server).await, server)
}

#[tokio::test]
async fn messages_are_found_by_word_stem_and_phrase_best_first() {
    let (app, server) = app().await;
    let user = app.user().await;
    let often = "hedge, hedges and hedged positions";
    let once = "a long remark in which, among other matters of no weight at all, one hedge stands";
    let conversation =
        said(&user, "Hedges", &[once, often, "Was kostet die Absicherung?", "to be or not to be"]).await;
    server.push(Script::reply(["The hedge ratio is 0.4."]));
    user.ask(&conversation, "And the ratio?").await.expect(200);

    let found = search(&user, "hedge", "").await;
    let items = found["items"].as_array().unwrap();
    assert_eq!(items.len(), 3, "{found}");
    let ranks: Vec<f64> = items.iter().map(|hit| hit["rank"].as_f64().unwrap()).collect();
    assert!(ranks.is_sorted_by(|a, b| a >= b) && ranks[0] > ranks[2], "{ranks:?}");
    assert!(items[0]["snippet"].as_str().unwrap().contains("<mark>hedges</mark>"), "{found}");
    assert!(items[2]["snippet"].as_str().unwrap().contains("one <mark>hedge</mark> stands"), "{found}");
    let answer = items.iter().find(|hit| hit["role"] == "assistant").unwrap();
    assert_eq!(answer["snippet"], "The <mark>hedge</mark> ratio is 0.4.");
    assert_eq!(answer["conversation_id"], json!(conversation));
    assert_eq!(answer["conversation_title"], "Hedges");
    assert!(answer["message_id"].is_string() && answer["created_at"].is_string());

    assert_eq!(snippets(&user, "\"hedge ratio\"").await.len(), 1);
    assert_eq!(snippets(&user, "hedge -ratio").await.len(), 2);
    assert_eq!(snippets(&user, "hedge -ratios").await.len(), 2);
    assert_eq!(snippets(&user, "Absicherung or nothingatall").await.len(), 1);
    // Stop words are words.
    assert_eq!(
        snippets(&user, "to be").await,
        ["<mark>to</mark> <mark>be</mark> or not <mark>to</mark> <mark>be</mark>"]
    );
    assert!(snippets(&user, "&|!()").await.is_empty());
    assert!(snippets(&user, "nothingatall").await.is_empty());

    // Page by page, each row once and in the same order.
    let mut seen = Vec::new();
    let mut cursor = String::new();
    for _ in 0..3 {
        let page = search(&user, "hedge", &format!("&limit=1{cursor}")).await;
        assert_eq!(page["items"].as_array().unwrap().len(), 1);
        seen.push(page["items"][0].clone());
        cursor = page["next_cursor"].as_str().map(|next| format!("&cursor={next}")).unwrap_or_default();
    }
    assert_eq!(json!(seen), found["items"]);
    assert!(cursor.is_empty());

    for (path, field) in [
        ("/chat/search?q=%20", "q"),
        ("/chat/search", "q"),
        ("/chat/search?q=a&limit=0", "limit"),
        ("/chat/search?q=a&cursor=x", "cursor"),
        ("/chat/search?q=a&user=x", "user"),
    ] {
        user.get(path).await.expect_wrong_field(field);
    }
}

#[tokio::test]
async fn what_was_said_never_becomes_markup() {
    let (app, _server) = app().await;
    let user = app.user().await;
    let hostile = "<script>alert('beta')</script> </mark><b onclick=\"x\">beta</b> & &lt;beta&gt; <mark>";
    said(&user, "x", &[hostile]).await;
    for q in ["beta", "script", "mark", "lt", "amp", "quot", "onclick"] {
        for snippet in snippets(&user, q).await {
            let without = snippet.replace("<mark>", "").replace("</mark>", "");
            assert!(!without.contains(['<', '>', '"', '\'']), "{q}: {snippet}");
            assert_eq!(snippet.matches("<mark>").count(), snippet.matches("</mark>").count(), "{snippet}");
        }
    }
    let found = snippets(&user, "beta").await;
    assert!(found[0].contains("&lt;b onclick=&quot;x&quot;&gt;<mark>beta</mark>&lt;/b&gt;"), "{found:?}");
}

#[tokio::test]
async fn nobody_finds_what_somebody_else_said() {
    let (app, _server) = app().await;
    let (user, other, admin) = (app.user().await, app.user().await, app.admin().await);
    let conversation = said(&user, "x", &["my secret zebra"]).await;
    said(&other, "y", &["your zebra crossing"]).await;
    assert_eq!(snippets(&user, "zebra").await, ["my secret <mark>zebra</mark>"]);
    assert_eq!(snippets(&other, "zebra").await, ["your <mark>zebra</mark> crossing"]);
    assert!(snippets(&admin, "zebra").await.is_empty());
    user.delete(&format!("/chat/conversations/{conversation}")).await.expect(204);
    assert!(snippets(&user, "zebra").await.is_empty());
}
