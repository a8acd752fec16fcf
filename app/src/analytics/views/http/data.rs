//! `/data`: portfolios, positions, snapshots.

use axum::extract::State;
use chrono::NaiveDate;
use entity::ids::PortfolioId;
use garde::Validate;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::DayQuery;
use crate::analytics::views::complete::{
    self, Complete, DAYS_MAX, DataQuality, HOLDINGS_MAX, Parts, PortfolioFigures,
};
use crate::analytics::views::holdings::{self, Holding};
use crate::analytics::views::load::{PORTFOLIOS_MAX, view, views};
use crate::analytics::views::past::{Day, days};
use crate::auth::CurrentUser;
use crate::error::Result;
use crate::state::AppState;
use crate::web::{Described, Json, Meta, Path, Problems, Query};

/// Positions of a list of the largest.
const TOP_MAX: usize = 100;

/// Which parts of a portfolio, on which day.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CompleteQuery {
    /// The positions; true without it.
    #[garde(skip)]
    pub include_holdings: Option<bool>,
    /// Their tags; true without it.
    #[garde(skip)]
    pub include_position_tags: Option<bool>,
    /// The history, by snapshots, up to 400 days; false without it.
    #[garde(skip)]
    pub include_timeseries: Option<bool>,
    /// What each position contributed; false without it.
    #[garde(skip)]
    pub include_attrib: Option<bool>,
    /// The end of this day; without it of the last trading day.
    #[garde(skip)]
    pub as_of_date: Option<NaiveDate>,
}

/// Everything about a portfolio.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CompletePortfolio {
    /// What was asked, applied, left out.
    meta: Meta,
    /// The portfolio.
    #[serde(flatten)]
    complete: Complete,
}

/// Positions of which portfolio.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DetailsQuery {
    /// The portfolio.
    #[garde(skip)]
    pub portfolio_id: Uuid,
    /// The end of this day; without it of the last trading day.
    #[garde(skip)]
    pub as_of_date: Option<NaiveDate>,
}

/// By what positions are ranked.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rank {
    /// Value, without its sign.
    #[default]
    Value,
    /// P&L since the close before the newest one, without its sign.
    DayPnl,
}

/// How many of the largest.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TopQuery {
    /// 1 to 100; 10 without it.
    #[garde(inner(range(min = 1, max = TOP_MAX)))]
    #[param(minimum = 1, maximum = 100, default = 10)]
    pub limit: Option<usize>,
    /// `value` or `day_pnl`; `value` without it.
    #[garde(skip)]
    #[param(inline)]
    pub by: Option<Rank>,
    /// The end of this day; without it of the last trading day.
    #[garde(skip)]
    pub as_of_date: Option<NaiveDate>,
}

/// Your portfolios.
///
/// With what each comes to, oldest first, at most 50.
#[utoipa::path(get, path = "/data/portfolios", tag = "portfolio data", params(DayQuery),
    responses((status = 200, body = Described<Vec<PortfolioFigures>>), Problems))]
pub async fn portfolios(
    State(state): State<AppState>,
    user: CurrentUser,
    Query(query): Query<DayQuery>,
) -> Result<Json<Described<Vec<PortfolioFigures>>>> {
    let views = views(&state.core, user.id, None, query.as_of_date).await?;
    let day = views.first().map(|view| view.book.day);
    let meta = Meta::new(&query, &json!({ "as_of_date": day }), &[("portfolios", PORTFOLIOS_MAX as u64)])?;
    let data: Vec<PortfolioFigures> = views.iter().map(complete::figures).collect();
    Ok(Json(Described { meta: meta.with_rows(data.len(), day), data }))
}

/// Everything about a portfolio.
///
/// Sums, positions by size, history and contributions, and how the figures came about. Values are computed
/// from lots and prices when they are asked for; history is read from the snapshots of the batch.
#[utoipa::path(get, path = "/data/portfolio/{id}/complete", tag = "portfolio data",
    params(("id" = Uuid, Path, description = "The portfolio"), CompleteQuery),
    responses((status = 200, body = CompletePortfolio), Problems))]
pub async fn complete(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
    Query(query): Query<CompleteQuery>,
) -> Result<Json<CompletePortfolio>> {
    let parts = Parts {
        holdings: query.include_holdings.unwrap_or(true),
        tags: query.include_position_tags.unwrap_or(true),
        timeseries: query.include_timeseries.unwrap_or(false),
        attribution: query.include_attrib.unwrap_or(false),
    };
    let id = PortfolioId(id);
    let (day, complete) = complete::complete(&state.core, user.id, id, query.as_of_date, parts).await?;
    let applied = json!({
        "include_holdings": parts.holdings, "include_position_tags": parts.holdings && parts.tags,
        "include_timeseries": parts.timeseries, "include_attrib": parts.attribution, "as_of_date": day,
    });
    let limits = [("holdings", HOLDINGS_MAX as u64), ("timeseries_days", DAYS_MAX)];
    let count = complete.holdings.as_ref().map_or(0, Vec::len);
    let mut meta = Meta::new(&query, &applied, &limits)?.with_rows(count, Some(day));
    meta.truncated = complete.is_truncated;
    Ok(Json(CompletePortfolio { meta, complete }))
}

