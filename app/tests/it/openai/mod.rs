//! The face of OpenAI's clients.

mod completions;
mod embeddings;
mod quota;
mod responses;
mod resume;

use serde_json::{Value, json};

use crate::support::user::TestUser;

/// The data of a stream's events.
async fn streamed(user: &TestUser, path: &str, mut body: Value) -> Vec<String> {
    body["stream"] = json!(true);
    let answer = user.post(path, body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.headers["content-type"], "text/event-stream");
    let lines = answer.body.lines().filter_map(|line| line.strip_prefix("data: "));
    lines.map(str::to_owned).collect()
}
