//! Characters and personas: whom one talks to, who one is to it, and what each
//! pair knows.

mod conversations;
mod gone;
mod memories;
mod rows;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::user::TestUser;

/// A character of the user, who says of himself what the text says.
pub(crate) async fn character(user: &TestUser, slug: &str, system_prompt: &str) -> Value {
    let body = json!({ "slug": slug, "name": slug, "system_prompt": system_prompt });
    user.post("/characters", body).await.expect(201)
}

/// A persona of the user.
pub(crate) async fn persona(user: &TestUser, name: &str) -> Value {
    user.post("/personas", json!({ "name": name })).await.expect(201)
}

/// A conversation between the two; null is nobody.
pub(crate) async fn between(user: &TestUser, character: &Value, persona: &Value) -> String {
    let body = json!({ "character_id": character["id"], "persona_id": persona["id"] });
    let made = user.post("/chat/conversations", body).await.expect(201);
    assert_eq!((&made["character_id"], &made["persona_id"]), (&character["id"], &persona["id"]));
    made["id"].as_str().unwrap().to_owned()
}

fn id_of(row: &Value) -> Uuid {
    row["id"].as_str().unwrap().parse().unwrap()
}
