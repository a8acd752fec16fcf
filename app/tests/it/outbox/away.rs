//! Ai is away while things are deleted, and comes back.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::json;

use super::{count, id_of, offer, source, state, waiting};
use crate::support::TestApp;
use crate::support::user::TestUser;

/// An application whose requests do not wait long for an ai that is away.
async fn impatient() -> TestApp {
    TestApp::with()
        .env("TANDEM__DATABASE__AI_WAIT_MS", 500)
        .env("TANDEM__CHAT__RETRIEVAL_DEADLINE_MS", 20_000)
        .start()
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_deletions_and_turns_while_ai_is_away() {
    let app = impatient().await;
    let user = app.user().await;
    let items: Vec<_> = (0..30)
        .map(|n| json!({ "title": "T", "external_id": format!("s{n}"), "text": format!("Gold fact number {n}.") }))
        .collect();
    let sources = user.post("/knowledge/sources/batch", json!({ "items": items })).await.expect(202);
    let sources: Vec<String> = sources["items"].as_array().unwrap().iter().map(id_of).collect();
    app.run_jobs().await;
    let mut memories = Vec::new();
    for n in 0..30 {
        memories.push(state(&user, &format!("I own {n} whales.")).await);
    }
    let mut conversations = Vec::new();
    for _ in 0..10 {
        let conversation = user.conversation().await;
        let answer = user.ask(&conversation, "Tell me a gold fact.").await.expect(200);
        let vote = format!("/chat/messages/{}/feedback", answer["assistant_message_id"].as_str().unwrap());
        user.put(&vote, json!({ "rating": "up" })).await.expect(200);
        conversations.push(conversation);
    }
    let kept = user.conversation().await;

    app.stop_ai().await;
    // A hundred deletions: of some twice, and thirty turns between them.
    for n in 0..30 {
        user.delete(&format!("/knowledge/sources/{}", sources[n])).await.expect(202);
        user.delete(&format!("/memories/{}", memories[n])).await.expect(202);
        let answer = user.ask(&kept, "What do you know of gold?").await.expect(200);
        assert_eq!(answer["citations"], json!([]), "{answer}");
        if n % 3 == 0 {
            user.delete(&format!("/chat/conversations/{}", conversations[n / 3])).await.expect(202);
            user.delete(&format!("/knowledge/sources/{}", sources[n])).await.expect(202);
            user.delete(&format!("/memories/{}", memories[n])).await.expect(202);
            user.delete("/memories?confirm=true").await.expect(202);
        }
    }
    assert_eq!(waiting(app.core()).await, 100);
    app.run_outbox().await;
    assert_eq!(waiting(app.core()).await, 100);

    app.start_ai().await;
    // Made again before the relay has come to it.
    for n in [0, 7, 21] {
        assert_eq!(offer(&user, &format!("s{n}"), &format!("Gold fact number {n}.")).await, sources[n]);
        assert_eq!(state(&user, &format!("I own {n} whales.")).await, memories[n]);
    }
    app.run_outbox().await;
    app.run_jobs().await;
    assert_eq!(waiting(app.core()).await, 0);
    assert_eq!(in_order(&app).await, 0, "events of one aggregate were applied out of order");
    assert_eq!(listed(&user, "/knowledge/sources").await, among(&sources, &[0, 7, 21]));
    assert_eq!(listed(&user, "/memories").await, among(&memories, &[0, 7, 21]));
    assert_eq!(count(app.ai(), "SELECT count(*) FROM ai_feedback").await, 0);
    let hits = user.post("/knowledge/search", json!({ "query": "gold fact", "limit": 50 })).await.expect(200);
    assert_eq!(hits["hits"].as_array().unwrap().len(), 3);
    assert_eq!(listed(&user, "/chat/conversations").await, BTreeSet::from([kept.clone()]));
    let told = user.get(&format!("/chat/conversations/{kept}/messages?limit=200")).await.expect(200);
    assert_eq!(told["items"].as_array().unwrap().len(), 60);
}

/// Pairs of events of one aggregate that ai received in another order than core wrote them.
async fn in_order(app: &TestApp) -> usize {
    let rows =
        Statement::from_string(DbBackend::Postgres, "SELECT id, aggregate_id FROM outbox ORDER BY position");
    let written = app.core().query_all_raw(rows).await.unwrap();
    let rows = Statement::from_string(
        DbBackend::Postgres,
        "SELECT event_id AS id, aggregate_id FROM ai_inbox ORDER BY received_at",
    );
    let received = app.ai().query_all_raw(rows).await.unwrap();
    let pairs = |rows: Vec<sea_orm::QueryResult>| -> Vec<(uuid::Uuid, uuid::Uuid)> {
        let mut pairs: Vec<_> = rows
            .iter()
            .map(|row| (row.try_get("", "aggregate_id").unwrap(), row.try_get("", "id").unwrap()))
            .collect();
        // Stable: within an aggregate the order stays.
        pairs.sort_by_key(|(aggregate, _)| *aggregate);
        pairs
    };
    let (written, received) = (pairs(written), pairs(received));
    assert_eq!(written.len(), received.len());
    written.iter().zip(&received).filter(|(one, other)| one != other).count()
}

async fn listed(user: &TestUser, path: &str) -> BTreeSet<String> {
    let list = user.get(&format!("{path}?limit=200")).await.expect(200);
    list["items"].as_array().unwrap().iter().map(id_of).collect()
}

fn among(ids: &[String], numbers: &[usize]) -> BTreeSet<String> {
    numbers.iter().map(|number| ids[*number].clone()).collect()
}

#[tokio::test]
async fn what_was_deleted_while_ai_was_away_is_never_read_again() {
    let app = impatient().await;
    let user = app.user().await;
    let source = source(&app, &user, "gold", "Gold is a precious metal.").await;
    let memory = state(&user, "I own gold.").await;
    app.stop_ai().await;
    user.delete(&format!("/knowledge/sources/{source}")).await.expect(202);
    user.delete(&format!("/memories/{memory}")).await.expect(202);
    app.start_ai().await;
    // No relay has run: who reads applies first what was asked for.
    let search = json!({ "query": "gold" });
    assert_eq!(user.post("/knowledge/search", search.clone()).await.expect(200)["hits"], json!([]));
    assert_eq!(user.post("/memories/search", search).await.expect(200)["hits"], json!([]));
    user.get(&format!("/knowledge/sources/{source}")).await.expect(404);
    user.get(&format!("/memories/{memory}")).await.expect(404);
    assert_eq!(waiting(app.core()).await, 0);
}

#[tokio::test]
async fn a_foreign_deletion_while_ai_is_away_deletes_nothing_and_hides_nothing() {
    let app = impatient().await;
    let (owner, stranger, admin) = (app.user().await, app.user().await, app.admin().await);
    let own = source(&app, &owner, "gold", "Gold is a precious metal.").await;
    let memory = state(&owner, "I own gold.").await;
    let shared = json!({ "title": "W", "text": "Whales sing.", "external_id": "w", "scope": "global" });
    let shared = id_of(&admin.post("/knowledge/sources", shared).await.expect(202));
    app.run_jobs().await;
    let conversation = owner.conversation().await;
    let answer = owner.ask(&conversation, "What is gold?").await.expect(200);
    assert!(!answer["citations"].as_array().unwrap().is_empty(), "{answer}");

    app.stop_ai().await;
    for id in [&own, &shared] {
        stranger.delete(&format!("/knowledge/sources/{id}")).await.expect(202);
    }
    stranger.delete(&format!("/memories/{memory}")).await.expect(202);
    stranger.delete("/memories?confirm=true").await.expect(202);
    app.start_ai().await;
    for id in [&own, &shared] {
        owner.get(&format!("/knowledge/sources/{id}")).await.expect(200);
    }
    app.run_outbox().await;
    assert_eq!(waiting(app.core()).await, 0);
    owner.get(&format!("/memories/{memory}")).await.expect(200);
    owner.get(&format!("/knowledge/sources/{own}")).await.expect(200);
    let told = owner.get(&format!("/chat/conversations/{conversation}/messages")).await.expect(200);
    let citation = &told["items"][1]["citations"][0];
    assert_eq!((&citation["deleted"], &citation["title"]), (&json!(false), &json!("gold")));
    // With ai there it is said at once.
    stranger.delete(&format!("/knowledge/sources/{own}")).await.expect_problem(404, "not_found");
    stranger.delete(&format!("/knowledge/sources/{shared}")).await.expect_problem(403, "shared_source");
    admin.delete(&format!("/knowledge/sources/{shared}")).await.expect(204);
}

const ROUNDS: usize = 20;
const THINGS: usize = 50;

/// A thousand times: deleted while ai is away, made again, delivered late, in
/// whatever order the relays and the requests come.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_things_made_again_outlive_their_late_deletion() {
    let seed: u64 =
        std::env::var("TANDEM_TEST_SEED").ok().map_or_else(rand::random, |seed| seed.parse().unwrap());
    println!("TANDEM_TEST_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let app = impatient().await;
    let user = app.user().await;
    let text = |n: usize| format!("Fact number {n} is about gold.");
    for n in 0..THINGS {
        make(&user, n, &text(n)).await;
    }
    app.run_jobs().await;
    for round in 0..ROUNDS {
        let ids: Vec<String> = things(&user).await;
        assert_eq!(ids.len(), THINGS, "round {round}, seed {seed}");
        app.stop_ai().await;
        let deletions = ids.iter().map(|path| async { user.delete(path).await.expect(202) });
        futures::future::join_all(deletions).await;
        app.start_ai().await;
        let mut order: Vec<(usize, u64)> = (0..THINGS).map(|n| (n, rng.random_range(0..60))).collect();
        order.shuffle(&mut rng);
        let late = rng.random_range(0..40);
        let making = order.into_iter().map(|(n, wait)| {
            let (user, text) = (&user, text(n));
            async move {
                tokio::time::sleep(Duration::from_millis(wait)).await;
                make(user, n, &text).await;
            }
        });
        let relays = (0..2).map(|_| async {
            tokio::time::sleep(Duration::from_millis(late)).await;
            app.run_outbox().await;
        });
        let jobs = app.run_jobs();
        tokio::join!(futures::future::join_all(making), futures::future::join_all(relays), jobs);
        app.run_outbox().await;
        app.run_jobs().await;
        assert_eq!(waiting(app.core()).await, 0, "round {round}, seed {seed}");
    }
    assert_eq!(things(&user).await.len(), THINGS, "seed {seed}");
    let ready = "SELECT count(*) FROM ai_kb_sources s WHERE status = 'ready'
                    AND documents = (SELECT count(*) FROM ai_kb_documents d WHERE d.source_id = s.id) AND documents > 0";
    assert_eq!(usize::try_from(count(app.ai(), ready).await).unwrap(), THINGS / 2, "seed {seed}");
    let events = count(app.core(), "SELECT count(*) FROM outbox WHERE delivered_at IS NOT NULL").await;
    assert_eq!(usize::try_from(events).unwrap(), ROUNDS * THINGS);
}

/// The even ones are sources, the odd ones memories.
async fn make(user: &TestUser, n: usize, text: &str) {
    let (path, body) = if n.is_multiple_of(2) {
        ("/knowledge/sources", json!({ "title": "T", "text": text, "external_id": n.to_string() }))
    } else {
        ("/memories", json!({ "content": text }))
    };
    // On a loaded machine fifty at once may wait too long for a connection.
    for _ in 0..100 {
        let made = user.post(path, body.clone()).await;
        if made.status != 503 {
            assert!(matches!(made.status, 200..=202), "{}", made.body);
            return;
        }
    }
    panic!("{path} is not available");
}

/// The paths of everything the user has.
async fn things(user: &TestUser) -> Vec<String> {
    let mut paths = Vec::new();
    for base in ["/knowledge/sources", "/memories"] {
        paths.extend(listed(user, base).await.into_iter().map(|id| format!("{base}/{id}")));
    }
    paths
}
