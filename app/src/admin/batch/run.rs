//! Starting, watching and calling off runs.

use axum::extract::State;
use axum::http::StatusCode;
use chrono::NaiveDate;
use entity::core::batch_run::{self, BatchStatus};
use entity::ids::{BatchRunId, PortfolioId};
use garde::Validate;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::history::LogLine;
use crate::analytics::http::RunStarted;
use crate::analytics::{self, NewRun, Requested, history};
use crate::auth::AdminUser;
use crate::error::{Error, Result};
use crate::idempotency::Attempt;
use crate::state::AppState;
use crate::web::{Json, Problems};

/// What to run.
#[derive(Debug, Default, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StartRun {
    /// Only this portfolio; without it all.
    #[garde(skip)]
    pub portfolio_id: Option<Uuid>,
    /// Days that are complete are computed again, from `start_date` or the beginning; and the run
    /// waits behind one that is under way.
    #[garde(skip)]
    #[serde(default)]
    #[schema(default = false)]
    pub force: bool,
    /// From this day on everything is computed again; without it what is missing or stale.
    #[garde(skip)]
    pub start_date: Option<NaiveDate>,
    /// The last day; without it the last trading day that is over.
    #[garde(skip)]
    pub end_date: Option<NaiveDate>,
}

/// The run that is under way.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CurrentRun {
    /// `idle`, `queued` or `running`.
    pub status: &'static str,
    /// The run.
    pub batch_run_id: Option<Uuid>,
    /// Portfolios.
    pub jobs: Jobs,
    /// The phase it is in.
    pub current_job: Option<String>,
    /// Its portfolio, if it is over one alone.
    pub current_portfolio: Option<Uuid>,
    /// Portfolios done, of all, in percent.
    pub progress_percent: f64,
    /// Since it began.
    pub elapsed_seconds: f64,
    /// The last lines of its log, the last first; at most 50.
    pub activity_log: Vec<LogLine>,
}

/// How many portfolios of a run are done.
#[derive(Clone, Copy, Debug, Default, Serialize, ToSchema)]
pub struct Jobs {
    /// All.
    pub total: i32,
    /// Done.
    pub completed: i32,
    /// Failed.
    pub failed: i32,
    /// Left.
    pub pending: i32,
}

/// A run that was called off.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Cancelled {
    /// The run.
    pub batch_run_id: Uuid,
    /// `cancelled`.
    #[schema(value_type = String)]
    pub status: BatchStatus,
}

/// What was deleted.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct CleanedUp {
    /// Snapshots.
    pub deleted: u64,
    /// Portfolios that are computed again by the next run.
    pub portfolios: usize,
}

impl Jobs {
    pub(super) fn of(run: &batch_run::Model) -> Self {
        Self {
            total: run.total_jobs,
            completed: run.completed_jobs,
            failed: run.failed_jobs,
            pending: (run.total_jobs - run.completed_jobs - run.failed_jobs).max(0),
        }
    }
}

/// Start a run of the batch.
///
/// 409 `batch_running` with its id while one is open, unless forced: then it waits behind it.
#[utoipa::path(post, path = "/admin/batch/run", tag = "admin", request_body = StartRun,
    responses((status = 202, body = RunStarted), Problems))]
pub async fn start(
    State(state): State<AppState>,
    admin: AdminUser,
    attempt: Attempt,
    Json(request): Json<StartRun>,
) -> Result<(StatusCode, Json<RunStarted>)> {
    if let Some(id) = request.portfolio_id {
        require_portfolio(&state, PortfolioId(id)).await?;
    }
    let new = NewRun {
        id: BatchRunId(attempt.id),
        portfolio: request.portfolio_id.map(PortfolioId),
        from: request.start_date,
        to: request.end_date,
        force: request.force,
        prices_only: false,
        triggered_by: admin.0.email.clone(),
    };
    started(&state, new).await
}

/// Fetch prices that are missing.
///
/// A run without the phases over portfolios: what changed makes them stale, and the next run
/// computes them. 409 `batch_running` while one is open.
#[utoipa::path(post, path = "/admin/batch/trigger/market-data", tag = "admin",
    responses((status = 202, body = RunStarted), Problems))]
