//! `/analytics/portfolio`: what one portfolio comes to.

use axum::extract::State;
use chrono::NaiveDate;
use entity::ids::PortfolioId;
use garde::Validate;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::DayQuery;
use crate::analytics::views::complete::{DataQuality, quality};
use crate::analytics::views::concentration::{self, Concentration};
use crate::analytics::views::exposure::{self, BENCHMARK, SectorExposure};
use crate::analytics::views::load::{View, view};
use crate::analytics::views::overview::{self, Overview};
use crate::analytics::views::past::days;
use crate::auth::CurrentUser;
use crate::error::Result;
use crate::state::AppState;
use crate::web::{Json, Path, Problems, Query};

/// Figures of a portfolio, and how they came about.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Figures<T> {
    /// There are positions or capital to speak of.
    available: bool,
    /// The portfolio.
    portfolio_id: Uuid,
    /// The day they are of.
    calculation_date: NaiveDate,
    /// The figures.
    data: T,
    /// How they came about.
    data_quality: DataQuality,
    /// What was applied.
    #[schema(value_type = Object)]
    metadata: Value,
}

/// On which day, beside which benchmark.
#[derive(Clone, Debug, Deserialize, Serialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SectorQuery {
    /// The end of this day; without it of the last trading day.
    #[garde(skip)]
    pub as_of_date: Option<NaiveDate>,
    /// A benchmark whose sector weights were imported; `SP500` without it.
    #[garde(length(chars, min = 1, max = 32))]
    #[param(max_length = 32)]
    pub benchmark: Option<String>,
}

/// What a portfolio comes to.
///
/// Equity, cash, exposures, P&L of the day, month and year, returns. Month, year and returns are from the
/// snapshots of the batch.
#[utoipa::path(get, path = "/analytics/portfolio/{id}/overview", tag = "analytics",
    params(("id" = Uuid, Path, description = "The portfolio"), DayQuery),
    responses((status = 200, body = Figures<Overview>), Problems))]
pub async fn overview(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
    Query(query): Query<DayQuery>,
) -> Result<Json<Figures<Overview>>> {
    let view = view(&state.core, user.id, PortfolioId(id), query.as_of_date).await?;
    let (past, is_cut) = days(&state.core, view.row.id, view.book.day, overview::DAYS_MAX).await?;
    let data = overview::overview(&state.core, &view, &past).await?;
    let last = past.last().map(|day| day.date);
    let metadata = json!({ "currency": view.row.currency, "snapshots": past.len(), "truncated": is_cut });
    Ok(Json(figures(&view, data, last, metadata)))
}

/// Sectors of a portfolio.
///
/// Beside those of a benchmark, where its weights are known.
#[utoipa::path(get, path = "/analytics/portfolio/{id}/sector-exposure", tag = "analytics",
    params(("id" = Uuid, Path, description = "The portfolio"), SectorQuery),
    responses((status = 200, body = Figures<SectorExposure>), Problems))]
pub async fn sector_exposure(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
    Query(query): Query<SectorQuery>,
) -> Result<Json<Figures<SectorExposure>>> {
    let view = view(&state.core, user.id, PortfolioId(id), query.as_of_date).await?;
    let benchmark = query.benchmark.as_deref().unwrap_or(BENCHMARK);
    let data = exposure::sectors(&state.core, &view, benchmark).await?;
    let metadata = json!({ "currency": view.row.currency, "benchmark": benchmark });
    Ok(Json(figures(&view, data, last(&state, &view).await?, metadata)))
}

/// How concentrated a portfolio is.
#[utoipa::path(get, path = "/analytics/portfolio/{id}/concentration", tag = "analytics",
    params(("id" = Uuid, Path, description = "The portfolio"), DayQuery),
    responses((status = 200, body = Figures<Concentration>), Problems))]
pub async fn concentration(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
    Query(query): Query<DayQuery>,
) -> Result<Json<Figures<Concentration>>> {
    let view = view(&state.core, user.id, PortfolioId(id), query.as_of_date).await?;
    let data = concentration::concentration(&view);
    let metadata = json!({ "currency": view.row.currency });
    Ok(Json(figures(&view, data, last(&state, &view).await?, metadata)))
}

async fn last(state: &AppState, view: &View) -> Result<Option<NaiveDate>> {
    let (past, _) = days(&state.core, view.row.id, view.book.day, 1).await?;
    Ok(past.last().map(|day| day.date))
}

fn figures<T>(view: &View, data: T, last_snapshot: Option<NaiveDate>, metadata: Value) -> Figures<T> {
    let is_empty = view.book.positions.is_empty() && view.standing.total_value.is_zero();
    Figures {
        available: !is_empty,
        portfolio_id: view.row.id.0,
        calculation_date: view.book.day,
        data,
        data_quality: quality(view, last_snapshot),
        metadata,
    }
}
