//! `/analytics/aggregate`: several portfolios as one.

use axum::extract::State;
use chrono::NaiveDate;
use sea_orm::prelude::Decimal;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::several::{Aggregate, AggregateQuery, AggregateSectorQuery, Several, several};
use crate::analytics::views::concentration::{self, Concentration};
use crate::analytics::views::exposure::{self, BENCHMARK, SectorExposure};
use crate::analytics::views::holdings::ratio;
use crate::analytics::views::load::View;
use crate::auth::CurrentUser;
use crate::error::Result;
use crate::portfolio::figures::cents;
use crate::state::AppState;
use crate::web::{Json, Money, Problems, Query};

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
    responses((status = 200, body = Aggregate<Sums>), Problems))]
pub async fn overview(
    State(state): State<AppState>,
    user: CurrentUser,
    Query(query): Query<AggregateQuery>,
) -> Result<Json<Aggregate<Sums>>> {
    let several = several(&state, &user, &query).await?;
    let parts = several.views.iter().map(|(view, rate)| part(view, *rate));
    let data = parts.fold(Sums::default(), |sum, part| sum.and(part.data));
    Ok(Json(several.into_one(data)))
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
    let Several { currency, day, views, missing } = several(&state, &user, &query).await?;
    let mut items: Vec<Part> = views.iter().map(|(view, rate)| part(view, *rate)).collect();
    let equity: Decimal = items.iter().map(|part| part.data.equity.0).sum();
    for part in &mut items {
        part.weight = ratio(part.data.equity.0, equity);
    }
    Ok(Json(Breakdown { currency, calculation_date: day, items, missing }))
}

/// Sectors of several portfolios as one.
///
/// A symbol that several hold counts with all of it; weights are by the sums. Beside those of a benchmark, where
/// its weights are known.
#[utoipa::path(get, path = "/analytics/aggregate/sector-exposure", tag = "analytics", params(AggregateSectorQuery),
    responses((status = 200, body = Aggregate<SectorExposure>), Problems))]
pub async fn sector_exposure(
    State(state): State<AppState>,
    user: CurrentUser,
    Query(query): Query<AggregateSectorQuery>,
) -> Result<Json<Aggregate<SectorExposure>>> {
    let benchmark = query.benchmark.clone().unwrap_or_else(|| BENCHMARK.to_owned());
    let several = several(&state, &user, &AggregateQuery::from(query)).await?;
    let data = match several.day {
        Some(day) => {
            let equity = several.views.iter().map(|(view, rate)| part(view, *rate).data.equity.0).sum();
            exposure::of(&state.core, several.values().collect(), equity, &benchmark, day).await?
        }
        None => SectorExposure::default(),
    };
    Ok(Json(several.into_one(data)))
}

/// How concentrated several portfolios are as one.
///
/// A symbol that several hold counts once, with all of it.
#[utoipa::path(get, path = "/analytics/aggregate/concentration", tag = "analytics", params(AggregateQuery),
    responses((status = 200, body = Aggregate<Concentration>), Problems))]
pub async fn concentration(
    State(state): State<AppState>,
    user: CurrentUser,
    Query(query): Query<AggregateQuery>,
) -> Result<Json<Aggregate<Concentration>>> {
    let several = several(&state, &user, &query).await?;
    let data = concentration::of(several.values());
    Ok(Json(several.into_one(data)))
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
