//! A turn whose process is killed or told to stop, followed at another.

use std::time::{Duration, Instant};

use futures::StreamExt;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::Serving;
use crate::support::TestApp;
use crate::support::model::{ModelServer, Script};
use crate::support::response::{SseEvent, joined, parse_events};

/// Two replicas, a user, and a turn under way at the first.
struct Pair {
    writer: Serving,
    other: Serving,
    token: String,
    conversation: String,
    message: String,
    events: Vec<SseEvent>,
    _app: TestApp,
    _server: ModelServer,
}

/// A turn of `words` words, one in 100 ms, of which some have come.
async fn begin(words: usize, setting: (&str, &str)) -> Pair {
    let server = ModelServer::start().await;
    let script: Vec<String> = (0..words).map(|number| format!("word{number} ")).collect();
    server.push(Script::reply(script).every(Duration::from_millis(100)));
    let app = TestApp::start().await;
    let user = app.user().await;
    let mut env = app.urls.env();
    env.insert("OPENAI_BASE_URL".into(), server.url().to_string());
    env.insert(setting.0.into(), setting.1.into());
    let start = move || (Serving::start(&env), Serving::start(&env));
    let (writer, other) = tokio::task::spawn_blocking(start).await.unwrap();
    let conversation = user.conversation().await;
    let token = user.token.clone().unwrap();
    let response = reqwest::Client::new()
        .post(format!("{}/api/v1/chat/conversations/{conversation}/send", writer.base))
        .bearer_auth(&token)
        .json(&json!({ "content": "Tell me." }))
        .send()
        .await
        .unwrap();
    let (mut body, mut read) = (response.bytes_stream(), String::new());
    while read.matches("event: token").count() < 5 {
        read.push_str(&String::from_utf8_lossy(&body.next().await.unwrap().unwrap()));
    }
    // What was cut in the middle of an event did not come.
    let events = parse_events(&read[..read.rfind("\n\n").unwrap()]);
    let message = events[0].data["assistant_message_id"].as_str().unwrap().to_owned();
    Pair { writer, other, token, conversation, message, events, _app: app, _server: server }
}

impl Pair {
    /// Follows the rest at the other replica, to its end.
    async fn go_on(&mut self) {
        let response = reqwest::Client::new()
            .get(format!("{}/api/v1/chat/messages/{}/stream", self.other.base, self.message))
            .bearer_auth(&self.token)
            .header("Last-Event-ID", self.events.last().unwrap().id)
            .send()
            .await
            .unwrap();
        self.events.extend(parse_events(&response.text().await.unwrap()));
    }

    async fn stored(&self) -> Value {
        let url = format!("{}/api/v1/chat/conversations/{}/messages", self.other.base, self.conversation);
        let listed = reqwest::Client::new().get(url).bearer_auth(&self.token).send().await.unwrap();
        listed.json::<Value>().await.unwrap()["items"][1].clone()
    }

    /// The client has every event once, and the text that is stored.
    async fn assert_whole(&self, status: &str, ending: &str) {
        let ids: Vec<i64> = self.events.iter().map(|event| event.id).collect();
        assert_eq!(ids, (1..).take(ids.len()).collect::<Vec<i64>>());
        assert_eq!(self.events.last().unwrap().event, ending);
        let stored = self.stored().await;
        assert_eq!(stored["status"], status, "{stored}");
        assert_eq!(stored["content"].as_str().unwrap(), joined(&self.events));
        assert!(stored["content"].as_str().unwrap().starts_with("word0 word1 "), "{stored}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_whose_process_was_killed_is_interrupted_within_15_seconds() {
    let mut pair = begin(600, ("TANDEM__JOBS__WORKERS", "1")).await;
    pair.writer.signal(Signal::SIGKILL);
    let killed_at = Instant::now();
    // Nobody follows it: the schedule of the other finds it.
    while pair.stored().await["status"] == "streaming" {
        assert!(killed_at.elapsed() < Duration::from_secs(15), "{:?}", killed_at.elapsed());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    pair.go_on().await;
    pair.assert_whole("interrupted", "error").await;
    assert_eq!(pair.events.last().unwrap().data["code"], "turn_interrupted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_told_to_stop_finishes_its_turn_for_who_follows_elsewhere() {
    let mut pair = begin(60, ("TANDEM__HTTP__GRACE_S", "20")).await;
    pair.writer.signal(Signal::SIGTERM);
    pair.go_on().await;
    pair.assert_whole("complete", "done").await;
    let ended = tokio::task::spawn_blocking(move || pair.writer.child.wait().unwrap()).await.unwrap();
    assert!(ended.success(), "{ended}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_longer_than_the_grace_is_handed_over_with_what_it_said() {
    let mut pair = begin(600, ("TANDEM__HTTP__GRACE_S", "1")).await;
    let stopped_at = Instant::now();
    pair.writer.signal(Signal::SIGTERM);
    pair.go_on().await;
    assert!(stopped_at.elapsed() < Duration::from_secs(8), "{:?}", stopped_at.elapsed());
    pair.assert_whole("interrupted", "error").await;
    let ended = tokio::task::spawn_blocking(move || pair.writer.child.wait().unwrap()).await.unwrap();
    assert!(ended.success(), "{ended}");
}
