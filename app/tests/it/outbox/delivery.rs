//! The outbox itself, with a consumer that writes down what it hears.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::FutureExt;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};
use tandem::db::AiTx;
use tandem::error::{Error, Result};
use tandem::jobs::outbox::{self, Aggregate, Applied, Consumer, Event, NewEvent, Outbox, Registry};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::{begin, count, waiting};
use crate::support::TestApp;

const LEASE: Duration = Duration::from_mins(1);

/// Writes the event's number down; fails while there is an obstacle; takes
/// three transactions when it is told to.
const LISTENER: Consumer =
    Consumer { name: "listener", apply: |ai, event| hear(ai, event).boxed(), complete: None };

async fn hear(ai: &AiTx, event: &Event) -> Result<Applied> {
    if event.payload["fails"] == true && count(ai, "SELECT count(*) FROM ai_obstacle").await > 0 {
        return Err(Error::conflict("obstacle", "there is an obstacle"));
    }
    let number = event.payload["number"].as_i64().unwrap();
    let insert = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "INSERT INTO ai_heard (aggregate, number) VALUES ($1, $2)",
        [event.aggregate_id.into(), number.into()],
    );
    ai.execute_raw(insert).await?;
    let batches = event.payload["batches"].as_i64().unwrap_or(1);
    let done = count(ai, "SELECT count(*) FROM ai_heard").await;
    Ok(if done < batches { Applied::More } else { Applied::Done(json!({ "heard": done })) })
}

/// An outbox over the application's databases, whose events are heard.
async fn listening(app: &TestApp, lease: Duration) -> Outbox {
    app.ai()
        .execute_unprepared(
            "CREATE TABLE IF NOT EXISTS ai_heard (seq bigserial, aggregate uuid, number bigint);
             CREATE TABLE IF NOT EXISTS ai_obstacle (id int);
             GRANT ALL ON ai_heard, ai_obstacle, ai_heard_seq_seq TO PUBLIC",
        )
        .await
        .unwrap();
    let registry = Registry::default().on("test.said", LISTENER);
    Outbox::new(app.core().clone(), app.state.ai.clone(), registry, lease, TaskTracker::new())
}

async fn say(app: &TestApp, aggregate: Uuid, payload: Value) {
    let core = begin(app.core()).await;
    publish(&core, aggregate, payload).await;
    core.commit().await.unwrap();
}

async fn publish(core: &tandem::db::CoreTx, aggregate: Uuid, payload: Value) {
    let aggregate = Aggregate::new("test", aggregate);
    let event = NewEvent { kind: "test.said", aggregate, payload, owner_id: None };
    outbox::publish(core, event).await.unwrap();
}

/// The numbers heard, by aggregate, in the order in which they were heard.
async fn heard(app: &TestApp) -> BTreeMap<Uuid, Vec<i64>> {
    let rows =
        Statement::from_string(DbBackend::Postgres, "SELECT aggregate, number FROM ai_heard ORDER BY seq");
    let mut heard: BTreeMap<Uuid, Vec<i64>> = BTreeMap::new();
    for row in app.ai().query_all_raw(rows).await.unwrap() {
        let aggregate = row.try_get("", "aggregate").unwrap();
        heard.entry(aggregate).or_default().push(row.try_get("", "number").unwrap());
    }
    heard
}

