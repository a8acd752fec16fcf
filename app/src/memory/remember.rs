//! Stores what a user asked the chat to remember.

use entity::ai::memory::Origin;
use entity::ids::MemoryId;
use serde_json::Value;
use uuid::Uuid;

use super::ids::Identity;
use super::plan::{Draft, Said};
use super::store::{fits_window, store};
use super::{SCOPE_DEFAULT, queries};
use crate::auth::{CurrentUser, Ownership};
use crate::error::{Error, Result};
use crate::persona::Pair;
use crate::state::AppState;

/// Remembers a statement from the user's own message, as given by
/// [`remember_request`](super::remember_request), bound to the conversation's
/// pair if it has one. The same statement twice is
/// one memory, and the same message never undoes an edit. A text the embedding
/// model would cut is a 422.
pub async fn remember(
    state: &AppState,
    user: &CurrentUser,
    pair: Pair,
    content: &str,
    said_in: Said,
) -> Result<MemoryId> {
    fits_window(state.embedder().as_ref(), content)?;
    let ownership = Ownership::of(user);
    let (persona_id, character_id) = (pair.persona_id.map(Uuid::from), pair.character_id.map(Uuid::from));
    let id = Identity::new(ownership, (persona_id, character_id), SCOPE_DEFAULT, None, content).memory_id();
    match queries::find_of(&state.ai, ownership, id).await {
        Ok(row) if row.source_message_id == Some(said_in.message_id) => return Ok(id),
        Ok(_) | Err(Error::NotFound(_)) => {}
        Err(error) => return Err(error),
    }
    let draft = Draft {
        ownership,
        persona_id,
        character_id,
        scope: SCOPE_DEFAULT.to_owned(),
        external_id: None,
        content: content.to_owned(),
        metadata: None,
        origin: Origin::Chat,
        said_in: Some(said_in),
    };
    let stored = store(state, std::slice::from_ref(&draft)).await?;
    Ok(stored.first().map_or(id, |stored| stored.id))
}

/// Stores a statement by the word of a program that may write the user's
/// memories, like `POST /memories`. One that is there stays as it is, with the
/// metadata it has.
pub async fn note(state: &AppState, user: &CurrentUser, content: &str, metadata: Value) -> Result<MemoryId> {
    fits_window(state.embedder().as_ref(), content)?;
    let ownership = Ownership::of(user);
    let id = Identity::new(ownership, (None, None), SCOPE_DEFAULT, None, content).memory_id();
    // What is deleted and only waits to go is not there.
    state.outbox.settle(user.id).await?;
    match queries::find_of(&state.ai, ownership, id).await {
        Ok(_) => return Ok(id),
        Err(Error::NotFound(_)) => {}
        Err(error) => return Err(error),
    }
    let draft = Draft {
        ownership,
        persona_id: None,
        character_id: None,
        scope: SCOPE_DEFAULT.to_owned(),
        external_id: None,
        content: content.to_owned(),
        metadata: Some(metadata),
        origin: Origin::User,
        said_in: None,
    };
    let stored = store(state, std::slice::from_ref(&draft)).await?;
    Ok(stored.first().map_or(id, |stored| stored.id))
}
