//! `/analytics/aggregate`: several portfolios as one.

use axum::extract::State;
use chrono::NaiveDate;
use entity::ids::PortfolioId;
use garde::Validate;
use sea_orm::prelude::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::analytics::views::holdings::ratio;
use crate::analytics::views::load::{PORTFOLIOS_MAX, View, views};
use crate::auth::CurrentUser;
use crate::error::{Error, Result};
use crate::portfolio::figures::cents;
use crate::state::AppState;
use crate::web::{Json, Money, Problems, Query};

/// Which portfolios, in which currency.
#[derive(Clone, Debug, Deserialize, Serialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AggregateQuery {
    /// Up to 50 ids, separated by commas; without it all of yours, at most 50.
    #[garde(length(chars, max = 2000))]
    #[param(max_length = 2000)]
    pub portfolio_ids: Option<String>,
    /// ISO 4217 code of the sums; without it the currency of the oldest portfolio.
    #[garde(inner(pattern(r"^[A-Z]{3}$")))]
    #[param(pattern = "^[A-Z]{3}$")]
    pub currency: Option<String>,
    /// The end of this day; without it of the last trading day.
    #[garde(skip)]
    pub as_of_date: Option<NaiveDate>,
}

/// Sums of one portfolio or several, in one currency.
#[derive(Clone, Copy, Debug, Default, Serialize, ToSchema)]
pub struct Sums {
    /// Positions and cash.
    pub equity: Money,
    /// What is not in positions.
    pub cash: Money,
    /// Values above 0.
    pub long: Money,
    /// Values below 0; negative.
    pub short: Money,
    /// All values without their sign.
    pub gross: Money,
    /// Long and short.
    pub net: Money,
    /// P&L since the beginning, of each portfolio.
    pub total_pnl: Money,
    /// Of it, of open positions.
    pub unrealized_pnl: Money,
    /// Of it, of closes.
    pub realized_pnl: Money,
    /// Unrealised, since the close before the newest one.
    pub day_pnl: Money,
}

/// Several portfolios as one.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AggregateOverview {
    /// Of the sums.
    currency: Option<String>,
    /// The day they are of.
    calculation_date: Option<NaiveDate>,
    /// Portfolios in the sums.
    portfolios: usize,
    /// The sums.
    data: Sums,
    /// Portfolios that are not in them: a rate of exchange is missing.
    missing: Vec<Uuid>,
}

/// A portfolio among several.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Part {
    /// The portfolio.
    portfolio_id: Uuid,
    /// What it is called.
    name: String,
    /// The account it stands for.
    account_name: String,
    /// Its equity over that of all.
    weight: Option<f64>,
    /// Its sums, in the currency of all.
    data: Sums,
}

/// Several portfolios, each by itself.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Breakdown {
    /// Of the sums.
    currency: Option<String>,
    /// The day they are of.
    calculation_date: Option<NaiveDate>,
    /// The portfolios, oldest first.
    items: Vec<Part>,
    /// Portfolios that are not among them: a rate of exchange is missing.
    missing: Vec<Uuid>,
}

/// Several portfolios as one.
#[utoipa::path(get, path = "/analytics/aggregate/overview", tag = "analytics", params(AggregateQuery),
    responses((status = 200, body = AggregateOverview), Problems))]
pub async fn overview(
    State(state): State<AppState>,
    user: CurrentUser,
    Query(query): Query<AggregateQuery>,
) -> Result<Json<AggregateOverview>> {
    let Breakdown { currency, calculation_date, items, missing } = parts(&state, &user, &query).await?;
    let data = items.iter().fold(Sums::default(), |sum, part| sum.and(part.data));
    Ok(Json(AggregateOverview { currency, calculation_date, portfolios: items.len(), data, missing }))
}

/// Several portfolios, each by itself.
///
/// In one currency, with each one's weight among them.
#[utoipa::path(get, path = "/analytics/aggregate/breakdown", tag = "analytics", params(AggregateQuery),
    responses((status = 200, body = Breakdown), Problems))]
pub async fn breakdown(
    State(state): State<AppState>,
    user: CurrentUser,
    Query(query): Query<AggregateQuery>,
) -> Result<Json<Breakdown>> {
    Ok(Json(parts(&state, &user, &query).await?))
}

async fn parts(state: &AppState, user: &CurrentUser, query: &AggregateQuery) -> Result<Breakdown> {
    let only = query.portfolio_ids.as_deref().map(ids).transpose()?;
    let views = views(&state.core, user.id, only.as_deref(), query.as_of_date).await?;
    let own = views.first().map(|view| view.row.currency.clone());
    let currency = query.currency.clone().or(own);
    let (mut items, mut missing) = (Vec::new(), Vec::new());
    for view in &views {
        let to = currency.as_deref().unwrap_or(&view.row.currency);
        match view.market.fx(&view.row.currency, to, view.book.day) {
            Some(rate) => items.push(part(view, rate)),
            None => missing.push(view.row.id.0),
        }
    }
    let equity: Decimal = items.iter().map(|part| part.data.equity.0).sum();
    for part in &mut items {
        part.weight = ratio(part.data.equity.0, equity);
    }
    Ok(Breakdown { currency, calculation_date: views.first().map(|view| view.book.day), items, missing })
}

fn ids(list: &str) -> Result<Vec<PortfolioId>> {
    let wrong = |message: String| Error::field("portfolio_ids", message);
    let mut ids = Vec::new();
    for text in list.split(',').map(str::trim).filter(|text| !text.is_empty()) {
        let id = text.parse().map_err(|_| wrong(format!("`{text}` is not an id")))?;
        ids.push(PortfolioId(id));
    }
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() || ids.len() > PORTFOLIOS_MAX {
        return Err(wrong(format!("must name 1 to {PORTFOLIOS_MAX} portfolios")));
    }
    Ok(ids)
}

fn part(view: &View, rate: Decimal) -> Part {
    let standing = &view.standing;
    let sum = |amount: Decimal| Money(cents(amount * rate));
    let day_pnl = view.book.positions.iter().filter_map(|valued| view.day_pnl(valued)).sum();
    let (long, short) = (sum(standing.exposures.long), sum(standing.exposures.short));
    let cash = sum(standing.cash_value);
    let net = long.0 + short.0;
    Part {
        portfolio_id: view.row.id.0,
        name: view.row.name.clone(),
        account_name: view.row.account_name.clone(),
        weight: None,
        data: Sums {
            equity: Money(net + cash.0),
            cash,
            long,
            short,
            gross: Money(long.0 - short.0),
            net: Money(net),
            total_pnl: sum(standing.cumulative_pnl),
            unrealized_pnl: sum(standing.exposures.unrealized_pnl),
            realized_pnl: sum(standing.cumulative.realized),
            day_pnl: sum(day_pnl),
        },
    }
}

impl Sums {
    fn and(self, other: Self) -> Self {
        let sum = |one: Money, other: Money| Money(one.0 + other.0);
        Self {
            equity: sum(self.equity, other.equity),
            cash: sum(self.cash, other.cash),
            long: sum(self.long, other.long),
            short: sum(self.short, other.short),
            gross: sum(self.gross, other.gross),
            net: sum(self.net, other.net),
            total_pnl: sum(self.total_pnl, other.total_pnl),
            unrealized_pnl: sum(self.unrealized_pnl, other.unrealized_pnl),
            realized_pnl: sum(self.realized_pnl, other.realized_pnl),
            day_pnl: sum(self.day_pnl, other.day_pnl),
        }
    }
}
