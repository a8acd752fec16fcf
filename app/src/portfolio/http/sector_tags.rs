//! `/data/positions/restore-sector-tags`

use std::collections::BTreeMap;

use axum::extract::State;
use entity::ids::PortfolioId;
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::auth::CurrentUser;
use crate::error::Result;
use crate::portfolio::tags::{self, Restored};
use crate::state::AppState;
use crate::web::{Json, Problems, Query};

/// Which positions.
#[derive(Clone, Copy, Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SectorTagsQuery {
    /// Of this portfolio only; without it of all of yours.
    #[garde(skip)]
    pub portfolio_id: Option<Uuid>,
}

/// What was tagged.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SectorTags {
    /// Open positions.
    positions: usize,
    /// Of these, positions of which no sector is known; they have no such tag.
    without_sector: usize,
    /// Tags that were made, or taken out of the archive.
    tags_made: usize,
    /// Positions that got their tag now; the others had it.
    assigned: u64,
    /// Positions by sector.
    by_sector: BTreeMap<String, usize>,
}

impl From<Restored> for SectorTags {
    fn from(restored: Restored) -> Self {
        let Restored { positions, without_sector, tags_made, assigned, by_sector } = restored;
        Self { positions, without_sector, tags_made, assigned, by_sector }
    }
}

/// Tag positions by sector.
///
/// Each open position gets the tag of its company's sector; what is not there is made, what was archived is
/// restored. None is taken off; again changes nothing. 409 `too_many_tags`.
#[utoipa::path(post, path = "/data/positions/restore-sector-tags", tag = "portfolio data", params(SectorTagsQuery),
    responses((status = 200, body = SectorTags), Problems))]
pub async fn restore(
    State(state): State<AppState>,
    user: CurrentUser,
    Query(query): Query<SectorTagsQuery>,
) -> Result<Json<SectorTags>> {
    let restored = tags::restore_sectors(&state.core, user.id, query.portfolio_id.map(PortfolioId)).await?;
    Ok(Json(restored.into()))
}
