//! `tandem doctor`, without a part of it named.

use super::output;
use crate::config::Settings;
use crate::db::doctor::{self, Report, Status};
use crate::error::{Context, Error, Result};
use crate::llm::LanguageModels;

/// Runs and shows every check; an error if one failed.
pub(super) async fn run(settings: Settings, json: bool) -> Result<()> {
    let (models, cache_dir) = (settings.models.clone(), settings.embedded.cache_dir.clone());
    let loading = tokio::task::spawn_blocking(move || LanguageModels::from_settings(&models, &cache_dir));
    let models = loading.await.context("loading the models")?;
    let space = models.map(|models| models.embedder.space().clone());
    let report = doctor::examine(&settings, space).await?;
    if json {
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
        0 => Ok(()),
        failed => Err(Error::startup(
            format!("{failed} of {} checks failed", report.checks.len()),
            "do what stands below each of them, and run `tandem doctor` again",
        )),
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
