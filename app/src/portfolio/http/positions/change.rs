//! `PATCH` and `PUT /positions/{id}`

use axum::extract::State;
use chrono::NaiveDate;
use entity::ids::PositionId;
use garde::Validate;
use sea_orm::prelude::Decimal;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::PositionView;
use crate::auth::{Change, CurrentUser};
use crate::error::{Error, Result};
use crate::portfolio::day;
use crate::portfolio::positions::{self, Close, Edit};
use crate::state::AppState;
use crate::web::{Json, Money, Path, Problems};

/// What to correct in a position; what is absent stays. With `exit_price` it is closed too.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangePosition {
    /// Within five minutes after the position was made.
    #[garde(skip)]
    pub symbol: Option<String>,
    /// As it was opened, in units of its entry; not less than was closed.
    #[garde(skip)]
    pub quantity: Option<Money>,
    /// A unit.
    #[garde(skip)]
    pub entry_price: Option<Money>,
    /// Not in the future, not after its first close.
    #[garde(inner(custom(day::plausible)))]
    pub entry_date: Option<NaiveDate>,
    /// 1 to 30 characters; null takes it away.
    #[garde(skip)]
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 30)]
    pub investment_subtype: Change<String>,
    /// At most 5,000 characters; null takes it away.
    #[garde(skip)]
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 5000)]
    pub notes: Change<String>,
    /// Closes the position at this price a unit.
    #[garde(skip)]
    pub exit_price: Option<Money>,
    /// With `exit_price`: when; null: today (UTC).
    #[garde(inner(custom(day::plausible)))]
    pub exit_date: Option<NaiveDate>,
    /// With `exit_price`: how much, without sign, in units of that day; null: all that is open.
    #[garde(skip)]
    pub close_quantity: Option<Money>,
}

impl ChangePosition {
    fn edit(self) -> Result<Edit> {
        let close = match (self.exit_price, self.exit_date, self.close_quantity) {
            (Some(price), trade_date, quantity) => {
                Some(Close { quantity: quantity.map(Decimal::from), price: price.0, trade_date })
            }
            (None, None, None) => None,
            (None, ..) => return Err(Error::field("exit_price", "goes with exit_date and close_quantity")),
        };
        Ok(Edit {
            symbol: self.symbol,
            quantity: self.quantity.map(Decimal::from),
            entry_price: self.entry_price.map(Decimal::from),
            entry_date: self.entry_date,
            investment_subtype: self.investment_subtype,
            notes: self.notes,
            close,
        })
    }
}

/// Correct a position.
///
/// Or close it, wholly or in part, with `exit_price`: a close is an event of its own, and the
/// position's quantity is what it leaves. 409 `symbol_fixed`, `position_closed`.
#[utoipa::path(patch, path = "/positions/{id}", tag = "positions",
    params(("id" = Uuid, Path, description = "The position")), request_body = ChangePosition,
    responses((status = 200, body = PositionView), Problems))]
pub async fn change(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
    Json(request): Json<ChangePosition>,
) -> Result<Json<PositionView>> {
    let known = positions::change(&state.core, user.id, PositionId(id), request.edit()?).await?;
    Ok(Json(known.into()))
}

/// Correct a position, by PUT.
///
/// The same: what is absent stays.
#[utoipa::path(put, path = "/positions/{id}", tag = "positions",
    params(("id" = Uuid, Path, description = "The position")), request_body = ChangePosition,
    responses((status = 200, body = PositionView), Problems))]
pub async fn change_by_put(
    state: State<AppState>,
    user: CurrentUser,
    id: Path<Uuid>,
    request: Json<ChangePosition>,
) -> Result<Json<PositionView>> {
    change(state, user, id, request).await
}
