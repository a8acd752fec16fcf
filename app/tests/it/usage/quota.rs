//! No user passes the quota, and what a failed turn reserved comes back.

use std::time::Duration;

use axum::http::header;
use serde_json::json;

use super::{ledger, number, options, run};
use crate::chat::eventually;
use crate::support::model::{ModelServer, Script};

#[tokio::test]
async fn fifty_at_once_pass_no_quota_of_messages() {
    let server = ModelServer::start().await;
    server.always(Script::reply(["fine"]).usage(10, 5).first_after(Duration::from_millis(50)));
    let app = options(&server).env("TANDEM__QUOTA__MONTHLY_MESSAGES", 7).start().await;
    let user = app.user().await;
    let asked = (0..50).map(async |_| {
        let conversation = user.conversation().await;
        let answer = user.ask(&conversation, "What is beta?").await;
        if answer.status == 429 {
            let retry = answer.headers.get(header::RETRY_AFTER).unwrap().to_str().unwrap().parse::<u64>();
            assert!(retry.unwrap() > 0);
            let problem = answer.expect_problem(429, "quota_exceeded");
            assert_eq!(problem["quota"]["measure"], "messages");
            assert_eq!(problem["quota"]["limit"], 7);
            assert!(problem["quota"]["resets_at"].is_string(), "{problem}");
            return 0;
        }
        answer.expect(200);
        1
    });
    let answered: i32 = futures::future::join_all(asked).await.into_iter().sum();
    assert_eq!(answered, 7);
    assert_eq!(ledger(&app).await.len(), 7, "a refused question costs nothing");
    let month = user.get("/chat/usage").await.expect(200);
    assert_eq!(month["used"], json!({"messages": 7, "tokens": 105, "cost_usd": "0.0000315"}));
    assert_eq!(month["reserved"], json!({"messages": 0, "tokens": 0, "cost_usd": "0"}));
    assert_eq!(month["limits"], json!({"messages": 7, "tokens": null, "cost_usd": null}));
    // Another user's month is another's.
    let other = app.user().await;
    assert_eq!(other.get("/chat/usage").await.expect(200)["used"]["messages"], 0);
    other.ask(&other.conversation().await, "What is beta?").await.expect(200);
}

#[tokio::test]
async fn fifty_at_once_pass_no_quota_of_tokens_or_cost() {
    for (name, limit, measure) in [
        ("TANDEM__QUOTA__MONTHLY_TOKENS", "3000", "tokens"),
        ("TANDEM__QUOTA__MONTHLY_COST_USD", "0.0006", "cost_usd"),
    ] {
        let server = ModelServer::start().await;
        // As much as an answer may take.
        server.always(Script::reply(["fine"]).usage(500, 200).first_after(Duration::from_millis(50)));
        let app = options(&server).env(name, limit).env("TANDEM__QUOTA__ANSWER_TOKENS", 200).start().await;
        let user = app.user().await;
        let asked = (0..50).map(async |_| {
            let conversation = user.conversation().await;
            let answer = user.ask(&conversation, "What is beta?").await;
            if answer.status == 429 {
                assert_eq!(answer.expect_problem(429, "quota_exceeded")["quota"]["measure"], measure);
                return 0;
            }
            answer.expect(200);
            1
        });
        let answered: i64 = futures::future::join_all(asked).await.into_iter().sum();
        assert!((1..=4).contains(&answered), "{answered} of 4 x 700 tokens");
        let taken = number(&app, "SELECT used_tokens FROM usage_months").await;
        assert_eq!(taken, answered * 700);
        assert_eq!(number(&app, "SELECT reserved_tokens FROM usage_months").await, 0);
        assert!(taken <= 3000);
        // The provider was told how long the answer may be.
        assert!(server.requests().iter().all(|asked| asked.body["max_tokens"] == 200));
    }
}

#[tokio::test]
async fn a_failed_answer_gives_its_message_back() {
    let server = ModelServer::start().await;
    server.push(Script::status(500));
    let app = options(&server).env("TANDEM__QUOTA__MONTHLY_MESSAGES", 1).start().await;
    let user = app.user().await;
    let conversation = user.conversation().await;
    user.ask(&conversation, "one").await.expect_problem(502, "turn_failed");
    user.ask(&conversation, "two").await.expect(200);
    user.ask(&conversation, "three").await.expect_problem(429, "quota_exceeded");
}

