//! Files, from an upload to a passage with its page.

mod address;
mod child;
mod corpus;
mod form;
mod hostile;
mod kinds;

use serde_json::{Value, json};

use super::{hits, number};
use crate::support::TestApp;
use crate::support::files::{Form, pdf};
use crate::support::user::TestUser;

/// Three pages about three things.
const PAGES: [&str; 3] = [
    "Gold is a metal.\nIt does not rust and it is soft.",
    "Whales live in the sea.\nThey sing at night and breathe air.",
    "A second signature is needed above five percent of equity.",
];

/// Uploads and waits for what becomes of it.
async fn uploaded(app: &TestApp, user: &TestUser, form: Form) -> Value {
    let accepted = form.send(user).await.expect(202);
    assert_eq!(accepted["status"], "queued", "{accepted}");
    assert!(accepted["job_id"].is_string(), "{accepted}");
    app.run_jobs().await;
    user.get(&format!("/knowledge/sources/{}", accepted["id"].as_str().unwrap())).await.expect(200)
}

/// Uploads what can be read.
async fn read(app: &TestApp, user: &TestUser, form: Form) -> Value {
    let source = uploaded(app, user, form).await;
    assert_eq!(source["status"], "ready", "{source}");
    source
}

/// The best hit.
async fn best(user: &TestUser, query: &str) -> Value {
    let result = user.post("/knowledge/search", json!({"query": query, "limit": 1})).await.expect(200);
    hits(&result)[0].clone()
}

/// Files that wait in the database.
async fn waiting(app: &TestApp) -> i64 {
    number(app, "SELECT count(*) FROM ai_kb_files", []).await
}

#[tokio::test]
async fn a_pdf_is_uploaded_found_and_cited_with_its_page() {
    // Passages so short that every page is at least one.
    let app = TestApp::with().env("TANDEM__KNOWLEDGE__PASSAGE_TOKENS", 16).start().await;
    let user = app.user().await;
    let form = Form::file("handbook.pdf", &pdf(&PAGES)).and("external_id", "handbook").and("scope", "rules");
    let source = read(&app, &user, form.and("metadata", r#"{"year": 2024}"#)).await;
    assert_eq!(
        (source["title"].as_str(), source["media_type"].as_str()),
        (Some("handbook"), Some("application/pdf"))
    );
    assert_eq!((source["scope"].as_str(), source["metadata"]["year"].as_i64()), (Some("rules"), Some(2024)));
    assert_eq!(waiting(&app).await, 0, "the file goes once it is parsed");
    for (query, page) in
        [("metal that does not rust", 1), ("whales sing in the sea", 2), ("second signature", 3)]
    {
        let hit = best(&user, query).await;
        assert_eq!(hit["page"], page, "{hit}");
        assert_eq!(hit["external_id"], "handbook");
    }
    let list = user.get("/knowledge/sources").await.expect(200);
    assert_eq!(list["items"][0]["media_type"], "application/pdf");

    let conversation = user.conversation().await;
    let events = user.stream(&conversation, "When is a second signature needed?").await;
    let context = events.iter().find(|event| event.event == "context").unwrap();
    assert_eq!(context.data["documents"][0]["page"], 3, "{}", context.data);
    let citation = events.iter().find(|event| event.event == "citation").unwrap();
    assert_eq!(citation.data["page"], 3, "{}", citation.data);
    let stored = user.get(&format!("/chat/conversations/{conversation}/messages")).await.expect(200);
    assert_eq!(stored["items"][1]["citations"][0]["page"], 3, "{stored}");
}

#[tokio::test]
async fn pages_do_not_grow_together_and_a_passage_has_the_page_it_begins_on() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let source = read(&app, &user, Form::file("a.pdf", &pdf(&["", "ends here", "begins there"]))).await;
    assert_eq!(source["documents"], 1, "{source}");
    let hit = best(&user, "ends").await;
    assert_eq!(hit["content"], "ends here\n\nbegins there");
    assert_eq!(hit["page"], 2);
    // A text has no pages, and says so by leaving them out.
    super::ingested(&app, &user, json!({"title": "T", "text": "Whales sing."})).await;
    assert!(best(&user, "whales sing").await.get("page").is_none());
}

#[tokio::test]
async fn a_page_of_the_web_becomes_markdown_under_its_own_title() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let html = "<!doctype html><html><head><title>House &amp; rules</title><style>x{}</style></head><body>
        <nav>Menu</nav><h1>Limits</h1><p>Five percent of <a href='/x'>equity</a>.</p><script>bad()</script></body></html>";
    let source = read(&app, &user, Form::file("rules.html", html.as_bytes())).await;
    assert_eq!(
        (source["title"].as_str(), source["media_type"].as_str()),
        (Some("House & rules"), Some("text/html"))
    );
    assert_eq!(best(&user, "limits").await["content"], "# Limits\n\nFive percent of equity.");
    let named = read(&app, &user, Form::file("rules.html", html.as_bytes()).and("title", "Mine")).await;
    assert_eq!(named["title"], "Mine");
    let markdown = read(&app, &user, Form::file("notes.md", b"# All about whales\n\nThey sing.")).await;
    assert_eq!(markdown["title"], "All about whales");
}

