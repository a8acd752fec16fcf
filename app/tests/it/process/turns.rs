//! Turns followed at other processes than the one that writes them: by clients
//! that are cut again and again, and when that process is killed or told to stop.

use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
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

    /// Asks for another answer at the other replica: it takes the place of the one that broke off.
    async fn regenerate(&self) {
        let again = reqwest::Client::new()
            .post(format!("{}/api/v1/chat/messages/{}/regenerate", self.other.base, self.message))
            .bearer_auth(&self.token)
            .header("Accept", "application/json")
            .send()
            .await
            .unwrap();
        assert_eq!(again.status(), 200);
        let again: Value = again.json().await.unwrap();
        let stored = self.stored().await;
        assert_eq!(stored["id"], again["assistant_message_id"]);
        assert_eq!((stored["status"].as_str(), &stored["content"]), (Some("complete"), &again["content"]));
        assert!(!again["content"].as_str().unwrap().is_empty(), "{again}");
        assert_eq!(stored["siblings"], json!([self.message, stored["id"]]));
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
    pair.regenerate().await;
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

/// Turns, how many run at once, the words of each, and how long it takes to one.
const TURNS: usize = 200;
const AT_ONCE: usize = 50;
const WORDS: usize = 60;
const A_WORD: Duration = Duration::from_millis(60);

/// What somebody reads of a stream until its tenth token, or its end.
async fn read_ten(response: reqwest::Response, events: &mut Vec<SseEvent>) -> bool {
    assert_eq!(response.status(), 200);
    let (mut body, mut read, mut tokens) = (response.bytes_stream(), Vec::new(), 0);
    while tokens < 10 {
        let Some(bytes) = body.next().await else { return true };
        read.extend_from_slice(&bytes.unwrap());
        while let Some(length) = read.windows(2).position(|two| two == b"\n\n") {
            let event: Vec<u8> = read.drain(..length + 2).collect();
            let event = parse_events(std::str::from_utf8(&event).unwrap());
            tokens += event.iter().filter(|event| event.event == "token").count();
            events.extend(event);
            if tokens == 10 {
                break;
            }
        }
    }
    // The rest of what came is thrown away with the connection.
    false
}

/// One turn at the first replica, whose client is cut at every tenth token and
/// goes on at the second and the third in turn. How often it was cut.
async fn follow_in_turn(client: &reqwest::Client, bases: &[String], token: &str, number: usize) -> usize {
    let said: Vec<String> = (0..WORDS).map(|word| format!("t{number}-wörd{word}")).collect();
    let said = said.join(" ");
    let post = |path: &str| client.post(format!("{}/api/v1{path}", bases[0])).bearer_auth(token);
    let begun: Value =
        post("/chat/conversations").json(&json!({})).send().await.unwrap().json().await.unwrap();
    let conversation = begun["id"].as_str().unwrap();
    let send = post(&format!("/chat/conversations/{conversation}/send")).json(&json!({ "content": said }));
    let (mut response, mut events, mut cuts) = (send.send().await.unwrap(), Vec::new(), 0);
    while !read_ten(response, &mut events).await {
        let message = events[0].data["assistant_message_id"].as_str().unwrap();
        let base = &bases[1 + cuts % 2];
        let attach = client
            .get(format!("{base}/api/v1/chat/messages/{message}/stream"))
            .bearer_auth(token)
            .header("Last-Event-ID", events.last().unwrap().id);
        response = attach.send().await.unwrap();
        cuts += 1;
    }
    let ids: Vec<i64> = events.iter().map(|event| event.id).collect();
    assert_eq!(ids, (1..).take(ids.len()).collect::<Vec<i64>>(), "turn {number}: an event twice, or none");
    let endings = events.iter().filter(|event| ["done", "error"].contains(&event.event.as_str())).count();
    let last = events.last().unwrap();
    assert_eq!((endings, last.event.as_str()), (1, "done"), "turn {number}");
    let url = format!("{}/api/v1/chat/conversations/{conversation}/messages", bases[2]);
    let listed: Value = client.get(url).bearer_auth(token).send().await.unwrap().json().await.unwrap();
    let stored = &listed["items"][1];
    assert_eq!(stored["status"], "complete", "turn {number}");
    assert_eq!(stored["content"].as_str().unwrap(), joined(&events), "turn {number}");
    assert_eq!(last.data["content"], stored["content"], "turn {number}");
    assert_eq!(stored["content"].as_str().unwrap(), said, "turn {number} has another's words");
    cuts
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_streams_cut_at_every_tenth_token_go_on_at_two_other_processes() {
    let server = ModelServer::start().await;
    server.always(Script::echo().every(A_WORD));
    let app = TestApp::start().await;
    let user = app.user().await;
    let mut env = app.urls.env();
    env.insert("OPENAI_BASE_URL".into(), server.url().to_string());
    let start = move || [(); 3].map(|()| Serving::start(&env));
    let replicas = tokio::task::spawn_blocking(start).await.unwrap();
    let bases = replicas.each_ref().map(|replica| replica.base.clone());
    let client = reqwest::Client::builder().timeout(Duration::from_mins(1)).build().unwrap();
    let token = user.token.clone().unwrap();
    let cuts: Vec<usize> = stream::iter(0..TURNS)
        .map(|number| follow_in_turn(&client, &bases, &token, number))
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    assert_eq!(cuts.len(), TURNS);
    // On a machine without time several words come as one token, and fewer cuts fit.
    let all: usize = cuts.iter().sum();
    println!("{TURNS} turns were cut {all} times");
    assert!(all >= 2 * TURNS, "only {all} cuts");
}
