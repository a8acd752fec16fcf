//! Databases that go away, hang, or have no room, and come back.

use std::time::{Duration, Instant};

use sea_orm::ConnectionTrait;
use serde_json::json;

use crate::chat::{FOUR, eventually, learn};
use crate::support::TestApp;
use crate::support::app::Options;
use crate::support::model::{ModelServer, Script};
use crate::support::postgres::{self, Layout};
use crate::support::user::TestUser;
use crate::support::wire::Wire;

/// Core and ai, each behind a wire.
async fn wired(server: Option<&ModelServer>) -> (TestApp, Wire, Wire) {
    let urls = postgres::migrated(Layout::Dual).await;
    let core = Wire::to(&urls.core).await;
    let ai = Wire::to(urls.ai.as_ref().unwrap()).await;
    let mut options: Options = TestApp::with()
        .env("DATABASE_URL", core.url())
        .env("AI_DATABASE_URL", ai.url())
        .env("TANDEM__DATABASE__AI_WAIT_MS", 3000)
        .env("TANDEM__CHAT__RETRIEVAL_DEADLINE_MS", 10_000)
        .env("TANDEM__CHAT__LEASE_S", 3);
    if let Some(server) = server {
        options = options.env("OPENAI_BASE_URL", server.url()).env("CHAT_MODEL", "scripted");
    }
    (options.start().await, core, ai)
}

/// Longest time a request may take to say that core is away.
const BOUND: Duration = Duration::from_secs(8);

#[tokio::test]
async fn core_away_or_silent_is_503_in_bounded_time_and_comes_back_without_a_restart() {
    let (app, core, _ai) = wired(None).await;
    let user = app.user().await;
    let login = json!({ "email": user.email, "password": "a password for tests" });
    let session = app.anonymous().post("/auth/login", login.clone()).await.expect(200);
    let refresh = json!({ "refresh_token": session["refresh_token"] });
    for silent in [false, true] {
        if silent {
            core.silence();
        } else {
            core.cut();
        }
        let started = Instant::now();
        let new = json!({ "email": "new@example.com", "password": "a long password" });
        let anonymous = app.anonymous();
        let answers = tokio::join!(
            user.get("/auth/me"),
            user.post("/chat/conversations", json!({})),
            anonymous.post("/auth/login", login.clone()),
            anonymous.post("/auth/register", new),
            anonymous.post("/auth/refresh", refresh.clone()),
            anonymous.post("/auth/logout", refresh.clone()),
            anonymous.get("/health/ready"),
        );
        assert!(started.elapsed() < BOUND, "silent {silent}: {:?}", started.elapsed());
        for answer in [answers.0, answers.1, answers.2, answers.3, answers.4, answers.5] {
            assert_eq!(answer.headers["retry-after"], "5", "{}", answer.body);
            // Connections that say nothing are in use.
            let busy = silent && answer.body.contains("core_busy");
            answer.expect_problem(503, if busy { "core_busy" } else { "core_unavailable" });
        }
        assert_eq!(answers.6.expect(503)["status"], "unavailable");
        core.mend();
        let back = eventually(|| async { user.get("/auth/me").await.status == 200 }).await;
        assert!(back, "core came back and nobody noticed");
    }
    app.anonymous().post("/auth/login", login).await.expect(200);
}

