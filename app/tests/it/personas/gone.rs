//! Deleted characters and personas take with them what was told to them.

use axum::http::Method;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use super::{between, character, id_of, persona};
use crate::outbox::{count, patient, waiting};
use crate::support::TestApp;
use crate::support::user::TestUser;

const NOBODY: Value = Value::Null;

async fn contents(user: &TestUser) -> Vec<String> {
    let listed = user.get("/memories").await.expect(200);
    let items = listed["items"].as_array().unwrap().iter();
    let mut contents: Vec<String> = items.map(|row| row["content"].as_str().unwrap().to_owned()).collect();
    contents.sort();
    contents
}

/// Remembers `fact` in a new conversation of the pair, which is asked about it too.
async fn tell(user: &TestUser, character: &Value, persona: &Value, fact: &str) -> String {
    let conversation = between(user, character, persona).await;
    user.ask(&conversation, &format!("Please remember that {fact}.")).await.expect(200);
    user.ask(&conversation, &format!("Is it true that {fact}?")).await.expect(200);
    conversation
}

fn logged(word: &str) -> String {
    format!("SELECT count(*) FROM message_events WHERE event = 'context' AND data::text LIKE '%{word}%'")
}

#[tokio::test]
async fn a_persona_takes_its_memories_and_leaves_its_conversations() {
    let app = patient().await;
    let user = app.user().await;
    let ada = character(&user, "ada", "Be Ada.").await;
    let (me, other) = (persona(&user, "Me").await, persona(&user, "Other").await);
    let mine = tell(&user, &ada, &me, "I keep canaries").await;
    tell(&user, &NOBODY, &me, "I feed canaries").await;
    tell(&user, &ada, &other, "I own parrots").await;
    tell(&user, &ada, &NOBODY, "I watch finches").await;
    let keyed = [("idempotency-key", "memory")];
    let body = json!({ "content": "I teach canaries", "persona_id": me["id"] });
    user.request(Method::POST, "/memories", Some(body.clone()), &keyed).await.expect(201);
    assert!(count(app.core(), &logged("canaries")).await > 0, "this could fail");
    assert_eq!(contents(&user).await.len(), 5);

    user.delete(&format!("/personas/{}", id_of(&me))).await.expect(204);
    assert_eq!(waiting(app.core()).await, 0);
    assert_eq!(contents(&user).await, ["I own parrots", "I watch finches"]);
    assert_eq!(count(app.ai(), "SELECT count(*) FROM ai_memories WHERE content LIKE '%canaries%'").await, 0);
    assert_eq!(count(app.core(), &logged("I keep canaries")).await, 0, "the streams' logs still say it");
    assert!(count(app.core(), &logged("parrots")).await > 0, "others' logs stay");
    let kept = "SELECT count(*) FROM idempotency_keys WHERE convert_from(body, 'UTF8') LIKE '%canaries%'";
    assert_eq!(count(app.core(), kept).await, 0, "the kept answer still says it");
    let conversation = user.get(&format!("/chat/conversations/{mine}")).await.expect(200);
    assert_eq!((&conversation["persona_id"], &conversation["character_id"]), (&NOBODY, &ada["id"]));
    user.ask(&mine, "Are you still there?").await.expect(200);
    // Nothing is bound to it any more, by hand neither.
    user.post("/memories", body).await.expect_problem(409, "pair_gone");
}

