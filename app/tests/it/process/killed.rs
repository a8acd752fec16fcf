//! Two replicas, killed fifty times at random moments while users work:
//! afterwards nothing is lost, doubled, half done, or back from the dead.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use nix::sys::signal::Signal;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use reqwest::Method;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use tandem::admin::links::{self, Options, Verdict};
use tandem::config::Env;

use super::Serving;
use crate::outbox::{count, count_of};
use crate::support::TestApp;
use crate::support::model::{ModelServer, Script};
use crate::support::postgres::{self, Layout};
use crate::support::response::parse_events;
use crate::support::user::TestUser;

const KILLS: usize = 50;
/// Of them while the schema is made.
const KILLS_MIGRATING: usize = 8;
const USERS: usize = 6;
const THINGS: usize = 6;

/// Where the replicas that live can be reached.
type Living = Arc<Mutex<BTreeMap<usize, String>>>;

#[tokio::test(flavor = "multi_thread")]
async fn fifty_kills_at_random_moments_lose_nothing_double_nothing_and_leave_nothing() {
    let seed: u64 =
        std::env::var("TANDEM_TEST_SEED").ok().map_or_else(rand::random, |seed| seed.parse().unwrap());
    println!("TANDEM_TEST_SEED={seed}");
    let model = ModelServer::start().await;
    let words: Vec<String> = (0..10).map(|n| format!("word{n} [1] ")).collect();
    model.always(Script::reply(words).every(Duration::from_millis(60)));
    let urls = postgres::empty(Layout::Dual).await;
    let mut env = urls.env();
    for (name, value) in [
        ("OPENAI_BASE_URL", model.url().as_str()),
        ("TANDEM__JOBS__LEASE_S", "2"),
        ("TANDEM__JOBS__POLL_MS", "100"),
        ("TANDEM__CHAT__LEASE_S", "3"),
    ] {
        env.insert(name.to_owned(), value.to_owned());
    }
    kill_while_migrating(&env, seed).await;
    let app = TestApp::with()
        .over(urls)
        .env("OPENAI_BASE_URL", model.url())
        .env("TANDEM__JOBS__LEASE_S", 2)
        .start()
        .await;

    let living = Living::default();
    let over = Arc::new(AtomicBool::new(false));
    let kills = Arc::new(AtomicUsize::new(KILLS_MIGRATING));
    let killers: Vec<_> = (0..2)
        .map(|slot| {
            let (env, living, kills) = (env.clone(), Arc::clone(&living), Arc::clone(&kills));
            let rng = StdRng::seed_from_u64(seed.wrapping_add(100 + slot as u64));
            tokio::task::spawn_blocking(move || keep_killing(slot, &env, &living, &kills, rng))
        })
        .collect();
    let mut working = Vec::new();
    for n in 0..USERS {
        let user = app.user().await;
        let (living, over) = (Arc::clone(&living), Arc::clone(&over));
        let rng = StdRng::seed_from_u64(seed.wrapping_add(n as u64));
        working.push(tokio::spawn(async move {
            let mut worker = Work::new(user, living, rng);
            while !over.load(Ordering::SeqCst) {
                worker.step().await;
            }
            worker
        }));
    }
    for killer in killers {
        killer.await.unwrap();
    }
    over.store(true, Ordering::SeqCst);
    let mut workers = Vec::new();
    for work in working {
        workers.push(work.await.unwrap());
    }
    assert_eq!(kills.load(Ordering::SeqCst), KILLS);
    settle(&app).await;
    let (mut steps, mut sure) = (0, 0);
    for worker in &workers {
        worker.verify(&app).await;
        steps += worker.steps;
        sure += worker.sure;
    }
    println!("{steps} requests, {sure} of them answered");
    assert!(sure > KILLS, "the users hardly came to work: {sure} of {steps}");
    nothing_is_half_done(&app).await;
}

