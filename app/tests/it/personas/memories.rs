//! What a pair was told stays with it.

use std::collections::BTreeSet;

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};

use super::{between, character, persona};
use crate::chat::{eventually, with_model};
use crate::support::TestApp;
use crate::support::model::{ModelServer, Script};
use crate::support::user::TestUser;
use crate::tools::{call, without_retrieval};

const NOBODY: Value = Value::Null;

/// Two characters and two personas, and a conversation of each pair, also of half ones.
struct Four {
    conversations: Vec<(&'static str, String)>,
    characters: [Value; 2],
    personas: [Value; 2],
}

impl Four {
    async fn of(user: &TestUser) -> Self {
        let characters = [character(user, "ada", "Be Ada.").await, character(user, "bob", "Be Bob.").await];
        let personas = [persona(user, "Pilot").await, persona(user, "Quartermaster").await];
        let ([a, b], [p, q]) = (&characters, &personas);
        let mut conversations = Vec::new();
        for (name, character, persona) in
            [("ap", a, p), ("aq", a, q), ("bp", b, p), ("bq", b, q), ("a-", a, &NOBODY), ("-p", &NOBODY, p)]
        {
            conversations.push((name, between(user, character, persona).await));
        }
        conversations.push(("--", user.conversation().await));
        Self { conversations, characters, personas }
    }

