//! `/portfolios/{id}/calculate`: an owner has figures computed, and watches.

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, NaiveDate, Utc};
use entity::core::batch_run::{self, BatchStatus};
use entity::ids::{BatchRunId, PortfolioId};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{NewRun, Requested, history, request};
use crate::auth::CurrentUser;
use crate::error::Result;
use crate::portfolio;
use crate::state::AppState;
use crate::web::{Json, Path, Problems};

/// A run that was asked for.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RunStarted {
    /// `started`: it waits for its turn, which is at once if nothing runs. `running`: one that was
    /// asked for before is under way or waits.
    pub status: &'static str,
    /// The run.
    pub batch_run_id: Uuid,
    /// Only this portfolio; null: all.
    pub portfolio_id: Option<Uuid>,
    /// Days that were asked for.
    pub date_range: DateRange,
    /// `cli`, `schedule`, `user` or an administrator's address.
    pub triggered_by: String,
    /// When it was asked for.
    pub timestamp: DateTime<Utc>,
    /// Where to see how far it is.
    pub poll_url: String,
}

/// Days of a run.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct DateRange {
    /// First day; null: what is missing.
    pub start: Option<NaiveDate>,
    /// Last day; null: the last trading day.
    pub end: Option<NaiveDate>,
}

/// How far a portfolio's run is.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PortfolioRun {
    /// The run.
    pub batch_run_id: Uuid,
    /// `queued`, `running`, `completed`, `failed` or `cancelled`.
    #[schema(value_type = String)]
    pub status: BatchStatus,
    /// What it does now.
    pub current_job: Option<String>,
    /// Phases, in their order.
    pub phases: Vec<PhaseStatus>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When it began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub completed_at: Option<DateTime<Utc>>,
}

/// How far a phase is.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PhaseStatus {
    /// `prices`, `valuation` or `snapshots`.
    pub name: String,
    /// `queued`, `running`, `completed`, `failed` or `cancelled`.
    #[schema(value_type = String)]
    pub status: BatchStatus,
    /// Rows that it wrote because they were new or differed.
    pub records: i64,
}

impl RunStarted {
    /// What is said of a run.
    pub fn of(run: &batch_run::Model, status: &'static str, poll_url: String) -> Self {
        Self {
            status,
            batch_run_id: run.id.0,
            portfolio_id: run.portfolio_id.map(|id| id.0),
            date_range: DateRange { start: run.from_date, end: run.to_date },
            triggered_by: run.triggered_by.clone(),
            timestamp: run.created_at,
            poll_url,
        }
    }
}

/// Compute a portfolio's figures.
///
/// Prices that are missing are fetched, and every day that is missing or stale is computed. One run
/// of a portfolio is open at a time: asking again answers that one, with `running`.
#[utoipa::path(post, path = "/portfolios/{id}/calculate", tag = "portfolios",
    params(("id" = Uuid, Path, description = "The portfolio")),
    responses((status = 202, body = RunStarted), Problems))]
pub async fn calculate(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
) -> Result<(StatusCode, Json<RunStarted>)> {
    let portfolio = portfolio::find_owned(&state.core, user.id, PortfolioId(id)).await?;
    let new = NewRun {
        id: BatchRunId(Uuid::now_v7()),
        portfolio: Some(portfolio.id),
        from: None,
        to: None,
        force: false,
        prices_only: false,
        triggered_by: "user".to_owned(),
    };
    let (run, status) = match request(&state.core, new).await? {
        Requested::Started(run) => (run, "started"),
        Requested::Open(run) => (run, "running"),
    };
    let poll_url = format!("/api/v1/portfolios/{id}/batch-status/{}", run.id);
    Ok((StatusCode::ACCEPTED, Json(RunStarted::of(&run, status, poll_url))))
}

/// See how far a run over a portfolio is.
#[utoipa::path(get, path = "/portfolios/{id}/batch-status/{run}", tag = "portfolios",
    params(("id" = Uuid, Path, description = "The portfolio"), ("run" = Uuid, Path, description = "The run")),
    responses((status = 200, body = PortfolioRun), Problems))]
pub async fn batch_status(
    State(state): State<AppState>,
    user: CurrentUser,
    Path((id, run)): Path<(Uuid, Uuid)>,
) -> Result<Json<PortfolioRun>> {
    let portfolio = portfolio::find_owned(&state.core, user.id, PortfolioId(id)).await?;
    let run = history::find_of(&state.core, portfolio.id, BatchRunId(run)).await?;
    let phases = history::phases(&state.core, run.id).await?;
    Ok(Json(PortfolioRun {
        batch_run_id: run.id.0,
        status: run.status,
        current_job: run.phase,
        phases: phases
            .into_iter()
            .map(|phase| PhaseStatus {
                name: phase.job_name,
                status: phase.status,
                records: phase.records_processed,
            })
            .collect(),
        created_at: run.created_at,
        started_at: run.started_at,
        completed_at: run.completed_at,
    }))
}
