//! The end of memories: of one, of all of a user, of an account's, of those bound
//! to a character or a persona. What a
//! deleted conversation was told stays, without the message it came from.

use entity::ai::memory::Column;
use entity::ids::{MemoryId, UserId};
use futures::FutureExt;
use serde_json::{Value, json};

use super::edit::writable;
use super::queries;
use crate::auth::{CurrentUser, Deletion};
use crate::conversation;
use crate::db::{AiTx, CoreTx, Reach};
use crate::error::Result;
use crate::idempotency;
use crate::jobs::outbox::{self, Aggregate, Applied, Consumer, Event, NewEvent};
use crate::persona;
use crate::state::AppState;

/// The event that a memory is to go.
pub const MEMORY_DELETED: &str = "memory.deleted";
/// The event that all memories of a user are to go.
pub const MEMORIES_CLEARED: &str = "memories.cleared";

/// Rows of an account that a transaction deletes.
const ACCOUNT_BATCH: u64 = 1000;

/// Takes part in [`MEMORY_DELETED`].
pub const ON_MEMORY_DELETED: Consumer = Consumer {
    name: "memory",
    apply: |ai, event| apply_one(ai, event).boxed(),
    complete: Some(|core, event, _| forget_words(core, event).boxed()),
};

/// Takes part in [`MEMORIES_CLEARED`].
pub const ON_MEMORIES_CLEARED: Consumer = Consumer {
    name: "memory",
    apply: |ai, event| apply_all(ai, event).boxed(),
    complete: Some(|core, event, _| forget_all_words(core, event).boxed()),
};

/// Takes part in the end of an account.
pub const ON_ACCOUNT_DELETED: Consumer =
    Consumer { name: "memory", apply: |ai, event| apply_account(ai, event).boxed(), complete: None };

/// Takes part in the end of a conversation.
pub const ON_CONVERSATION_DELETED: Consumer =
    Consumer { name: "memory", apply: |ai, event| unlink(ai, event).boxed(), complete: None };

/// Takes part in the end of a character.
pub const ON_CHARACTER_DELETED: Consumer = Consumer {
    name: "memory",
    apply: |ai, event| apply_bound(ai, event, Column::CharacterId).boxed(),
    complete: Some(|core, event, _| forget_bound_words(core, event, "character_id").boxed()),
};

/// Takes part in the end of a persona.
pub const ON_PERSONA_DELETED: Consumer = Consumer {
    name: "memory",
    apply: |ai, event| apply_bound(ai, event, Column::PersonaId).boxed(),
    complete: Some(|core, event, _| forget_bound_words(core, event, "persona_id").boxed()),
};

pub(super) fn aggregate(id: MemoryId) -> Aggregate {
    Aggregate::new("memory", id)
}

/// All memories of a user.
pub(super) fn all_of(user: UserId) -> Aggregate {
    Aggregate::new("memories", user)
}

/// Deletes a memory. False: ai, which is away, does its part later; whose the
/// memory is, is checked then. 404 and 403 need ai's word.
pub async fn forget(state: &AppState, user: &CurrentUser, id: MemoryId) -> Result<bool> {
    let seen = match seen(state, user, id).await {
        Ok(generation) => Some(generation),
        Err(error) if outbox::is_away(&error) => None,
        Err(error) => return Err(error),
    };
    let core = state.core.begin().await?;
    idempotency::forget(&core, user.id, id.0).await?;
    publish(state, core, user, MEMORY_DELETED, aggregate(id), seen).await
}

/// Deletes all of the user's own memories; shared ones stay. None: ai, which
/// is away, does it later. Otherwise how many there were.
pub(super) async fn forget_all(state: &AppState, user: &CurrentUser) -> Result<Option<u64>> {
    let seen = match newest(state, user).await {
        Ok((count, generation)) => Some((count, generation)),
        Err(error) if outbox::is_away(&error) => None,
        Err(error) => return Err(error),
    };
    let generation = seen.map(|(_, generation)| generation);
    let core = state.core.begin().await?;
    for path_end in ["/memories", "/memories/batch"] {
        idempotency::forget_made_at(&core, user.id, path_end).await?;
    }
    let delivered = publish(state, core, user, MEMORIES_CLEARED, all_of(user.id), generation).await?;
    Ok(seen.filter(|_| delivered).map(|(count, _)| count))
}