#[tokio::test]
async fn a_character_takes_what_everybody_told_it() {
    let app = patient().await;
    let (admin, one, two) = (app.admin().await, app.user().await, app.user().await);
    let body = json!({ "slug": "guide", "name": "Guide", "system_prompt": "Guide us.", "shared": true });
    let guide = admin.post("/characters", body).await.expect(201);
    let own = character(&one, "own", "Be my own.").await;
    let hers = tell(&one, &guide, &NOBODY, "I keep canaries").await;
    tell(&one, &own, &NOBODY, "I own parrots").await;
    tell(&two, &guide, &persona(&two, "Me").await, "I watch finches").await;
    // An id means nothing to who does not own it.
    let foreign = json!({ "content": "I teach owls", "character_id": own["id"] });
    two.post("/memories", foreign).await.expect(201);

    one.delete(&format!("/characters/{}", id_of(&own))).await.expect(204);
    assert_eq!(contents(&one).await, ["I keep canaries"]);
    assert_eq!(contents(&two).await, ["I teach owls", "I watch finches"]);
    admin.delete(&format!("/characters/{}", id_of(&guide))).await.expect(204);
    assert_eq!(contents(&one).await, [] as [&str; 0]);
    assert_eq!(contents(&two).await, ["I teach owls"]);
    for word in ["canaries", "finches"] {
        assert_eq!(count(app.core(), &logged(&format!("I % {word}"))).await, 0, "{word}");
    }
    let conversation = one.get(&format!("/chat/conversations/{hers}")).await.expect(200);
    assert_eq!(conversation["character_id"], NOBODY);
}

#[tokio::test]
async fn what_is_deleted_while_ai_is_away_goes_when_it_is_back() {
    let app = patient().await;
    let user = app.user().await;
    let (ada, me) = (character(&user, "ada", "Be Ada.").await, persona(&user, "Me").await);
    tell(&user, &ada, &NOBODY, "I keep canaries").await;
    tell(&user, &NOBODY, &me, "I own parrots").await;
    tell(&user, &NOBODY, &NOBODY, "I watch finches").await;
    app.stop_ai().await;
    user.delete(&format!("/characters/{}", id_of(&ada))).await.expect(202);
    user.delete(&format!("/personas/{}", id_of(&me))).await.expect(202);
    user.get(&format!("/personas/{}", id_of(&me))).await.expect_problem(404, "not_found");
    app.start_ai().await;
    // Not yet delivered, and not read any more; nor can anything be bound to it.
    assert_eq!(contents(&user).await, ["I watch finches"]);
    let late = json!({ "content": "I teach owls", "persona_id": me["id"] });
    user.post("/memories", late).await.expect_problem(409, "pair_gone");
    app.run_outbox().await;
    assert_eq!(waiting(app.core()).await, 0);
    assert_eq!(count(app.ai(), "SELECT count(*) FROM ai_memories").await, 1);
}

#[tokio::test]
async fn an_account_takes_its_characters_and_personas() {
    let app = TestApp::with().single().start().await;
    let user = app.user().await;
    let (ada, me) = (
        character(&user, "ada", "Be Ada.").await,
        json!({ "name": "Me", "identities": [{ "provider": "discord", "external_id": "1" }] }),
    );
    let me = user.post("/personas", me).await.expect(201);
    tell(&user, &ada, &me, "I keep canaries").await;
    let gone = json!({ "password": "a password for tests" });
    let answer = user.request(Method::DELETE, "/auth/me", Some(gone), &[]).await;
    assert!((200..300).contains(&answer.status), "{}", answer.body);
    app.run_outbox().await;
    for table in ["characters", "personas", "persona_identities", "conversations", "ai_memories"] {
        assert_eq!(count(app.core(), &format!("SELECT count(*) FROM {table}")).await, 0, "{table}");
    }
}

/// A pair of thousands of memories is deleted in batches, in one event.
#[tokio::test]
async fn a_persona_of_many_memories_goes_whole() {
    let app = patient().await;
    let user = app.user().await;
    let me = persona(&user, "Me").await;
    let many = format!(
        "INSERT INTO ai_memories (id, owner_id, persona_id, scope, content, content_hash, origin)
         SELECT gen_random_uuid(), '{}', '{}', 'user', 'm' || n, '', 'user' FROM generate_series(1, 2500) AS n",
        user.id,
        id_of(&me)
    );
    app.ai().execute_unprepared(&many).await.unwrap();
    let deleted = user.delete(&format!("/personas/{}", id_of(&me))).await;
    assert!([202, 204].contains(&deleted.status), "{}", deleted.body);
    app.run_outbox().await;
    assert_eq!(count(app.ai(), "SELECT count(*) FROM ai_memories").await, 0);
}
