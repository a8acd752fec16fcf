//! `POST /memories/search`

use axum::extract::State;
use chrono::{DateTime, Utc};
use entity::ids::UserId;
use garde::Validate;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::CurrentUser;
use crate::db::space::Active;
use crate::db::vector::{Found, Neighbour};
use crate::error::{Error, Result};
use crate::memory::search::{Bound, Hit, Search, search as find};
use crate::state::AppState;
use crate::web::page::LIMIT_MAX;
use crate::web::text::{no_nul, not_blank};
use crate::web::{Json, Problems};

/// A search by meaning. Exactly one of `query` and `embedding` is given.
#[derive(Clone, Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchMemories {
    /// What to look for, at most 32,000 characters; the embedding model reads as much of it as it can.
    #[garde(length(chars, max = 32_000), inner(custom(not_blank)))]
    #[schema(min_length = 1, max_length = 32000)]
    pub query: Option<String>,
    /// A vector of the active embedding space, in place of `query`.
    #[garde(inner(custom(finite)))]
    pub embedding: Option<Vec<f32>>,
    /// Memories wanted, 1 to 200.
    #[garde(range(min = 1, max = LIMIT_MAX))]
    #[serde(default = "limit_default")]
    #[schema(minimum = 1, maximum = 200, default = 10)]
    pub limit: u64,
    /// Only memories with one of these labels, 1 to 50; absent means all you may see.
    #[garde(length(min = 1, max = 50), inner(inner(length(chars, max = 100), custom(no_nul))))]
    #[schema(min_items = 1, max_items = 50)]
    pub scopes: Option<Vec<String>>,
    /// Memories of this persona and those of none; absent means of any of yours.
    #[garde(skip)]
    pub persona_id: Option<Uuid>,
    /// Memories of this character and those of none; absent means of any.
    #[garde(skip)]
    pub character_id: Option<Uuid>,
}

fn limit_default() -> u64 {
    10
}

/// What was found.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MemoryHits {
    /// Best first.
    pub hits: Vec<MemoryHit>,
    /// Fewer memories than wanted pass the filters.
    pub under_filled: bool,
}

/// A memory that was found.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MemoryHit {
    /// Key.
    pub id: Uuid,
    /// The caller's own id.
    pub external_id: Option<String>,
    /// What is remembered.
    pub content: String,
    /// Free label.
    pub scope: String,
    /// What the hits are ordered by, higher is better.
    pub score: f64,
    /// Cosine similarity, -1 to 1.
    pub similarity: f64,
    /// The caller's own fields.
    #[schema(value_type = Object)]
    pub metadata: Value,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// Search memories by meaning.
///
/// Finds your own memories and those shared with you. `limit` hits come back
/// whenever that many pass the filters.
#[utoipa::path(
    post,
    path = "/memories/search",
    tag = "memory",
    request_body = SearchMemories,
    responses((status = 200, description = "What was found", body = MemoryHits), Problems)
)]
pub async fn search(
    State(state): State<AppState>,
    user: CurrentUser,
    Json(request): Json<SearchMemories>,
) -> Result<Json<MemoryHits>> {
    let began = Instant::now();
    let mut active = state.spaces.active().await?;
    let found = loop {
        match search_in(&state, &active, &user, &request).await {
            Err(error) if state.spaces.again(&mut active, &error).await? => {}
            outcome => break outcome?,
        }
    };
    state.metrics.searched("memories", "dense", began.elapsed());
    if let Some(nearest) = found.neighbours.first() {
        state.metrics.nearest("memories", &active.space.embedder.space().model, nearest.similarity());
    }
    Ok(Json(MemoryHits {
        hits: found.neighbours.into_iter().map(MemoryHit::from).collect(),
        under_filled: found.under_filled,
    }))
}

async fn search_in(
    state: &AppState,
    active: &Active,
    user: &CurrentUser,
    request: &SearchMemories,
) -> Result<Found<Hit>> {
    let wanted = Search {
        space: active.space.id,
        vector: vector(state, active, user.id, request).await?,
        limit: request.limit,
        scopes: request.scopes.clone(),
        bound: Bound::Of { persona_id: request.persona_id, character_id: request.character_id },
    };
    state.outbox.settle(user.id).await?;
    find(state, &user.audience(), wanted).await
}

impl From<Neighbour<Hit>> for MemoryHit {
    fn from(found: Neighbour<Hit>) -> Self {
        let similarity = found.similarity();
        let row = found.row;
        Self {
            id: row.id.0,
            external_id: row.external_id,
            content: row.content,
            scope: row.scope,
            score: similarity,
            similarity,
            metadata: row.metadata,
            created_at: row.created_at,
        }
    }
}

async fn vector(
    state: &AppState,
    active: &Active,
    user: UserId,
    request: &SearchMemories,
) -> Result<Vec<f32>> {
    match (&request.query, &request.embedding) {
        (Some(query), None) => Ok(crate::usage::embed_query_in(state, active, user, query).await?.vector),
        (None, Some(vector)) => {
            let expected = active.space.embedder.space().dimensions as usize;
            if vector.len() == expected {
                return Ok(vector.clone());
            }
            let given = vector.len();
            Err(Error::field(
                "embedding",
                format!("has {given} numbers, the embedding space has {expected} dimensions"),
            ))
        }
        _ => Err(Error::field("query", "give exactly one of query and embedding")),
    }
}

/// Cosine similarity needs a direction.
fn finite<C>(vector: &[f32], _: &C) -> garde::Result {
    if !vector.iter().all(|number| number.is_finite()) {
        return Err(garde::Error::new("holds a number that is not finite"));
    }
    if !vector.is_empty() && vector.iter().all(|number| *number == 0.0) {
        return Err(garde::Error::new("is the zero vector, which has no direction"));
    }
    Ok(())
}
