//! Changing the embedding model while everybody goes on searching.
//!
//! A change is a row of `ai_embedding_spaces` beside the active one. Whoever
//! holds its lease, a server or `tandem reembed`, makes the vectors that are
//! missing, builds the indexes and compares them with exact search ([`drive`]).
//! A process that dies is followed by another one, which goes on from what is
//! in the database. The switch, and the way back, ask only whether any row
//! lacks its vector; those that do are filled first.

mod drive;
mod estimate;
mod fill;
mod recall;

use std::sync::Arc;
use std::time::Duration;

use entity::ai::embedding_space::{self, Status};
use entity::ids::SpaceId;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

pub use drive::{drive, resume};
pub use estimate::{Estimate, estimate};
pub use fill::missing as fill_missing;
pub use recall::{Class, recall};

use crate::db::space::{self, Place, fits, named, parity::Recall, spec_of};
use crate::error::{CanFail, Error, Result};
use crate::llm::{Embedder, SpaceSpec};
use crate::state::AppState;

/// Tells the other processes that a space has begun, switched or ended.
pub const CHANNEL: &str = "tandem_spaces";

/// A switch fills what was written meanwhile and tries again this often.
const SWITCHES_MAX: u32 = 30;

/// A space, and how far it is.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SpaceView {
    /// Its id.
    pub id: Uuid,
    /// `local` or `openai`.
    pub provider: String,
    /// Model name.
    pub model: String,
    /// Length of a vector.
    pub dimensions: u32,
    /// `active`; on its way `filling`, `indexing`, `checking`, then `ready` or `refused`; `previous` after a switch;
    /// `retired` when nothing is left of it.
    #[schema(value_type = String)]
    pub status: Status,
    /// Passages and memories there are; null for a space that has no vectors.
    pub rows: Option<i64>,
    /// Of those, the ones without a vector of this space.
    pub missing: Option<i64>,
    /// Tokens that were read to fill it.
    pub tokens: i64,
    /// How many of the true neighbours its indexes find, table by table.
    pub recall: Vec<Recall>,
    /// Why it does not get on.
    pub error: Option<String>,
    /// When it was made.
    pub created_at: chrono::DateTime<chrono::Utc>,
    /// When it last got on.
    pub updated_at: chrono::DateTime<chrono::Utc>,
}

/// A space with its figures.
pub async fn view(state: &AppState, row: embedding_space::Model) -> Result<SpaceView> {
    let spec = spec_of(&row);
    let counted = match row.status {
        Status::Retired => None,
        status => Some(space::progress(&state.ai, Place::of(status)).await?),
    };
    Ok(SpaceView {
        id: row.id.0,
        provider: spec.provider,
        model: spec.model,
        dimensions: spec.dimensions,
        status: row.status,
        rows: counted.map(|(rows, _)| rows),
        missing: counted.map(|(_, missing)| missing),
        tokens: row.tokens,
        recall: serde_json::from_value(row.recall).unwrap_or_default(),
        error: row.error,
        created_at: row.created_at,
        updated_at: row.updated_at,
    })
}

/// Every space, the newest first.
pub async fn list(state: &AppState) -> Result<Vec<SpaceView>> {
    let mut views = Vec::new();
    for row in space::all(&state.ai).await? {
        views.push(view(state, row).await?);
    }
    Ok(views)
}

/// The model to change to, by its names.
pub async fn embedder(
    state: &AppState,
    provider: &str,
    model: &str,
    dimensions: Option<u32>,
) -> Result<Arc<dyn Embedder>> {
    match state.spaces.make(provider, Some(model), dimensions).await {
        // What keeps a process from starting is here a request's mistake.
        Err(error @ Error::Startup { .. }) => Err(Error::field("model", error.to_string())),
        outcome => outcome,
    }
}

/// Begins a change. 409 while another space is beside the active one; the same change once more is the same.
pub async fn begin(state: &AppState, spec: &SpaceSpec) -> Result<SpaceId> {
    fits(spec, &state.settings).map_err(|error| Error::field("dimensions", error.to_string()))?;
    let id = space::begin(&state.ai, spec).await?;
    told(state).await;
    tracing::info!(space = named(spec), "the embedding model begins to change");
    Ok(id)
}

/// Makes the next space the active one. One whose indexes were found wanting is compared again before.
pub async fn switch(state: &AppState, id: SpaceId) -> Result<()> {
    let row = space::find(&state.ai, id).await?;
    if row.status == Status::Refused {
        space::set_status(&state.ai, id, Status::Refused, Status::Checking, None).await?;
        drive(state, id).await?;
    }
    let row = space::find(&state.ai, id).await?;
    match row.status {
        Status::Ready => {}
        Status::Active => return Ok(()),
        Status::Refused => {
            return Err(Error::conflict("recall_too_low", row.error.unwrap_or_default()));
        }
        status => return Err(not_ready(status)),
    }
    swapped(state, &row).await
}

/// Makes the previous space the active one again; what was the active one is next, and ready.
pub async fn rollback(state: &AppState, id: SpaceId) -> Result<()> {
    let row = space::find(&state.ai, id).await?;
    if row.status != Status::Previous {
        return Err(Error::conflict(
            "no_way_back",
            "only the previous space can become the active one again",
        ));
    }
    swapped(state, &row).await
}

/// Ends a change, or the way back: the vectors of the space beside the active one are dropped.
pub async fn end(state: &AppState, id: SpaceId) -> Result<()> {
    space::find(&state.ai, id).await?;
    space::abort(&state.ai, id).await?;
    told(state).await;
    Ok(())
}

async fn swapped(state: &AppState, row: &embedding_space::Model) -> Result<()> {
    for round in 0..SWITCHES_MAX {
        fill::missing(state, row.id, None).await?;
        if space::swap(&state.ai, row.id).await? {
            told(state).await;
            tracing::info!(space = named(&spec_of(row)), "another embedding space is active");
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20 * u64::from(round))).await;
    }
    Err(Error::conflict(
        "rows_missing",
        "rows are written faster than they get their vectors of this space; see its error, and try again",
    ))
}

fn not_ready(status: Status) -> Error {
    let status = serde_json::to_value(status).ok().and_then(|name| name.as_str().map(str::to_owned));
    Error::conflict("space_not_ready", format!("the space is {}, not ready", status.unwrap_or_default()))
}

/// This process knows at once, the others as soon as they hear; who hears nothing learns it from the database.
async fn told(state: &AppState) {
    state.spaces.refresh().await.map(drop).can_fail("the spaces are read again with the next vector");
    let notify =
        Statement::from_sql_and_values(DbBackend::Postgres, "SELECT pg_notify($1, '')", [CHANNEL.into()]);
    state.core.execute_raw(notify).await.map(drop).can_fail("other processes look for themselves");
}
