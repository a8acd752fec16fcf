//! Sources into collections and out of them, and the end of a collection.
//!
//! A source keeps its one set of rows, and its id. What changes is who reads it,
//! and with that the keys of its words, in the same transaction.

use entity::ids::{CollectionId, SourceId};
use futures::FutureExt;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::delete::{self, SOURCE_DELETED};
use super::{collections, queries, words};
use crate::auth::{CurrentUser, Deletion};
use crate::db::{AiTx, Reach};
use crate::error::{Error, Result};
use crate::idempotency;
use crate::jobs::outbox::{self, Aggregate, Applied, Consumer, Event, NewEvent};
use crate::state::AppState;

/// The event that a collection is gone from core.
pub const COLLECTION_DELETED: &str = "collection.deleted";

/// Takes part in it.
pub const ON_COLLECTION_DELETED: Consumer =
    Consumer { name: "knowledge", apply: |ai, event| apply(ai, event).boxed(), complete: None };

/// Sources moved at once.
pub(super) const MOVED_MAX: usize = 100;

/// Passages moved at once; one source may have more.
const PASSAGES_MAX: i64 = 10_000;

/// Sources that are deleted with their collection.
const DELETED_MAX: u64 = 1000;

/// Sources that a transaction lets go of.
const BATCH: u64 = 5;

/// The sources' own ends are waited for this long.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(2);

fn aggregate(id: CollectionId) -> Aggregate {
    Aggregate::new("collection", id)
}

/// Puts own sources into an own collection; all or none. How many were elsewhere.
/// 404 for what the user does not see, 403 for what is not the user's, 409 `too_many_passages`.
pub(super) async fn put(
    state: &AppState,
    user: &CurrentUser,
    sources: &[SourceId],
    collection: CollectionId,
) -> Result<u64> {
    collections::find_own(&state.core, user, collection).await?;
    let aggregates: Vec<_> = sources.iter().map(|id| delete::aggregate(*id)).collect();
    state.outbox.drain(&aggregates).await?;
    let seen = queries::find_all(&state.ai, &user.audience(), sources).await?;
    if seen.len() < sources.len() {
        return Err(Error::NotFound("source"));
    }
    for row in seen {
        delete::require_writer(user, &row)?;
        if row.owner_id.is_none() {
            let detail = "what is shared with the tenant or globally belongs to no collection";
            return Err(Error::conflict("shared_source", detail));
        }
    }
    let ai = state.ai.begin_for(&Reach::default().and_writing([user.id.0])).await?;
    let moved = move_in(&ai, user, sources, Some(collection)).await?;
    ai.commit().await?;
    Ok(moved)
}

/// The same in a transaction of the owner's; without a collection they leave the one they are in.
pub(super) async fn move_in(
    ai: &AiTx,
    user: &CurrentUser,
    sources: &[SourceId],
    collection: Option<CollectionId>,
) -> Result<u64> {
    if let Some(collection) = collection
        && outbox::is_gone(ai, aggregate(collection), COLLECTION_DELETED).await?
    {
        return Err(Error::NotFound("collection"));
    }
    let locked = queries::lock_own(ai, user.id, sources).await?;
    if locked.len() < sources.len() {
        return Err(Error::NotFound("source"));
    }
    let elsewhere: Vec<_> = locked.iter().filter(|source| source.collection_id != collection).collect();
    let passages: i64 = elsewhere.iter().map(|source| i64::from(source.documents)).sum();
    if elsewhere.len() > 1 && passages > PASSAGES_MAX {
        let detail = format!("they have {passages} passages; move at most {PASSAGES_MAX} at once");
        return Err(Error::conflict("too_many_passages", detail));
    }
    for source in &elsewhere {
        move_one(ai, source.id, collection).await?;
    }
    Ok(elsewhere.len() as u64)
}

async fn move_one(ai: &AiTx, source: SourceId, collection: Option<CollectionId>) -> Result<()> {
    queries::set_collection(ai, source, collection).await?;
    words::index_moved(ai, source).await
}

/// Deletes a collection, with its sources or without. Nobody reads it from then on. False: ai does
/// its part later. 409 `too_many_sources` with more of them than are deleted at once.
pub(super) async fn delete_collection(
    state: &AppState,
    user: &CurrentUser,
    id: CollectionId,
    with_sources: bool,
) -> Result<bool> {
    collections::find_own(&state.core, user, id).await?;
    let sources = if with_sources {
        queries::of_collection(&state.ai, user.id, id, DELETED_MAX + 1).await?
    } else {
        Vec::new()
    };
    if sources.len() as u64 > DELETED_MAX {
        let detail = format!(
            "the collection has more than {DELETED_MAX} sources; delete some first, or keep them with ?sources=keep"
        );
        return Err(Error::conflict("too_many_sources", detail));
    }
    let core = state.core.begin().await?;
    collections::take(&core, user, id).await?;
    let event = NewEvent {
        kind: COLLECTION_DELETED,
        aggregate: aggregate(id),
        payload: json!({ "with_sources": with_sources }),
        owner_id: Some(user.id),
    };
    outbox::publish(&core, event).await?;
    for source in &sources {
        let deletion = Deletion::by(user, Some(source.generation)).shown_to_others(true);
        let event = NewEvent {
            kind: SOURCE_DELETED,
            aggregate: delete::aggregate(source.id),
            payload: deletion.payload()?,
            owner_id: Some(user.id),
        };
        outbox::publish(&core, event).await?;
        idempotency::forget(&core, user.id, source.id.0).await?;
    }
    idempotency::forget(&core, user.id, id.0).await?;
    core.commit().await?;
    let began = Instant::now();
    let mut delivered = state.outbox.deliver_now(aggregate(id)).await;
    for source in sources {
        // What is not done by then, the relay does.
        delivered = delivered && began.elapsed() < PATIENCE;
        if !delivered {
            break;
        }
        delivered = state.outbox.deliver_now(delete::aggregate(source.id)).await;
    }
    Ok(delivered)
}

/// What was in a collection is its owner's alone, or goes.
async fn apply(ai: &AiTx, event: &Event) -> Result<Applied> {
    let id = CollectionId(event.aggregate_id);
    let with_sources = event.payload["with_sources"] == Value::Bool(true);
    let some = queries::lock_of_collection(ai, id, BATCH).await?;
    if with_sources {
        queries::delete_all(ai, &some).await?;
    } else {
        for source in &some {
            move_one(ai, *source, None).await?;
        }
    }
    Ok(if some.len() as u64 == BATCH { Applied::More } else { Applied::Done(json!({})) })
}
