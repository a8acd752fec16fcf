//! Changing sources and trying them again; what there is, and what is there twice.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use entity::ids::{CollectionId, SourceId};
use garde::Validate;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::read::{self, SourceBody, SourceOwner};
use crate::auth::{Change, CurrentUser};
use crate::error::Result;
use crate::knowledge::change::{self, Edit};
use crate::knowledge::duplicates::{self, Alike, Group};
use crate::knowledge::queries::{self, COUNTED_MAX, Counted, Whose};
use crate::knowledge::source::{TITLE_CHARS_MAX, bounded_metadata};
use crate::state::AppState;
use crate::web::page::{LIMIT_MAX, limit_default};
use crate::web::text::{no_nul, not_blank};
use crate::web::{Cursor, Json, Path, Problems, Query};

/// Scopes and collections that are named in statistics, those with most sources.
const NAMED_MAX: usize = 100;

/// What to change in a source; what is absent stays.
#[derive(Debug, Default, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeSource {
    /// What it is called, 1 to 500 characters.
    #[garde(length(chars, max = TITLE_CHARS_MAX), inner(custom(not_blank)))]
    #[schema(min_length = 1, max_length = 500)]
    pub title: Option<String>,
    /// Its label, 1 to 100 characters.
    #[garde(length(chars, min = 1, max = 100), inner(custom(no_nul)))]
    #[schema(min_length = 1, max_length = 100)]
    pub scope: Option<String>,
    /// Your own fields, in place of those it has; at most 32 KiB of JSON.
    #[garde(inner(custom(bounded_metadata)))]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Map<String, Value>>,
    /// The collection of yours it is to be in; null takes it out.
    #[serde(default)]
    #[garde(skip)]
    #[schema(value_type = Option<Uuid>)]
    pub collection_id: Change<Uuid>,
}

/// Changes a source.
///
/// It keeps its id, and its passages are found meanwhile. Title, scope and metadata are part of what is
/// indexed: it is ingested again for them (202), from the text that is stored. 409 `id_would_change` where
/// another title or scope would make it another source: without an `external_id` both are part of its id,
/// and whether it is yours, the tenant's or everybody's always is. 409 `not_ready` until it is ingested.
#[utoipa::path(
    patch,
    path = "/knowledge/sources/{id}",
    tag = "knowledge",
    params(("id" = Uuid, Path, description = "The source.")),
    request_body = ChangeSource,
    responses(
        (status = 200, description = "The source as it is now.", body = SourceBody),
        (status = 202, description = "It is ingested again.", body = SourceBody),
        Problems
    )
)]
pub async fn change_source(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
    Json(request): Json<ChangeSource>,
) -> Result<(StatusCode, Json<SourceBody>)> {
    let ChangeSource { title, scope, metadata, collection_id } = request;
    let edit = Edit { title, scope, metadata, collection: collection_id.map(CollectionId) };
    let is_queued = change::change(&state, &user, SourceId(id), edit).await?;
    let status = if is_queued { StatusCode::ACCEPTED } else { StatusCode::OK };
    Ok((status, read::shown(&state, &user, SourceId(id)).await?))
}

/// Tries a source again that failed.
///
/// 409 `not_failed` for any other, so however often it is asked there is one new job; 409 `file_gone` for
/// a file that could not be read, which is not kept: send it again.
#[utoipa::path(
    post,
    path = "/knowledge/sources/{id}/retry",
    tag = "knowledge",
    params(("id" = Uuid, Path, description = "The source.")),
    responses((status = 202, description = "It is on its way again.", body = SourceBody), Problems)
)]
pub async fn retry_source(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
) -> Result<(StatusCode, Json<SourceBody>)> {
    change::retry(&state, &user, SourceId(id)).await?;
    Ok((StatusCode::ACCEPTED, read::shown(&state, &user, SourceId(id)).await?))
}

/// What there is.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct KnowledgeStats {
    /// Your own sources.
    own: Counts,
    /// What is shared with the tenant or globally; for administrators.
    #[serde(skip_serializing_if = "Option::is_none")]
    shared: Option<Counts>,
    /// Jobs of yours that are not done.
    pending_jobs: u64,
}

/// Sources, counted.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct Counts {
    /// All of them.
    sources: i64,
    /// Their passages.
    passages: i64,
    /// Their texts, in bytes.
    bytes: i64,
    /// By how far they are.
    by_status: BTreeMap<String, i64>,
    /// By label; the 100 with most sources.
    by_scope: Vec<ScopeCount>,
    /// By collection; the 100 with most sources.
    by_collection: Vec<CollectionCount>,
    /// Every source was counted; there are no more than 200,000.
    is_complete: bool,
}

/// Sources with a label.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ScopeCount {
    /// The label.
    scope: String,
    /// Sources.
    sources: i64,
    /// Passages.
    passages: i64,
}

