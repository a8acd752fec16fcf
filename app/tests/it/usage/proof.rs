//! Ten thousand calls, a provider that fails at random, and a replica killed in
//! the middle: the ledger is what the provider counted, and nobody passes a quota.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use entity::core::message::{self, Role, Status};
use entity::core::usage_record::Model as Record;
use nix::sys::signal::Signal;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::json;
use uuid::Uuid;

use super::{ledger, number};
use crate::chat::eventually;
use crate::process::Serving;
use crate::support::TestApp;
use crate::support::model::{End, ModelServer, Script};
use crate::support::user::TestUser;

const CALLS: usize = 10_000;
const CLIENTS: usize = 50;
/// Of the clients, those with a quota, and how much it is.
const LIMITED: usize = 10;
const LIMIT_TOKENS: i64 = 20_000;
/// Turns of a conversation, until a client begins another.
const TURNS: usize = 10;
/// What the provider counts at most; less than is reserved.
const PROMPT_MAX: u32 = 500;
const ANSWER_MAX: u32 = 100;

const UNSETTLED: &str = "SELECT (SELECT count(*) FROM messages WHERE status = 'streaming')
    + (SELECT count(*) FROM usage_reservations)";

/// What the provider counted for the answers that say their number, if it counted.
type Counted = BTreeMap<usize, Option<i64>>;

/// One script a call. Each whole answer says its number.
fn scripts(server: &ModelServer, rng: &mut StdRng) -> Counted {
    let mut counted = Counted::new();
    for call in 0..CALLS + CALLS / 5 {
        let (prompt, completion) = (rng.random_range(1..=PROMPT_MAX), rng.random_range(1..=ANSWER_MAX));
        let wait = Duration::from_millis(rng.random_range(0..40));
        let words = [format!("number {call} "), "and so on".to_owned()];
        let whole = Script::reply(words).every(wait);
        let script = match rng.random_range(0..20) {
            0 => Script::status(500),
            1 => whole.usage(prompt, completion).end(End::Cut),
            2 => {
                counted.insert(call, None);
                whole
            }
            _ => {
                counted.insert(call, Some(i64::from(prompt + completion)));
                whole.usage(prompt, completion)
            }
        };
        server.push(script);
    }
    counted
}

