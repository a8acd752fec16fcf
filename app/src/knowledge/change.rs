//! Changing a source: what it is called, its label, its fields, its collection.
//!
//! Title, label and fields are part of what is indexed, so a change of them has
//! the source ingested again from the text that is stored; until that is done its
//! old passages are found. An id never changes: what would give the same input
//! another id is refused.

use entity::ai::kb_source::{self, Status};
use entity::ids::{CollectionId, SourceId, UserId};
use serde_json::{Map, Value};

use super::delete::{aggregate, require_writer};
use super::ids::{self, Parts};
use super::jobs::{self, Item, Payload};
use super::queries::{self, Labels};
use super::{collections, moving};
use crate::auth::{Change, CurrentUser, Ownership};
use crate::db::Reach;
use crate::error::{Error, Result};
use crate::state::AppState;

/// What to change; what is none stays.
#[derive(Clone, Debug, Default)]
pub(super) struct Edit {
    pub(super) title: Option<String>,
    pub(super) scope: Option<String>,
    pub(super) metadata: Option<Map<String, Value>>,
    pub(super) collection: Change<CollectionId>,
}

/// Changes a source; whether it is ingested again for that. 404, 403; 409 `not_ready`,
/// `id_would_change`.
pub(super) async fn change(state: &AppState, user: &CurrentUser, id: SourceId, edit: Edit) -> Result<bool> {
    state.outbox.drain(&[aggregate(id)]).await?;
    let seen = queries::find(&state.ai, &user.audience(), id).await?.ok_or(Error::NotFound("source"))?;
    require_writer(user, &seen)?;
    let ownership = Ownership { owner_id: seen.owner_id, tenant_id: seen.tenant_id };
    if let Change::Set(collection) = edit.collection {
        collections::find_own(&state.core, user, collection).await?;
    }
    let ai = state.ai.begin_for(&Reach::default().and_writing([ownership.audience()])).await?;
    let row = queries::lock(&ai, id).await?;
    let labels = labels(user, &row, &edit)?;
    let item = match labels {
        Some(labels) => Some(queries::relabel(&ai, id, labels).await?),
        None => None,
    };
    let place = match edit.collection {
        Change::Keep => None,
        Change::Remove => Some(None),
        Change::Set(collection) => Some(Some(collection)),
    };
    if let Some(collection) = place {
        if row.owner_id.is_none() {
            let detail = "what is shared with the tenant or globally belongs to no collection";
            return Err(Error::conflict("shared_source", detail));
        }
        moving::move_in(&ai, user, &[id], collection).await?;
    }
    ai.commit().await?;
    match item {
        Some(item) => enqueue(state, user.id, item).await.map(|()| true),
        None => Ok(false),
    }
}

/// Tries a source again that failed. 409 `not_failed`, and `file_gone` when there is nothing left
/// to read: then it has to be sent again.
pub(super) async fn retry(state: &AppState, user: &CurrentUser, id: SourceId) -> Result<()> {
    state.outbox.drain(&[aggregate(id)]).await?;
    let seen = queries::find(&state.ai, &user.audience(), id).await?.ok_or(Error::NotFound("source"))?;
    require_writer(user, &seen)?;
    let ownership = Ownership { owner_id: seen.owner_id, tenant_id: seen.tenant_id };
    let ai = state.ai.begin_for(&Reach::default().and_writing([ownership.audience()])).await?;
    let row = queries::lock(&ai, id).await?;
    if !queries::is_failed(&row) {
        return Err(Error::conflict("not_failed", "only a source that failed is tried again"));
    }
    if row.content.is_empty() && row.url.is_none() {
        let detail = "its file could not be read and is not kept; send it again";
        return Err(Error::conflict("file_gone", detail));
    }
    let item = queries::requeue(&ai, id).await?;
    if row.content.is_empty() {
        queries::fetch_again(&ai, &row, item).await?;
    }
    ai.commit().await?;
    enqueue(state, user.id, item).await
}

async fn enqueue(state: &AppState, user: UserId, item: Item) -> Result<()> {
    let payload = Payload { items: vec![item], round: 0 };
    jobs::enqueue(state, Some(user), payload).await.map(drop)
}

/// What the source is called then; none if nothing changes.
fn labels(user: &CurrentUser, row: &kb_source::Model, edit: &Edit) -> Result<Option<Labels>> {
    let known = row.metadata.as_object().cloned().unwrap_or_default();
    let title = edit.title.clone().unwrap_or_else(|| row.title.clone());
    let scope = edit.scope.clone().unwrap_or_else(|| row.scope.clone());
    let metadata = edit.metadata.clone().unwrap_or_else(|| known.clone());
    let (retitled, rescoped) = (title != row.title, scope != row.scope);
    if !retitled && !rescoped && metadata == known {
        return Ok(None);
    }
    if rescoped {
        let ownership = Ownership { owner_id: row.owner_id, tenant_id: row.tenant_id };
        if Ownership::for_scope(user, &scope)?.audience() != ownership.audience() {
            return Err(id_would_change("who a source is shared with is part of its id"));
        }
    }
    // As `ids::source` has it.
    if row.external_id.is_none() && (rescoped || retitled && row.url.is_none()) {
        return Err(id_would_change("without an external_id its title and scope are part of its id"));
    }
    if row.status != Status::Ready {
        let detail = "the source is not ready; change it when it is, or send it again";
        return Err(Error::conflict("not_ready", detail));
    }
    let content_hash = ids::content_hash(&Parts {
        audience: uuid::Uuid::nil(),
        external_id: row.external_id.as_deref(),
        scope: &scope,
        title: &title,
        media_type: &row.media_type,
        metadata: &metadata,
        content: row.content.as_bytes(),
        url: row.url.as_deref(),
    });
    Ok(Some(Labels { title, scope, metadata, content_hash }))
}

fn id_would_change(why: &str) -> Error {
    Error::conflict(
        "id_would_change",
        format!("{why}; send it again with what it is to have, and delete this one"),
    )
}
