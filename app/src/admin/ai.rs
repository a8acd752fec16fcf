//! `/admin/ai/metrics` and `/admin/ai/cost`: what models were used for, and what it cost.

use axum::extract::State;
use chrono::{Days as Span, NaiveDate};
use entity::ids::UserId;
use garde::Validate;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::auth::AdminUser;
use crate::error::{Error, Result};
use crate::state::AppState;
use crate::usage::report::{self, By, CostRow, Days, MetricsRow, Period};
use crate::web::{Json, Problems, Query};

/// Days of a report without `from`, and at most.
const DAYS_DEFAULT: u64 = 30;
const DAYS_MAX: i64 = 366;

/// Which days to report.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MetricsQuery {
    /// First day, UTC; 30 days to `to` without it.
    #[garde(skip)]
    #[serde(default)]
    pub from: Option<NaiveDate>,
    /// Last day, UTC; today without it. At most 366 days.
    #[garde(skip)]
    #[serde(default)]
    pub to: Option<NaiveDate>,
}

/// Which costs to report.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CostQuery {
    /// First day, UTC; 30 days to `to` without it.
    #[garde(skip)]
    #[serde(default)]
    pub from: Option<NaiveDate>,
    /// Last day, UTC; today without it. At most 366 days.
    #[garde(skip)]
    #[serde(default)]
    pub to: Option<NaiveDate>,
    /// `day` (without it) or `month`.
    #[garde(skip)]
    #[serde(default)]
    #[param(value_type = Option<String>)]
    pub period: Period,
    /// Only this user's.
    #[garde(skip)]
    #[serde(default)]
    pub user_id: Option<Uuid>,
}

/// What models were used for.
#[derive(Debug, Serialize, ToSchema)]
pub struct MetricsView {
    /// First day, UTC.
    from: NaiveDate,
    /// Last day, UTC.
    to: NaiveDate,
    /// All of it.
    total: Option<MetricsRow>,
    /// Each model; the most used first.
    by_model: Vec<MetricsRow>,
    /// Each day with a call, oldest first.
    by_day: Vec<MetricsRow>,
}

/// What it cost.
#[derive(Debug, Serialize, ToSchema)]
pub struct CostView {
    /// First day, UTC.
    from: NaiveDate,
    /// Last day, UTC.
    to: NaiveDate,
    /// All of it.
    total: Option<CostRow>,
    /// Each user; the dearest first.
    by_user: Vec<CostRow>,
    /// Each model; the dearest first.
    by_model: Vec<CostRow>,
    /// Each day or month with a call, oldest first.
    by_period: Vec<CostRow>,
}

/// Read what models were used for.
///
/// Requests, tokens, errors and latencies of all calls of models, by model and by day.
#[utoipa::path(get, path = "/admin/ai/metrics", tag = "admin", params(MetricsQuery),
    responses((status = 200, body = MetricsView), Problems))]
pub async fn metrics(
    State(state): State<AppState>,
    _: AdminUser,
    Query(query): Query<MetricsQuery>,
) -> Result<Json<MetricsView>> {
    let days = days(&state, query.from, query.to).await?;
    let mut view =
        MetricsView { from: days.from, to: days.to, total: None, by_model: Vec::new(), by_day: Vec::new() };
    for (by_model, by_day, row) in report::metrics(&state.core, days).await? {
        match (by_model, by_day) {
            (true, _) => view.by_model.push(row),
            (_, true) => view.by_day.push(row),
            _ => view.total = Some(row),
        }
    }
    Ok(Json(view))
}

/// Read what models cost.
///
/// By user, by model, and by day or month.
#[utoipa::path(get, path = "/admin/ai/cost", tag = "admin", params(CostQuery),
    responses((status = 200, body = CostView), Problems))]
pub async fn cost(
    State(state): State<AppState>,
    _: AdminUser,
    Query(query): Query<CostQuery>,
) -> Result<Json<CostView>> {
    let days = days(&state, query.from, query.to).await?;
    let mut view = CostView {
        from: days.from,
        to: days.to,
        total: None,
        by_user: Vec::new(),
        by_model: Vec::new(),
        by_period: Vec::new(),
    };
    for (by, row) in report::costs(&state.core, days, query.period, query.user_id.map(UserId)).await? {
        match by {
            By::All => view.total = Some(row),
            By::User => view.by_user.push(row),
            By::Model => view.by_model.push(row),
            By::Period => view.by_period.push(row),
        }
    }
    Ok(Json(view))
}

async fn days(state: &AppState, from: Option<NaiveDate>, to: Option<NaiveDate>) -> Result<Days> {
    let to = match to {
        Some(to) => to,
        None => today(state).await?,
    };
    let from = from.or_else(|| to.checked_sub_days(Span::new(DAYS_DEFAULT - 1))).unwrap_or(to);
    if from > to {
        return Err(Error::field("from", "must not be after `to`"));
    }
    if (to - from).num_days() >= DAYS_MAX || !(2000..=9000).contains(&chrono::Datelike::year(&from)) {
        return Err(Error::field("from", format!("at most {DAYS_MAX} days, from the year 2000 on")));
    }
    Ok(Days { from, to })
}

/// By the database's clock.
async fn today(state: &AppState) -> Result<NaiveDate> {
    let statement =
        Statement::from_string(DbBackend::Postgres, "SELECT (now() AT TIME ZONE 'UTC')::date AS day");
    let row = state.core.query_one_raw(statement).await?.ok_or(Error::NotFound("day"))?;
    Ok(row.try_get("", "day")?)
}
