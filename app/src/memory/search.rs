//! By meaning, under an audience.

use chrono::{DateTime, Utc};
use entity::ids::{MemoryId, SpaceId};
use sea_orm::FromQueryResult;
use sea_orm::sea_query::{Condition, Expr, ExprTrait};
use serde_json::Value;
use uuid::Uuid;

use crate::auth::Audience;
use crate::db::vector::{Found, Nearest, nearest};
use crate::error::Result;
use crate::persona::Pair;
use crate::state::AppState;

/// What to search for.
#[derive(Clone, Debug)]
pub(super) struct Search {
    /// The space of the vector.
    pub(super) space: SpaceId,
    pub(super) vector: Vec<f32>,
    pub(super) limit: u64,
    pub(super) scopes: Option<Vec<String>>,
    pub(super) bound: Bound,
}

/// Which memories, by the persona and the character they are bound to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Bound {
    /// What a conversation of this pair sees: rows bound to its ends, and rows bound to none.
    Seen(Pair),
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
    let mut filter = Condition::all().add(audience.condition()).add(wanted.bound.condition());
    if let Some(scopes) = wanted.scopes {
        filter = filter.add(Expr::col("scope").is_in(scopes.into_iter().map(Expr::val)));
    }
    let search = Nearest {
        table: "ai_memories",
        columns: COLUMNS,
        related: &[],
        filter,
        by_index: None,
        vector: wanted.vector,
        limit: wanted.limit,
        exact_below: state.settings.knowledge.exact_below_rows,
        large: &state.large_filters,
        is_compressed: state.engine.is_compressed(),
    };
    let width = state.settings.memory.hnsw_ef_search;
    let ai = state.ai.begin_search_in(&audience.reach(), width, wanted.space).await?;
    nearest(&ai, &search).await
}

impl Bound {
    fn condition(self) -> Condition {
        let (persona_id, character_id, is_strict) = match self {
            Self::Seen(pair) => (pair.persona_id.map(Uuid::from), pair.character_id.map(Uuid::from), true),
            Self::Of { persona_id, character_id } => (persona_id, character_id, false),
        };
        let ends = [("persona_id", persona_id), ("character_id", character_id)];
        ends.into_iter().fold(Condition::all(), |all, (column, id)| {
            let to_none = Expr::col(column).is_null();
            match id {
                Some(id) => all.add(to_none.or(Expr::col(column).eq(id))),
                None if is_strict => all.add(to_none),
                None => all,
            }
        })
    }
}
