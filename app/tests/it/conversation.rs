//! Conversations and their messages.

use axum::http::Method;
use chrono::Utc;
use entity::core::message::{Role, Status};
use entity::core::{citation, conversation, message, message_event};
use entity::ids::{CitationId, ConversationId, MessageId, UserId};
use sea_orm::ActiveValue::Set;
use sea_orm::{ConnectionTrait, EntityTrait, PaginatorTrait};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::TestApp;

#[tokio::test]
async fn a_conversation_is_begun_read_renamed_and_deleted() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let body = json!({"title": "Risk", "metadata": {"page": "risk", "deep": [{"a": null}]}});
    let begun = user.post("/chat/conversations", body).await.expect(201);
    assert_eq!(begun["title"], "Risk");
    assert_eq!(begun["metadata"]["deep"][0]["a"], Value::Null);
    let path = format!("/chat/conversations/{}", begun["id"].as_str().unwrap());
    assert_eq!(user.get(&path).await.expect(200), begun);

    let renamed = user.patch(&path, json!({"title": "Beta"})).await.expect(200);
    assert_eq!(renamed["title"], "Beta");
    assert_eq!(renamed["created_at"], begun["created_at"]);
    assert_ne!(renamed["updated_at"], begun["updated_at"]);
    assert_eq!(user.get(&path).await.expect(200), renamed);

    user.delete(&path).await.expect(204);
    user.get(&path).await.expect_problem(404, "not_found");
    user.delete(&path).await.expect_problem(404, "not_found");

    let untitled = user.post("/chat/conversations", json!({})).await.expect(201);
    assert_eq!(untitled["title"], Value::Null);
    assert_eq!(untitled["metadata"], json!({}));
}

#[tokio::test]
async fn a_wrong_field_is_named() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let long = "x".repeat(501);
    let cases = [
        ("title", json!({"title": ""})),
        ("title", json!({"title": " \n"})),
        ("title", json!({"title": long})),
        ("title", json!({"title": "a\u{0}b"})),
        ("title", json!({"title": 1})),
        ("metadata", json!({"metadata": [1]})),
        ("metadata", json!({"metadata": {"a": [{"b": "\u{0}"}]}})),
        ("metadata", json!({"metadata": {"a": {"\u{0}": 1}}})),
        ("metadata", json!({"metadata": {"a": "x".repeat(16_384)}})),
        ("user_id", json!({"user_id": Uuid::now_v7()})),
    ];
    for (field, body) in cases {
        user.post("/chat/conversations", body).await.expect_wrong_field(field);
    }
    let accepted = user.post("/chat/conversations", json!({"title": "ä".repeat(500)})).await.expect(201);
    let path = format!("/chat/conversations/{}", accepted["id"].as_str().unwrap());
    for (field, body) in [
        ("title", json!({"title": " "})),
        ("title", json!({"title": "x".repeat(501)})),
        ("title", json!({"title": null})),
        ("metadata", json!({"title": "a", "metadata": {}})),
    ] {
        user.patch(&path, body).await.expect_wrong_field(field);
    }
    user.get("/chat/conversations/none").await.expect_wrong_field("id");
    user.get("/chat/conversations?limit=201").await.expect_wrong_field("limit");
    user.get("/chat/conversations?cursor=nonsense").await.expect_wrong_field("cursor");
    user.get(&format!("{path}/messages?order=x")).await.expect_wrong_field("order");
}

#[tokio::test]
async fn conversations_are_listed_newest_first_and_pages_are_exact() {
    let app = TestApp::start().await;
    let (user, other) = (app.user().await, app.user().await);
    let mut made = Vec::new();
    for _ in 0..7 {
        made.push(user.conversation().await);
        other.conversation().await;
    }
    // Three of them began at the very same instant.
    let same = format!(
        "UPDATE conversations SET created_at = '2026-01-01T00:00:00.123456Z' WHERE id IN ('{}', '{}', '{}')",
        made[2], made[3], made[4]
    );
    app.core().execute_unprepared(&same).await.unwrap();
    let newest_first: Vec<String> = [6, 5, 1, 0, 4, 3, 2].iter().map(|index| made[*index].clone()).collect();
    for limit in [1, 2, 3, 7, 50] {
        let seen = all(&user, "/chat/conversations", limit).await;
        assert_eq!(ids(&seen), newest_first, "limit {limit}");
    }
}

