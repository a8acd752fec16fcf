//! Looks at everything a deployment rests on, and changes nothing.

mod connections;
mod embedded;
mod engines;
mod hnsw;
mod schema;
mod server;
mod space;

use serde::Serialize;

pub use hnsw::{Hnsw, parse as parse_hnsw};

use super::connect::{Databases, Mode};
use super::embedded::Purpose;
use crate::config::Settings;
use crate::error::{Error, Result};
use crate::llm::SpaceSpec;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// As it should be.
    Ok,
    /// It works, and somebody should look at it.
    Warn,
    /// It does not work, or will not.
    Fail,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Dotted; the same in every run.
    pub name: String,
    /// How it ended.
    pub status: Status,
    /// What was seen, or what is wrong.
    pub detail: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// The result of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Of this binary.
    pub version: &'static str,
    /// Where the two schemas live.
    pub mode: Mode,
    /// Everything that was looked at.
    pub checks: Vec<Check>,
}

impl Report {
    /// How many checks ended so.
    pub fn count(&self, status: Status) -> usize {
        self.checks.iter().filter(|check| check.status == status).count()
    }

    fn ok(&mut self, name: impl Into<String>, detail: impl Into<String>) {
        self.push(name, Status::Ok, detail, None);
    }

    fn warn(&mut self, name: impl Into<String>, detail: impl Into<String>, remedy: impl Into<String>) {
        self.push(name, Status::Warn, detail, Some(remedy.into()));
    }

    fn fail(&mut self, name: impl Into<String>, detail: impl Into<String>, remedy: impl Into<String>) {
        self.push(name, Status::Fail, detail, Some(remedy.into()));
    }

    /// Fails with a refusal, or is fine with what was seen.
    fn refused_or(
        &mut self,
        name: String,
        refusal: Option<super::preflight::Refusal>,
        seen: impl Into<String>,
    ) {
        match refusal {
            Some((problem, remedy)) => self.fail(name, problem, remedy),
            None => self.ok(name, seen),
        }
    }

    /// A check that could not be made is one that failed.
    fn made<T>(&mut self, name: &str, outcome: Result<T>) -> Option<T> {
        match outcome {
            Ok(value) => Some(value),
            Err(Error::Startup { problem, remedy }) => {
                self.fail(name, problem, remedy);
                None
            }
            Err(error) => {
                self.fail(
                    name,
                    error.to_string(),
                    "see whether the database answers, and whether the role may read its catalogs",
                );
                None
            }
        }
    }

    fn push(
        &mut self,
        name: impl Into<String>,
        status: Status,
        detail: impl Into<String>,
        remedy: Option<String>,
    ) {
        self.checks.push(Check { name: name.into(), status, detail: detail.into(), remedy });
    }
}

/// Runs every check. `space` is what the configured embedding model asks for.
pub async fn examine(settings: &Settings, space: Result<SpaceSpec>) -> Result<Report> {
    let mode = match (&settings.database.core_url, &settings.database.ai_url) {
        (None, _) => Mode::Embedded,
        (Some(_), Some(_)) => Mode::Dual,
        (Some(_), None) => Mode::Single,
    };
    let mut report = Report { version: env!("CARGO_PKG_VERSION"), mode, checks: Vec::new() };
    report.ok("tandem", format!("version {}", report.version));
    let space = report.made("models.embedding", space);
    if let Some(space) = &space {
        let SpaceSpec { provider, model, dimensions, .. } = space;
        report.ok("models.embedding", format!("{provider}/{model}/{dimensions}"));
    }
    if mode == Mode::Embedded && !embedded::has_cluster(&mut report, settings) {
        return Ok(report);
    }
    let opened = Databases::open(settings, Purpose::Command).await;
    let Some(databases) = report.made("databases", opened) else {
        return Ok(report);
    };
    if let Some(server) = databases.embedded() {
        embedded::check(&mut report, server);
    }
    connections::check(&mut report, settings, &databases, space.as_ref()).await;
    databases.close().await?;
    Ok(report)
}
