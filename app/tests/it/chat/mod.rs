//! The turn: events, citations, what survives a client, what a model may see.

mod branches;
mod cancel;
mod citations;
mod contract;
mod durability;
mod endings;
mod failures;
mod first_word;
mod imported;
mod journal;
mod resume;
mod retrieval;
mod search;
mod summary;
mod tickets;
mod titles;
pub(crate) mod transfer;
mod turn;

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::model::ModelServer;
use crate::support::user::TestUser;

/// An application whose language model is the scripted server.
pub(crate) async fn with_model(server: &ModelServer) -> TestApp {
    TestApp::with().env("OPENAI_BASE_URL", server.url()).env("CHAT_MODEL", "scripted").start().await
}

/// Adds documents of the user and waits until they are searchable.
pub(crate) async fn learn(app: &TestApp, user: &TestUser, documents: &[(&str, &str)]) {
    let items: Vec<Value> = documents
        .iter()
        .map(|(title, text)| json!({ "title": title, "text": text, "external_id": title }))
        .collect();
    user.post("/knowledge/sources/batch", json!({ "items": items })).await.expect(202);
    app.run_jobs().await;
}

/// Four passages on four subjects.
pub(crate) const FOUR: [(&str, &str); 4] = [
    ("Beta", "Market beta measures how strongly a portfolio moves with the market."),
    ("Volatility", "Volatility is the standard deviation of returns, annualised by the square root of 252."),
    ("Drawdown", "A drawdown is the fall from a peak of the portfolio's value to the next trough."),
    ("Duration", "Duration measures how a bond's price reacts to a change of interest rates."),
];

/// Repeats until the answer is yes, for ten seconds at most.
pub(crate) async fn eventually<F: Future<Output = bool>>(mut check: impl FnMut() -> F) -> bool {
    for _ in 0..200 {
        if check().await {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    false
}
