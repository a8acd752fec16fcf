//! What there is: counts, and the scopes in use.

use std::collections::BTreeMap;

use axum::extract::State;
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::read;
use crate::auth::CurrentUser;
use crate::error::Result;
use crate::knowledge::queries::{self, COUNTED_MAX, Counted, Whose};
use crate::state::AppState;
use crate::web::page::{LIMIT_MAX, limit_default};
use crate::web::text::no_nul;
use crate::web::{Json, Problems, Query};

/// Scopes and collections that are named in statistics, those with most sources.
const NAMED_MAX: usize = 100;

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
                    let count = collection_id.map(|collection_id| CollectionCount {
                        collection_id,
                        sources,
                        passages,
                    });
                    counts.by_collection.extend(count);
                }
                _ => {}
            }
        }
        counts.is_complete = counts.sources < COUNTED_MAX;
        counts
    }
}
