//! The end of characters and personas, in both databases. Conversations stay,
//! as with nobody; what was remembered of the pair goes.

use entity::ids::{CharacterId, PersonaId, UserId};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Pair, characters, personas};
use crate::auth::CurrentUser;
use crate::db::{AiTx, CoreTx};
use crate::error::{Context, Error, Result};
use crate::idempotency;
use crate::jobs::outbox::{self, Aggregate, Event, NewEvent};
use crate::state::AppState;

/// The event that a character is gone from core.
pub const CHARACTER_DELETED: &str = "character.deleted";
/// The event that a persona is gone from core.
pub const PERSONA_DELETED: &str = "persona.deleted";

/// Where requests are kept whose answers hold the words of memories.
const MEMORIES: &str = "/memories";

fn of_character(id: CharacterId) -> Aggregate {
    Aggregate::new("character", id)
}

fn of_persona(id: PersonaId) -> Aggregate {
    Aggregate::new("persona", id)
}

/// What is to be drained before something is bound to the pair.
pub fn aggregates(pair: Pair) -> impl Iterator<Item = Aggregate> {
    pair.character_id.map(of_character).into_iter().chain(pair.persona_id.map(of_persona))
}

/// Deletes a character. False: ai, which is away, does its part later.
pub(super) async fn delete_character(state: &AppState, user: &CurrentUser, id: CharacterId) -> Result<bool> {
    let core = state.core.begin().await?;
    let owner = characters::lock(&core, user, id).await?.user_id;
    characters::delete(&core, id).await?;
    delete_rest(state, core, user, CHARACTER_DELETED, of_character(id), owner).await
}

/// Deletes a persona. False: ai, which is away, does its part later.
pub(super) async fn delete_persona(state: &AppState, user: &CurrentUser, id: PersonaId) -> Result<bool> {
    let core = state.core.begin().await?;
    personas::lock(&core, user.id, id).await?;
    personas::delete(&core, id).await?;
    delete_rest(state, core, user, PERSONA_DELETED, of_persona(id), Some(user.id)).await
}

/// What is kept about it, and what is bound to it: the owner's, or everybody's.
async fn delete_rest(
    state: &AppState,
    core: CoreTx,
    user: &CurrentUser,
    kind: &'static str,
    aggregate: Aggregate,
    owner: Option<UserId>,
) -> Result<bool> {
    idempotency::forget(&core, user.id, aggregate.id).await?;
    idempotency::forget_naming(&core, owner, MEMORIES, aggregate.id).await?;
    let payload = json!({ "bound_of": owner, "admin": owner.is_none() });
    let event = NewEvent { kind, aggregate, payload, owner_id: Some(user.id) };
    outbox::publish(&core, event).await?;
    core.commit().await?;
    Ok(state.outbox.deliver_now(aggregate).await)
}

/// Whose bound rows an event deletes; none: everybody's.
pub fn owner_of(event: &Event) -> Result<Option<UserId>> {
    let owner: Option<Uuid> = match &event.payload["bound_of"] {
        Value::Null => None,
        id => serde_json::from_value(id.clone()).context("reading an event")?,
    };
    Ok(owner.map(UserId))
}

/// 409 `pair_gone` when ai knows that an end of the pair is gone. Asked in the
/// transaction that binds something to it: a deletion that comes later sees
/// what was bound.
pub async fn require_alive(ai: &AiTx, pair: Pair) -> Result<()> {
    for aggregate in aggregates(pair) {
        let kind = if aggregate.kind == "character" { CHARACTER_DELETED } else { PERSONA_DELETED };
        if outbox::is_gone(ai, aggregate, kind).await? {
            let detail = format!("the {} was deleted", aggregate.kind);
            return Err(Error::Conflict { code: "pair_gone", detail, id: Some(aggregate.id) });
        }
    }
    Ok(())
}