async fn due_now(app: &TestApp) {
    app.core().execute_unprepared("UPDATE outbox SET run_at = now()").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_relays_keep_the_order_of_each_aggregate_and_apply_once() {
    let app = TestApp::start().await;
    let relays: Vec<Outbox> = {
        let one = listening(&app, LEASE).await;
        vec![one.clone(), one.clone(), one]
    };
    let aggregates: Vec<Uuid> = (0..12).map(|_| Uuid::now_v7()).collect();
    // Transactions of one aggregate race: the order is that of their commits.
    let speaking = aggregates.iter().map(|aggregate| {
        let app = &app;
        async move {
            for number in 0..8 {
                say(app, *aggregate, json!({ "number": number })).await;
            }
        }
    });
    let relaying = relays.iter().map(|relay| async {
        let mut quiet = 0;
        while quiet < 20 {
            let batch = relay.deliver_due().await.unwrap();
            quiet = if batch.claimed == 0 { quiet + 1 } else { 0 };
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    tokio::join!(futures::future::join_all(speaking), futures::future::join_all(relaying));
    while relays[0].deliver_due().await.unwrap().claimed > 0 {}
    let heard = heard(&app).await;
    assert_eq!(heard.len(), aggregates.len());
    for (aggregate, numbers) in heard {
        assert_eq!(numbers, (0..8).collect::<Vec<_>>(), "{aggregate}");
    }
    assert_eq!(waiting(app.core()).await, 0);
}

#[tokio::test]
async fn an_event_is_numbered_in_the_order_of_commits() {
    let app = TestApp::start().await;
    let outbox = listening(&app, LEASE).await;
    let aggregate = Uuid::now_v7();
    let first = begin(app.core()).await;
    publish(&first, aggregate, json!({ "number": 0 })).await;
    // The second waits for the first, which commits late.
    let second = {
        let core = app.core().clone();
        tokio::spawn(async move {
            let second = begin(&core).await;
            publish(&second, aggregate, json!({ "number": 1 })).await;
            second.commit().await.unwrap();
        })
    };
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!second.is_finished());
    // An event that is not committed is not there, and none is passed over for it.
    assert_eq!(outbox.deliver_due().await.unwrap().claimed, 0);
    first.commit().await.unwrap();
    second.await.unwrap();
    while outbox.deliver_due().await.unwrap().claimed > 0 {}
    assert_eq!(heard(&app).await[&aggregate], [0, 1]);
}

#[tokio::test]
async fn an_event_of_a_transaction_that_fails_never_was() {
    let app = TestApp::start().await;
    let outbox = listening(&app, LEASE).await;
    let core = begin(app.core()).await;
    publish(&core, Uuid::now_v7(), json!({ "number": 0 })).await;
    drop(core);
    assert_eq!(outbox.deliver_due().await.unwrap().claimed, 0);
    assert_eq!(waiting(app.core()).await, 0);
}

#[tokio::test]
async fn a_crash_between_the_two_commits_delivers_again_and_the_inbox_answers() {
    let app = TestApp::start().await;
    let outbox = listening(&app, LEASE).await;
    let aggregate = Uuid::now_v7();
    say(&app, aggregate, json!({ "number": 7 })).await;
    let event = only_event(&app).await;
    // The first half, and then the process dies.
    let outcome = outbox.apply_in_ai(&event).await.unwrap();
    assert_eq!(outcome["listener"]["heard"], 1);
    assert_eq!(outbox.apply_in_ai(&event).await.unwrap(), outcome, "the inbox remembers the outcome");
    assert_eq!(waiting(app.core()).await, 1);
    assert_eq!(outbox.deliver_due().await.unwrap().delivered, 1);
    assert_eq!((heard(&app).await[&aggregate].clone(), waiting(app.core()).await), (vec![7], 0));
}

#[tokio::test]
async fn much_work_is_done_in_several_transactions_and_concluded_once() {
    let app = TestApp::start().await;
    let outbox = listening(&app, LEASE).await;
    let aggregate = Uuid::now_v7();
    say(&app, aggregate, json!({ "number": 1, "batches": 3 })).await;
    assert_eq!(outbox.deliver_due().await.unwrap().delivered, 1);
    assert_eq!(heard(&app).await[&aggregate], [1, 1, 1]);
    assert_eq!(count(app.ai(), "SELECT count(*) FROM ai_inbox WHERE outcome IS NOT NULL").await, 1);
}

#[tokio::test]
async fn a_delivery_that_outlives_its_lease_marks_nothing() {
    let app = TestApp::start().await;
    let late = listening(&app, Duration::from_micros(1)).await;
    let aggregate = Uuid::now_v7();
    say(&app, aggregate, json!({ "number": 1 })).await;
    assert_eq!(late.deliver_due().await.unwrap().delivered, 0);
    assert_eq!(waiting(app.core()).await, 1);
    due_now(&app).await;
    assert_eq!(listening(&app, LEASE).await.deliver_due().await.unwrap().delivered, 1);
    assert_eq!(heard(&app).await[&aggregate], [1]);
}

#[tokio::test]
async fn ten_failures_make_a_dead_letter_that_holds_back_its_aggregate_until_it_is_retried() {
    let app = TestApp::start().await;
    let outbox = listening(&app, LEASE).await;
    let admin = app.admin().await;
    app.ai().execute_unprepared("INSERT INTO ai_obstacle VALUES (1)").await.unwrap();
    let (stuck, free) = (Uuid::now_v7(), Uuid::now_v7());
    say(&app, stuck, json!({ "number": 0, "fails": true })).await;
    say(&app, stuck, json!({ "number": 1 })).await;
    say(&app, free, json!({ "number": 0 })).await;
    for _ in 0..10 {
        assert_eq!(admin.get("/admin/links").await.expect(200)["outbox"]["dead"], 0);
        outbox.deliver_due().await.unwrap();
        let pauses = "SELECT count(*) FROM outbox WHERE run_at > now() AND lease_owner IS NULL";
        assert_eq!(count(app.core(), pauses).await, 1, "a failed event waits longer each time");
        due_now(&app).await;
    }
    assert_eq!(outbox.deliver_due().await.unwrap().claimed, 0);
    assert_eq!(heard(&app).await, BTreeMap::from([(free, vec![0])]));

    let links = admin.get("/admin/links?limit=1").await.expect(200);
    assert_eq!(links["outbox"], json!({ "pending": 1, "dead": 1 }));
    let letter = &links["dead_letters"]["items"][0];
    assert_eq!((&letter["aggregate_id"], &letter["attempts"]), (&json!(stuck), &json!(10)));
    assert!(letter["error"].as_str().unwrap().contains("obstacle"), "{letter}");

    app.ai().execute_unprepared("DELETE FROM ai_obstacle").await.unwrap();
    let ids = json!({ "ids": [Uuid::now_v7()] });
    assert_eq!(admin.post("/admin/links/retry", ids).await.expect(200)["retried"], 0);
    assert_eq!(admin.post("/admin/links/retry", json!({})).await.expect(200)["retried"], 1);
    while outbox.deliver_due().await.unwrap().claimed > 0 {}
    assert_eq!(heard(&app).await[&stuck], [0, 1]);
    app.user().await.get("/admin/links").await.expect_problem(403, "admin_only");
    app.user().await.post("/admin/links/retry", json!({})).await.expect_problem(403, "admin_only");
}

#[tokio::test]
async fn an_ai_that_is_away_blames_no_event() {
    let app = TestApp::start().await;
    let outbox = listening(&app, LEASE).await;
    let aggregate = Uuid::now_v7();
    for number in 0..20 {
        say(&app, aggregate, json!({ "number": number })).await;
        say(&app, Uuid::now_v7(), json!({ "number": 0 })).await;
    }
    app.stop_ai().await;
    for _ in 0..15 {
        let batch = outbox.deliver_due().await.unwrap();
        assert!(batch.is_away && batch.delivered == 0, "{batch:?}");
    }
    let blamed = "SELECT count(*) FROM outbox WHERE attempts > 0 OR dead_at IS NOT NULL OR lease_owner IS NOT NULL OR run_at > now()";
    assert_eq!(count(app.core(), blamed).await, 0);
    app.start_ai().await;
    while outbox.deliver_due().await.unwrap().claimed > 0 {}
    assert_eq!(heard(&app).await[&aggregate], (0..20).collect::<Vec<_>>());
    assert_eq!(waiting(app.core()).await, 0);
}

#[tokio::test]
async fn a_restored_ai_hears_again_what_it_does_not_know() {
    let app = TestApp::start().await;
    let outbox = listening(&app, LEASE).await;
    let (known, unknown) = (Uuid::now_v7(), Uuid::now_v7());
    say(&app, known, json!({ "number": 1 })).await;
    say(&app, unknown, json!({ "number": 1 })).await;
    while outbox.deliver_due().await.unwrap().claimed > 0 {}
    assert_eq!(outbox.unknown_to_ai().await.unwrap(), 0);
    let restored = format!(
        "DELETE FROM ai_inbox WHERE aggregate_id = '{unknown}'; DELETE FROM ai_heard WHERE aggregate = '{unknown}'"
    );
    app.ai().execute_unprepared(&restored).await.unwrap();
    assert_eq!(outbox.unknown_to_ai().await.unwrap(), 1);
    assert_eq!(outbox::requeue_delivered(app.core(), None).await.unwrap(), 2);
    while outbox.deliver_due().await.unwrap().claimed > 0 {}
    assert_eq!(heard(&app).await, BTreeMap::from([(known, vec![1]), (unknown, vec![1])]));
}

#[tokio::test]
async fn delivered_events_are_kept_for_a_month() {
    let app = TestApp::start().await;
    let outbox = listening(&app, LEASE).await;
    for _ in 0..3 {
        say(&app, Uuid::now_v7(), json!({ "number": 1 })).await;
    }
    outbox.deliver_due().await.unwrap();
    assert_eq!(outbox::purge(&outbox).await.unwrap(), 0);
    let age = "UPDATE outbox SET delivered_at = now() - interval '31 days' WHERE position % 2 = 0";
    let aged = app.core().execute_unprepared(age).await.unwrap().rows_affected();
    app.ai()
        .execute_unprepared("UPDATE ai_inbox SET received_at = now() - interval '61 days'")
        .await
        .unwrap();
    assert_eq!(outbox::purge(&outbox).await.unwrap(), aged + 3);
}

async fn only_event(app: &TestApp) -> Event {
    use sea_orm::EntityTrait;
    entity::core::outbox::Entity::find().one(app.core()).await.unwrap().unwrap()
}