#[tokio::test]
async fn texts_of_every_encoding_are_read() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let german = "Zürich: die Bilanzsumme stieg über fünf Millionen Franken – „beträchtlich“.";
    let japanese = "東京証券取引所に上場している企業の株価は、きのうより上がりました。";
    let utf16: Vec<u8> = german.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let with_mark = [&b"\xff\xfe"[..], &utf16].concat();
    let texts: [(&str, &[u8], &str); 6] = [
        ("utf8-mark", &[b"\xef\xbb\xbf", german.as_bytes()].concat(), german),
        (
            "windows-1252",
            b"Caf\xe9 cr\xe8me \x80 10 \x96 na\xefve r\xe9sum\xe9, voil\xe0 l'addition",
            "Café crème € 10 – naïve résumé, voilà l'addition",
        ),
        ("utf16-mark", &with_mark, german),
        ("utf16", &utf16, german),
        ("shift-jis", &shift_jis(), japanese),
        ("nul", b"one\0 two three four five six seven eight", "one two three four five six seven eight"),
    ];
    for (name, bytes, text) in texts {
        let form = Form::file(&format!("{name}.txt"), bytes).and("scope", name);
        read(&app, &user, form).await;
        let result =
            user.post("/knowledge/search", json!({"query": "x", "scopes": [name]})).await.expect(200);
        assert_eq!(result["hits"][0]["content"], text, "{name}");
    }
}

/// The Japanese sentence above: two bytes a character, by its table.
fn shift_jis() -> Vec<u8> {
    let hex = "938c8b9e8fd88c948ee688f88f8a82c98fe38fea82b582c482a282e98ae98bc682cc8a9489bf82cd814182ab82cc82a482e682e88fe382aa82e882dc82b582bd8142";
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[tokio::test]
async fn the_same_file_changes_nothing_and_another_one_replaces() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let first =
        read(&app, &user, Form::file("a.pdf", &pdf(&["Gold is a metal."])).and("external_id", "x")).await;
    let again = Form::file("a.pdf", &pdf(&["Gold is a metal."]))
        .and("external_id", "x")
        .send(&user)
        .await
        .expect(202);
    assert_eq!((again["skipped"].as_str(), again["status"].as_str()), (Some("unchanged"), Some("ready")));
    assert_eq!(again["id"], first["id"]);
    // A newer file, then a text before that one is parsed: the last word counts.
    Form::file("a.pdf", &pdf(&["Silver is one too."])).and("external_id", "x").send(&user).await.expect(202);
    assert_eq!(best(&user, "metal").await["content"], "Gold is a metal.", "found until the new one is ready");
    let text = json!({"title": "a", "text": "Whales sing.", "external_id": "x"});
    user.post("/knowledge/sources", text).await.expect(202);
    assert_eq!(waiting(&app).await, 0, "an outdated file goes at once");
    app.run_jobs().await;
    assert_eq!(best(&user, "metal").await["content"], "Whales sing.");
    // Without an id of the sender's, name and content decide.
    let anonymous = Form::file("b.txt", b"Whales sing.").send(&user).await.expect(202);
    let same = Form::file("b.txt", b"Whales sing.").send(&user).await.expect(202);
    assert_eq!(anonymous["id"], same["id"]);
    assert_eq!(same["skipped"], "unchanged");
    assert_ne!(Form::file("c.txt", b"Whales sing.").send(&user).await.expect(202)["id"], same["id"]);
    app.run_jobs().await;
    // Deleting takes the file along.
    let late = Form::file("d.txt", b"Whales.").send(&user).await.expect(202);
    assert_eq!(waiting(&app).await, 1);
    user.delete(&format!("/knowledge/sources/{}", late["id"].as_str().unwrap())).await.expect(204);
    assert_eq!(waiting(&app).await, 0);
}

#[tokio::test]
async fn a_file_given_up_is_not_kept() {
    let app = TestApp::start().await;
    let user = app.user().await;
    Form::file("d.txt", b"Whales.").send(&user).await.expect(202);
    let ai = app.state.ai.begin_worker().await.unwrap();
    sea_orm::ConnectionTrait::execute_unprepared(&ai, "UPDATE ai_kb_sources SET status = 'failed'")
        .await
        .unwrap();
    ai.commit().await.unwrap();
    tandem::knowledge::requeue_lost(&app.state).await.unwrap();
    assert_eq!(waiting(&app).await, 0);
}
