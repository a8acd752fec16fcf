//! `tandem batch`

use std::io::IsTerminal;
use std::time::Duration;

use chrono::NaiveDate;
use clap::{Args, Subcommand};
use entity::core::batch_run::{self, BatchStatus};
use entity::ids::{BatchRunId, PortfolioId};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{output, with_state};
use crate::analytics::{self, NewRun, Requested, history};
use crate::config::Settings;
use crate::error::{Error, Result};
use crate::state::AppState;

/// How often it is looked how far a run is.
const LOOK: Duration = Duration::from_millis(200);

/// Batch.
#[derive(Debug, Subcommand)]
pub(super) enum Batch {
    /// Fetch prices, and compute values, P&L and snapshots of what is missing or stale
    Run(Run),
}

/// Batch run.
#[derive(Debug, Args)]
pub(super) struct Run {
    /// Compute this day again
    #[arg(long, value_name = "DAY", conflicts_with_all = ["from", "to"])]
    date: Option<NaiveDate>,
    /// Compute again from this day on
    #[arg(long, value_name = "DAY")]
    from: Option<NaiveDate>,
    /// The last day; without it the last trading day that is over
    #[arg(long, value_name = "DAY")]
    to: Option<NaiveDate>,
    /// Only this portfolio
    #[arg(long, value_name = "ID")]
    portfolio: Option<Uuid>,
    /// Compute complete days again, from the beginning or --from, and wait for a run that is under way
    #[arg(long)]
    force: bool,
    /// Print the outcome as JSON
    #[arg(long)]
    json: bool,
}

impl Batch {
    pub(super) async fn run(self, settings: Settings) -> Result<()> {
        let Self::Run(run) = self;
        with_state(settings, async |state: &AppState| run.work(state).await).await
    }
}

impl Run {
    async fn work(&self, state: &AppState) -> Result<()> {
        let new = NewRun {
            id: BatchRunId(Uuid::now_v7()),
            portfolio: self.portfolio.map(PortfolioId),
            from: self.date.or(self.from),
            to: self.date.or(self.to),
            force: self.force,
            prices_only: false,
            triggered_by: "cli".to_owned(),
        };
        let run = match analytics::request(&state.core, new).await? {
            Requested::Started(run) => run,
            Requested::Open(run) => {
                tracing::info!(run = %run.id, "a run is open already; following it");
                run
            }
        };
        let run = follow(state, run.id).await?;
        self.show(state, &run).await
    }

    async fn show(&self, state: &AppState, run: &batch_run::Model) -> Result<()> {
        let phases = history::phases(&state.core, run.id).await?;
        if self.json {
            let phases: Vec<_> = phases
                .iter()
                .map(|phase| json!({ "name": phase.job_name, "status": phase.status, "records": phase.records_processed }))
                .collect();
            output::json(&json!({
                "batch_run_id": run.id,
                "status": run.status,
                "portfolios": { "total": run.total_jobs, "completed": run.completed_jobs, "failed": run.failed_jobs },
                "phases": phases,
                "phase_durations_ms": run.phase_durations,
                "errors": run.error_summary,
            }))?;
        } else {
            for phase in &phases {
                let status = serde_json::to_value(phase.status).unwrap_or_default();
                let rows = phase.records_processed;
                output::line(&format!(
                    "{:<10} {}, {rows} rows changed",
                    phase.job_name,
                    status.as_str().unwrap_or_default()
                ))?;
            }
            output::line(&format!("{} portfolios computed, {} failed", run.completed_jobs, run.failed_jobs))?;
        }
        match run.status {
            BatchStatus::Completed => Ok(()),
            BatchStatus::Cancelled => Err(Error::startup("the run was called off", "run the command again")),
            _ => {
                let errors = run.error_summary.clone().unwrap_or_default();
                let remedy = "mend what is reported and run the command again; what is done is skipped";
                Err(Error::startup(format!("the run failed: {errors}"), remedy))
            }
        }
    }
}

/// Does the run, unless another process has it, and waits for its end.
async fn follow(state: &AppState, id: BatchRunId) -> Result<batch_run::Model> {
    let watching = watch(state, id);
    let working = async {
        let stop = CancellationToken::new();
        loop {
            match Box::pin(analytics::run_one(state, Some(id), &stop)).await {
                // A session that was ended; if core is away, who watches finds out.
                Err(error) if error.is_outage() => tracing::warn!(%error, "the run was interrupted"),
                done => done.map(drop)?,
            }
            tokio::time::sleep(LOOK).await;
        }
        #[expect(unreachable_code, reason = "gives the endless loop its type")]
        Ok::<(), Error>(())
    };
    tokio::select! {
        ended = watching => ended,
        broken = working => {
            broken?;
            Err(Error::NotFound("run"))
        }
    }
}

/// Shows progress until the run has ended: a bar on a terminal, else a line whenever a phase begins.
async fn watch(state: &AppState, id: BatchRunId) -> Result<batch_run::Model> {
    let bar = progress_bar();
    let is_terminal = std::io::stderr().is_terminal();
    let mut last = None;
    loop {
        let run = history::find(&state.core, id).await?;
        if run.completed_at.is_some() {
            bar.finish_and_clear();
            return Ok(run);
        }
        bar.set_length(u64::from(run.total_jobs.unsigned_abs()));
        bar.set_position(u64::from((run.completed_jobs + run.failed_jobs).unsigned_abs()));
        if run.phase != last {
            let phase = run.phase.clone().unwrap_or_default();
            if !is_terminal {
                tracing::info!(%id, phase, portfolios = run.total_jobs, "under way");
            }
            bar.set_message(phase);
            last = run.phase;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Draws on a terminal only.
fn progress_bar() -> ProgressBar {
    let style = ProgressStyle::with_template(
        "{spinner} {msg} {pos}/{len} portfolios [{bar:30}] {elapsed} (eta {eta})",
    )
    .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_style(style)
}