pub async fn market_data(
    State(state): State<AppState>,
    admin: AdminUser,
    attempt: Attempt,
) -> Result<(StatusCode, Json<RunStarted>)> {
    let new = NewRun {
        id: BatchRunId(attempt.id),
        portfolio: None,
        from: None,
        to: None,
        force: false,
        prices_only: true,
        triggered_by: admin.0.email.clone(),
    };
    started(&state, new).await
}

async fn started(state: &AppState, new: NewRun) -> Result<(StatusCode, Json<RunStarted>)> {
    match analytics::request(&state.core, new).await? {
        Requested::Started(run) => {
            let poll_url = format!("/api/v1/admin/batch/history/{}", run.id);
            Ok((StatusCode::ACCEPTED, Json(RunStarted::of(&run, "started", poll_url))))
        }
        Requested::Open(run) => Err(Error::Conflict {
            code: "batch_running",
            detail: "a run is under way or waits".to_owned(),
            id: Some(run.id.0),
        }),
    }
}

async fn require_portfolio(state: &AppState, id: PortfolioId) -> Result<()> {
    use entity::core::portfolio::{Column, Entity};
    let found = Entity::find_by_id(id).filter(Column::DeletedAt.is_null()).count(&state.core).await?;
    if found == 1 { Ok(()) } else { Err(Error::NotFound("portfolio")) }
}

/// See the run that is under way.
///
/// The one over all portfolios, at whatever replica it runs; `idle` if there is none.
#[utoipa::path(get, path = "/admin/batch/run/current", tag = "admin",
    responses((status = 200, body = CurrentRun), Problems))]
pub async fn current(State(state): State<AppState>, _: AdminUser) -> Result<Json<CurrentRun>> {
    let Some(run) = history::current(&state.core).await? else { return Ok(Json(CurrentRun::idle())) };
    let lines = history::lines(&state.core, run.id, None, history::LINES_SHOWN).await?;
    let jobs = Jobs::of(&run);
    let elapsed = super::history::elapsed(&state, &run).await?;
    Ok(Json(CurrentRun {
        status: if run.status == BatchStatus::Running { "running" } else { "queued" },
        batch_run_id: Some(run.id.0),
        jobs,
        current_job: run.phase,
        current_portfolio: run.portfolio_id.map(|id| id.0),
        progress_percent: percent(jobs),
        elapsed_seconds: elapsed,
        activity_log: lines.into_iter().map(LogLine::from).collect(),
    }))
}

impl CurrentRun {
    fn idle() -> Self {
        Self {
            status: "idle",
            batch_run_id: None,
            jobs: Jobs::default(),
            current_job: None,
            current_portfolio: None,
            progress_percent: 0.0,
            elapsed_seconds: 0.0,
            activity_log: Vec::new(),
        }
    }
}

fn percent(jobs: Jobs) -> f64 {
    if jobs.total == 0 {
        return 0.0;
    }
    let percent = 100.0 * f64::from(jobs.completed + jobs.failed) / f64::from(jobs.total);
    (percent * 10.0).round() / 10.0
}

/// Call off the run that is under way.
///
/// Portfolios that are done stay done. 404 if there is none.
#[utoipa::path(post, path = "/admin/batch/run/current/cancel", tag = "admin",
    responses((status = 200, body = Cancelled), Problems))]
pub async fn cancel(State(state): State<AppState>, _: AdminUser) -> Result<Json<Cancelled>> {
    let run = analytics::cancel(&state.core).await?;
    Ok(Json(Cancelled { batch_run_id: run.id.0, status: run.status }))
}

/// Delete incomplete snapshots.
///
/// Those in which something could not be valued; the next run computes them again.
#[utoipa::path(post, path = "/admin/batch/cleanup-incomplete", tag = "admin",
    responses((status = 200, body = CleanedUp), Problems))]
pub async fn cleanup_incomplete(State(state): State<AppState>, _: AdminUser) -> Result<Json<CleanedUp>> {
    let (deleted, portfolios) = analytics::cleanup_incomplete(&state.core).await?;
    Ok(Json(CleanedUp { deleted, portfolios }))
}
