//! What of documents goes into a prompt.

use serde_json::json;

use super::modelled;
use crate::chat::learn;
use crate::support::model::{ModelServer, Script};

const BEFORE: &str = "Bonds lie in a vault below the lake.";
const ASKED: &str = "A zebra fee applies to small accounts.";
const AFTER: &str = "It is refunded when the balance recovers.";

/// The data before the question of the last request.
fn data(server: &ModelServer) -> String {
    server.requests().last().unwrap().messages()[1].1.clone()
}

#[tokio::test]
async fn a_passage_brings_along_what_stands_beside_it_and_that_can_be_quoted() {
    for expanded in [1, 0] {
        let server = ModelServer::start().await;
        server.always(Script::reply(["It is refunded when the balance recovers [1]."]));
        let app = modelled(&server)
            .env("TANDEM__KNOWLEDGE__PASSAGE_TOKENS", 16)
            .env("TANDEM__CHAT__RETRIEVED_PASSAGES", 1)
            .env("TANDEM__CHAT__EXPANDED_PASSAGES", expanded)
            .start()
            .await;
        let user = app.user().await;
        let text = format!("# Fees\n\n{BEFORE} {ASKED} {AFTER}\n\n# Hours\n\nThe desk opens at nine.");
        let source = json!({ "title": "Terms", "text": text, "media_type": "text/markdown" });
        user.post("/knowledge/sources", source).await.expect(202);
        app.run_jobs().await;
        let conversation = user.conversation().await;
        let answer = user.ask(&conversation, "What is the zebra fee?").await.expect(200);
        let data = data(&server);
        assert!(data.contains(ASKED), "{data}");
        assert_eq!(data.contains(BEFORE) && data.contains(AFTER), expanded == 1, "{data}");
        assert!(!data.contains("opens at nine"), "another section: {data}");
        let quote = answer["citations"][0]["quote"].as_str().unwrap_or_default().to_owned();
        assert_eq!(quote == AFTER, expanded == 1, "{quote}");
    }
}

#[tokio::test]
async fn what_repeats_a_better_passage_is_not_told_but_found() {
    let server = ModelServer::start().await;
    let app = modelled(&server).env("TANDEM__CHAT__RETRIEVED_PASSAGES", 3).start().await;
    let user = app.user().await;
    let (one, other) = (format!("{ASKED} The limit is 900."), format!("{ASKED} The limit is 901."));
    let again = one.to_uppercase();
    learn(&app, &user, &[("One", &one), ("Again", &again), ("Other", &other), ("Short", AFTER)]).await;
    let found = user.post("/knowledge/search", json!({ "query": "zebra fee" })).await.expect(200);
    assert_eq!(found["hits"].as_array().map(Vec::len), Some(4), "{found}");
    let conversation = user.conversation().await;
    user.ask(&conversation, "What is the zebra fee?").await.expect(200);
    let data = data(&server);
    let told = |text: &str| data.contains(text);
    assert!(told(&one) ^ told(&again), "once: {data}");
    assert!(told(&other) && told(AFTER), "another number is another statement: {data}");
    assert_eq!(data.matches("<document ").count(), 3, "{data}");
}