async fn publish(
    state: &AppState,
    core: CoreTx,
    user: &CurrentUser,
    kind: &'static str,
    aggregate: Aggregate,
    seen: Option<i64>,
) -> Result<bool> {
    let payload = Deletion::by(user, seen).payload()?;
    let event = NewEvent { kind, aggregate, payload, owner_id: Some(user.id) };
    outbox::publish(&core, event).await?;
    core.commit().await?;
    if seen.is_none() {
        state.outbox.deliver_later();
        return Ok(false);
    }
    Ok(state.outbox.deliver_now(aggregate).await)
}

/// The generation of a memory that the user may delete.
async fn seen(state: &AppState, user: &CurrentUser, id: MemoryId) -> Result<i64> {
    state.outbox.drain(&[aggregate(id), all_of(user.id)]).await?;
    let row = queries::find(&state.ai, &user.audience(), id).await?;
    writable(user, &row)?;
    Ok(row.generation)
}

/// How many memories the user has, and the highest generation there is.
async fn newest(state: &AppState, user: &CurrentUser) -> Result<(u64, i64)> {
    let ai = state.ai.begin_for(&Reach::reading([user.id.0])).await?;
    let count = queries::count_own(&ai, user.id).await?;
    Ok((count, queries::last_generation(&ai).await?))
}

async fn apply_one(ai: &AiTx, event: &Event) -> Result<Applied> {
    let deletion = Deletion::of(event)?;
    let deleted = queries::delete_seen(ai, event.aggregate_id.into(), &deletion).await?;
    Ok(done(deleted))
}

/// What was shown of it in streams that can still be followed.
async fn forget_words(core: &CoreTx, event: &Event) -> Result<()> {
    // An administrator may have deleted what others were shown.
    let shown_to = event.owner_id.filter(|_| !event.payload["admin"].as_bool().unwrap_or(false));
    conversation::forget_memory(core, shown_to, event.aggregate_id.into()).await
}

async fn forget_all_words(core: &CoreTx, event: &Event) -> Result<()> {
    conversation::forget_memories(core, event.aggregate_id.into()).await
}

async fn apply_all(ai: &AiTx, event: &Event) -> Result<Applied> {
    let deletion = Deletion::of(event)?;
    let owner = UserId(event.aggregate_id);
    let deleted = queries::delete_own(ai, owner, deletion.generation, ACCOUNT_BATCH).await?;
    Ok(if deleted == ACCOUNT_BATCH { Applied::More } else { done(deleted) })
}

async fn apply_account(ai: &AiTx, event: &Event) -> Result<Applied> {
    let deleted = queries::delete_own(ai, event.aggregate_id.into(), None, ACCOUNT_BATCH).await?;
    Ok(if deleted == ACCOUNT_BATCH { Applied::More } else { done(deleted) })
}

/// What is bound to a character or persona goes, whenever that was made: its id
/// never comes back.
async fn apply_bound(ai: &AiTx, event: &Event, end: Column) -> Result<Applied> {
    let owner = persona::owner_of(event)?;
    let deleted = queries::delete_bound(ai, end, event.aggregate_id, owner, ACCOUNT_BATCH).await?;
    Ok(if deleted == ACCOUNT_BATCH { Applied::More } else { done(deleted) })
}

async fn forget_bound_words(core: &CoreTx, event: &Event, end: &str) -> Result<()> {
    conversation::forget_bound(core, persona::owner_of(event)?, end, event.aggregate_id).await
}

async fn unlink(ai: &AiTx, event: &Event) -> Result<Applied> {
    queries::unlink(ai, conversation::messages_of(event)?).await?;
    Ok(Applied::Done(Value::Null))
}

fn done(deleted: u64) -> Applied {
    Applied::Done(json!({ "deleted": deleted }))
}
