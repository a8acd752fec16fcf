//! Links between the databases: rows whose other half is gone.
//!
//! Events keep the two databases together; this finds what they could not: a
//! database that was restored alone, rows that somebody deleted by hand.
//! Orphans are quarantined first, which changes nothing of them. One that is
//! still an orphan a week later is repaired. Where there are too many at once
//! nothing is touched: more likely the other database is the wrong one.

pub mod http;
mod nightly;
mod quarantine;
mod scan;

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::db::settings;
use crate::error::{Context, Error, Result};
use crate::jobs::outbox::{self, Counts};
use crate::state::AppState;

pub use nightly::nightly;

/// Orphans of a table that are no alarm, whatever its size.
const ORPHANS_MIN: u64 = 1;
/// More orphans of a table than this are an alarm.
const ORPHANS_MAX: u64 = 100;
/// As are more than one row in so many.
const ROWS_AN_ORPHAN: u64 = 100;
/// The most that may be allowed.
pub const LIMIT_MAX: u64 = 100_000;

/// Where the last report is kept.
const REPORT: &str = "links.report";

/// How to check.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Repair what has been in quarantine for a week.
    pub repair: bool,
    /// Orphans a table that are no alarm; at most [`LIMIT_MAX`].
    pub limit: Option<u64>,
}

/// What a check came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// No orphans are left.
    Clean,
    /// Orphans are in quarantine.
    Orphans,
    /// Too many orphans: nothing was changed.
    Stopped,
}

/// One kind of link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LinkReport {
    /// The table with the orphans.
    pub table: String,
    /// What they lack.
    pub reason: String,
    /// Rows with such a link.
    pub rows: u64,
    /// Those whose other half is gone.
    pub orphans: u64,
    /// Those of them that were repaired by this check.
    pub repaired: u64,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Report {
    /// When it began, by core's clock.
    pub checked_at: DateTime<Utc>,
    /// What it came to.
    pub verdict: Verdict,
    /// Each kind of link.
    pub links: Vec<LinkReport>,
    /// Why nothing was changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(default)]
    pub stopped: Option<String>,
    /// Events that wait or were given up.
    pub outbox: Counts,
    /// Delivered events that ai does not know of: it was restored from a backup.
    pub unknown_to_ai: u64,
}

/// Counts orphans of both databases and puts them into quarantine; repairs
/// what has been there for a week if it is asked to. The report is kept.
pub async fn check(state: &AppState, options: Options) -> Result<Report> {
    let checked_at = now(state).await?;
    let mut found = Vec::with_capacity(scan::LINKS.len());
    for link in &scan::LINKS {
        found.push(scan::scan(state, link, options.limit).await?);
    }
    let stopped = scan::alarm(&found, options.limit);
    let mut links = Vec::with_capacity(found.len());
    for found in &found {
        let repaired = match stopped {
            None => quarantine::keep(state, found, options.repair).await?,
            Some(_) => 0,
        };
        links.push(LinkReport {
            table: found.link.table.to_owned(),
            reason: found.link.reason.to_owned(),
            rows: found.rows,
            orphans: found.orphans,
            repaired,
        });
    }
    let verdict = match stopped {
        Some(_) => Verdict::Stopped,
        None if links.iter().any(|link| link.orphans > link.repaired) => Verdict::Orphans,
        None => Verdict::Clean,
    };
    let outbox = outbox::counts(&state.core).await?;
    let unknown_to_ai = state.outbox.unknown_to_ai().await?;
    let report = Report { checked_at, verdict, links, stopped, outbox, unknown_to_ai };
    let value = serde_json::to_value(&report).context("keeping the report")?;
    settings::put(&state.core, REPORT, value).await?;
    Ok(report)
}

/// The report of the last check, by whomever.
async fn last_report(state: &AppState) -> Result<Option<Report>> {
    let value = settings::get(&state.core, REPORT).await?;
    value.map(serde_json::from_value).transpose().context("reading the report")
}

async fn now(state: &AppState) -> Result<DateTime<Utc>> {
    let statement = Statement::from_string(DbBackend::Postgres, "SELECT now() AS now");
    let row = state.core.query_one_raw(statement).await?.ok_or(Error::NotFound("clock"))?;
    Ok(row.try_get("", "now")?)
}

/// A row that lacks its other half.
type RowId = Uuid;