#[tokio::test]
async fn what_a_dead_turn_reserved_comes_back_once() {
    let server = ModelServer::start().await;
    server.push(Script::hang());
    let app = options(&server).env("TANDEM__QUOTA__MONTHLY_TOKENS", 4000).start().await;
    let user = app.user().await;
    let conversation = user.conversation().await;
    let asking = tokio::spawn({
        let (user, conversation) = (user.clone(), conversation.clone());
        async move { user.ask(&conversation, "one").await }
    });
    assert!(eventually(|| async { !server.requests().is_empty() }).await);
    assert!(number(&app, "SELECT reserved_tokens FROM usage_months").await > 2000);
    let other = user.conversation().await;
    user.ask(&other, "two").await.expect_problem(429, "quota_exceeded");
    // While it lives, nothing is given back.
    assert_eq!(tandem::usage::refund_lost(app.core()).await.unwrap(), 0);
    run(&app, "UPDATE messages SET lease_expires_at = now() - interval '1 s' WHERE status = 'streaming'")
        .await;
    assert_eq!(tandem::usage::refund_lost(app.core()).await.unwrap(), 1);
    assert_eq!(tandem::usage::refund_lost(app.core()).await.unwrap(), 0);
    assert_eq!(number(&app, "SELECT reserved_tokens + reserved_messages FROM usage_months").await, 0);
    user.ask(&other, "two").await.expect(200);
    asking.abort();
}

#[tokio::test]
async fn administrators_give_a_user_other_limits() {
    let server = ModelServer::start().await;
    let app = options(&server).env("TANDEM__QUOTA__MONTHLY_MESSAGES", 1).start().await;
    let (user, admin) = (app.user().await, app.admin().await);
    let path = format!("/admin/users/{}", user.id);
    let conversation = user.conversation().await;
    user.ask(&conversation, "one").await.expect(200);
    user.ask(&conversation, "two").await.expect_problem(429, "quota_exceeded");
    let body = json!({"quota": {"monthly_messages": 2, "monthly_cost_usd": "1.5"}});
    let changed = admin.patch(&path, body).await.expect(200);
    let own = json!({"monthly_tokens": null, "monthly_cost_usd": "1.5", "monthly_messages": 2});
    assert_eq!(changed["quota"], own);
    assert_eq!(admin.get(&path).await.expect(200)["quota"], own);
    user.ask(&conversation, "two").await.expect(200);
    user.ask(&conversation, "three").await.expect_problem(429, "quota_exceeded");
    admin.patch(&path, json!({"quota": {"monthly_messages": 0}})).await.expect(200);
    user.ask(&conversation, "three").await.expect(200);
    admin.patch(&path, json!({"quota": {"monthly_messages": null}})).await.expect(200);
    user.ask(&conversation, "four").await.expect_problem(429, "quota_exceeded");
    admin
        .patch(&path, json!({"quota": {"monthly_tokens": -1}}))
        .await
        .expect_wrong_field("quota.monthly_tokens");
    user.patch(&path, json!({"quota": {"monthly_messages": 0}})).await.expect_problem(403, "admin_only");
}

/// Each round of tools is asked only if the month has room for it.
#[tokio::test]
async fn a_round_of_tools_for_which_there_is_no_room_is_not_asked() {
    let server = ModelServer::start().await;
    server.push(Script::hang());
    let app = options(&server).env("TANDEM__QUOTA__ANSWER_TOKENS", 200).env(LIMIT, 1_000_000).start().await;
    let user = app.user().await;
    let conversation = user.conversation().await;
    let asking = tokio::spawn({
        let (user, conversation) = (user.clone(), conversation.clone());
        async move { user.ask(&conversation, "What do I drink?").await }
    });
    assert!(eventually(|| async { !server.requests().is_empty() }).await);
    let first = number(&app, "SELECT reserved_tokens FROM usage_months").await;
    asking.abort();

    let server = ModelServer::start().await;
    let call = || Script::calls([("recall", json!({"query": "tea"}))]).usage(300, 20);
    server.push(call().saying("Let me look."));
    server.push(call());
    let app = options(&server).env("TANDEM__QUOTA__ANSWER_TOKENS", 200).env(LIMIT, first + 330).start().await;
    let user = app.user().await;
    let events = user.stream(&user.conversation().await, "What do I drink?").await;
    assert!(events.iter().any(|event| event.data["code"] == "quota_reached"), "{events:?}");
    let last = events.last().unwrap();
    assert_eq!((last.event.as_str(), &last.data["content"]), ("done", &json!("Let me look.")));
    assert_eq!(server.requests().len(), 1);
    // Where nothing was said yet, it is an error.
    let events = user.stream(&user.conversation().await, "What do I drink?").await;
    let last = events.last().unwrap();
    assert_eq!((last.event.as_str(), &last.data["code"]), ("error", &json!("quota_exceeded")));
    assert_eq!(number(&app, "SELECT reserved_tokens FROM usage_months").await, 0);
    assert_eq!(number(&app, "SELECT used_tokens FROM usage_months").await, 640);
    assert_eq!(server.requests().len(), 2);
}

const LIMIT: &str = "TANDEM__QUOTA__MONTHLY_TOKENS";
