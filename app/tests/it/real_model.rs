//! A real model server, llama.cpp's own with a small model, as the provider.
//!
//! Ignored without it: `make real-model` fetches and starts it, and runs these.
//! The model is tiny. It repeats a figure from its prompt, and little else.

use std::time::{Duration, Instant};

use axum::http::Method;
use serde_json::{Value, json};

use crate::chat::{eventually, learn};
use crate::support::TestApp;
use crate::support::response::{SseEvent, joined};
use crate::support::user::TestUser;
use crate::views::book;

const DOCUMENT: (&str, &str) = (
    "Fees of the Kestrel fund",
    "The Kestrel fund charges a management fee of 0.35 percent a year. There is no entry fee.",
);
const QUESTION: &str = "What management fee does the Kestrel fund charge a year?";

/// An application whose language model is the real server.
async fn application(tools: bool) -> TestApp {
    let url =
        std::env::var("TANDEM_REAL_MODEL_URL").expect("TANDEM_REAL_MODEL_URL: see scripts/real_model.sh");
    // On a busy machine it reads forty tokens a second.
    let mut options = TestApp::with()
        .env("OPENAI_BASE_URL", url)
        .env("CHAT_MODEL", "smollm2")
        .env("TANDEM__MODELS__FIRST_TOKEN_TIMEOUT_S", 180);
    if !tools {
        options = options.env("TANDEM__TOOLS__ROUNDS", 0);
    }
    options.start().await
}

/// The same, and a user who has the document.
async fn kestrel(tools: bool) -> (TestApp, TestUser) {
    let app = application(tools).await;
    let user = app.user().await;
    learn(&app, &user, &[DOCUMENT]).await;
    (app, user)
}

fn tokens(events: &[SseEvent]) -> usize {
    events.iter().filter(|event| event.event == "token").count()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the server of scripts/real_model.sh"]
async fn a_real_model_answers_over_a_document_whole_and_streamed() {
    let (_app, user) = kestrel(false).await;
    let conversation = user.conversation().await;
    let whole = user.ask(&conversation, QUESTION).await.expect(200);
    println!("{whole}");
    assert!(whole["content"].as_str().unwrap().contains("0.35"), "{whole}");
    let usage = &whole["usage"];
    assert!(usage["prompt_tokens"].as_u64().unwrap() > 50, "the server's own count: {whole}");
    assert!(usage["completion_tokens"].as_u64().unwrap() > 3, "{whole}");

    let conversation = user.conversation().await;
    let events = user.stream(&conversation, QUESTION).await;
    let done = events.last().unwrap();
    assert_eq!(done.event, "done", "{events:?}");
    let context = events.iter().find(|event| event.event == "context").unwrap();
    assert_eq!(context.data["documents"][0]["title"], DOCUMENT.0);
    assert!(tokens(&events) > 1, "it came in one piece: {events:?}");
    assert_eq!(joined(&events), done.data["content"].as_str().unwrap());
    assert!(joined(&events).contains("0.35"), "{events:?}");
    let stored = user.get(&format!("/chat/conversations/{conversation}/messages")).await.expect(200);
    assert_eq!(stored["items"][1]["content"], done.data["content"]);
    for citation in stored["items"][1]["citations"].as_array().unwrap() {
        assert_eq!(citation["title"], DOCUMENT.0, "what it cites is what it was given");
    }
}

/// It is told the figures in the prompt. That it cites them itself is not expected of a
/// model this small: what it gives to the cent is cited for it.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the server of scripts/real_model.sh"]
async fn a_real_model_says_what_a_portfolio_is_worth_and_what_moved_it() {
    let app = application(false).await;
    let user = app.user().await;
    let id = book(&app, &user).await;
    let conversation = user.conversation().await;
    let events = user.stream(&conversation, "What is my portfolio worth, and what moved it?").await;
    let told = user.get(&format!("/chat/conversations/{conversation}/messages")).await.expect(200);
    let answer = &told["items"][1];
    println!("{answer}");
    let text = answer["content"].as_str().unwrap();
    assert_eq!(joined(&events), text);
    let complete = user.get(&format!("/data/portfolio/{id}/complete")).await.expect(200);
    let value = format!("{:.2}", complete["portfolio"]["total_value"].as_f64().unwrap());
    assert!(text.replace(',', "").contains(&value), "{value} is not in: {text}");
    assert!(text.contains("MSFT"), "the largest mover is not in: {text}");
    let citations = answer["citations"].as_array().unwrap();
    assert_eq!(text.matches('[').count(), citations.len(), "{text}");
    for citation in citations {
        assert_eq!((&citation["kind"], &citation["portfolio_id"]), (&json!("figures"), &json!(id)));
    }
    let is_of_value = |citation: &&Value| citation["quote"].as_str().unwrap().contains(&value);
    assert!(citations.iter().any(|citation| is_of_value(&citation)), "the value is not cited: {answer}");
}

/// The server answers one at a time: what was cancelled here has ended there.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the server of scripts/real_model.sh"]
async fn a_real_model_is_cancelled_in_the_middle_and_listens_again() {
    let (_app, user) = kestrel(false).await;
    let conversation = user.conversation().await;
    let path = format!("/chat/conversations/{conversation}/send");
    let ask = json!({ "content": "Write a very long story about a kestrel, of at least fifty chapters." });
    let mut stream = user.open(Method::POST, &path, Some(ask), &[]).await;
    let mut events = Vec::new();
    while tokens(&events) < 5 {
        events.push(stream.next().await.expect("a longer answer"));
    }
    let id = events[0].data["assistant_message_id"].as_str().unwrap().to_owned();
    let cancelled_at = Instant::now();
    let answer = user.post(&format!("/chat/messages/{id}/cancel"), json!({})).await;
    assert!((200..300).contains(&answer.status), "{}", answer.body);
    events.extend(stream.rest().await);
    assert!(cancelled_at.elapsed() < Duration::from_secs(2), "{:?}", cancelled_at.elapsed());
    let done = events.last().unwrap();
    assert_eq!((done.event.as_str(), &done.data["cancelled"]), ("done", &json!(true)), "{done:?}");
    let messages = format!("/chat/conversations/{conversation}/messages");
    let stored = user.get(&messages).await.expect(200)["items"][1].clone();
    assert_eq!(stored["status"], "cancelled");
    assert_eq!(stored["content"].as_str().unwrap(), joined(&events));

    let next = user.conversation().await;
    let asked_at = Instant::now();
    let whole = user.ask(&next, QUESTION).await.expect(200);
    assert!(whole["content"].as_str().unwrap().contains("0.35"), "{whole}");
    assert!(asked_at.elapsed() < Duration::from_mins(1), "it went on with what was cancelled: {asked_at:?}");
}

/// As configured by default, with every tool declared: whatever a model this
/// small makes of them, the turn comes to an end and is stored.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the server of scripts/real_model.sh"]
async fn a_real_model_that_is_offered_tools_comes_to_an_end() {
    let (_app, user) = kestrel(true).await;
    let conversation = user.conversation().await;
    let events = user.stream(&conversation, QUESTION).await;
    let last = events.last().unwrap();
    println!("{last:?}");
    assert!(["done", "error"].contains(&last.event.as_str()), "{events:?}");
    let messages = format!("/chat/conversations/{conversation}/messages");
    let settled = eventually(|| async {
        let stored: Value = user.get(&messages).await.expect(200)["items"][1].clone();
        stored["status"] != "streaming" && stored["content"].as_str() == Some(&joined(&events))
    });
    assert!(settled.await, "{}", user.get(&messages).await.body);
}
