//! Changes single memories: own ones, and shared ones for administrators.

use entity::ai::memory::Model;
use entity::ids::{MemoryId, UserId};
use serde_json::Value;

use super::delete;
use super::ids::{Identity, content_hash};
use super::plan::identity_of;
use super::queries::{self, Changes, Like};
use super::store::{TABLE, fits_window};
use crate::auth::{CurrentUser, Ownership};
use crate::db::space::{self, Active};
use crate::error::{Error, Result};
use crate::state::AppState;
use crate::usage::embed_passages;

/// What to change; none leaves it.
#[derive(Clone, Debug)]
pub(super) struct Edit {
    pub(super) content: Option<String>,
    pub(super) scope: Option<String>,
    pub(super) metadata: Option<Value>,
}

/// Edits a memory; its id stays. A new text is embedded before anything is
/// written, and text and vector change together. Answers the row as it is now.
pub(super) async fn edit(state: &AppState, user: &CurrentUser, id: MemoryId, edit: Edit) -> Result<Model> {
    state.outbox.drain(&[delete::aggregate(id), delete::all_of(user.id)]).await?;
    let row = queries::find(&state.ai, &user.audience(), id).await?;
    let ownership = writable(user, &row)?;
    let scope = edit.scope.filter(|scope| *scope != row.scope);
    if let Some(scope) = &scope
        && Ownership::for_scope(user, scope)? != ownership
    {
        return Err(Error::field(
            "scope",
            "a memory does not move between your own and the shared ones: create it there",
        ));
    }
    let content = edit.content.filter(|content| *content != row.content);
    if content.is_some() || scope.is_some() {
        refuse_twin(state, &row, ownership, content.as_deref(), scope.as_deref()).await?;
    }
    let metadata = edit.metadata.filter(|metadata| *metadata != row.metadata);
    let changes = Changes { content: None, scope, metadata, is_said_again: false };
    if content.is_none() && changes.is_empty() {
        return Ok(row);
    }
    let mut active = state.spaces.active().await?;
    let change = Change { user: user.id, id, ownership };
    loop {
        match write(state, &active, change, content.clone(), changes.clone()).await {
            Err(error) if state.spaces.again(&mut active, &error).await? => {}
            outcome => break outcome?,
        }
    }
    queries::find_of(&state.ai, ownership, id).await
}

/// Which row is changed, by whom.
#[derive(Clone, Copy, Debug)]
struct Change {
    user: UserId,
    id: MemoryId,
    ownership: Ownership,
}

/// Writes an edit in a space.
async fn write(
    state: &AppState,
    active: &Active,
    Change { user, id, ownership }: Change,
    content: Option<String>,
    mut changes: Changes,
) -> Result<()> {
    let mut beside = Vec::new();
    if let Some(content) = content {
        let (vector, other) = embedded(state, active, user, &content).await?;
        changes.content = Some((content, vector));
        beside.extend(other.map(|vector| (id.0, vector)));
    }
    let transaction = state.ai.begin_for_in(&ownership.reach(), active.space.id).await?;
    queries::update(&transaction, ownership.audience(), id, changes).await?;
    space::write_beside(&transaction, TABLE, active, beside).await?;
    transaction.commit().await
}

/// The row's owner, if the user may change it. Everybody who may read a shared
/// row knows that it exists, so this is no 404.
pub(super) fn writable(user: &CurrentUser, row: &Model) -> Result<Ownership> {
    if row.owner_id == Some(user.id) || (row.owner_id.is_none() && user.is_admin()) {
        return Ok(Ownership { owner_id: row.owner_id, tenant_id: row.tenant_id });
    }
    Err(Error::forbidden("shared_memory", "only administrators change shared memories"))
}

/// An edit must not make two rows of one statement.
async fn refuse_twin(
    state: &AppState,
    row: &Model,
    ownership: Ownership,
    content: Option<&str>,
    scope: Option<&str>,
) -> Result<()> {
    let content = content.unwrap_or(&row.content);
    let wanted = Identity::new(
        ownership,
        (row.persona_id, row.character_id),
        scope.unwrap_or(&row.scope),
        row.external_id.as_deref(),
        content,
    );
    let like = match &row.external_id {
        Some(external_id) => Like { external_ids: vec![external_id.clone()], ..Like::default() },
        None => Like { content_hashes: vec![content_hash(content)], ..Like::default() },
    };
    let twin = queries::find_like(&state.ai, vec![ownership.audience()], like)
        .await?
        .into_iter()
        .find(|other| other.id != row.id && identity_of(other) == wanted);
    match twin {
        None => Ok(()),
        Some(twin) => Err(Error::Conflict {
            code: "memory_exists",
            detail: "another memory says the same".to_owned(),
            id: Some(twin.id.0),
        }),
    }
}

/// Vectors of a text: for the active space, and for the one beside it if it can be had.
async fn embedded(
    state: &AppState,
    active: &Active,
    user: UserId,
    content: &str,
) -> Result<(Vec<f32>, Option<Vec<f32>>)> {
    fits_window(active.space.embedder.as_ref(), content)?;
    let texts = vec![content.to_owned()];
    let (mut vectors, mut beside) = embed_passages(state, active, Some(user), texts).await?;
    let vector = vectors.pop().ok_or(Error::Upstream {
        code: "provider_malformed",
        detail: "no vector for the one text".to_owned(),
    })?;
    Ok((vector, beside.pop()))
}
