//! `POST` and `DELETE /positions/{id}/close`

use axum::extract::State;
use chrono::NaiveDate;
use entity::ids::PositionId;
use garde::Validate;
use sea_orm::prelude::Decimal;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::PositionView;
use crate::auth::CurrentUser;
use crate::error::Result;
use crate::idempotency::Attempt;
use crate::portfolio::day;
use crate::portfolio::positions::{self, Close};
use crate::state::AppState;
use crate::web::{Json, Money, Path, Problems};

/// What is taken from a position.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClosePosition {
    /// Received or paid a unit, 0 or more.
    #[garde(skip)]
    pub exit_price: Money,
    /// How much, without sign, in units of that day (after its splits); null: all that is open.
    #[garde(skip)]
    pub close_quantity: Option<Money>,
    /// When; null: today (UTC).
    #[garde(inner(custom(day::plausible)))]
    pub exit_date: Option<NaiveDate>,
}

/// Close a position.
///
/// Wholly or in part. 409 `position_closed` when nothing is open.
#[utoipa::path(post, path = "/positions/{id}/close", tag = "positions",
    params(("id" = Uuid, Path, description = "The position")), request_body = ClosePosition,
    responses((status = 200, body = PositionView), Problems))]
pub async fn close(
    State(state): State<AppState>,
    user: CurrentUser,
    attempt: Attempt,
    Path(id): Path<Uuid>,
    Json(request): Json<ClosePosition>,
) -> Result<Json<PositionView>> {
    let close = Close {
        quantity: request.close_quantity.map(Decimal::from),
        price: request.exit_price.0,
        trade_date: request.exit_date,
    };
    Ok(Json(positions::close(&state.core, attempt, user.id, PositionId(id), close).await?.into()))
}

/// Take back a close.
///
/// The newest one of the position. 404 when there is none.
#[utoipa::path(delete, path = "/positions/{id}/close", tag = "positions",
    params(("id" = Uuid, Path, description = "The position")), responses((status = 200, body = PositionView), Problems))]
pub async fn reopen(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
) -> Result<Json<PositionView>> {
    Ok(Json(positions::reopen(&state.core, user.id, PositionId(id)).await?.into()))
}
