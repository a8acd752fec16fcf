//! `DELETE /positions/{id}`, `DELETE /positions/bulk`

use axum::extract::State;
use axum::http::StatusCode;
use entity::ids::PositionId;
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::auth::CurrentUser;
use crate::error::Result;
use crate::portfolio::positions;
use crate::state::AppState;
use crate::web::{Json, Path, Problems, Query};

/// Positions of a request at most.
const BULK_MAX: usize = 500;

/// How to delete.
#[derive(Clone, Copy, Debug, Default, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeleteQuery {
    /// Leaves no row behind; otherwise the same import can bring the position back.
    #[garde(skip)]
    #[serde(default)]
    #[param(default = false)]
    pub force: bool,
}

/// Positions to delete, all or none.
#[derive(Clone, Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeletePositions {
    /// 1 to 500.
    #[garde(length(min = 1, max = BULK_MAX))]
    #[schema(min_items = 1, max_items = 500)]
    pub ids: Vec<Uuid>,
    /// Leaves no rows behind.
    #[garde(skip)]
    #[serde(default)]
    #[schema(default = false)]
    pub force: bool,
}

/// What was deleted.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct DeletedPositions {
    /// How many.
    deleted: u64,
}

/// Delete a position.
///
/// As if it had never been: what was sold is to be closed instead.
#[utoipa::path(delete, path = "/positions/{id}", tag = "positions",
    params(("id" = Uuid, Path, description = "The position"), DeleteQuery), responses((status = 204), Problems))]
pub async fn delete(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
    Query(query): Query<DeleteQuery>,
) -> Result<StatusCode> {
    positions::delete(&state.core, user.id, &[PositionId(id)], query.force).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Delete positions.
///
/// All or none: 404 when one of them is not there.
#[utoipa::path(delete, path = "/positions/bulk", tag = "positions", request_body = DeletePositions,
    responses((status = 200, body = DeletedPositions), Problems))]
pub async fn delete_bulk(
    State(state): State<AppState>,
    user: CurrentUser,
    Json(request): Json<DeletePositions>,
) -> Result<Json<DeletedPositions>> {
    let ids: Vec<PositionId> = request.ids.into_iter().map(PositionId).collect();
    let deleted = positions::delete(&state.core, user.id, &ids, request.force).await?;
    Ok(Json(DeletedPositions { deleted }))
}
