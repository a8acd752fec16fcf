//! What is there twice.

use axum::extract::State;
use chrono::{DateTime, Utc};
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::source_body::SourceOwner;
use crate::auth::CurrentUser;
use crate::error::Result;
use crate::knowledge::duplicates::{self, Alike, Group};
use crate::state::AppState;
use crate::web::page::{LIMIT_MAX, limit_default};
use crate::web::{Cursor, Json, Problems, Query};

/// What counts as a duplicate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DuplicateKind {
    /// The same text, whatever it is called.
    #[default]
    Same,
    /// At least half of the passages that were looked at are nearly those of the other.
    Near,
}

/// Which duplicates to look for.
#[derive(Clone, Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DuplicatesQuery {
    /// What counts as one.
    #[serde(default)]
    #[garde(skip)]
    #[param(inline)]
    pub kind: DuplicateKind,
    /// For `near`: the cosine similarity from which passages are alike, 0.5 to 1.
    #[serde(default = "similarity_default")]
    #[garde(range(min = 0.5, max = 1.0))]
    #[param(minimum = 0.5, maximum = 1.0, default = 0.95)]
    pub similarity: f64,
    /// Groups a page, or for `near` sources looked at; 1 to 200.
    #[garde(range(min = 1, max = LIMIT_MAX))]
    #[serde(default = "limit_default")]
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: u64,
    /// `next_cursor` of the page before, of the same kind.
    #[garde(skip)]
    #[serde(default)]
    #[param(value_type = Option<String>)]
    pub cursor: Option<Cursor>,
}

fn similarity_default() -> f64 {
    0.95
}

/// Sources that are there twice.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DuplicateSources {
    /// Sources that are alike. A page of `near` may have none and still not be the last.
    items: Vec<DuplicateGroup>,
    /// Ask for the next page with this; absent on the last one.
    #[schema(value_type = Option<String>)]
    next_cursor: Option<Cursor>,
    /// Sources this page looked at.
    looked_at: usize,
    /// The page stopped after 3 seconds, before it had looked at all of its sources; the next one goes on there.
    is_stopped: bool,
}

/// Sources that are alike.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DuplicateGroup {
    /// Of `same` the oldest first, of `near` the one that was looked at; at most 20.
    sources: Vec<DuplicateSource>,
    /// How many there are.
    total: i64,
}

/// One of them.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DuplicateSource {
    /// The source.
    id: Uuid,
    /// Your own id of it.
    external_id: Option<String>,
    /// What it is called.
    title: String,
    /// Its label.
    scope: String,
    /// Whose it is.
    owner: SourceOwner,
    /// The collection it is in.
    collection_id: Option<Uuid>,
    /// Passages.
    documents: i32,
    /// The highest similarity of a passage to one of the first source; 1 for the same text.
    similarity: f64,
    /// For `near`: of the first source's passages that were looked at, the share found again in this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    share: Option<f64>,
    /// When it was first sent.
    created_at: DateTime<Utc>,
}

/// Looks for sources that are there twice.
///
/// Among everything you find. It deletes nothing. `near` looks at `limit` sources a page, newest first, of
/// each at up to 5 passages spread over it, and names what both sides have in common from either side.
#[utoipa::path(get, path = "/knowledge/duplicates", tag = "knowledge", params(DuplicatesQuery),
    responses((status = 200, description = "A page of groups.", body = DuplicateSources), Problems))]
pub async fn knowledge_duplicates(
    State(state): State<AppState>,
    user: CurrentUser,
    Query(query): Query<DuplicatesQuery>,
) -> Result<Json<DuplicateSources>> {
    state.outbox.settle(user.id).await?;
    let DuplicatesQuery { kind, similarity, limit, cursor } = query;
    let audience = user.audience();
    let found = match kind {
        DuplicateKind::Same => duplicates::same(&state, &audience, cursor, limit).await?,
        DuplicateKind::Near => duplicates::near(&state, &audience, similarity, cursor, limit).await?,
    };
    Ok(Json(DuplicateSources {
        items: found.items.into_iter().map(|group| DuplicateGroup::of(&user, group)).collect(),
        next_cursor: found.next,
        looked_at: found.looked_at,
        is_stopped: found.is_stopped,
    }))
}

impl DuplicateGroup {
    fn of(user: &CurrentUser, group: Group) -> Self {
        let sources = group.sources.into_iter().map(|alike| DuplicateSource::of(user, alike));
        Self { sources: sources.collect(), total: group.total }
    }
}

impl DuplicateSource {
    #[expect(clippy::cast_precision_loss, reason = "at most five passages are looked at")]
    fn of(user: &CurrentUser, alike: Alike) -> Self {
        let Alike { source, similarity, passages } = alike;
        Self {
            id: source.id.0,
            owner: SourceOwner::of(user, &source),
            external_id: source.external_id,
            title: source.title,
            scope: source.scope,
            collection_id: source.collection_id.map(|id| id.0),
            documents: source.documents,
            similarity,
            share: passages.map(|(alike, compared)| alike as f64 / compared as f64),
            created_at: source.created_at,
        }
    }
}