#[tokio::test]
async fn messages_are_listed_in_order_with_their_citations() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let conversation = user.conversation().await;
    let path = format!("/chat/conversations/{conversation}/messages");
    assert_eq!(user.get(&path).await.expect(200), json!({"items": [], "next_cursor": null}));

    let (memory, document, source) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
    let question = write(&app, &conversation, 1, |row| row.content = Set("Why?".to_owned())).await;
    let answer = write(&app, &conversation, 2, |row| {
        row.role = Set(Role::Assistant);
        row.parent_id = Set(Some(question));
        row.content = Set("So [2]. And so [1].".to_owned());
        row.memories = Set(json!([memory]));
        row.mode = Set(Some("model".to_owned()));
        row.model = Set(Some("m".to_owned()));
        row.prompt_tokens = Set(Some(10));
        row.completion_tokens = Set(Some(5));
        row.total_tokens = Set(Some(15));
        row.latency_ms = Set(Some(7));
        row.completed_at = Set(Some(Utc::now()));
    })
    .await;
    // Stored in another order than they stand in the answer.
    cite(&app, answer, 1, 1, document, source).await;
    cite(&app, answer, 0, 2, document, source).await;

    let items = user.get(&path).await.expect(200)["items"].take();
    assert_eq!(items.as_array().unwrap().len(), 2);
    assert_eq!(items[0]["id"], json!(question));
    assert_eq!(items[0]["role"], "user");
    assert_eq!(items[0]["citations"], json!([]));
    assert_eq!(items[0]["usage"], Value::Null);
    assert_eq!(items[1]["parent_id"], json!(question));
    assert_eq!(items[1]["role"], "assistant");
    assert_eq!(items[1]["status"], "complete");
    assert_eq!(items[1]["memories"], json!([{"id": memory}]));
    assert_eq!(items[1]["mode"], "model");
    assert_eq!(items[1]["model"], "m");
    assert_eq!(items[1]["usage"], json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}));
    assert!(items[1]["completed_at"].is_string() && items[1]["created_at"].is_string());
    let cited = |index: i32, ordinal: i32| {
        json!({"kind": "passage", "index": index, "document_id": document, "source_id": source, "title": "A source",
               "start": ordinal, "end": ordinal + 3, "quote": "A sentence.", "deleted": false})
    };
    assert_eq!(items[1]["citations"], json!([cited(2, 0), cited(1, 1)]));

    let view = tandem::conversation::message_view(app.core(), UserId(user.id), answer).await.unwrap();
    let mut listed = items[1].clone();
    assert_eq!(listed.as_object_mut().unwrap().remove("siblings"), Some(json!([answer])));
    assert_eq!(serde_json::to_value(view).unwrap(), listed);
}

#[tokio::test]
async fn pages_of_messages_are_exact_however_alike_their_times_are() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let conversation = user.conversation().await;
    let mut written = Vec::new();
    for position in 1..=7 {
        // All at one instant, with ids that say nothing about the order.
        let id = MessageId(Uuid::new_v4());
        let parent = written.last().copied();
        let at = "2026-01-01T00:00:00Z".parse().unwrap();
        let id = write(&app, &conversation, position, |row| {
            row.id = Set(id);
            row.parent_id = Set(parent);
            row.created_at = Set(at);
        })
        .await;
        cite(&app, id, 0, position, Uuid::now_v7(), Uuid::now_v7()).await;
        written.push(id);
    }
    let written: Vec<String> = written.iter().map(ToString::to_string).collect();
    let path = format!("/chat/conversations/{conversation}/messages");
    for (limit, which) in [(1, ""), (3, "&all=true"), (3, ""), (6, ""), (7, "&all=true"), (8, "")] {
        let seen = all_of(&user, &path, limit, which).await;
        assert_eq!(ids(&seen), written, "limit {limit}{which}");
        for (message, position) in seen.iter().zip(1..) {
            assert_eq!(message["citations"][0]["index"], position);
        }
    }
    // A cursor of another list is refused, not misread.
    let page = user.get("/chat/conversations?limit=1").await.expect(200);
    assert_eq!(page["next_cursor"], Value::Null);
    user.conversation().await;
    let page = user.get("/chat/conversations?limit=1").await.expect(200);
    let cursor = page["next_cursor"].as_str().unwrap();
    user.get(&format!("{path}?cursor={cursor}")).await.expect_wrong_field("cursor");
}

