//! `POST /positions`, `POST /positions/bulk`

use axum::extract::State;
use axum::http::StatusCode;
use chrono::NaiveDate;
use entity::core::position::{InvestmentClass, PositionType};
use entity::ids::PortfolioId;
use garde::Validate;
use sea_orm::prelude::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::PositionView;
use crate::auth::CurrentUser;
use crate::error::{Error, Result};
use crate::idempotency::Attempt;
use crate::portfolio::day;
use crate::portfolio::positions::{self, Draft};
use crate::state::AppState;
use crate::web::{Json, Money, Problems};

/// Positions of a request at most.
const BULK_MAX: usize = 500;

/// A position to be.
#[derive(Clone, Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPosition {
    /// Where; among several it may be left out, and is that of the request.
    #[garde(skip)]
    pub portfolio_id: Option<Uuid>,
    /// Ticker; an option may be named by its other fields alone.
    #[garde(skip)]
    pub symbol: Option<String>,
    /// More than 0; of what is short it may be negative too.
    #[garde(skip)]
    pub quantity: Money,
    /// `LONG`, `SHORT`, `LC`, `LP`, `SC` or `SP`; null: by the sign of the quantity.
    #[garde(skip)]
    #[schema(value_type = Option<String>)]
    pub position_type: Option<PositionType>,
    /// `PUBLIC`, `OPTIONS` or `PRIVATE`; null: `OPTIONS` for options, else `PUBLIC`.
    #[garde(skip)]
    #[schema(value_type = Option<String>)]
    pub investment_class: Option<InvestmentClass>,
    /// Finer than the class, 1 to 30 characters.
    #[garde(skip)]
    #[schema(min_length = 1, max_length = 30)]
    pub investment_subtype: Option<String>,
    /// Paid or received a unit, 0 or more.
    #[garde(skip)]
    pub entry_price: Money,
    /// When it was opened, not in the future; null: today (UTC).
    #[garde(inner(custom(day::plausible)))]
    pub entry_date: Option<NaiveDate>,
    /// Units of the underlying a contract; null: 100 for options, else 1.
    #[garde(skip)]
    pub multiplier: Option<Money>,
    /// ISO 4217 code of its prices; null: the portfolio's.
    #[garde(skip)]
    pub currency: Option<String>,
    /// Of options.
    #[garde(skip)]
    pub underlying_symbol: Option<String>,
    /// Of options.
    #[garde(skip)]
    pub strike_price: Option<Money>,
    /// Of options.
    #[garde(inner(custom(day::plausible)))]
    pub expiration_date: Option<NaiveDate>,
    /// Your words, at most 5,000 characters.
    #[garde(skip)]
    #[schema(max_length = 5000)]
    pub notes: Option<String>,
}

/// Positions to be, all or none.
#[derive(Clone, Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreatePositions {
    /// Where.
    #[garde(skip)]
    pub portfolio_id: Uuid,
    /// 1 to 500. One that is wrong keeps all out.
    #[garde(length(min = 1, max = BULK_MAX), dive)]
    #[schema(min_items = 1, max_items = 500)]
    pub positions: Vec<NewPosition>,
}

/// Positions that were made.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CreatedPositions {
    /// In the order of the request.
    items: Vec<PositionView>,
}

impl NewPosition {
    fn draft(self) -> Draft {
        Draft {
            symbol: self.symbol,
            quantity: self.quantity.0,
            position_type: self.position_type,
            investment_class: self.investment_class,
            investment_subtype: self.investment_subtype,
            entry_price: self.entry_price.0,
            entry_date: self.entry_date,
            multiplier: self.multiplier.map(Decimal::from),
            currency: self.currency,
            underlying_symbol: self.underlying_symbol,
            strike_price: self.strike_price.map(Decimal::from),
            expiration_date: self.expiration_date,
            notes: self.notes,
        }
    }
}

/// Make a position.
///
/// A lot: what was bought on another day or at another price is another one. 409
/// `too_many_positions`.
#[utoipa::path(post, path = "/positions", tag = "positions", request_body = NewPosition,
    responses((status = 201, body = PositionView), Problems))]
pub async fn create(
    State(state): State<AppState>,
    user: CurrentUser,
    attempt: Attempt,
    Json(request): Json<NewPosition>,
) -> Result<(StatusCode, Json<PositionView>)> {
    let portfolio = request.portfolio_id.ok_or_else(|| Error::field("portfolio_id", "is missing"))?;
    let (portfolio, drafts) = (PortfolioId(portfolio), vec![request.draft()]);
    let made = positions::create(&state.core, attempt, user.id, portfolio, drafts, None).await?;
    let made = made.into_iter().next().ok_or(Error::NotFound("position"))?;
    Ok((StatusCode::CREATED, Json(made.into())))
}

/// Make positions.
///
/// All or none: what is wrong is named, and nothing is stored. 409 `too_many_positions`.
#[utoipa::path(post, path = "/positions/bulk", tag = "positions", request_body = CreatePositions,
    responses((status = 201, body = CreatedPositions), Problems))]
pub async fn create_bulk(
    State(state): State<AppState>,
    user: CurrentUser,
    attempt: Attempt,
    Json(request): Json<CreatePositions>,
) -> Result<(StatusCode, Json<CreatedPositions>)> {
    let elsewhere = |position: &NewPosition| {
        position.portfolio_id.is_some_and(|portfolio| portfolio != request.portfolio_id)
    };
    if let Some(index) = request.positions.iter().position(elsewhere) {
        let field = format!("positions[{index}].portfolio_id");
        return Err(Error::field(field, "is not the request's: positions of a request are of one portfolio"));
    }
    let portfolio = PortfolioId(request.portfolio_id);
    let drafts = request.positions.into_iter().map(NewPosition::draft).collect();
    let made = positions::create(&state.core, attempt, user.id, portfolio, drafts, Some("positions")).await?;
    let items = made.into_iter().map(PositionView::from).collect();
    Ok((StatusCode::CREATED, Json(CreatedPositions { items })))
}
