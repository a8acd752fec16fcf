//! What goes into a prompt, by its budget.

use serde_json::json;

use super::modelled;
use crate::chat::{FOUR, learn};
use crate::support::model::{ModelServer, Script};

/// The messages of the last request, without the instructions.
fn told(server: &ModelServer) -> Vec<(String, String)> {
    server.requests().last().unwrap().messages().split_off(1)
}

#[tokio::test]
async fn the_oldest_turns_fall_out_first_and_whole() {
    let server = ModelServer::start().await;
    server.always(Script::reply(["An answer of some words, as answers are."]));
    let app = modelled(&server).env("TANDEM__CHAT__HISTORY_TOKENS", 120).start().await;
    let user = app.user().await;
    let conversation = user.conversation().await;
    for turn in 0..8 {
        user.ask(&conversation, &format!("Question number {turn} of the conversation.")).await.expect(200);
    }
    let told = told(&server);
    let (question, history) = told.split_last().unwrap();
    assert_eq!(question.1, "Question number 7 of the conversation.");
    assert!((2..14).contains(&history.len()), "{told:?}");
    assert_eq!(history[0].0, "user", "an answer goes with its question: {told:?}");
    let first = 7 - history.len() / 2;
    for (place, pair) in history.chunks(2).enumerate() {
        assert_eq!(pair[0].1, format!("Question number {} of the conversation.", first + place));
        assert_eq!(pair[1].1, "An answer of some words, as answers are.");
    }
}

#[tokio::test]
async fn tokens_are_those_of_the_models_own_encoding_where_it_is_known() {
    // Long words that are one token each.
    let question = "Approximately international understanding regarding recommendation information throughout administration development";
    while !tandem::llm::Counter::of("gpt-4o-mini").is_exact() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let mut earlier = Vec::new();
    for model in ["gpt-4o-mini", "scripted"] {
        let server = ModelServer::start().await;
        server.always(Script::reply(["Development."]));
        let app =
            modelled(&server).env("CHAT_MODEL", model).env("TANDEM__CHAT__HISTORY_TOKENS", 120).start().await;
        let user = app.user().await;
        let conversation = user.conversation().await;
        for _ in 0..8 {
            user.ask(&conversation, question).await.expect(200);
        }
        earlier.push(told(&server).len() - 1);
    }
    assert!(earlier[0] >= 8, "counted: {earlier:?}");
    assert!((2..=6).contains(&earlier[1]), "estimated: {earlier:?}");
}

#[tokio::test]
async fn a_long_question_goes_in_whole_and_starves_neither_memories_nor_documents() {
    let server = ModelServer::start().await;
    let app = modelled(&server)
        .env("TANDEM__CHAT__PROMPT_TOKENS", 1500)
        .env("TANDEM__CHAT__DOCUMENT_FLOOR_TOKENS", 60)
        .env("TANDEM__CHAT__MEMORY_FLOOR_TOKENS", 40)
        .start()
        .await;
    let user = app.user().await;
    learn(&app, &user, &FOUR).await;
    for fact in ["I prefer beta to volatility.", "I like beta and volatility."] {
        user.post("/memories", json!({ "content": fact })).await.expect(201);
    }
    let conversation = user.conversation().await;
    user.ask(&conversation, "Beta?").await.expect(200);
    let question = "Do I prefer beta or volatility? ".repeat(300);
    let events = user.stream(&conversation, question.trim()).await;
    let told = told(&server);
    assert_eq!(told.len(), 2, "no room for earlier turns: {told:?}");
    assert_eq!(told[1].1, question.trim());
    assert!((1..=2).contains(&told[0].1.matches("<memory>").count()), "{told:?}");
    let documents = told[0].1.matches("<document ").count();
    assert!((1..=2).contains(&documents), "{told:?}");
    // What is not in the prompt is neither shown nor cited.
    let context = &events.iter().find(|event| event.event == "context").unwrap().data;
    assert_eq!(context["documents"].as_array().unwrap().len(), documents);
    let id = context["documents"][0]["source_id"].as_str().unwrap();
    assert!(told[0].1.contains(&format!("<document number=\"1\" source_id=\"{id}\"")), "{told:?}");
}

#[tokio::test]
async fn zero_is_off_everywhere_and_no_budget_for_the_whole() {
    let server = ModelServer::start().await;
    let app = modelled(&server)
        .env("TANDEM__CHAT__HISTORY_TOKENS", 0)
        .env("TANDEM__CHAT__RETRIEVED_MEMORIES", 0)
        .env("TANDEM__CHAT__RETRIEVED_PASSAGES", 0)
        .start()
        .await;
    let user = app.user().await;
    learn(&app, &user, &FOUR).await;
    user.post("/memories", json!({ "content": "I prefer beta." })).await.expect(201);
    let conversation = user.conversation().await;
    user.ask(&conversation, "Do I prefer beta?").await.expect(200);
    user.ask(&conversation, "Do I prefer beta?").await.expect(200);
    assert_eq!(told(&server), [("user".to_owned(), "Do I prefer beta?".to_owned())]);

    let app = modelled(&server).env("TANDEM__CHAT__PROMPT_TOKENS", 0).start().await;
    let user = app.user().await;
    learn(&app, &user, &FOUR).await;
    let conversation = user.conversation().await;
    user.ask(&conversation, "Beta?").await.expect(200);
    user.ask(&conversation, &"Do I prefer beta? ".repeat(1500)).await.expect(200);
    let told = told(&server);
    assert_eq!(told.len(), 4, "history and documents are in");
    assert_eq!(told[2].1.matches("<document ").count(), 4);
}