#[tokio::test]
async fn somebody_elses_conversation_does_not_exist() {
    let app = TestApp::start().await;
    let owner = app.user().await;
    let conversation = owner.conversation().await;
    let message = write(&app, &conversation, 1, |_| {}).await;
    let path = format!("/chat/conversations/{conversation}");
    // Administrators read nobody's conversations either.
    for stranger in [app.user().await, app.admin().await] {
        let requests = [
            (Method::GET, path.clone(), None),
            (Method::PATCH, path.clone(), Some(json!({"title": "mine"}))),
            (Method::DELETE, path.clone(), None),
            (Method::GET, format!("{path}/messages"), None),
        ];
        for (method, path, body) in requests {
            let answer = stranger.request(method, &path, body, &[]).await;
            answer.expect_problem(404, "not_found");
        }
        let list = stranger.get("/chat/conversations").await.expect(200);
        assert_eq!(list["items"], json!([]));
        let (core, id) = (app.core(), UserId(stranger.id));
        let conversation = ConversationId(conversation.parse().unwrap());
        assert!(tandem::conversation::find_owned(core, id, conversation).await.is_err());
        assert!(tandem::conversation::find_owned_message(core, id, message).await.is_err());
        assert!(tandem::conversation::message_view(core, id, message).await.is_err());
        assert!(tandem::conversation::delete(&app.state, id, conversation).await.is_err());
    }
    let (core, id) = (app.core(), UserId(owner.id));
    assert_eq!(tandem::conversation::find_owned_message(core, id, message).await.unwrap().id, message);
    assert_eq!(owner.get(&path).await.expect(200)["title"], Value::Null);
}

#[tokio::test]
async fn deleting_a_conversation_leaves_nothing_of_it_in_core() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let (deleted, kept) = (user.conversation().await, user.conversation().await);
    for conversation in [&deleted, &kept] {
        let message = write(&app, conversation, 1, |_| {}).await;
        cite(&app, message, 0, 1, Uuid::now_v7(), Uuid::now_v7()).await;
        let event = message_event::ActiveModel {
            message_id: Set(message),
            seq: Set(1),
            event: Set("token".to_owned()),
            data: Set(json!({"delta": "x"})),
            ..Default::default()
        };
        message_event::Entity::insert(event).exec_without_returning(app.core()).await.unwrap();
    }
    user.delete(&format!("/chat/conversations/{deleted}")).await.expect(204);
    let core = app.core();
    assert_eq!(conversation::Entity::find().count(core).await.unwrap(), 1);
    assert_eq!(message::Entity::find().count(core).await.unwrap(), 1);
    assert_eq!(citation::Entity::find().count(core).await.unwrap(), 1);
    assert_eq!(message_event::Entity::find().count(core).await.unwrap(), 1);
}

/// Every item of a list, read page by page.
async fn all(user: &crate::support::user::TestUser, path: &str, limit: usize) -> Vec<Value> {
    all_of(user, path, limit, "").await
}

async fn all_of(user: &crate::support::user::TestUser, path: &str, limit: usize, more: &str) -> Vec<Value> {
    let mut items = Vec::new();
    let mut cursor = String::new();
    for _ in 0..100 {
        let mut page = user.get(&format!("{path}?limit={limit}{more}{cursor}")).await.expect(200);
        let Value::Array(rows) = page["items"].take() else { unreachable!("items is a list") };
        assert!(rows.len() <= limit);
        items.extend(rows);
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return items,
        }
    }
    unreachable!("the list does not end");
}

fn ids(items: &[Value]) -> Vec<String> {
    items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

async fn write(
    app: &TestApp,
    conversation: &str,
    position: i32,
    change: impl FnOnce(&mut message::ActiveModel),
) -> MessageId {
    let mut row = message::ActiveModel {
        id: Set(MessageId(Uuid::now_v7())),
        conversation_id: Set(ConversationId(conversation.parse().unwrap())),
        position: Set(position),
        role: Set(Role::User),
        status: Set(Status::Complete),
        content: Set("text".to_owned()),
        ..Default::default()
    };
    change(&mut row);
    message::Entity::insert(row).exec(app.core()).await.unwrap().last_insert_id
}

async fn cite(app: &TestApp, message: MessageId, ordinal: i32, index: i32, document: Uuid, source: Uuid) {
    let row = citation::ActiveModel {
        id: Set(CitationId(Uuid::now_v7())),
        message_id: Set(message),
        ordinal: Set(ordinal),
        index: Set(index),
        document_id: Set(Some(document.into())),
        source_id: Set(Some(source.into())),
        title: Set("A source".to_owned()),
        quote: Set("A sentence.".to_owned()),
        span_start: Set(ordinal),
        span_end: Set(ordinal + 3),
        ..Default::default()
    };
    citation::Entity::insert(row).exec_without_returning(app.core()).await.unwrap();
}
