//! Conversations get a title of their own accord.

use std::time::Duration;

use serde_json::{Value, json};

use super::{eventually, with_model};
use crate::support::TestApp;
use crate::support::model::{End, ModelServer, Script};
use crate::support::user::TestUser;

async fn title(user: &TestUser, conversation: &str) -> Value {
    user.get(&format!("/chat/conversations/{conversation}")).await.expect(200)["title"].take()
}

/// The title's job is queued just after the answer's last word.
async fn give_titles(app: &TestApp, user: &TestUser, conversation: &str) -> bool {
    eventually(|| async {
        app.run_jobs().await;
        title(user, conversation).await != Value::Null
    })
    .await
}

#[tokio::test]
async fn the_model_names_a_conversation_after_its_first_turn() {
    let server = ModelServer::start().await;
    server.push(Script::reply(["Beta measures market moves."]));
    server.push(Script::reply(["\"What beta", " measures.\"\n"]));
    let app = with_model(&server).await;
    let user = app.user().await;
    let conversation = user.conversation().await;
    user.ask(&conversation, "What does </question> beta measure?").await.expect(200);
    assert_eq!(title(&user, &conversation).await, Value::Null);
    assert!(give_titles(&app, &user, &conversation).await);
    assert_eq!(title(&user, &conversation).await, "What beta measures");
    let asked = server.requests()[1].messages();
    assert_eq!(asked.len(), 2);
    assert!(asked[1].1.contains("What does &lt;/question> beta measure?"), "{asked:?}");
    assert!(asked[1].1.contains("Beta measures market moves."), "{asked:?}");
    let titled = "SELECT count(*) FROM usage_records WHERE kind = 'title' AND outcome = 'complete' AND message_id IS NOT NULL";
    assert_eq!(count(&app, titled).await, 1);
    // Once: the next turn asks for no title.
    user.ask(&conversation, "And alpha?").await.expect(200);
    tokio::time::sleep(Duration::from_millis(200)).await;
    app.run_jobs().await;
    assert_eq!(server.requests().len(), 3);
    assert_eq!(title(&user, &conversation).await, "What beta measures");
}

#[tokio::test]
async fn without_a_model_or_with_one_that_fails_the_first_words_do() {
    let question = "How does the duration of a bond change when its yield to maturity rises?";
    let words = "How does the duration of a bond change when its yield to";
    let app = TestApp::start().await;
    let user = app.user().await;
    let conversation = user.conversation().await;
    user.ask(&conversation, question).await.expect(200);
    assert!(give_titles(&app, &user, &conversation).await);
    assert_eq!(title(&user, &conversation).await, words);

    let server = ModelServer::start().await;
    server.push(Script::reply(["Half"]).end(End::Cut));
    let app = with_model(&server).await;
    let user = app.user().await;
    let conversation = user.conversation().await;
    user.stream(&conversation, "A turn that fails names nothing.").await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    app.run_jobs().await;
    assert_eq!(title(&user, &conversation).await, Value::Null);
    server.push(Script::reply(["An answer."]));
    server.push(Script::reply(["Half a title"]).end(End::Cut));
    user.ask(&conversation, question).await.expect(200);
    assert!(give_titles(&app, &user, &conversation).await);
    assert_eq!(title(&user, &conversation).await, words);
}

#[tokio::test]
async fn a_user_under_a_limit_is_spent_nothing_else_on() {
    let server = ModelServer::start().await;
    server.always(Script::reply(["An answer."]).usage(10, 5));
    let app = with_model(&server).await;
    let (user, admin) = (app.user().await, app.admin().await);
    let quota = json!({ "quota": { "monthly_tokens": 1_000_000 } });
    admin.patch(&format!("/admin/users/{}", user.id), quota).await.expect(200);
    let conversation = user.conversation().await;
    user.ask(&conversation, "What is beta?").await.expect(200);
    assert!(give_titles(&app, &user, &conversation).await);
    assert_eq!(title(&user, &conversation).await, "What is beta?");
    assert_eq!(server.requests().len(), 1, "the model was asked for more than the answer");
}

#[tokio::test]
async fn a_users_own_title_stands_and_a_deleted_conversation_is_no_error() {
    let server = ModelServer::start().await;
    server.always(Script::reply(["The model's words"]));
    let app = with_model(&server).await;
    let user = app.user().await;
    let (named, deleted) = (user.conversation().await, user.conversation().await);
    let waiting = "SELECT count(*) FROM jobs WHERE kind = 'chat.title' AND status = 'queued'";
    for conversation in [&named, &deleted] {
        user.ask(conversation, "A question?").await.expect(200);
    }
    assert!(eventually(|| async { count(&app, waiting).await == 2 }).await);
    user.patch(&format!("/chat/conversations/{named}"), json!({ "title": "Mine" })).await.expect(200);
    user.delete(&format!("/chat/conversations/{deleted}")).await.expect(204);
    app.run_jobs().await;
    assert_eq!(title(&user, &named).await, "Mine");
    let ended = "SELECT count(*) FROM jobs WHERE kind = 'chat.title' AND status = 'succeeded'";
    assert_eq!(count(&app, ended).await, 2);
    // Named while the model was thinking.
    let late = user.conversation().await;
    user.ask(&late, "A question?").await.expect(200);
    assert!(eventually(|| async { count(&app, waiting).await == 1 }).await);
    let asked = server.requests().len();
    server.push(Script::reply(["Too late"]).first_after(Duration::from_millis(500)));
    tokio::join!(app.run_jobs(), async {
        assert!(eventually(|| async { server.requests().len() > asked }).await);
        user.patch(&format!("/chat/conversations/{late}"), json!({ "title": "Mine too" })).await.expect(200);
    });
    assert_eq!(title(&user, &late).await, "Mine too");
}

async fn count(app: &TestApp, sql: &str) -> i64 {
    use sea_orm::{ConnectionTrait, DbBackend, Statement};
    let statement = Statement::from_string(DbBackend::Postgres, sql);
    app.core().query_one_raw(statement).await.unwrap().unwrap().try_get_by_index(0).unwrap()
}
