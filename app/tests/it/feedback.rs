//! Votes: one a user and answer, on own answers only.

use entity::core::message::{self, Role, Status};
use entity::ids::{ConversationId, MessageId};
use sea_orm::{ActiveValue::Set, EntityTrait, PaginatorTrait};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::TestApp;
use crate::support::user::TestUser;

/// A question and its answer, as a turn leaves them.
async fn exchange(app: &TestApp, user: &TestUser) -> (Uuid, Uuid) {
    let conversation = user.conversation().await.parse().unwrap();
    let question = insert(app, conversation, 1, Role::User).await;
    let answer = insert(app, conversation, 2, Role::Assistant).await;
    (question, answer)
}

async fn insert(app: &TestApp, conversation: Uuid, position: i32, role: Role) -> Uuid {
    let id = Uuid::now_v7();
    let row = message::ActiveModel {
        id: Set(MessageId(id)),
        conversation_id: Set(ConversationId(conversation)),
        position: Set(position),
        role: Set(role),
        status: Set(Status::Complete),
        content: Set("text".to_owned()),
        ..Default::default()
    };
    message::Entity::insert(row).exec_without_returning(app.core()).await.unwrap();
    id
}

async fn votes(app: &TestApp) -> u64 {
    entity::ai::feedback::Entity::find().count(app.ai()).await.unwrap()
}

fn path(message: Uuid) -> String {
    format!("/chat/messages/{message}/feedback")
}

#[tokio::test]
async fn a_vote_is_stored_linked_read_changed_and_withdrawn() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let (_, answer) = exchange(&app, &user).await;
    let path = path(answer);
    user.get(&path).await.expect_problem(404, "not_found");
    let vote = json!({ "rating": "down", "comment": "wrong year", "edited_text": "2024", "tags": ["facts"] });
    let stored = user.put(&path, vote).await.expect(200);
    assert_eq!(stored["message_id"], json!(answer));
    for (field, value) in [
        ("rating", json!("down")),
        ("comment", json!("wrong year")),
        ("edited_text", json!("2024")),
        ("tags", json!(["facts"])),
    ] {
        assert_eq!(stored[field], value);
    }
    assert_eq!(user.get(&path).await.expect(200), stored);
    let row = entity::ai::feedback::Entity::find().one(app.ai()).await.unwrap().unwrap();
    assert_eq!((row.message_id.0, row.user_id.0), (answer, user.id));

    let changed = user.post(&path, json!({ "rating": "up" })).await.expect(200);
    assert_eq!((&changed["id"], &changed["created_at"]), (&stored["id"], &stored["created_at"]));
    assert_eq!((&changed["rating"], &changed["comment"]), (&json!("up"), &Value::Null));
    assert_eq!(changed["tags"], json!([]));
    assert_ne!(changed["updated_at"], stored["updated_at"]);
    assert_eq!(votes(&app).await, 1);

    user.delete(&path).await.expect(204);
    user.get(&path).await.expect_problem(404, "not_found");
    assert_eq!(votes(&app).await, 0);
    user.delete(&path).await.expect(204);
}

#[tokio::test]
async fn ten_votes_at_once_are_one_row() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let (_, answer) = exchange(&app, &user).await;
    let path = path(answer);
    let requests =
        (0..10).map(|n| user.put(&path, json!({ "rating": if n % 2 == 0 { "up" } else { "down" } })));
    for response in futures::future::join_all(requests).await {
        response.expect(200);
    }
    assert_eq!(votes(&app).await, 1);
}

#[tokio::test]
async fn only_own_answers_are_voted_on() {
    let app = TestApp::start().await;
    let (anna, ben) = (app.user().await, app.user().await);
    let (question, answer) = exchange(&app, &anna).await;
    let up = json!({ "rating": "up" });
    anna.put(&path(answer), up.clone()).await.expect(200);
    for message in [answer, question, Uuid::now_v7()] {
        let path = path(message);
        ben.put(&path, up.clone()).await.expect_problem(404, "not_found");
        ben.post(&path, up.clone()).await.expect_problem(404, "not_found");
        ben.get(&path).await.expect_problem(404, "not_found");
        ben.delete(&path).await.expect_problem(404, "not_found");
    }
    anna.put(&path(question), up.clone()).await.expect_wrong_field("id");
    anna.delete(&path(question)).await.expect_wrong_field("id");
    app.anonymous().put(&path(answer), up).await.expect(401);
    assert_eq!(votes(&app).await, 1);
    assert_eq!(anna.get(&path(answer)).await.expect(200)["rating"], "up");
}

#[tokio::test]
async fn wrong_fields_are_named() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let (_, answer) = exchange(&app, &user).await;
    let path = path(answer);
    let tags: Vec<String> = (0..21).map(|n| n.to_string()).collect();
    for (body, field) in [
        (json!({}), "rating"),
        (json!({ "rating": "sideways" }), "rating"),
        (json!({ "rating": "up", "comment": "c".repeat(2001) }), "comment"),
        (json!({ "rating": "up", "comment": "\u{0}" }), "comment"),
        (json!({ "rating": "up", "edited_text": "e".repeat(32_001) }), "edited_text"),
        (json!({ "rating": "up", "tags": tags }), "tags"),
        (json!({ "rating": "up", "tags": ["t".repeat(51)] }), "tags[0]"),
        (json!({ "rating": "up", "tags": [" "] }), "tags[0]"),
        (json!({ "rating": "up", "user_id": user.id }), "user_id"),
    ] {
        user.put(&path, body).await.expect_wrong_field(field);
    }
    assert_eq!(votes(&app).await, 0);
}

#[tokio::test]
async fn without_the_ai_database_a_vote_is_refused_in_bounded_time() {
    // Nobody listens there, so the pool would go on trying for a minute.
    let app = TestApp::with().env("AI_DATABASE_URL", "postgres://nobody@127.0.0.1:1/ai").start().await;
    let user = app.user().await;
    let (_, answer) = exchange(&app, &user).await;
    let started = std::time::Instant::now();
    let refused = user.put(&path(answer), json!({ "rating": "up" })).await;
    assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
    assert!(refused.headers.contains_key("retry-after"));
    refused.expect_problem(503, "ai_unavailable");
    user.get("/auth/me").await.expect(200);
}
