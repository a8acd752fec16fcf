//! `tandem doctor`

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::links::Links;
use super::output;
use super::recall::Recall;
use crate::config::Settings;
use crate::db::doctor::{self, Report, Status};
use crate::error::{Context, Error, Result};
use crate::llm::LanguageModels;

/// Doctor.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Doctor {
    #[command(subcommand)]
    part: Option<Part>,
    /// Print the checks as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// Count rows whose other half in the other database is gone
    ///
    /// Orphans are put into quarantine, which changes nothing of them. Exit
    /// code 0: none; 3: some, in quarantine; 4: too many (more than 100, or 1 %
    /// of a table), nothing was changed; 1: the check failed.
    Links(Links),
    /// Compare live searches with exact search, by how selective their filters are
    Recall(Recall),
}

impl Doctor {
    pub(super) async fn run(self, settings: Settings) -> Result<ExitCode> {
        match self.part {
            Some(Part::Links(links)) => return links.run(settings).await,
            Some(Part::Recall(recall)) => return recall.run(settings).await.map(|()| ExitCode::SUCCESS),
            None => {}
        }
        let (models, cache_dir) = (settings.models.clone(), settings.embedded.cache_dir.clone());
        let loading = tokio::task::spawn_blocking(move || LanguageModels::from_settings(&models, &cache_dir));
        let models = loading.await.context("loading the models")?;
        let space = models.map(|models| models.embedder.space().clone());
        let report = doctor::examine(&settings, space).await?;
        if self.json {
            output::json(&serde_json::json!({
                "version": report.version,
                "mode": report.mode,
                "failed": report.count(Status::Fail),
                "warned": report.count(Status::Warn),
                "checks": report.checks,
            }))?;
        } else {
            show(&report)?;
        }
        match report.count(Status::Fail) {
            0 => Ok(ExitCode::SUCCESS),
            failed => Err(Error::startup(
                format!("{failed} of {} checks failed", report.checks.len()),
                "do what stands below each of them, and run `tandem doctor` again",
            )),
        }
    }
}

fn show(report: &Report) -> Result<()> {
    for check in &report.checks {
        let status = match check.status {
            Status::Ok => "ok  ",
            Status::Warn => "warn",
            Status::Fail => "FAIL",
        };
        output::line(&format!("{status}  {:<26} {}", check.name, check.detail))?;
        if let Some(remedy) = &check.remedy {
            output::line(&format!("      {:<26} remedy: {remedy}", ""))?;
        }
    }
    Ok(())
}
