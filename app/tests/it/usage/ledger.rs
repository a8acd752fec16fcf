//! Every call has a row, with the provider's own counts.

use rand::RngExt;
use sea_orm::prelude::Decimal;
use serde_json::{Value, json};

use super::{ledger, number, options};
use crate::chat::eventually;
use crate::support::TestApp;
use crate::support::model::{End, ModelServer, Script};

const COUNTED: &str = r#"{"prompt_tokens": 1234, "completion_tokens": 77, "total_tokens": 1311, "prompt_tokens_details": {"cached_tokens": 1024}, "completion_tokens_details": {"reasoning_tokens": 50}}"#;

#[tokio::test]
async fn an_answer_is_in_the_ledger_as_the_provider_counted_to_the_exact_digit() {
    let server = ModelServer::start().await;
    server.push(Script::reply(["counted"]).end(End::Usage(COUNTED)));
    let app = options(&server).start().await;
    let user = app.user().await;
    let conversation = user.conversation().await;

    let events = user.stream(&conversation, "How much?").await;

    let told = json!({"prompt_tokens": 1234, "completion_tokens": 77, "total_tokens": 1311,
        "cached_prompt_tokens": 1024, "reasoning_tokens": 50});
    assert_eq!(events.last().unwrap().data["usage"], told);
    let messages = user.get(&format!("/chat/conversations/{conversation}/messages")).await.expect(200);
    assert_eq!(messages["items"][1]["usage"], told);
    let rows = ledger(&app).await;
    let [row] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!(row.user_id.unwrap().0, user.id);
    assert_eq!((row.kind.as_str(), row.outcome.as_str(), row.estimated), ("chat", "complete", false));
    assert_eq!((row.prompt_tokens, row.cached_prompt_tokens), (1234, 1024));
    assert_eq!((row.completion_tokens, row.reasoning_tokens, row.total_tokens), (77, 50, 1311));
    // (210 * 0.15 + 1024 * 0.075 + 77 * 0.6) / 1,000,000
    assert_eq!(row.cost_usd, Some("0.0001545".parse::<Decimal>().unwrap()));
    assert_eq!(messages["items"][1]["id"], json!(row.message_id.unwrap().0));
}

#[tokio::test]
async fn what_the_provider_does_not_count_is_estimated_and_marked_and_an_unknown_model_has_no_cost() {
    let server = ModelServer::start().await;
    server.push(Script::reply(["an answer of six words here"]));
    server.push(Script::reply(["half an ", "answer"]).usage(9, 9).end(End::Cut));
    server.push(Script::status(401));
    let app = options(&server).env("CHAT_MODEL", "somebodys-model").start().await;
    let user = app.user().await;
    let conversation = user.conversation().await;
    let answer = user.ask(&conversation, "one").await.expect(200);
    assert_eq!(answer["usage"], Value::Null, "only the provider's own count is told");
    for _ in 0..2 {
        user.ask(&conversation, "more").await.expect_problem(502, "turn_failed");
    }
    let rows = ledger(&app).await;
    assert_eq!(rows.iter().map(|row| row.estimated).collect::<Vec<_>>(), [true, true, false]);
    assert!(rows[0].prompt_tokens > 10 && rows[0].completion_tokens >= 6, "{:?}", rows[0]);
    assert_eq!((rows[1].outcome.as_str(), rows[1].completion_tokens > 0), ("failed", true));
    // Refused before a word was said: nothing was used, and the call is counted.
    assert_eq!((rows[2].outcome.as_str(), rows[2].total_tokens), ("failed", 0));
    assert!(rows.iter().all(|row| row.cost_usd.is_none()));
}

/// 50 clients, four questions each, a provider that fails at random.
#[tokio::test]
async fn the_ledger_is_the_sum_of_what_the_provider_counted_whatever_fails() {
    let server = ModelServer::start().await;
    let mut counted = 0;
    let mut rows_counted = 0;
    for _ in 0..200 {
        let (prompt, completion) = (rand::rng().random_range(1..500), rand::rng().random_range(1..100));
        server.push(match rand::rng().random_range(0..6) {
            0 => Script::status(500),
            1 => Script::reply(["cut ", "off"]).usage(prompt, completion).end(End::Cut),
            2 => Script::reply(["nobody counts"]),
            _ => {
                counted += i64::from(prompt + completion);
                rows_counted += 1;
                Script::reply(["fine"]).usage(prompt, completion)
            }
        });
    }
    let app = options(&server).start().await;
    let clients = (0..50).map(async |_| {
        let user = app.user().await;
        let conversation = user.conversation().await;
        for _ in 0..4 {
            let answer = user.ask(&conversation, "What is beta?").await;
            assert!([200, 502].contains(&answer.status), "{}", answer.body);
        }
    });
    futures::future::join_all(clients).await;

    let rows = ledger(&app).await;
    assert_eq!(rows.len(), 200, "one row a call");
    let exact: Vec<_> = rows.iter().filter(|row| !row.estimated && row.outcome == "complete").collect();
    assert_eq!(exact.len(), rows_counted);
    assert_eq!(exact.iter().map(|row| i64::from(row.total_tokens)).sum::<i64>(), counted);
    let all: i64 = rows.iter().map(|row| i64::from(row.total_tokens)).sum();
    assert_eq!(number(&app, "SELECT sum(used_tokens)::bigint FROM usage_months").await, all);
    let complete = rows.iter().filter(|row| row.outcome == "complete").count();
    let messages = number(&app, "SELECT sum(used_messages)::bigint FROM usage_months").await;
    assert_eq!(messages, i64::try_from(complete).unwrap());
}