    /// A new conversation of the pair of that name.
    async fn another(&self, user: &TestUser, name: &str) -> String {
        let end = |rows: &[Value; 2], letters: [&str; 2]| {
            letters.iter().position(|letter| name.contains(letter)).map_or(NOBODY, |at| rows[at].clone())
        };
        between(user, &end(&self.characters, ["a", "b"]), &end(&self.personas, ["p", "q"])).await
    }
}

/// What the pair of a name sees: what both its letters allow.
fn sees(pair: &str, bound: &str) -> bool {
    pair.chars().zip(bound.chars()).all(|(here, bound)| bound == '-' || bound == here)
}

/// The memory that each pair was told.
fn fact(pair: &str) -> String {
    format!("my favourite canary of pair {pair} sings in the morning")
}

/// The pairs whose facts stand in a text.
fn told(text: &str, names: &[&'static str]) -> BTreeSet<&'static str> {
    names.iter().copied().filter(|name| text.contains(&format!("canary of pair {name} "))).collect()
}

fn visible(pair: &str, names: &[&'static str]) -> BTreeSet<&'static str> {
    names.iter().copied().filter(|bound| sees(pair, bound)).collect()
}

/// Every memory of the user in ai: its ends, and whether it holds the words.
async fn bound_rows(app: &TestApp) -> Vec<(Option<uuid::Uuid>, Option<uuid::Uuid>, String)> {
    let sql = "SELECT character_id, persona_id, content FROM ai_memories ORDER BY created_at, id";
    let rows = app.ai().query_all_raw(Statement::from_string(DbBackend::Postgres, sql)).await.unwrap();
    rows.iter()
        .map(|row| {
            let end = |name: &str| row.try_get("", name).unwrap();
            (end("character_id"), end("persona_id"), row.try_get("", "content").unwrap())
        })
        .collect()
}

#[tokio::test]
async fn what_one_pair_was_told_is_in_no_other_pairs_prompt() {
    let server = ModelServer::start().await;
    let app = TestApp::with()
        .env("OPENAI_BASE_URL", server.url())
        .env("CHAT_MODEL", "scripted")
        .env("TANDEM__CHAT__RETRIEVED_MEMORIES", 20)
        .start()
        .await;
    let user = app.user().await;
    let four = Four::of(&user).await;
    let names: Vec<&'static str> = four.conversations.iter().map(|(name, _)| *name).collect();
    for (name, conversation) in &four.conversations {
        let said = format!("Please remember that {}.", fact(name));
        let events = user.stream(conversation, &said).await;
        assert!(events.iter().any(|event| event.data["code"] == "memory_saved"), "{name}: {events:?}");
    }
    // Straight from the table: each is bound to exactly its pair.
    let rows = bound_rows(&app).await;
    assert_eq!(rows.len(), names.len());
    for (character, persona, content) in &rows {
        let name = names.iter().find(|name| content.contains(&format!("pair {name} "))).unwrap();
        let at = |rows: &[Value; 2], id: &Option<uuid::Uuid>| {
            rows.iter().position(|row| Some(row["id"].as_str().unwrap().parse().unwrap()) == *id)
        };
        let ends = (at(&four.characters, character), at(&four.personas, persona));
        let letter = |at: Option<usize>, letters: [char; 2]| at.map_or('-', |at| letters[at]);
        let bound: String = [letter(ends.0, ['a', 'b']), letter(ends.1, ['p', 'q'])].iter().collect();
        assert_eq!(bound, *name);
    }
    // In the prompt that the model was sent, and in what the client is shown.
    for name in &names {
        let conversation = four.another(&user, name).await;
        let events = user.stream(&conversation, "Which favourite canary sings in the morning?").await;
        let prompt = serde_json::to_string(&server.requests().last().unwrap().body["messages"]).unwrap();
        assert_eq!(told(&prompt, &names), visible(name, &names), "{name}");
        let context = events.iter().find(|event| event.event == "context").unwrap();
        assert_eq!(told(&context.data["memories"].to_string(), &names), visible(name, &names), "{name}");
        let shown = ["character_id", "persona_id"].map(|end| !context.data[end].is_null());
        assert_eq!(shown, [!name.starts_with('-'), !name.ends_with('-')]);
    }
    // What an administrator shares is everybody's.
    let shared =
        json!({ "content": "Everybody's favourite canary is loud in the morning.", "scope": "global" });
    app.admin().await.post("/memories", shared).await.expect(201);
    let conversation = four.another(&user, "bq").await;
    user.ask(&conversation, "Which favourite canary sings in the morning?").await.expect(200);
    let prompt = serde_json::to_string(&server.requests().last().unwrap().body["messages"]).unwrap();
    assert!(prompt.contains("Everybody's favourite"), "{prompt}");
}

#[tokio::test]
async fn tools_see_and_write_for_their_own_pair_only() {
    let server = ModelServer::start().await;
    let app = without_retrieval(&server).start().await;
    let user = app.user().await;
    let four = Four::of(&user).await;
    let names: Vec<&'static str> = four.conversations.iter().map(|(name, _)| *name).collect();
    for (name, conversation) in &four.conversations {
        let fact = fact(name);
        let remember = ("remember", json!({ "fact": fact }));
        let result = call(&server, &user, conversation, &format!("You know, {fact}."), remember).await;
        assert_eq!(result["error"], Value::Null, "{result}");
    }
    assert_eq!(bound_rows(&app).await.len(), names.len());
    let all = user.get("/memories").await.expect(200)["items"].as_array().unwrap().clone();
    let id_of = |name: &str| {
        let held = all.iter().find(|row| row["content"].as_str().unwrap().contains(&format!("pair {name} ")));
        held.unwrap()["id"].clone()
    };
    for name in &names {
        let conversation = four.another(&user, name).await;
        let recall = ("recall", json!({ "query": "favourite canary in the morning", "limit": 20 }));
        let found = call(&server, &user, &conversation, "Which?", recall).await;
        assert_eq!(told(&found["data"].to_string(), &names), visible(name, &names), "{name}");
        // A model that guesses ids learns nothing of other pairs' memories either.
        let ids: Vec<Value> = names.iter().map(|name| id_of(name)).collect();
        let forget = ("forget", json!({ "memory_ids": ids }));
        let result = call(&server, &user, &conversation, "Forget them.", forget).await;
        assert_eq!(told(&result["data"].to_string(), &names), visible(name, &names), "{name}");
        let search = ("search_conversations", json!({ "query": "canary morning", "limit": 20 }));
        let found = call(&server, &user, &conversation, "Look.", search).await;
        assert_eq!(told(&found["data"].to_string(), &names), visible(name, &names), "{name}");
    }
    let conversation = four.another(&user, "ap").await;
    let ids = [id_of("bq"), id_of("aq")];
    let forget = ("forget", json!({ "memory_ids": ids }));
    let result = call(&server, &user, &conversation, "Forget them.", forget).await;
    assert_eq!(result["error"]["type"], "not_found", "{result}");
}

#[tokio::test]
async fn a_search_for_a_pair_finds_its_memories_and_those_of_none() {
    let server = ModelServer::start().await;
    let app = with_model(&server).await;
    let user = app.user().await;
    let four = Four::of(&user).await;
    let names: Vec<&'static str> = four.conversations.iter().map(|(name, _)| *name).collect();
    for (name, conversation) in &four.conversations {
        user.ask(conversation, &format!("Please remember that {}.", fact(name))).await.expect(200);
    }
    let search = async |body: Value| {
        let mut body = body;
        body["query"] = json!("favourite canary in the morning");
        body["limit"] = json!(200);
        user.post("/memories/search", body).await.expect(200)["hits"].to_string()
    };
    for (name, character, persona) in [("ap", 0, 0), ("aq", 0, 1), ("bp", 1, 0), ("bq", 1, 1)] {
        let pair = json!({
            "character_id": four.characters[character]["id"], "persona_id": four.personas[persona]["id"],
        });
        assert_eq!(told(&search(pair).await, &names), visible(name, &names), "{name}");
    }
    // One's own memories as a whole are one's own to search and to list.
    assert_eq!(told(&search(json!({})).await, &names).len(), names.len());
    let listed =
        user.get(&format!("/memories?persona_id={}", four.personas[0]["id"].as_str().unwrap())).await;
    let listed = told(&listed.expect(200)["items"].to_string(), &names);
    assert_eq!(listed, BTreeSet::from(["ap", "bp", "-p"]));
    // Another user with the very same ids finds nothing.
    let other = app.user().await;
    let pair = json!({
        "query": "favourite canary", "character_id": four.characters[0]["id"], "persona_id": four.personas[0]["id"],
    });
    assert_eq!(other.post("/memories/search", pair).await.expect(200)["hits"], json!([]));
}

/// A shared character knows nothing of one user for another.
#[tokio::test]
async fn a_shared_character_keeps_its_users_apart() {
    let server = ModelServer::start().await;
    let app = with_model(&server).await;
    let (admin, one, two) = (app.admin().await, app.user().await, app.user().await);
    let body = json!({ "slug": "guide", "name": "Guide", "system_prompt": "Guide us.", "shared": true });
    let guide = admin.post("/characters", body).await.expect(201);
    let hers = between(&one, &guide, &NOBODY).await;
    one.ask(&hers, "Please remember that my favourite canary sings in the morning.").await.expect(200);
    for (user, knows) in [(&one, true), (&two, false), (&admin, false)] {
        let conversation = between(user, &guide, &NOBODY).await;
        user.ask(&conversation, "Which favourite canary sings in the morning?").await.expect(200);
        let data = serde_json::to_string(&server.requests().last().unwrap().body["messages"]).unwrap();
        assert_eq!(data.contains("<memory>my favourite canary"), knows);
    }
}

/// The deletion of an end is seen by a turn that is under way.
#[tokio::test]
async fn a_turn_remembers_nothing_for_a_persona_that_was_deleted_meanwhile() {
    let server = ModelServer::start().await;
    let app = without_retrieval(&server).start().await;
    let user = app.user().await;
    let (ada, me) = (character(&user, "ada", "Be Ada.").await, persona(&user, "Me").await);
    let conversation = between(&user, &ada, &me).await;
    let remember = ("remember", json!({ "fact": "my canary sings" }));
    server.push(Script::calls([remember]).first_after(std::time::Duration::from_millis(1500)));
    server.push(Script::reply(["Done."]));
    let turn = {
        let (user, conversation) = (user.clone(), conversation.clone());
        tokio::spawn(async move { user.ask(&conversation, "Well, my canary sings.").await })
    };
    assert!(eventually(|| async { !server.requests().is_empty() }).await);
    user.delete(&format!("/personas/{}", me["id"].as_str().unwrap())).await.expect(204);
    turn.await.unwrap().expect(200);
    assert_eq!(bound_rows(&app).await, []);
    assert_eq!(user.get("/memories").await.expect(200)["items"], json!([]));
}
