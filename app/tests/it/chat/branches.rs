//! A conversation is a tree: edits, other answers, the path that is read.

use std::time::Duration;

use axum::http::Method;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use super::{eventually, with_model};
use crate::support::TestApp;
use crate::support::model::{End, ModelServer, Script};
use crate::support::response::{TestResponse, joined};
use crate::support::user::TestUser;

const JSON: (&str, &str) = ("accept", "application/json");

/// Sends with a parent that is named, null or, if none is given, absent.
async fn send(user: &TestUser, conversation: &str, content: &str, parent: Option<Value>) -> Value {
    let mut body = json!({ "content": content });
    if let Some(parent) = parent {
        body["parent_id"] = parent;
    }
    let path = format!("/chat/conversations/{conversation}/send");
    user.request(Method::POST, &path, Some(body), &[JSON]).await.expect(200)
}

async fn regenerate(user: &TestUser, id: &Value) -> TestResponse {
    let path = format!("/chat/messages/{}/regenerate", id.as_str().unwrap());
    user.request(Method::POST, &path, None, &[JSON]).await
}

async fn messages(user: &TestUser, conversation: &str, query: &str) -> Vec<Value> {
    let path = format!("/chat/conversations/{conversation}/messages{query}");
    let mut page = user.get(&path).await.expect(200);
    let Value::Array(items) = page["items"].take() else { unreachable!("items is a list") };
    items
}

fn contents(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["content"].as_str().unwrap()).collect()
}

/// What the model was told last, without the instructions.
fn told(server: &ModelServer) -> Vec<String> {
    let messages = server.requests().last().unwrap().messages();
    messages.into_iter().skip(1).map(|(_, content)| content).collect()
}

async fn activate(user: &TestUser, conversation: &str, message: &Value) -> Value {
    let body = json!({ "active_message_id": message });
    user.patch(&format!("/chat/conversations/{conversation}"), body).await.expect(200)
}

#[tokio::test]
async fn an_edited_question_makes_a_branch_and_the_model_hears_of_its_own_path_only() {
    let server = ModelServer::start().await;
    for answer in ["A1", "A2", "A2 edited", "A3", "A1 edited", "A4"] {
        server.push(Script::reply([answer]));
    }
    let app = with_model(&server).await;
    let user = app.user().await;
    let conversation = user.conversation().await;
    let first = send(&user, &conversation, "Q1", None).await;
    let second = send(&user, &conversation, "Q2", None).await;
    let stored = messages(&user, &conversation, "").await;
    assert_eq!(contents(&stored), ["Q1", "A1", "Q2", "A2"]);

    // Edited: sent again with the parent of what it replaces.
    let parent = stored[2]["parent_id"].clone();
    assert_eq!(parent, first["assistant_message_id"]);
    let edited = send(&user, &conversation, "Q2 edited", Some(parent)).await;
    assert_eq!(told(&server), ["Q1", "A1", "Q2 edited"]);
    let read = messages(&user, &conversation, "").await;
    assert_eq!(contents(&read), ["Q1", "A1", "Q2 edited", "A2 edited"]);
    assert_eq!(read[2]["siblings"], json!([second["user_message_id"], edited["user_message_id"]]));
    assert_eq!(read[0]["siblings"], json!([read[0]["id"]]));
    // A message without a parent follows the active path, which need not end in the newest message.
    activate(&user, &conversation, &second["user_message_id"]).await;
    assert_eq!(contents(&messages(&user, &conversation, "").await), ["Q1", "A1", "Q2", "A2"]);
    send(&user, &conversation, "Q3", None).await;
    assert_eq!(told(&server), ["Q1", "A1", "Q2", "A2", "Q3"]);

    // The first question is edited by saying that it follows nothing.
    let anew = send(&user, &conversation, "Q1 edited", Some(Value::Null)).await;
    assert_eq!(told(&server), ["Q1 edited"]);
    let read = messages(&user, &conversation, "").await;
    assert_eq!(contents(&read), ["Q1 edited", "A1 edited"]);
    assert_eq!(read[0]["parent_id"], Value::Null);
    assert_eq!(read[0]["siblings"], json!([first["user_message_id"], anew["user_message_id"]]));

    let all = messages(&user, &conversation, "?all=true").await;
    assert_eq!(
        contents(&all),
        ["Q1", "A1", "Q2", "A2", "Q2 edited", "A2 edited", "Q3", "A3", "Q1 edited", "A1 edited"]
    );
    // Back to the first question: the newest message below it is where its path ends.
    let changed = activate(&user, &conversation, &first["user_message_id"]).await;
    let read = messages(&user, &conversation, "").await;
    assert_eq!(contents(&read), ["Q1", "A1", "Q2", "A2", "Q3", "A3"]);
    assert_eq!(changed["active_message_id"], read[5]["id"]);
    assert_eq!(contents(&messages(&user, &conversation, "?limit=2").await), ["Q1", "A1"]);
}

