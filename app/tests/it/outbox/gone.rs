//! Deleted is gone, on both sides, with all that was derived.

use std::time::Duration;

use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use super::{count, id_of, patient, source, state, waiting};
use crate::chat::{eventually, with_model};
use crate::support::TestApp;
use crate::support::model::{ModelServer, Script};

#[tokio::test]
async fn a_deleted_source_leaves_answers_citations_and_logs() {
    let app = patient().await;
    let user = app.user().await;
    let id = source(&app, &user, "Goldbook", "Gold is a precious metal.").await;
    let conversation = user.conversation().await;
    let answer = user.ask(&conversation, "What is gold?").await.expect(200);
    assert_eq!(answer["citations"][0]["title"], "Goldbook");
    let words = "SELECT count(*) FROM message_events WHERE event IN ('citation', 'context') AND data::text LIKE '%Goldbook%'";
    assert!(count(app.core(), words).await > 0);

    user.delete(&format!("/knowledge/sources/{id}")).await.expect(204);
    assert_eq!(waiting(app.core()).await, 0);
    let told = user.get(&format!("/chat/conversations/{conversation}/messages")).await.expect(200);
    let citation = &told["items"][1]["citations"][0];
    assert_eq!(
        (&citation["deleted"], &citation["title"], &citation["quote"]),
        (&json!(true), &json!(""), &json!(""))
    );
    assert_eq!(count(app.core(), words).await, 0, "the stream's log still names it");
    assert_eq!(count(app.ai(), "SELECT count(*) FROM ai_kb_documents").await, 0);
    user.delete(&format!("/knowledge/sources/{id}")).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn a_source_deleted_while_it_is_cited_is_not_quoted() {
    let server = ModelServer::start().await;
    server.push(Script::reply(["Gold [1] ", "is ", "a metal."]).every(Duration::from_millis(700)));
    let app = with_model(&server).await;
    let user = app.user().await;
    let id = source(&app, &user, "Goldbook", "Gold is a precious metal.").await;
    let conversation = user.conversation().await;
    let turn = {
        let (user, conversation) = (user.clone(), conversation.clone());
        tokio::spawn(async move { user.ask(&conversation, "What is gold?").await })
    };
    let cited = eventually(|| async {
        count(app.core(), "SELECT count(*) FROM message_events WHERE event = 'citation'").await == 1
    });
    assert!(cited.await, "nothing was cited");
    user.delete(&format!("/knowledge/sources/{id}")).await.expect(204);
    turn.await.unwrap().expect(200);
    let told = user.get(&format!("/chat/conversations/{conversation}/messages")).await.expect(200);
    let citation = &told["items"][1]["citations"][0];
    assert_eq!((&citation["deleted"], &citation["quote"]), (&json!(true), &json!("")));
}

#[tokio::test]
async fn a_late_deletion_empties_old_citations_and_spares_new_ones() {
    let app = TestApp::with()
        .env("TANDEM__DATABASE__AI_WAIT_MS", 500)
        .env("TANDEM__CHAT__RETRIEVAL_DEADLINE_MS", 20_000)
        .start()
        .await;
    let user = app.user().await;
    let id = source(&app, &user, "Goldbook", "Gold is a precious metal.").await;
    let conversation = user.conversation().await;
    user.ask(&conversation, "What is gold?").await.expect(200);
    app.stop_ai().await;
    user.delete(&format!("/knowledge/sources/{id}")).await.expect(202);
    app.start_ai().await;
    assert_eq!(source(&app, &user, "Goldbook", "Gold is a precious metal.").await, id);
    user.ask(&conversation, "What is gold?").await.expect(200);
    app.run_outbox().await;
    let told = user.get(&format!("/chat/conversations/{conversation}/messages")).await.expect(200);
    let deleted: Vec<&Value> = [1, 3].iter().map(|n| &told["items"][n]["citations"][0]["deleted"]).collect();
    assert_eq!(deleted, [&json!(true), &json!(false)]);
}

#[tokio::test]
async fn a_deleted_conversation_takes_its_votes_and_leaves_what_it_was_told() {
    let app = patient().await;
    let user = app.user().await;
    let conversation = user.conversation().await;
    let answer = user.ask(&conversation, "Please remember that I drink green tea").await.expect(200);
    let vote = format!("/chat/messages/{}/feedback", answer["assistant_message_id"].as_str().unwrap());
    user.put(&vote, json!({ "rating": "down" })).await.expect(200);
    let linked = "SELECT count(*) FROM ai_memories WHERE source_message_id IS NOT NULL";
    assert_eq!(count(app.ai(), linked).await, 1);

    user.delete(&format!("/chat/conversations/{conversation}")).await.expect(204);
    assert_eq!(waiting(app.core()).await, 0);
    for table in ["messages", "message_events", "citations", "conversations"] {
        assert_eq!(count(app.core(), &format!("SELECT count(*) FROM {table}")).await, 0, "{table}");
    }
    assert_eq!(count(app.ai(), "SELECT count(*) FROM ai_feedback").await, 0);
    assert_eq!(count(app.ai(), linked).await, 0);
    let memories = user.get("/memories").await.expect(200);
    assert_eq!(memories["items"][0]["content"], "I drink green tea", "it is the user's own");
    user.put(&vote, json!({ "rating": "up" })).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn one_database_is_no_exception() {
    let app = TestApp::with().single().start().await;
    let user = app.user().await;
    let id = source(&app, &user, "Goldbook", "Gold is a precious metal.").await;
    let memory = state(&user, "I own gold.").await;
    let conversation = user.conversation().await;
    user.ask(&conversation, "What is gold?").await.expect(200);
    user.delete(&format!("/knowledge/sources/{id}")).await.expect(204);
    user.delete(&format!("/memories/{memory}")).await.expect(204);
    user.delete(&format!("/chat/conversations/{conversation}")).await.expect(204);
    let left = "SELECT (SELECT count(*) FROM ai_kb_documents) + (SELECT count(*) FROM ai_memories) + (SELECT count(*) FROM messages)";
    assert_eq!((count(app.ai(), left).await, waiting(app.core()).await), (0, 0));
}

#[tokio::test]
async fn a_vote_that_races_the_end_of_its_conversation_leaves_nothing() {
    let app = patient().await;
    let user = app.user().await;
    for _ in 0..15 {
        let conversation = user.conversation().await;
        let answer = user.ask(&conversation, "Hello?").await.expect(200);
        let vote = format!("/chat/messages/{}/feedback", answer["assistant_message_id"].as_str().unwrap());
        let path = format!("/chat/conversations/{conversation}");
        let (voted, deleted) = tokio::join!(user.put(&vote, json!({ "rating": "up" })), user.delete(&path));
        assert!(matches!(voted.status, 200 | 404), "{}", voted.body);
        deleted.expect(204);
    }
    assert_eq!(count(app.ai(), "SELECT count(*) FROM ai_feedback").await, 0);
}

#[tokio::test]
async fn deleted_memories_leave_the_logs_too() {
    let app = patient().await;
    let user = app.user().await;
    let tea = state(&user, "I drink green tea every morning.").await;
    state(&user, "I drink black coffee every evening.").await;
    let conversation = user.conversation().await;
    user.ask(&conversation, "What do I drink every morning?").await.expect(200);
    let said = |word: &str| {
        format!("SELECT count(*) FROM message_events WHERE event = 'context' AND data::text LIKE '%{word}%'")
    };
    assert_eq!(count(app.core(), &said("green tea")).await, 1);
    user.delete(&format!("/memories/{tea}")).await.expect(204);
    assert_eq!(count(app.core(), &said("green tea")).await, 0);
    assert_eq!(user.delete("/memories?confirm=true").await.expect(200)["deleted"], 1);
    assert_eq!(count(app.core(), &said("black coffee")).await, 0);
    assert_eq!(user.get("/memories").await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn what_is_replaced_while_its_deletion_waits_stays() {
    let app = patient().await;
    let user = app.user().await;
    let id = source(&app, &user, "gold", "Gold is a precious metal.").await;
    // The deletion is under way in another process, and comes late.
    let steal = "UPDATE outbox SET delivered_at = NULL, lease_owner = id, lease_expires_at = now() + interval '1 hour'";
    user.delete(&format!("/knowledge/sources/{id}")).await.expect(204);
    app.core().execute_unprepared(steal).await.unwrap();
    app.ai().execute_unprepared("DELETE FROM ai_inbox").await.unwrap();
    let again = super::offer(&user, "gold", "Gold is a precious metal.").await;
    assert_eq!(again, id);
    app.run_jobs().await;
    app.core().execute_unprepared("UPDATE outbox SET lease_expires_at = now()").await.unwrap();
    app.run_outbox().await;
    assert_eq!(waiting(app.core()).await, 0);
    let now = user.get(&format!("/knowledge/sources/{id}")).await.expect(200);
    assert_eq!((id_of(&now), &now["status"]), (id, &json!("ready")));
}
