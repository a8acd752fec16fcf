//! Turns that end at the same time end in one statement, each under its own lease.

use std::time::Duration;

use futures::future::join_all;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};
use tandem::db::documents::Document;
use uuid::Uuid;

use super::journal::turn;
use crate::support::TestApp;
use crate::support::user::TestUser;

/// Longer than a statement may wait for somebody else's lock.
const PATIENCE: Duration = Duration::from_secs(5);

fn end(id: Uuid, lease_owner: Uuid, user: Uuid, latency_ms: Value) -> Document {
    let spending = json!({
        "user_id": user, "counts": 1, "id": Uuid::now_v7(), "kind": "chat", "provider": "other", "model": "m",
        "prompt_tokens": 3, "cached_prompt_tokens": 0, "completion_tokens": 4, "reasoning_tokens": 0,
        "total_tokens": 7, "estimated": false, "cost_usd": "0.000000125", "outcome": "complete",
        "latency_ms": 5, "message_id": id,
    });
    let json = json!({
        "id": id, "lease_owner": lease_owner, "status": "complete", "content": "so", "mode": "model", "model": "m",
        "memories": [], "latency_ms": latency_ms, "error": null, "spending": spending, "jobs": [],
        "events": [{ "seq": 1, "event": "done", "data": { "content": "so" } }],
    });
    Document { id, json: json.to_string() }
}

/// Complete messages with their events and ledger rows, and what the month says of tokens, cost and messages.
async fn standing(app: &TestApp, user: &TestUser) -> (i64, i64, i64, String) {
    let sql = "SELECT (SELECT count(*) FROM messages JOIN message_events ON message_id = messages.id
                         JOIN usage_records ON usage_records.message_id = messages.id
                         JOIN conversations ON conversations.id = conversation_id
                        WHERE status = 'complete' AND lease_owner IS NULL AND content = 'so'
                          AND conversations.user_id = $1 AND usage_records.user_id = $1) AS ended,
                      coalesce(sum(used_messages), 0)::int8 AS messages, coalesce(sum(used_tokens), 0)::int8 AS tokens,
                      coalesce(sum(used_cost), 0)::text AS cost
                 FROM usage_months WHERE user_id = $1";
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [user.id.into()]);
    let row = app.core().query_one_raw(statement).await.unwrap().unwrap();
    let number = |name: &str| row.try_get::<i64>("", name).unwrap();
    (number("ended"), number("messages"), number("tokens"), row.try_get("", "cost").unwrap())
}

/// All go at once, so that they share statements: whoever lost its lease, whoever
/// spoils a statement, and whoever has to wait, costs the others nothing.
#[tokio::test]
async fn a_turn_ends_only_under_its_lease_and_waits_for_nobody_elses_lock() {
    let app = TestApp::start().await;
    let (user, held) = (app.user().await, app.user().await);
    let owner = Uuid::now_v7();
    let (mut good, mut lost) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        good.push(turn(&app, &user, owner, 60).await);
        lost.push(turn(&app, &user, owner, -1).await);
        lost.push(turn(&app, &user, Uuid::now_v7(), 60).await);
    }
    let (spoilt, waiting) = (turn(&app, &user, owner, 60).await, turn(&app, &held, owner, 60).await);
    let lock = app.core().begin().await.unwrap();
    let sql = format!("SELECT FROM users WHERE id = '{}' FOR UPDATE", held.id);
    lock.execute_unprepared(&sql).await.unwrap();

    let endings = &app.state.endings;
    let waits = endings.store(end(waiting, owner, held.id, json!(5)));
    let all = good.iter().chain(&lost).map(|id| endings.store(end(*id, owner, user.id, json!(5))));
    tokio::pin!(waits);
    let others = tokio::time::timeout(PATIENCE, join_all(all));
    let outcomes = tokio::select! {
        biased;
        _ = &mut waits => panic!("its account is locked"),
        others = others => others.expect("nobody waits for another's lock"),
    };
    let outcomes: Vec<bool> = outcomes.into_iter().map(|stored| stored.unwrap().is_some()).collect();
    assert_eq!(outcomes, [&[true; 5][..], &[false; 10]].concat());
    assert_eq!(standing(&app, &user).await, (5, 5, 35, "0.000000625".to_owned()));
    assert_eq!(standing(&app, &held).await.0, 0);

    lock.commit().await.unwrap();
    assert!(tokio::time::timeout(PATIENCE, waits).await.expect("it ends").unwrap().is_some());
    assert_eq!(standing(&app, &held).await, (1, 1, 7, "0.000000125".to_owned()));

    let late = turn(&app, &user, owner, 60).await;
    let refused = endings.store(end(spoilt, owner, user.id, json!("long")));
    let (refused, ended) =
        futures::future::join(refused, endings.store(end(late, owner, user.id, json!(5)))).await;
    refused.unwrap_err();
    assert!(ended.unwrap().is_some());
}