#[tokio::test]
async fn remote_embeddings_are_recorded_and_local_ones_cost_nothing_and_write_nothing() {
    let server = ModelServer::start().await;
    let app = TestApp::with()
        .env("OPENAI_BASE_URL", server.url())
        .env("EMBEDDING_PROVIDER", "openai")
        .env("EMBEDDING_MODEL", "pocket-but-remote")
        .env("EMBEDDING_DIMENSIONS", LENGTH)
        .start()
        .await;
    let user = app.user().await;
    user.post("/memories", json!({"content": "I like tea"})).await.expect(201);
    user.post("/memories/search", json!({"query": "drinks"})).await.expect(200);
    user.post("/knowledge/search", json!({"query": "drinks"})).await.expect(200);
    user.post("/knowledge/sources", json!({"title": "Tea", "text": "Tea is a drink."})).await.expect(202);
    app.run_jobs().await;
    let conversation = user.conversation().await;
    user.ask(&conversation, "What do I drink?").await.expect(200);

    let is_there =
        eventually(|| async { ledger(&app).await.iter().filter(|row| row.kind == "embedding").count() == 5 });
    assert!(is_there.await, "{:?}", ledger(&app).await);
    let rows = ledger(&app).await;
    let embeddings: Vec<_> = rows.iter().filter(|row| row.kind == "embedding").collect();
    assert!(embeddings.iter().all(|row| row.user_id.unwrap().0 == user.id && row.total_tokens == 1));
    assert!(embeddings.iter().all(|row| row.model == "pocket-but-remote" && !row.estimated));

    let local = options(&server).start().await;
    local.user().await.post("/memories/search", json!({"query": "drinks"})).await.expect(200);
    assert_eq!(ledger(&local).await.len(), 0);
}

/// The databases of the tests are migrated for vectors of this length.
const LENGTH: usize = 384;

#[tokio::test]
async fn the_ledger_outlives_the_account_without_saying_whose_it_was() {
    let server = ModelServer::start().await;
    let app = options(&server).start().await;
    let (user, admin) = (app.user().await, app.admin().await);
    let conversation = user.conversation().await;
    user.ask(&conversation, "What is beta?").await.expect(200);
    admin.delete(&format!("/admin/users/{}", user.id)).await.expect(204);
    let rows = ledger(&app).await;
    assert_eq!((rows.len(), rows[0].user_id, rows[0].total_tokens), (1, None, 15));
    assert_eq!(number(&app, "SELECT count(*) FROM usage_months").await, 0);
}

/// Deleting the conversation while the answer comes makes it no cheaper.
#[tokio::test]
async fn an_answer_whose_conversation_is_deleted_meanwhile_is_recorded_and_counted() {
    let server = ModelServer::start().await;
    let slow = std::time::Duration::from_millis(700);
    server.push(Script::reply(["one ", "two ", "three"]).every(slow).usage(10, 3));
    let app = options(&server).env("TANDEM__QUOTA__MONTHLY_MESSAGES", 5).start().await;
    let user = app.user().await;
    let conversation = user.conversation().await;
    let asking = tokio::spawn({
        let (user, conversation) = (user.clone(), conversation.clone());
        async move { user.ask(&conversation, "count").await }
    });
    assert!(eventually(|| async { !server.requests().is_empty() }).await);
    user.delete(&format!("/chat/conversations/{conversation}")).await.expect(204);
    assert!(eventually(|| async { ledger(&app).await.len() == 1 }).await);
    assert!(ledger(&app).await[0].total_tokens > 0);
    let month = user.get("/chat/usage").await.expect(200);
    assert_eq!(month["reserved"]["messages"], 0, "{month}");
    assert!(month["used"]["tokens"].as_i64().unwrap() > 0, "{month}");
    asking.abort();
}
