//! The end of a source, in both databases: its passages go, and its words
//! leave the citations in answers.

use entity::ids::SourceId;
use futures::FutureExt;
use serde_json::{Value, json};

use super::queries::{self, Fate, Shown};
use crate::auth::{CurrentUser, Deletion, Ownership};
use crate::conversation::{self, SOURCE};
use crate::db::{AiTx, CoreTx};
use crate::error::{Error, Result};
use crate::idempotency;
use crate::jobs::outbox::{self, Aggregate, Applied, Consumer, Event, NewEvent};
use crate::state::AppState;

/// The event that a source is to go.
pub const SOURCE_DELETED: &str = "source.deleted";

/// Sources of an account that a transaction deletes.
const ACCOUNT_BATCH: u64 = 20;

/// Takes part in [`SOURCE_DELETED`].
pub const ON_SOURCE_DELETED: Consumer = Consumer {
    name: "knowledge",
    apply: |ai, event| apply(ai, event).boxed(),
    complete: Some(|core, event, outcome| complete(core, event, outcome).boxed()),
};

/// Takes part in the end of an account.
pub const ON_ACCOUNT_DELETED: Consumer =
    Consumer { name: "knowledge", apply: |ai, event| clear(ai, event).boxed(), complete: None };

/// Takes back, before that, what the account had in collections.
pub const ON_ACCOUNT_SHARES_DELETED: Consumer = Consumer {
    name: "knowledge",
    apply: |ai, event| take_back(ai, event).boxed(),
    complete: Some(|core, event, outcome| forget_shown(core, event, outcome).boxed()),
};

pub(super) fn aggregate(id: SourceId) -> Aggregate {
    Aggregate::new(SOURCE, id)
}

/// Deletes a source. False: ai, which is away, does its part later; whose the
/// source is, is checked then. 404 and 403 need ai's word.
pub(super) async fn delete(state: &AppState, user: &CurrentUser, id: SourceId) -> Result<bool> {
    let (seen, shown) = match seen(state, user, id).await {
        Ok(row) => (Some(row.generation), row.collection_id.is_some()),
        // Whether it is in one of the user's collections, nobody can tell now.
        Err(error) if outbox::is_away(&error) => (None, !user.collections.is_empty()),
        Err(error) => return Err(error),
    };
    let core = state.core.begin().await?;
    let event = NewEvent {
        kind: SOURCE_DELETED,
        aggregate: aggregate(id),
        payload: Deletion::by(user, seen).shown_to_others(shown).payload()?,
        owner_id: Some(user.id),
    };
    outbox::publish(&core, event).await?;
    idempotency::forget(&core, user.id, id.0).await?;
    core.commit().await?;
    if seen.is_none() {
        state.outbox.deliver_later();
        return Ok(false);
    }
    Ok(state.outbox.deliver_now(aggregate(id)).await)
}

/// Deletes a source whose file is gone from a folder that is kept in line. One
/// that was made again since stays.
pub(super) async fn delete_own(
    state: &AppState,
    ownership: Ownership,
    id: SourceId,
    generation: i64,
) -> Result<()> {
    let core = state.core.begin().await?;
    let deletion = Deletion {
        audiences: vec![ownership.audience()],
        generation: Some(generation),
        admin: ownership.owner_id.is_none(),
    };
    let event = NewEvent {
        kind: SOURCE_DELETED,
        aggregate: aggregate(id),
        payload: deletion.payload()?,
        owner_id: ownership.owner_id,
    };
    outbox::publish(&core, event).await?;
    core.commit().await?;
    // If it is not delivered now, the relay of a server does it.
    state.outbox.deliver_now(aggregate(id)).await;
    Ok(())
}

/// A source that the user may delete.
async fn seen(state: &AppState, user: &CurrentUser, id: SourceId) -> Result<Shown> {
    state.outbox.drain(&[aggregate(id)]).await?;
    let row = queries::find(&state.ai, &user.audience(), id).await?.ok_or(Error::NotFound("source"))?;
    require_writer(user, &row)?;
    Ok(row)
}

/// Who may read a source knows that it is there, so this is no 404.
pub(super) fn require_writer(user: &CurrentUser, row: &Shown) -> Result<()> {
    match row.owner_id {
        Some(owner) if owner == user.id => Ok(()),
        Some(_) => Err(Error::forbidden("shared_source", "only its owner changes or deletes this source")),
        None if user.is_admin() => Ok(()),
        None => Err(Error::forbidden("shared_source", "only administrators change or delete shared sources")),
    }
}

async fn apply(ai: &AiTx, event: &Event) -> Result<Applied> {
    let deletion = Deletion::of(event)?;
    let (fate, shown) = queries::delete_seen(ai, event.aggregate_id.into(), &deletion).await?;
    Ok(Applied::Done(json!({ "fate": fate, "in_collection": shown })))
}

/// What was cited before is gone, even if the source was made again since.
async fn complete(core: &CoreTx, event: &Event, outcome: &Value) -> Result<()> {
    if outcome["fate"] == json!(Fate::Refused) {
        return Ok(());
    }
    let id = SourceId(event.aggregate_id);
    queries::empty_citations(core, id, event.created_at).await?;
    // An administrator may have deleted what others were shown, and so may who had it in a collection.
    let is_true = |value: &Value| value.as_bool().unwrap_or(false);
    let shown = is_true(&event.payload["admin"]) || is_true(&outcome["in_collection"]);
    let shown_to = event.owner_id.filter(|_| !shown);
    conversation::forget_source(core, shown_to, id).await
}

async fn clear(ai: &AiTx, event: &Event) -> Result<Applied> {
    let deleted = queries::delete_of_owner(ai, event.aggregate_id.into(), ACCOUNT_BATCH).await?;
    if deleted == ACCOUNT_BATCH {
        return Ok(Applied::More);
    }
    Ok(Applied::Done(json!({})))
}

/// All in one transaction: which they were is to be known afterwards.
async fn take_back(ai: &AiTx, event: &Event) -> Result<Applied> {
    let shown = queries::delete_shown_of_owner(ai, event.aggregate_id.into()).await?;
    Ok(Applied::Done(json!({ "shown": shown })))
}

/// What the account had in collections stands in answers of others too.
async fn forget_shown(core: &CoreTx, event: &Event, outcome: &Value) -> Result<()> {
    let shown: Vec<SourceId> = serde_json::from_value(outcome["shown"].clone()).unwrap_or_default();
    for id in shown {
        queries::empty_citations(core, id, event.created_at).await?;
        conversation::forget_source(core, None, id).await?;
    }
    Ok(())
}
