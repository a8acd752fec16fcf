//! Runs that were.

use axum::extract::State;
use chrono::{DateTime, Utc};
use entity::core::batch_run::{self, BatchStatus};
use entity::core::{batch_job, batch_run_log};
use entity::ids::BatchRunId;
use garde::Validate;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::run::Jobs;
use crate::analytics::history;
use crate::analytics::http::DateRange;
use crate::auth::AdminUser;
use crate::error::Result;
use crate::state::AppState;
use crate::web::{Json, Page, PageQuery, Path, Problems, Query};

/// A run.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RunView {
    /// The run.
    batch_run_id: Uuid,
    /// `queued`, `running`, `completed`, `failed` or `cancelled`.
    #[schema(value_type = String)]
    status: BatchStatus,
    /// `cli`, `schedule`, `user` or an administrator's address.
    triggered_by: String,
    /// Only this portfolio; null: all.
    portfolio_id: Option<Uuid>,
    /// Days that were asked for.
    date_range: DateRange,
    /// Days that were complete were computed again.
    force: bool,
    /// Prices were fetched, and nothing was computed.
    prices_only: bool,
    /// The phase it is in.
    current_job: Option<String>,
    /// Portfolios.
    jobs: Jobs,
    /// Milliseconds by phase.
    #[schema(value_type = Object)]
    phase_durations: serde_json::Value,
    /// What failed, by phase.
    #[schema(value_type = Option<Object>)]
    error_summary: Option<serde_json::Value>,
    /// How often a process took it.
    attempts: i32,
    /// When it was asked for.
    created_at: DateTime<Utc>,
    /// When it began.
    started_at: Option<DateTime<Utc>>,
    /// When it ended.
    completed_at: Option<DateTime<Utc>>,
}

/// A run with its phases.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RunDetail {
    /// The run.
    #[serde(flatten)]
    run: RunView,
    /// Its phases, in their order.
    phases: Vec<PhaseView>,
    /// The last lines of its log, the last first; at most 50.
    activity_log: Vec<LogLine>,
}

/// A phase of a run.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PhaseView {
    /// `prices`, `valuation` or `snapshots`.
    name: String,
    /// `queued`, `running`, `completed`, `failed` or `cancelled`.
    #[schema(value_type = String)]
    status: BatchStatus,
    /// Rows that it wrote because they were new or differed.
    records: i64,
    /// Why it failed.
    error: Option<String>,
    /// Start.
    started_at: Option<DateTime<Utc>>,
    /// End.
    completed_at: Option<DateTime<Utc>>,
}

/// A line of a run's log.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LogLine {
    /// Its number.
    seq: i32,
    /// `info` or `warning`.
    level: String,
    /// What it says.
    message: String,
    /// When.
    at: DateTime<Utc>,
}

/// Which lines to show.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LogQuery {
    /// Lines, 1 to 5,000.
    #[garde(range(min = 1, max = 5000))]
    #[serde(default = "lines_default")]
    #[param(minimum = 1, maximum = 5000, default = 50)]
    pub limit: u64,
    /// Only lines before this one.
    #[garde(skip)]
    pub before: Option<i32>,
}

fn lines_default() -> u64 {
    history::LINES_SHOWN
}

/// A run's log.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RunLog {
    /// The run.
    batch_run_id: Uuid,
    /// Its lines, the last first.
    lines: Vec<LogLine>,
}

/// What became of the runs of the last 30 days.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct HistorySummary {
    /// Days that are counted.
    days: i32,
    /// All.
    runs: i64,
    /// Done.
    completed: i64,
    /// Failed.
    failed: i64,
    /// Called off.
    cancelled: i64,
    /// Seconds of one that was completed, on average.
    average_seconds: Option<f64>,
    /// Seconds of the longest.
    longest_seconds: Option<f64>,
    /// When one was last completed.
    last_completed_at: Option<DateTime<Utc>>,
    /// When one last failed.
    last_failed_at: Option<DateTime<Utc>>,
}