/// Sources in a collection.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CollectionCount {
    /// The collection.
    collection_id: Uuid,
    /// Sources.
    sources: i64,
    /// Passages.
    passages: i64,
}

/// What there is, by status, scope and collection.
///
/// Your own sources; for administrators also what is shared. At most 200,000 sources of each are counted.
#[utoipa::path(get, path = "/knowledge/stats", tag = "knowledge",
    responses((status = 200, description = "The counts.", body = KnowledgeStats), Problems))]
pub async fn knowledge_stats(
    State(state): State<AppState>,
    user: CurrentUser,
) -> Result<Json<KnowledgeStats>> {
    state.outbox.settle(user.id).await?;
    let own = Counts::of(queries::count(&state.ai, &user.audience(), Whose::Own(user.id)).await?);
    let shared = if user.is_admin() {
        Some(Counts::of(queries::count(&state.ai, &user.audience(), Whose::Shared).await?))
    } else {
        None
    };
    let pending_jobs = read::pending_jobs(&state, user.id).await?;
    Ok(Json(KnowledgeStats { own, shared, pending_jobs }))
}

/// Which scopes to list.
#[derive(Clone, Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ScopesQuery {
    /// Only scopes that begin so, for example `portfolio:`.
    #[serde(default)]
    #[garde(length(chars, max = 100), custom(no_nul))]
    pub prefix: String,
    /// Scopes, 1 to 200.
    #[garde(range(min = 1, max = LIMIT_MAX))]
    #[serde(default = "limit_default")]
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: u64,
}

/// Scopes in use.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Scopes {
    /// Those with most sources first.
    items: Vec<ScopeCount>,
    /// There are no others, and every source was counted.
    is_complete: bool,
}

/// Scopes in use, with their sources.
///
/// Of everything you find: your own, shared, and in collections you read. Those with most sources first;
/// `prefix` narrows what is more than a page.
#[utoipa::path(get, path = "/knowledge/scopes", tag = "knowledge", params(ScopesQuery),
    responses((status = 200, description = "The scopes.", body = Scopes), Problems))]
pub async fn knowledge_scopes(
    State(state): State<AppState>,
    user: CurrentUser,
    Query(query): Query<ScopesQuery>,
) -> Result<Json<Scopes>> {
    state.outbox.settle(user.id).await?;
    let mut found = queries::scopes(&state.ai, &user.audience(), &query.prefix, query.limit + 1).await?;
    let more = found.len() as u64 > query.limit;
    found.truncate(usize::try_from(query.limit).unwrap_or(usize::MAX));
    let is_complete = !more && found.first().is_none_or(|scope| scope.looked_at < COUNTED_MAX);
    let item = |found: queries::ScopeCount| ScopeCount {
        scope: found.scope,
        sources: found.sources,
        passages: found.passages,
    };
    Ok(Json(Scopes { items: found.into_iter().map(item).collect(), is_complete }))
}

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
pub struct Duplicates {
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
    responses((status = 200, description = "A page of groups.", body = Duplicates), Problems))]
pub async fn knowledge_duplicates(
    State(state): State<AppState>,
    user: CurrentUser,
    Query(query): Query<DuplicatesQuery>,
) -> Result<Json<Duplicates>> {
    state.outbox.settle(user.id).await?;
    let DuplicatesQuery { kind, similarity, limit, cursor } = query;
    let audience = user.audience();
    let found = match kind {
        DuplicateKind::Same => duplicates::same(&state, &audience, cursor, limit).await?,
        DuplicateKind::Near => duplicates::near(&state, &audience, similarity, cursor, limit).await?,
    };
    Ok(Json(Duplicates {
        items: found.groups.into_iter().map(|group| DuplicateGroup::of(&user, group)).collect(),
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

impl Counts {
    fn of(rows: Vec<Counted>) -> Self {
        let mut counts = Self::default();
        for row in rows {
            let Counted { status, scope, collection_id, kind, sources, passages, bytes } = row;
            match kind {
                queries::BY_STATUS => {
                    counts.sources += sources;
                    counts.passages += passages;
                    counts.bytes += bytes;
                    counts.by_status.insert(status.unwrap_or_default(), sources);
                }
                queries::BY_SCOPE if counts.by_scope.len() < NAMED_MAX => {
                    counts.by_scope.push(ScopeCount { scope: scope.unwrap_or_default(), sources, passages });
                }
                queries::BY_COLLECTION if counts.by_collection.len() < NAMED_MAX => {
                    let count = collection_id
                        .map(|collection_id| CollectionCount { collection_id, sources, passages });
                    counts.by_collection.extend(count);
                }
                _ => {}
            }
        }
        counts.is_complete = counts.sources < COUNTED_MAX;
        counts
    }
}