/// The first processes die while they make the schema; the last one makes it whole.
async fn kill_while_migrating(env: &Env, seed: u64) {
    let (env, mut rng) = (env.clone(), StdRng::seed_from_u64(seed));
    let work = move || {
        for _ in 0..KILLS_MIGRATING / 2 {
            let pair = [Serving::spawn(&env), Serving::spawn(&env)];
            std::thread::sleep(Duration::from_millis(rng.random_range(30..600)));
            for replica in &pair {
                replica.signal(Signal::SIGKILL);
            }
        }
        Serving::start(&env).stop();
    };
    tokio::task::spawn_blocking(work).await.unwrap();
}

/// Starts a replica and kills it, again and again: sometimes before it is
/// ready, mostly while it works.
fn keep_killing(slot: usize, env: &Env, living: &Living, kills: &AtomicUsize, mut rng: StdRng) {
    while kills.fetch_add(1, Ordering::SeqCst) < KILLS {
        let replica = Serving::spawn(env);
        if rng.random_bool(0.2) {
            std::thread::sleep(Duration::from_millis(rng.random_range(20..500)));
        } else {
            for _ in 0..2000 {
                if let Some(base) = replica.ready() {
                    living.lock().unwrap().insert(slot, base);
                    break;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            std::thread::sleep(Duration::from_millis(rng.random_range(50..1300)));
        }
        replica.signal(Signal::SIGKILL);
        living.lock().unwrap().remove(&slot);
        drop(replica);
    }
    kills.fetch_sub(1, Ordering::SeqCst);
}

/// What a user has reason to expect of a thing.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Expected {
    /// Its making was answered.
    There(String),
    /// Its deletion was answered.
    Gone(String),
    /// The last request about it died.
    Unknown(Option<String>),
}

impl Expected {
    fn id(&self) -> Option<&String> {
        match self {
            Self::There(id) | Self::Gone(id) => Some(id),
            Self::Unknown(id) => id.as_ref(),
        }
    }
}

/// A message whose acceptance the client has seen.
#[derive(Clone, Debug)]
struct Sent {
    conversation: String,
    user_message: String,
    answer: String,
    content: String,
}

struct Work {
    user: TestUser,
    living: Living,
    rng: StdRng,
    client: reqwest::Client,
    sources: BTreeMap<usize, Expected>,
    memories: BTreeMap<usize, Expected>,
    conversations: Vec<Expected>,
    sent: Vec<Sent>,
    steps: usize,
    sure: usize,
}

impl Work {
    fn new(user: TestUser, living: Living, rng: StdRng) -> Self {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(40)).build().unwrap();
        Self {
            user,
            living,
            rng,
            client,
            sources: BTreeMap::new(),
            memories: BTreeMap::new(),
            conversations: Vec::new(),
            sent: Vec::new(),
            steps: 0,
            sure: 0,
        }
    }

    async fn step(&mut self) {
        let thing = self.rng.random_range(0..THINGS);
        match self.rng.random_range(0..10) {
            0 | 1 => self.offer(thing).await,
            2 => self.delete_source(thing).await,
            3 | 4 => self.state(thing).await,
            5 => self.delete_memory(thing).await,
            6 => self.begin().await,
            7 => self.vote().await,
            8 if self.rng.random_bool(0.4) => self.end().await,
            8 if self.rng.random_bool(0.4) => self.come_and_go().await,
            _ => self.send().await,
        }
        self.steps += 1;
    }

    async fn base(&mut self) -> Option<String> {
        for _ in 0..100 {
            let bases: Vec<String> = self.living.lock().unwrap().values().cloned().collect();
            if let Some(base) = bases.choose(&mut self.rng) {
                return Some(base.clone());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        None
    }

    /// Status and body; none when the replica died over it.
    async fn call(&mut self, method: Method, path: &str, body: Option<Value>) -> Option<(u16, Value)> {
        let base = self.base().await?;
        let mut request = self
            .client
            .request(method, format!("{base}/api/v1{path}"))
            .bearer_auth(self.user.token.as_ref().unwrap());
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.ok()?;
        let status = response.status().as_u16();
        let body = response.text().await.ok()?;
        // What is not available now may have been done all the same.
        if status >= 500 {
            return None;
        }
        self.sure += 1;
        Some((status, serde_json::from_str(&body).unwrap_or_default()))
    }

    async fn offer(&mut self, thing: usize) {
        let body = json!({ "title": format!("Book {thing}"), "external_id": thing.to_string(), "text": text(thing) });
        let answer = self.call(Method::POST, "/knowledge/sources", Some(body)).await;
        let known = self.sources.get(&thing).and_then(Expected::id).cloned();
        let expected = match answer {
            Some((202, body)) => Expected::There(body["id"].as_str().unwrap().to_owned()),
            Some(other) => panic!("offering: {other:?}"),
            None => Expected::Unknown(known),
        };
        self.sources.insert(thing, expected);
    }

    async fn delete_source(&mut self, thing: usize) {
        let Some(expected) = self.sources.get(&thing).cloned() else { return };
        let Some(id) = expected.id().cloned() else { return };
        let answer = self.call(Method::DELETE, &format!("/knowledge/sources/{id}"), None).await;
        let now = after_deletion(&expected, id, answer);
        self.sources.insert(thing, now);
    }

    async fn state(&mut self, thing: usize) {
        let content = format!("I like number {thing}.");
        let answer = self.call(Method::POST, "/memories", Some(json!({ "content": content }))).await;
        let known = self.memories.get(&thing).and_then(Expected::id).cloned();
        let expected = match answer {
            Some((200 | 201, body)) => Expected::There(body["id"].as_str().unwrap().to_owned()),
            Some(other) => panic!("stating: {other:?}"),
            None => Expected::Unknown(known),
        };
        self.memories.insert(thing, expected);
    }

    async fn delete_memory(&mut self, thing: usize) {
        let Some(expected) = self.memories.get(&thing).cloned() else { return };
        let Some(id) = expected.id().cloned() else { return };
        let answer = self.call(Method::DELETE, &format!("/memories/{id}"), None).await;
        let now = after_deletion(&expected, id, answer);
        self.memories.insert(thing, now);
    }

    async fn begin(&mut self) {
        if let Some((201, body)) = self.call(Method::POST, "/chat/conversations", Some(json!({}))).await {
            self.conversations.push(Expected::There(body["id"].as_str().unwrap().to_owned()));
        }
    }

    /// Ends a conversation.
    async fn end(&mut self) {
        if self.conversations.is_empty() {
            return;
        }
        let place = self.rng.random_range(0..self.conversations.len());
        let expected = self.conversations[place].clone();
        let Expected::There(id) = &expected else { return };
        let answer = self.call(Method::DELETE, &format!("/chat/conversations/{id}"), None).await;
        self.conversations[place] = after_deletion(&expected, id.clone(), answer);
    }

    /// Somebody makes an account, uses it and deletes it, as far as the replicas let them.
    async fn come_and_go(&mut self) {
        let email = format!("{}@example.com", uuid::Uuid::now_v7().simple());
        let login = json!({ "email": email, "password": "a password for tests" });
        self.call(Method::POST, "/auth/register", Some(login.clone())).await;
        let Some((200, tokens)) = self.call(Method::POST, "/auth/login", Some(login)).await else { return };
        let own = self.user.token.replace(tokens["access_token"].as_str().unwrap().to_owned());
        let book = json!({ "title": "A book of somebody who leaves", "text": text(99) });
        self.call(Method::POST, "/knowledge/sources", Some(book)).await;
        self.call(Method::POST, "/memories", Some(json!({ "content": "I shall leave." }))).await;
        let really = json!({ "password": "a password for tests" });
        self.call(Method::DELETE, "/auth/me", Some(really)).await;
        self.user.token = own;
    }

    async fn vote(&mut self) {
        let Some(sent) = self.sent.choose(&mut self.rng).cloned() else { return };
        let path = format!("/chat/messages/{}/feedback", sent.answer);
        self.call(Method::PUT, &path, Some(json!({ "rating": "up" }))).await;
    }

    /// Sends a message and follows its stream as long as there is one.
    async fn send(&mut self) {
        let there: Vec<String> = self.conversations.iter().filter_map(alive).collect();
        let Some(conversation) = there.choose(&mut self.rng).cloned() else { return self.begin().await };
        let Some(base) = self.base().await else { return };
        let number = self.steps;
        let content = if self.rng.random_bool(0.3) {
            format!("Please remember that I asked question number {number}.")
        } else {
            format!("Question {number}: what is written in book number {}?", number % THINGS)
        };
        let request = self
            .client
            .post(format!("{base}/api/v1/chat/conversations/{conversation}/send"))
            .bearer_auth(self.user.token.as_ref().unwrap())
            .json(&json!({ "content": content }));
        let Ok(response) = request.send().await else { return };
        if response.status() != 200 {
            return;
        }
        let (mut body, mut read, mut accepted) = (response.bytes_stream(), String::new(), false);
        while let Some(Ok(bytes)) = body.next().await {
            read.push_str(&String::from_utf8_lossy(&bytes));
            let created = parse_events(&read).into_iter().find(|event| event.event == "message_created");
            if let Some(created) = created.filter(|_| !accepted) {
                accepted = true;
                let id = |name: &str| created.data[name].as_str().unwrap().to_owned();
                self.sent.push(Sent {
                    conversation: conversation.clone(),
                    user_message: id("user_message_id"),
                    answer: id("assistant_message_id"),
                    content: content.clone(),
                });
                self.sure += 1;
            }
        }
    }

    /// Everything is as the answers have made the user expect.
    async fn verify(&self, app: &TestApp) {
        let listed = |path: &'static str| async move {
            let list = self.user.get(path).await.expect(200);
            let items = list["items"].as_array().unwrap().clone();
            items
                .iter()
                .map(|item| (item["id"].as_str().unwrap().to_owned(), item.clone()))
                .collect::<BTreeMap<_, _>>()
        };
        let sources = listed("/knowledge/sources?limit=200").await;
        let memories = listed("/memories?limit=200").await;
        let conversations = listed("/chat/conversations?limit=200").await;
        let search = json!({ "query": "what is written in the book", "limit": 200 });
        let hits = self.user.post("/knowledge/search", search).await.expect(200);
        let hits = hits["hits"].as_array().unwrap();
        let found: BTreeSet<&str> = hits.iter().map(|hit| hit["source_id"].as_str().unwrap()).collect();
        for expected in self.sources.values() {
            match expected {
                Expected::There(id) => {
                    assert_eq!(
                        sources.get(id).map(|row| &row["status"]),
                        Some(&json!("ready")),
                        "{expected:?}"
                    );
                    assert!(found.contains(id.as_str()), "{expected:?} is not found");
                }
                Expected::Gone(id) => {
                    assert!(
                        !sources.contains_key(id) && !found.contains(id.as_str()),
                        "{expected:?} is there"
                    );
                }
                Expected::Unknown(_) => {}
            }
        }
        for expected in self.memories.values() {
            assert_expected(expected, &memories);
        }
        for expected in &self.conversations {
            assert_expected(expected, &conversations);
        }
        for sent in &self.sent {
            self.verify_message(app, sent).await;
        }
    }

    /// Accepted once is there once, and its answer has come to an end.
    async fn verify_message(&self, app: &TestApp, sent: &Sent) {
        let is = |expected: &Expected, there: bool| {
            expected.id() == Some(&sent.conversation) && matches!(expected, Expected::There(_)) == there
        };
        if !self.conversations.iter().any(|expected| is(expected, true)) {
            return;
        }
        let sql = "SELECT count(*) FROM messages
                    WHERE (id = $1 AND role = 'user' AND content = $3 AND status = 'complete')
                       OR (id = $2 AND role = 'assistant' AND parent_id = $1 AND status IN ('complete', 'interrupted'))";
        let id = |text: &str| uuid::Uuid::parse_str(text).unwrap();
        let values = [id(&sent.user_message).into(), id(&sent.answer).into(), sent.content.clone().into()];
        assert_eq!(count_of(app.core(), sql, values).await, 2, "{sent:?}");
        let sql = "SELECT count(*) FROM messages WHERE conversation_id = $1 AND content = $2";
        let values = [id(&sent.conversation).into(), sent.content.clone().into()];
        assert_eq!(count_of(app.core(), sql, values).await, 1, "{sent:?}");
    }
}

fn after_deletion(before: &Expected, id: String, answer: Option<(u16, Value)>) -> Expected {
    match answer {
        Some((202 | 204, _)) => Expected::Gone(id),
        Some((404, _)) => {
            assert!(!matches!(before, Expected::There(_)), "{before:?} was not there to be deleted");
            Expected::Gone(id)
        }
        Some(other) => panic!("deleting {before:?}: {other:?}"),
        None => Expected::Unknown(Some(id)),
    }
}

fn alive(expected: &Expected) -> Option<String> {
    match expected {
        Expected::There(id) => Some(id.clone()),
        _ => None,
    }
}

fn assert_expected(expected: &Expected, rows: &BTreeMap<String, Value>) {
    match expected {
        Expected::There(id) => assert!(rows.contains_key(id), "{expected:?} is lost"),
        Expected::Gone(id) => assert!(!rows.contains_key(id), "{expected:?} is there"),
        Expected::Unknown(_) => {}
    }
}

/// Several sentences, so that a source has several passages.
fn text(thing: usize) -> String {
    (0..40)
        .map(|n| {
            format!("Sentence {n} of what is written in the book number {thing} about gold and whales. ")
        })
        .collect()
}

/// Leases run out and what was left behind is finished, as living replicas would.
async fn settle(app: &TestApp) {
    let open = "SELECT (SELECT count(*) FROM jobs WHERE status IN ('queued', 'running'))
                     + (SELECT count(*) FROM messages WHERE status = 'streaming')
                     + (SELECT count(*) FROM outbox WHERE delivered_at IS NULL)";
    let unfinished = "SELECT count(*) FROM ai_kb_sources WHERE status IN ('queued', 'processing')";
    for _ in 0..120 {
        let age = "UPDATE ai_kb_sources SET updated_at = now() - interval '2 minutes' WHERE status IN ('queued', 'processing')";
        app.ai().execute_unprepared(age).await.unwrap();
        app.core()
            .execute_unprepared("UPDATE jobs SET run_at = now() WHERE status = 'queued'")
            .await
            .unwrap();
        tandem::chat::interrupt_expired(&app.state).await.unwrap();
        tandem::jobs::give_up_dead(app.core()).await.unwrap();
        app.run_outbox().await;
        app.run_jobs().await;
        if count(app.core(), open).await == 0 {
            tandem::knowledge::requeue_lost(&app.state).await.unwrap();
            app.run_jobs().await;
            if count(app.core(), open).await == 0 && count(app.ai(), unfinished).await == 0 {
                return;
            }
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    let left = (count(app.core(), open).await, count(app.ai(), unfinished).await);
    panic!("not everything comes to an end: {left:?}");
}

async fn nothing_is_half_done(app: &TestApp) {
    let half = "SELECT count(*) FROM ai_kb_sources s
                 WHERE status <> 'ready' OR documents <> (SELECT count(*) FROM ai_kb_documents d WHERE d.source_id = s.id)";
    assert_eq!(count(app.ai(), half).await, 0, "half sources");
    let report = links::check(&app.state, Options::default()).await.unwrap();
    assert_eq!(report.verdict, Verdict::Clean, "{report:?}");
    assert_eq!((report.outbox.pending, report.outbox.dead, report.unknown_to_ai), (0, 0, 0));
}