#[tokio::test]
async fn ai_stopped_in_the_middle_of_a_turn_costs_nothing_and_is_said_in_the_next() {
    let server = ModelServer::start().await;
    let (app, _core, ai) = wired(Some(&server)).await;
    let user = app.user().await;
    learn(&app, &user, &FOUR).await;
    let conversation = user.conversation().await;
    server.push(Script::reply(["Beta ", "is ", "known [1]."]).every(Duration::from_millis(500)));
    let turn = {
        let (user, conversation) = (user.clone(), conversation.clone());
        tokio::spawn(async move { user.stream(&conversation, "What is beta?").await })
    };
    assert!(eventually(|| async { !server.requests().is_empty() }).await);
    ai.cut();
    let events = turn.await.unwrap();
    assert_eq!(events.last().unwrap().event, "done", "{events:?}");
    assert_eq!(events.last().unwrap().data["content"], "Beta is known [1].");

    let started = Instant::now();
    let events = user.stream(&conversation, "And volatility?").await;
    let info = events.iter().find(|event| event.event == "info").unwrap();
    assert!(
        ["retrieval_unavailable", "retrieval_timeout"].contains(&info.data["code"].as_str().unwrap()),
        "{info:?}"
    );
    assert_eq!(events.last().unwrap().event, "done");
    assert!(started.elapsed() < BOUND);
    let search = user.post("/knowledge/search", json!({ "query": "beta" })).await;
    assert_eq!(search.headers["retry-after"], "5");
    search.expect_problem(503, "ai_unavailable");
    assert_eq!(app.anonymous().get("/health/ready").await.expect(200)["status"], "degraded");

    ai.mend();
    let back = eventually(|| async {
        user.post("/knowledge/search", json!({ "query": "beta" })).await.status == 200
    });
    assert!(back.await, "ai came back and nobody noticed");
    let events = user.stream(&conversation, "What is beta?").await;
    assert!(events.iter().all(|event| event.event != "info"), "{events:?}");
}

#[tokio::test]
async fn both_stopped_in_the_middle_of_a_turn_end_its_stream_and_leave_no_running_turn() {
    let server = ModelServer::start().await;
    let (app, core, ai) = wired(Some(&server)).await;
    let user = app.user().await;
    for silent in [false, true] {
        let conversation = user.conversation().await;
        stop_both(&server, &user, &conversation, [&core, &ai], silent).await;
    }
}

async fn stop_both(
    server: &ModelServer,
    user: &TestUser,
    conversation: &str,
    wires: [&Wire; 2],
    silent: bool,
) {
    server.push(Script::reply(["one ", "two ", "three"]).every(Duration::from_secs(1)));
    let asked = server.requests().len();
    let started = Instant::now();
    let turn = {
        let (user, conversation) = (user.clone(), conversation.to_owned());
        tokio::spawn(async move { user.stream(&conversation, "count").await })
    };
    assert!(eventually(|| async { server.requests().len() > asked }).await);
    for wire in wires {
        if silent { wire.silence() } else { wire.cut() }
    }
    let events = tokio::time::timeout(Duration::from_secs(40), turn).await.expect("a bounded wait").unwrap();
    let last = events.last().unwrap();
    assert_eq!(last.event, "error", "{events:?}");
    assert_eq!(last.data["code"], "core_unavailable", "after {:?}", started.elapsed());
    assert_eq!(user.get("/auth/me").await.status, 503);

    for wire in wires {
        wire.mend();
    }
    server.push(Script::reply(["Back."]));
    let again = eventually(|| async { user.ask(conversation, "again").await.status == 200 }).await;
    assert!(again, "the conversation is free once the lease has run out");
    let stored = user.get(&format!("/chat/conversations/{conversation}/messages")).await.expect(200);
    assert_eq!(stored["items"][1]["status"], "interrupted", "{stored}");
}

