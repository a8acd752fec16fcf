//! `/positions/{id}/valuations`: what its owner says a position is worth.

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, NaiveDate, Utc};
use entity::core::position_valuation;
use entity::ids::PositionId;
use garde::Validate;
use sea_orm::prelude::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::CurrentUser;
use crate::error::Result;
use crate::portfolio::{day, positions};
use crate::state::AppState;
use crate::web::{Json, Money, Page, PageQuery, Path, Problems, Query, decimal};

/// What a unit is worth from a day on.
#[derive(Clone, Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutValuation {
    /// From the position's entry to today (UTC); until the next valuation.
    #[garde(custom(day::plausible))]
    pub valuation_date: NaiveDate,
    /// A unit, in the position's currency, 0 or more; null takes the day's valuation back.
    #[garde(inner(custom(decimal::not_negative)))]
    pub price: Option<Money>,
}

/// What a unit was said to be worth.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ValuationView {
    /// From this day on, until the next.
    valuation_date: NaiveDate,
    /// A unit, in the position's currency.
    price: Money,
    /// When it was said.
    created_at: DateTime<Utc>,
}

impl From<position_valuation::Model> for ValuationView {
    fn from(row: position_valuation::Model) -> Self {
        Self { valuation_date: row.valuation_date, price: row.price.into(), created_at: row.created_at }
    }
}

/// List a position's valuations.
///
/// The newest first.
#[utoipa::path(get, path = "/positions/{id}/valuations", tag = "positions",
    params(("id" = Uuid, Path, description = "The position"), PageQuery),
    responses((status = 200, body = Page<ValuationView>), Problems))]
pub async fn list(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<ValuationView>>> {
    let Page { items, next_cursor } =
        positions::list_valuations(&state.core, user.id, PositionId(id), &page).await?;
    Ok(Json(Page { items: items.into_iter().map(ValuationView::from).collect(), next_cursor }))
}

/// Say what a position is worth.
///
/// For what has no market: a position with closes is worth those. One valuation a day, the last one counts.
#[utoipa::path(put, path = "/positions/{id}/valuations", tag = "positions",
    params(("id" = Uuid, Path, description = "The position")), request_body = PutValuation,
    responses((status = 204), Problems))]
pub async fn put(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
    Json(request): Json<PutValuation>,
) -> Result<StatusCode> {
    let price = request.price.map(Decimal::from);
    positions::put_valuation(&state.core, user.id, PositionId(id), request.valuation_date, price).await?;
    Ok(StatusCode::NO_CONTENT)
}
