//! By meaning, under an audience.

use chrono::{DateTime, Utc};
use entity::ids::MemoryId;
use sea_orm::FromQueryResult;
use sea_orm::sea_query::{Condition, Expr, ExprTrait};
use serde_json::Value;
use uuid::Uuid;

use crate::auth::Audience;
use crate::db::vector::{Found, Nearest, nearest};
use crate::error::Result;
use crate::state::AppState;

/// What to search for.
#[derive(Clone, Debug)]
pub(super) struct Search {
    pub(super) vector: Vec<f32>,
    pub(super) limit: u64,
    pub(super) scopes: Option<Vec<String>>,
    pub(super) pair: Pair,
}

/// Whose memories, among a user's personae and the characters they talk to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pair {
    /// Only rows bound to neither.
    Nobody,
    /// Rows bound to these, and rows bound to none; what is none here is not asked for.
    Of { persona_id: Option<Uuid>, character_id: Option<Uuid> },
}

/// A row of the search, without its vector.
#[derive(Debug, FromQueryResult)]
pub(super) struct Hit {
    pub(super) id: MemoryId,
    pub(super) external_id: Option<String>,
    pub(super) content: String,
    pub(super) scope: String,
    pub(super) metadata: Value,
    pub(super) created_at: DateTime<Utc>,
}

const COLUMNS: &[&str] = &["id", "external_id", "content", "scope", "metadata", "created_at"];

/// The nearest memories the audience may read, nearest first.
pub(super) async fn search(state: &AppState, audience: &Audience, wanted: Search) -> Result<Found<Hit>> {
    let mut filter = Condition::all().add(audience.condition()).add(wanted.pair.condition());
    if let Some(scopes) = wanted.scopes {
        filter = filter.add(Expr::col("scope").is_in(scopes.into_iter().map(Expr::val)));
    }
    let search = Nearest {
        table: "ai_memories",
        columns: COLUMNS,
        related: &[],
        filter,
        vector: wanted.vector,
        limit: wanted.limit,
        exact_below: state.settings.knowledge.exact_below_rows,
        large: &state.large_filters,
    };
    let ai = state.ai.begin_search(&audience.reach(), state.settings.memory.hnsw_ef_search).await?;
    nearest(&ai, &search).await
}

impl Pair {
    fn condition(self) -> Condition {
        match self {
            Self::Nobody => Condition::all()
                .add(Expr::col("persona_id").is_null())
                .add(Expr::col("character_id").is_null()),
            Self::Of { persona_id, character_id } => {
                [("persona_id", persona_id), ("character_id", character_id)]
                    .into_iter()
                    .filter_map(|(column, id)| id.map(|id| (column, id)))
                    .fold(Condition::all(), |all, (column, id)| {
                        let shared = Expr::col(column).is_null();
                        all.add(shared.or(Expr::col(column).eq(id)))
                    })
            }
        }
    }
}