#[tokio::test]
async fn a_pool_without_room_is_said_in_bounded_time() {
    let app = TestApp::with().env("TANDEM__DATABASE__AI_WAIT_MS", 1000).start().await;
    let user = app.user().await;
    let mut held = Vec::new();
    for _ in 0..app.state.settings.database.ai_pool_max {
        held.push(app.state.ai.begin_worker().await.unwrap());
    }
    let search = user.post("/knowledge/search", json!({ "query": "beta" })).await;
    assert_eq!(search.headers["retry-after"], "5");
    search.expect_problem(503, "ai_busy");
    // Slow vectors take nothing from what is fast.
    user.get("/auth/me").await.expect(200);
    drop(held);

    let mut held = Vec::new();
    for _ in 0..app.state.settings.database.core_pool_max {
        held.push(app.core().begin().await.unwrap());
    }
    let started = Instant::now();
    user.get("/auth/me").await.expect_problem(503, "core_busy");
    assert!(started.elapsed() < BOUND);
    drop(held);
    user.get("/auth/me").await.expect(200);
    user.post("/knowledge/search", json!({ "query": "beta" })).await.expect(200);
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_given_up_and_said() {
    let app = TestApp::with().env("TANDEM__DATABASE__STATEMENT_TIMEOUT_MS", 500).start().await;
    let user = app.user().await;
    let blocker = postgres::operator(&app.urls.core);
    let tx = sea_orm::TransactionTrait::begin(&blocker).await.unwrap();
    tx.execute_unprepared("LOCK TABLE conversations").await.unwrap();
    let answer = user.post("/chat/conversations", json!({})).await;
    assert_eq!(answer.headers["retry-after"], "5");
    answer.expect_problem(503, "database_timeout");
    tx.rollback().await.unwrap();
    user.post("/chat/conversations", json!({})).await.expect(201);
}

/// S0-33: enabling an extension may restart a managed database.
#[tokio::test]
async fn pools_find_a_restarted_server_again() {
    let (app, core, ai) = wired(None).await;
    let user = app.user().await;
    learn(&app, &user, &FOUR).await;
    for _ in 0..3 {
        // Every connection of both pools ends at once, as in a restart.
        core.cut();
        ai.cut();
        core.mend();
        ai.mend();
        let back = eventually(|| async {
            user.get("/auth/me").await.status == 200
                && user.post("/knowledge/search", json!({ "query": "beta" })).await.status == 200
        });
        assert!(back.await);
    }
}

/// S3-34: a database that says nothing costs the deadline and no more.
#[tokio::test]
async fn a_silent_ai_database_costs_the_deadline_and_no_more() {
    let server = ModelServer::start().await;
    let urls = postgres::migrated(Layout::Dual).await;
    let ai = Wire::to(urls.ai.as_ref().unwrap()).await;
    let app = TestApp::with()
        .env("AI_DATABASE_URL", ai.url())
        .env("OPENAI_BASE_URL", server.url())
        .env("TANDEM__CHAT__RETRIEVAL_DEADLINE_MS", 500)
        .start()
        .await;
    let user = app.user().await;
    let conversation = user.conversation().await;
    user.stream(&conversation, "warm").await;
    ai.silence();
    let started = Instant::now();
    let events = user.stream(&conversation, "Remember that I like bonds.").await;
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    let codes: Vec<_> =
        events.iter().filter(|event| event.event == "info").map(|event| &event.data["code"]).collect();
    assert_eq!(codes, ["retrieval_timeout", "memory_not_saved"]);
    assert_eq!(events.last().unwrap().event, "done");
}

/// S3-35: under load too.
#[tokio::test]
async fn forty_turns_at_once_hold_no_connection_while_the_model_thinks() {
    let server = ModelServer::start().await;
    server.always(Script::reply(["finally"]).first_after(Duration::from_secs(6)));
    let app = crate::chat::with_model(&server).await;
    let user = app.user().await;
    let turns: Vec<_> = (0..40)
        .map(|_| {
            let user = user.clone();
            tokio::spawn(async move {
                let conversation = user.conversation().await;
                user.ask(&conversation, "think").await.expect(200)
            })
        })
        .collect();
    assert!(eventually(|| async { server.requests().len() == 40 }).await, "{}", server.requests().len());
    let idle = eventually(|| async {
        (app.core().pool_state().in_use(), app.state.ai.pool_state().in_use()) == (0, 0)
    });
    assert!(idle.await, "{:?} {:?}", app.core().pool_state(), app.state.ai.pool_state());
    user.get("/auth/me").await.expect(200);
    for turn in turns {
        assert_eq!(turn.await.unwrap()["content"], "finally");
    }
}