/// Asks until the calls are made; how many of its questions were refused for the quota.
async fn client(user: TestUser, bases: [String; 2], dead: Arc<AtomicBool>, asked: Arc<AtomicUsize>) -> usize {
    let http = reqwest::Client::builder().timeout(Duration::from_mins(1)).build().unwrap();
    let token = user.token.clone().unwrap();
    let (mut refused, mut turn, mut conversation) = (0, 0, String::new());
    while asked.load(Ordering::Relaxed) < CALLS && refused < 3 {
        let base = if dead.load(Ordering::Relaxed) { &bases[1] } else { &bases[turn % 2] };
        if turn % TURNS == 0 {
            // With a title: no model is asked for one.
            let made = user.post("/chat/conversations", json!({ "title": "Beta" })).await.expect(201);
            made["id"].as_str().unwrap().clone_into(&mut conversation);
        }
        turn += 1;
        let sent = http
            .post(format!("{base}/api/v1/chat/conversations/{conversation}/send"))
            .bearer_auth(&token)
            .header("accept", "application/json")
            .json(&json!({ "content": "What is beta?" }))
            .send()
            .await;
        // A dead replica's turn is in the way of its conversation until its lease is over.
        let Ok(answer) = sent else {
            turn = 0;
            continue;
        };
        match answer.status().as_u16() {
            200 | 502 => {
                asked.fetch_add(1, Ordering::Relaxed);
            }
            429 => refused += 1,
            409 => turn = 0,
            other => panic!("{other}: {}", answer.text().await.unwrap()),
        }
    }
    refused
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_calls_with_failures_and_a_kill_are_in_the_ledger_as_the_provider_counted() {
    let seed: u64 =
        std::env::var("TANDEM_TEST_SEED").ok().map_or_else(rand::random, |seed| seed.parse().unwrap());
    println!("TANDEM_TEST_SEED={seed}");
    let server = ModelServer::start().await;
    let counted = scripts(&server, &mut StdRng::seed_from_u64(seed));
    let app = TestApp::start().await;
    let mut env = app.urls.env();
    for (name, value) in [
        ("OPENAI_BASE_URL", server.url().as_str()),
        ("TANDEM__MODELS__RETRIES", "0"),
        ("TANDEM__CHAT__RETRIEVED_PASSAGES", "0"),
        ("TANDEM__CHAT__RETRIEVED_MEMORIES", "0"),
        ("TANDEM__CHAT__LEASE_S", "3"),
        ("TANDEM__QUOTA__ANSWER_TOKENS", "100"),
    ] {
        env.insert(name.to_owned(), value.to_owned());
    }
    let start = move || [Serving::start(&env), Serving::start(&env)];
    let replicas = tokio::task::spawn_blocking(start).await.unwrap();
    let bases = [replicas[0].base.clone(), replicas[1].base.clone()];
    let (dead, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let admin = app.admin().await;
    let (mut limited, mut clients) = (Vec::new(), Vec::new());
    for number in 0..CLIENTS {
        let user = app.user().await;
        if number < LIMITED {
            let quota = json!({ "quota": { "monthly_tokens": LIMIT_TOKENS } });
            admin.patch(&format!("/admin/users/{}", user.id), quota).await.expect(200);
            limited.push(user.id);
        }
        clients.push(tokio::spawn(client(user, bases.clone(), Arc::clone(&dead), Arc::clone(&asked))));
    }
    while asked.load(Ordering::Relaxed) < CALLS / 2 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    replicas[0].signal(Signal::SIGKILL);
    dead.store(true, Ordering::Relaxed);
    let mut refused = Vec::new();
    for client in clients {
        refused.push(client.await.unwrap());
    }
    let is_settled = || eventually(|| async { number(&app, UNSETTLED).await == 0 });
    assert!(is_settled().await || is_settled().await, "a dead turn is not settled");

    let rows = ledger(&app).await;
    let lost = verify(&app, &rows, &counted).await;
    let requests = server.requests().len();
    println!("{requests} calls, {} rows, {lost} turns lost their process", rows.len());
    assert!(requests >= CALLS && lost <= CLIENTS);
    assert!(requests - rows.len() <= lost, "{requests} calls, {} rows", rows.len());
    sums(&app, &rows).await;
    assert!(refused[..LIMITED].iter().all(|times| *times == 3), "a quota was never reached: {refused:?}");
    for user in limited {
        let used: i64 = rows
            .iter()
            .filter(|row| row.user_id.is_some_and(|id| id.0 == user))
            .map(|row| i64::from(row.total_tokens))
            .sum();
        assert!(used <= LIMIT_TOKENS && used > LIMIT_TOKENS / 2, "{used} tokens");
    }
}

/// Each answer has one row, with the provider's own count if there was one.
/// How many turns lost their process.
async fn verify(app: &TestApp, rows: &[Record], counted: &Counted) -> usize {
    let by_message: BTreeMap<Uuid, &Record> =
        rows.iter().map(|row| (row.message_id.expect("of an answer").0, row)).collect();
    assert_eq!(by_message.len(), rows.len(), "one row an answer");
    let answers = message::Entity::find().filter(message::Column::Role.eq(Role::Assistant));
    let (mut lost, mut exact) = (0, 0);
    for answer in answers.all(app.core()).await.unwrap() {
        let row = by_message.get(&answer.id.0);
        match answer.status {
            Status::Complete => {
                let row = row.expect("an answer without a row");
                let said = answer.content.split_whitespace().nth(1).unwrap().parse().unwrap();
                assert_eq!(row.estimated, counted[&said].is_none(), "{answer:?}");
                if let Some(tokens) = counted[&said] {
                    assert_eq!((i64::from(row.total_tokens), row.outcome.as_str()), (tokens, "complete"));
                    exact += 1;
                }
            }
            // Refused before a word, or cut off after some.
            Status::Failed => {
                let row = row.expect("a failure without a row");
                assert_eq!((row.estimated, row.outcome.as_str()), (!answer.content.is_empty(), "failed"));
            }
            Status::Interrupted => {
                lost += 1;
                assert!(answer.content.is_empty() || row.is_some(), "what was said was not recorded");
                assert!(row.is_none_or(|row| row.estimated && row.outcome == "failed"));
            }
            Status::Streaming | Status::Cancelled => panic!("{answer:?}"),
        }
    }
    assert!(exact > CALLS / 2, "{exact}");
    lost
}

/// Each user's month is the sum of the user's rows, and nothing stays reserved.
async fn sums(app: &TestApp, rows: &[Record]) {
    let mut used: BTreeMap<Uuid, i64> = BTreeMap::new();
    for row in rows {
        *used.entry(row.user_id.unwrap().0).or_default() += i64::from(row.total_tokens);
    }
    for (user, tokens) in used {
        let sql = format!("SELECT used_tokens FROM usage_months WHERE user_id = '{user}'");
        assert_eq!(number(app, &sql).await, tokens);
    }
    let reserved = "SELECT coalesce(sum(reserved_tokens + reserved_cost + reserved_messages), 0)::bigint FROM usage_months";
    assert_eq!(number(app, reserved).await, 0);
}