#[tokio::test]
async fn another_answer_is_a_sibling_and_streams_like_the_first() {
    let server = ModelServer::start().await;
    server.push(Script::reply(["Old."]));
    server.push(Script::reply(["New ", "words."]).usage(9, 2));
    server.push(Script::reply(["Third."]));
    let app = with_model(&server).await;
    let user = app.user().await;
    let conversation = user.conversation().await;
    let old = send(&user, &conversation, "Question?", None).await;

    let path = format!("/chat/messages/{}/regenerate", old["assistant_message_id"].as_str().unwrap());
    let events = user.request(Method::POST, &path, None, &[]).await.events();
    assert_eq!(events[0].event, "message_created");
    assert_eq!(events[0].data["user_message_id"], old["user_message_id"]);
    assert_eq!(joined(&events), "New words.");
    assert_eq!(told(&server), ["Question?"], "the old answer is none of the new one's history");
    let new = events[0].data["assistant_message_id"].clone();
    let read = messages(&user, &conversation, "").await;
    assert_eq!(contents(&read), ["Question?", "New words."]);
    assert_eq!(read[1]["siblings"], json!([old["assistant_message_id"], new]));

    // By the question's id, as JSON.
    let third = regenerate(&user, &old["user_message_id"]).await.expect(200);
    assert_eq!(third["content"], "Third.");
    assert_eq!(third["user_message_id"], old["user_message_id"]);
    activate(&user, &conversation, &new).await;
    send(&user, &conversation, "And then?", None).await;
    assert_eq!(told(&server), ["Question?", "New words.", "And then?"]);
    let all = messages(&user, &conversation, "?all=true").await;
    assert_eq!(all.len(), 6);
    assert_eq!(all[1]["siblings"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn answers_that_failed_are_asked_for_again_and_told_to_nobody() {
    let server = ModelServer::start().await;
    server.push(Script::reply(["Half"]).end(End::Cut));
    server.push(Script::reply(["Whole."]));
    let app = with_model(&server).await;
    let user = app.user().await;
    let conversation = user.conversation().await;
    user.stream(&conversation, "Question?").await;
    let failed = messages(&user, &conversation, "").await;
    assert_eq!(failed[1]["status"], "failed");
    regenerate(&user, &failed[1]["id"]).await.expect(200);
    send(&user, &conversation, "More?", None).await;
    assert_eq!(told(&server), ["Question?", "Whole.", "More?"]);
    // And on the path of the one that failed, it is left out.
    send(&user, &conversation, "Else?", Some(failed[1]["id"].clone())).await;
    assert_eq!(told(&server), ["Question?", "Else?"]);
}

#[tokio::test]
async fn one_answer_at_a_time_and_one_under_a_key() {
    let server = ModelServer::start().await;
    server.push(Script::reply(["First."]));
    server.push(Script::reply(["late"]).first_after(Duration::from_secs(1)));
    let app = with_model(&server).await;
    let user = app.user().await;
    let conversation = user.conversation().await;
    let first = send(&user, &conversation, "Question?", None).await;
    let path = format!("/chat/messages/{}/regenerate", first["assistant_message_id"].as_str().unwrap());
    let again = async || user.request(Method::POST, &path, None, &[("idempotency-key", "k"), JSON]).await;
    let (made, refused) = tokio::join!(again(), async {
        let asked = eventually(|| async { server.requests().len() == 2 });
        assert!(asked.await, "the model was never asked");
        regenerate(&user, &first["user_message_id"]).await
    });
    let made = made.expect(200);
    let problem = refused.expect_problem(409, "turn_in_progress");
    assert_eq!(problem["id"], made["assistant_message_id"]);
    let replayed = again().await;
    assert_eq!(replayed.headers["idempotency-replayed"], "true");
    assert_eq!(replayed.expect(200)["assistant_message_id"], made["assistant_message_id"]);
    assert_eq!(server.requests().len(), 2);
    assert_eq!(messages(&user, &conversation, "?all=true").await.len(), 3);
}

#[tokio::test]
async fn no_branch_reaches_into_another_conversation() {
    let app = TestApp::start().await;
    let (user, other) = (app.user().await, app.user().await);
    let (mine, second, theirs) =
        (user.conversation().await, user.conversation().await, other.conversation().await);
    let here = send(&user, &mine, "Mine.", None).await;
    let there = send(&other, &theirs, "Theirs.", None).await;
    for foreign in [&here, &there] {
        let message = &foreign["assistant_message_id"];
        let body = json!({ "content": "x", "parent_id": message });
        let path = format!("/chat/conversations/{second}/send");
        user.post(&path, body).await.expect_wrong_field("parent_id");
        let path = format!("/chat/conversations/{second}");
        let body = json!({ "active_message_id": message });
        user.patch(&path, body).await.expect_wrong_field("active_message_id");
    }
    regenerate(&user, &there["assistant_message_id"]).await.expect_problem(404, "not_found");
    regenerate(&user, &there["user_message_id"]).await.expect_problem(404, "not_found");
    let body = json!({ "active_message_id": there["assistant_message_id"] });
    user.patch(&format!("/chat/conversations/{theirs}"), body).await.expect_problem(404, "not_found");
    user.patch(&format!("/chat/conversations/{mine}"), json!({})).await.expect_wrong_field("title");
    assert_eq!(messages(&other, &theirs, "?all=true").await.len(), 2);
    assert!(messages(&user, &second, "?all=true").await.is_empty());
}

#[tokio::test]
async fn a_long_path_is_followed_for_a_hundred_messages() {
    let server = ModelServer::start().await;
    let app = with_model(&server).await;
    let user = app.user().await;
    let conversation = user.conversation().await;
    // A chain of 1,000 messages, and beside it as many that nobody follows.
    let sql = format!(
        "INSERT INTO messages (id, conversation_id, parent_id, position, role, status, content)
         SELECT md5('{conversation}' || n)::uuid, '{conversation}',
                CASE WHEN n > 1 THEN md5('{conversation}' || (CASE WHEN n % 2 = 0 THEN n - 1 ELSE n - 2 END))::uuid END,
                n, 'user', 'complete', 'm' || n || ';'
           FROM generate_series(1, 2000) AS n"
    );
    app.core().execute_unprepared(&sql).await.unwrap();
    let leaf = format!(
        "UPDATE conversations SET active_message_id = md5('{conversation}' || 1999)::uuid WHERE id = '{conversation}'"
    );
    app.core().execute_unprepared(&leaf).await.unwrap();
    send(&user, &conversation, "Q", None).await;
    let told = told(&server);
    assert_eq!(told.len(), 101);
    assert_eq!(told[0], "m1801;");
    assert_eq!(told[99], "m1999;");
    let read = messages(&user, &conversation, "?limit=200").await;
    assert_eq!(read.len(), 200);
    assert_eq!(read[199]["content"], "m399;");
    assert_eq!(read[1]["siblings"].as_array().unwrap().len(), 2);
}