/// The newest snapshot.
///
/// What the batch stored of the last trading day up to `as_of_date`; null before its first run.
#[utoipa::path(get, path = "/data/portfolio/{id}/snapshot", tag = "portfolio data",
    params(("id" = Uuid, Path, description = "The portfolio"), DayQuery),
    responses((status = 200, body = Described<Option<Day>>), Problems))]
pub async fn snapshot(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
    Query(query): Query<DayQuery>,
) -> Result<Json<Described<Option<Day>>>> {
    let portfolio = crate::portfolio::find_owned(&state.core, user.id, PortfolioId(id)).await?;
    let upto = query.as_of_date.unwrap_or(NaiveDate::MAX);
    let data = days(&state.core, portfolio.id, upto, 1).await?.0.pop();
    let as_of = data.as_ref().map(|day| day.date);
    let meta = Meta::new(&query, &json!({ "as_of_date": query.as_of_date }), &[])?;
    Ok(Json(Described { meta: meta.with_rows(usize::from(data.is_some()), as_of), data }))
}

/// How good the figures are.
///
/// Counts of positions by where their prices are from: counted, not estimated.
#[utoipa::path(get, path = "/data/portfolio/{id}/data-quality", tag = "portfolio data",
    params(("id" = Uuid, Path, description = "The portfolio"), DayQuery),
    responses((status = 200, body = Described<DataQuality>), Problems))]
pub async fn data_quality(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
    Query(query): Query<DayQuery>,
) -> Result<Json<Described<DataQuality>>> {
    let view = view(&state.core, user.id, PortfolioId(id), query.as_of_date).await?;
    let last = days(&state.core, view.row.id, view.book.day, 1).await?.0.pop().map(|day| day.date);
    let meta = Meta::new(&query, &json!({ "as_of_date": view.book.day }), &[])?;
    let meta = meta.with_rows(view.book.positions.len(), Some(view.book.day));
    Ok(Json(Described { meta, data: complete::quality(&view, last) }))
}

/// The positions of a portfolio.
///
/// Open lots with their values, the largest first.
#[utoipa::path(get, path = "/data/positions/details", tag = "portfolio data", params(DetailsQuery),
    responses((status = 200, body = Described<Vec<Holding>>), Problems))]
pub async fn details(
    State(state): State<AppState>,
    user: CurrentUser,
    Query(query): Query<DetailsQuery>,
) -> Result<Json<Described<Vec<Holding>>>> {
    let view = view(&state.core, user.id, PortfolioId(query.portfolio_id), query.as_of_date).await?;
    let rows = holdings::holdings(&state.core, &view).await?;
    let applied = json!({ "portfolio_id": query.portfolio_id, "as_of_date": view.book.day });
    Ok(Json(described(&query, &applied, view.book.day, rows, HOLDINGS_MAX)?))
}

/// The largest positions, or those that moved the portfolio most.
#[utoipa::path(get, path = "/data/positions/top/{id}", tag = "portfolio data",
    params(("id" = Uuid, Path, description = "The portfolio"), TopQuery),
    responses((status = 200, body = Described<Vec<Holding>>), Problems))]
pub async fn top(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
    Query(query): Query<TopQuery>,
) -> Result<Json<Described<Vec<Holding>>>> {
    let view = view(&state.core, user.id, PortfolioId(id), query.as_of_date).await?;
    let rows = holdings::holdings(&state.core, &view).await?;
    let (limit, by) = (query.limit.unwrap_or(10), query.by.unwrap_or_default());
    let rows = match by {
        Rank::Value => rows,
        Rank::DayPnl => holdings::movers(rows, limit + 1),
    };
    let applied = json!({ "limit": limit, "by": by, "as_of_date": view.book.day });
    Ok(Json(described(&query, &applied, view.book.day, rows, limit)?))
}

fn described(
    query: &impl Serialize,
    applied: &impl Serialize,
    day: NaiveDate,
    mut rows: Vec<Holding>,
    limit: usize,
) -> Result<Described<Vec<Holding>>> {
    let is_truncated = rows.len() > limit;
    rows.truncate(limit);
    let mut meta = Meta::new(query, applied, &[("holdings", HOLDINGS_MAX as u64)])?;
    meta.truncated = is_truncated;
    Ok(Described { meta: meta.with_rows(rows.len(), Some(day)), data: rows })
}