impl From<batch_run::Model> for RunView {
    fn from(run: batch_run::Model) -> Self {
        Self {
            jobs: Jobs::of(&run),
            batch_run_id: run.id.0,
            status: run.status,
            triggered_by: run.triggered_by,
            portfolio_id: run.portfolio_id.map(|id| id.0),
            date_range: DateRange { start: run.from_date, end: run.to_date },
            force: run.force,
            prices_only: run.prices_only,
            current_job: run.phase,
            phase_durations: run.phase_durations,
            error_summary: run.error_summary,
            attempts: run.attempts,
            created_at: run.created_at,
            started_at: run.started_at,
            completed_at: run.completed_at,
        }
    }
}

impl From<batch_job::Model> for PhaseView {
    fn from(phase: batch_job::Model) -> Self {
        Self {
            name: phase.job_name,
            status: phase.status,
            records: phase.records_processed,
            error: phase.error_message,
            started_at: phase.started_at,
            completed_at: phase.completed_at,
        }
    }
}

impl From<batch_run_log::Model> for LogLine {
    fn from(line: batch_run_log::Model) -> Self {
        Self { seq: line.seq, level: line.level, message: line.message, at: line.created_at }
    }
}

/// List runs.
///
/// Newest first, those over one portfolio as well.
#[utoipa::path(get, path = "/admin/batch/history", tag = "admin", params(PageQuery),
    responses((status = 200, body = Page<RunView>), Problems))]
pub async fn list(
    State(state): State<AppState>,
    _: AdminUser,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<RunView>>> {
    let Page { items, next_cursor } = history::list(&state.core, &page).await?;
    Ok(Json(Page { items: items.into_iter().map(RunView::from).collect(), next_cursor }))
}

/// See what became of runs.
///
/// Of the last 30 days.
#[utoipa::path(get, path = "/admin/batch/history/summary", tag = "admin",
    responses((status = 200, body = HistorySummary), Problems))]
pub async fn summary(State(state): State<AppState>, _: AdminUser) -> Result<Json<HistorySummary>> {
    let summary = history::summary(&state.core).await?;
    Ok(Json(HistorySummary {
        days: history::SUMMARY_DAYS,
        runs: summary.runs,
        completed: summary.completed,
        failed: summary.failed,
        cancelled: summary.cancelled,
        average_seconds: summary.average_s,
        longest_seconds: summary.longest_s,
        last_completed_at: summary.last_completed_at,
        last_failed_at: summary.last_failed_at,
    }))
}

/// Read a run.
#[utoipa::path(get, path = "/admin/batch/history/{id}", tag = "admin", params(("id" = Uuid, Path, description = "The run")),
    responses((status = 200, body = RunDetail), Problems))]
pub async fn read(
    State(state): State<AppState>,
    _: AdminUser,
    Path(id): Path<Uuid>,
) -> Result<Json<RunDetail>> {
    let run = history::find(&state.core, BatchRunId(id)).await?;
    let phases = history::phases(&state.core, run.id).await?;
    let lines = history::lines(&state.core, run.id, None, history::LINES_SHOWN).await?;
    Ok(Json(RunDetail {
        run: run.into(),
        phases: phases.into_iter().map(PhaseView::from).collect(),
        activity_log: lines.into_iter().map(LogLine::from).collect(),
    }))
}

/// Read a run's log.
///
/// The last lines first; at most 5,000 are kept of a run.
#[utoipa::path(get, path = "/admin/batch/history/{id}/logs", tag = "admin",
    params(("id" = Uuid, Path, description = "The run"), LogQuery),
    responses((status = 200, body = RunLog), Problems))]
pub async fn logs(
    State(state): State<AppState>,
    _: AdminUser,
    Path(id): Path<Uuid>,
    Query(query): Query<LogQuery>,
) -> Result<Json<RunLog>> {
    let run = history::find(&state.core, BatchRunId(id)).await?;
    let lines = history::lines(&state.core, run.id, query.before, query.limit).await?;
    Ok(Json(RunLog { batch_run_id: id, lines: lines.into_iter().map(LogLine::from).collect() }))
}

/// Seconds since it began, by the database's clock; 0 while it waits.
pub(super) async fn elapsed(state: &AppState, run: &batch_run::Model) -> Result<f64> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT coalesce(extract(epoch FROM now() - $1::timestamptz), 0)::float8 AS seconds",
        [run.started_at.into()],
    );
    let row = state.core.query_one_raw(statement).await?;
    Ok(row.map(|row| row.try_get("", "seconds")).transpose()?.unwrap_or_default())
}
