//! `tandem ingest`

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use entity::core::job;
use entity::ids::JobId;
use indicatif::{ProgressBar, ProgressStyle};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use tokio_util::sync::CancellationToken;

use super::serve::stop_signal;
use super::{output, users, with_state};
use crate::auth::Ownership;
use crate::config::Settings;
use crate::error::{Error, Result};
use crate::jobs::Worker;
use crate::knowledge::import::{self, Folder, For, Origin, Pass, Rejected, Report};
use crate::server;
use crate::state::AppState;

/// Ingest.
#[derive(Debug, Args)]
pub(super) struct Ingest {
    /// A file or a folder (.txt, .md, .html, .pdf, .docx, .xlsx, .csv, .tsv, .json, .jsonl, .eml, .epub)
    #[arg(required_unless_present = "jsonl", conflicts_with = "jsonl")]
    path: Option<PathBuf>,
    /// A file with one JSON object a line: id, text, title?, scope?, metadata?
    #[arg(long, value_name = "FILE")]
    jsonl: Option<PathBuf>,
    /// Whose documents these are; without it they are shared with everybody
    #[arg(long, value_name = "EMAIL")]
    owner: Option<String>,
    /// Bring sources in line with the folder once: what changed is taken in, what is gone goes
    #[arg(long, requires = "path", conflicts_with = "watch")]
    sync: bool,
    /// Keep sources in line with the folder until SIGINT or SIGTERM
    #[arg(long, requires = "path")]
    watch: bool,
    /// What the folder's sources are known under; without it, the folder's own name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Seconds between two looks at a watched folder
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    every: u64,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

impl Ingest {
    pub(super) async fn run(self, settings: Settings) -> Result<()> {
        with_state(settings, async |state: &AppState| self.work(state).await).await
    }

    async fn work(&self, state: &AppState) -> Result<()> {
        let whom = match &self.owner {
            Some(email) => {
                let user = users::find(&state.core, email).await?;
                For { ownership: Ownership::of(&user), asked_by: Some(user.id) }
            }
            None => For { ownership: Ownership::EVERYBODY, asked_by: None },
        };
        if let Some(path) = self.path.as_deref().filter(|_| self.sync || self.watch) {
            let folder = Folder::new(path, self.name.as_deref())?;
            return if self.watch {
                self.watch(state, folder, whom).await
            } else {
                self.sync(state, folder, whom).await
            };
        }
        let origin = match (&self.path, &self.jsonl) {
            (Some(path), _) => Origin::Path(path.clone()),
            (None, Some(file)) => Origin::Lines(file.clone()),
            (None, None) => return Err(Error::startup("nothing to ingest", "give a PATH or --jsonl FILE")),
        };
        let report = import::run(state, origin, whom, |_| {}).await?;
        wait_for(state, &report.job_ids).await?;
        let failed = import::failures(state, &report.job_ids).await?;
        if self.json {
            output::json(&serde_json::json!({ "report": report, "failed": failed }))?;
        } else {
            show(&report, &failed)?;
        }
        complete(&report, &failed)
    }

    /// One pass over a folder.
    async fn sync(&self, state: &AppState, mut folder: Folder, whom: For) -> Result<()> {
        let pass = folder.pass(state, whom, false).await?;
        let failed = self.settle(state, &pass).await?;
        complete(&pass.report, &failed)
    }

    /// Pass after pass, until it is to stop. Whatever is under way then is
    /// found by the next one.
    async fn watch(&self, state: &AppState, mut folder: Folder, whom: For) -> Result<()> {
        let stop = stop_signal()?;
        tokio::select! {
            () = stop => Ok(()),
            broken = self.look_again(state, &mut folder, whom) => broken,
        }
    }

    async fn look_again(&self, state: &AppState, folder: &mut Folder, whom: For) -> Result<()> {
        loop {
            let pass = folder.pass(state, whom, true).await?;
            if !pass.is_empty() {
                self.settle(state, &pass).await?;
            }
            tokio::time::sleep(Duration::from_secs(self.every)).await;
        }
    }

    /// Waits for what a pass queued, and tells what became of it.
    async fn settle(&self, state: &AppState, pass: &Pass) -> Result<Vec<Rejected>> {
        wait_for(state, &pass.report.job_ids).await?;
        let failed = import::failures(state, &pass.report.job_ids).await?;
        if self.json {
            output::json(&serde_json::json!({ "report": pass, "failed": failed }))?;
        } else {
            show(&pass.report, &failed)?;
            if pass.removed > 0 {
                output::line(&format!("{} removed", pass.removed))?;
            }
        }
        Ok(failed)
    }
}

/// Everything that was given is there.
fn complete(report: &Report, failed: &[Rejected]) -> Result<()> {
    let wrong = report.rejected_count + failed.len() as u64;
    if wrong == 0 {
        return Ok(());
    }
    Err(Error::startup(
        format!("{wrong} of the given texts were not ingested"),
        "mend what is reported above and run the same command again; what is done is skipped",
    ))
}

fn show(report: &Report, failed: &[Rejected]) -> Result<()> {
    for wrong in report.rejected.iter().chain(failed) {
        output::line(&format!("not ingested: {}: {}", wrong.at, wrong.error))?;
    }
    output::line(&format!(
        "{} ingested, {} unchanged, {} empty, {} superseded, {} rejected",
        report.accepted - failed.len() as u64,
        report.unchanged,
        report.empty,
        report.superseded,
        report.rejected_count + failed.len() as u64,
    ))?;
    for name in &report.unsupported {
        output::line(&format!("left out: {name}: this kind of file cannot be read"))?;
    }
    Ok(())
}

/// Works on the queue until these jobs have ended. A server that runs beside
/// this process takes its share of them.
pub(super) async fn wait_for(state: &AppState, jobs: &[JobId]) -> Result<()> {
    if jobs.is_empty() {
        return Ok(());
    }
    let worker = Worker::new(state.core.clone(), server::jobs(state), state.settings.jobs.clone());
    let bar = progress_bar();
    let stop = CancellationToken::new();
    let watching = watch(state, jobs, &bar);
    let working = async {
        loop {
            if !worker.run_one(&stop).await? {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
        #[expect(unreachable_code, reason = "gives the endless loop its type")]
        Ok::<(), Error>(())
    };
    let result = tokio::select! {
        ended = watching => ended,
        broken = working => broken,
    };
    bar.finish_and_clear();
    result
}

/// Shows progress until every job has ended.
async fn watch(state: &AppState, jobs: &[JobId], bar: &ProgressBar) -> Result<()> {
    loop {
        let rows =
            job::Entity::find().filter(job::Column::Id.is_in(jobs.iter().copied())).all(&state.core).await?;
        let total: i64 = rows.iter().filter_map(|row| row.progress_total).sum();
        let done: i64 = rows.iter().map(|row| row.progress_done).sum();
        bar.set_length(total.unsigned_abs());
        bar.set_position(done.unsigned_abs());
        if rows.iter().all(|row| row.finished_at.is_some()) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Draws on a terminal only.
fn progress_bar() -> ProgressBar {
    let style =
        ProgressStyle::with_template("{spinner} {pos}/{len} documents [{bar:30}] {elapsed} (eta {eta})")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_style(style)
}
