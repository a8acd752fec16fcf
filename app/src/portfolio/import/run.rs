//! An import from its bytes to stored rows: one transaction, all or nothing.

use bytes::Bytes;
use chrono::NaiveDate;
use entity::core::portfolio;
use entity::ids::{PortfolioId, UserId};

use super::plan::plan;
use super::reading::{Options, Reading};
use super::report::Report;
use super::{capital, closes, read};
use crate::config::Portfolio as Limits;
use crate::db::{CoreDb, CoreTx};
use crate::error::{Context, Result};
use crate::portfolio::accounts::{self, NewPortfolio};
use crate::portfolio::positions::{self, Outcome};
use crate::portfolio::{find_owned, lock_owned};

/// What is to be done with a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mode {
    /// Only say what would be done.
    pub is_preview: bool,
    /// Store the right rows although others are wrong.
    pub is_partial: bool,
    /// Take in again what the owner deleted.
    pub revives: bool,
}

/// Into which portfolio.
#[derive(Clone, Debug)]
pub enum Target {
    /// One that is there.
    Known(PortfolioId),
    /// One that is made for it, under this id, within these limits.
    New(PortfolioId, Limits, Box<NewPortfolio>),
}

/// Imports a file. With wrong rows nothing is stored unless `mode` says so, and the report
/// says that (`stored`); nor is a new portfolio made. 404, 403, 409 as of a single row.
pub async fn import(
    core: &CoreDb,
    user: UserId,
    target: Target,
    bytes: Bytes,
    options: Options,
    mode: Mode,
) -> Result<Report> {
    if let Target::Known(id) = &target {
        find_owned(core, user, *id).await?;
    }
    let reading = tokio::task::spawn_blocking(move || read::read(&bytes, &options));
    let mut reading = reading.await.context("reading an import")?;
    let mut report = Report::of(&reading, mode.is_preview);
    let has_rows = !(reading.lots.is_empty() && reading.flows.is_empty());
    if !(reading.errors.is_empty() || mode.is_preview || mode.is_partial && has_rows) {
        return Ok(report);
    }
    let tx = core.begin().await?;
    let portfolio = match target {
        Target::Known(id) => lock_owned(&tx, user, id).await?,
        Target::New(id, limits, new) => accounts::make_in(&tx, user, &limits, id, *new).await?,
    };
    let counted = store(&tx, &portfolio, user, &mut reading, mode).await?;
    reading.errors.sort_by_key(|issue| issue.line);
    reading.notes.sort_by_key(|issue| issue.line);
    let has_errors = !reading.errors.is_empty();
    let stores = !mode.is_preview && (mode.is_partial || !has_errors);
    if stores {
        tx.commit().await?;
    }
    let found = Report::of(&reading, mode.is_preview);
    (report.errors, report.error_count) = (found.errors, found.error_count);
    (report.notes, report.note_count) = (found.notes, found.note_count);
    report.stored = stores;
    report.portfolio_id = Some(portfolio.id.0).filter(|_| stores);
    if stores || mode.is_preview {
        counted.write(&mut report);
    }
    Ok(report)
}

/// Today for an import, by the database's clock.
pub async fn today(core: &CoreDb) -> Result<NaiveDate> {
    crate::portfolio::day::today(core).await
}

/// What became of the rows.
#[derive(Debug, Default)]
struct Counted {
    created: usize,
    unchanged: usize,
    revived: usize,
    deleted: usize,
    closes_created: usize,
    closes_unchanged: usize,
    capital: capital::Capital,
}

impl Counted {
    fn write(&self, report: &mut Report) {
        report.created = self.created;
        report.unchanged = self.unchanged;
        report.revived = self.revived;
        report.deleted = self.deleted;
        report.closes_created = self.closes_created;
        report.closes_unchanged = self.closes_unchanged;
        report.equity_changes_created = self.capital.created;
        report.equity_changes_unchanged = self.capital.unchanged;
    }
}

async fn store(
    tx: &CoreTx,
    portfolio: &portfolio::Model,
    user: UserId,
    reading: &mut Reading,
    mode: Mode,
) -> Result<Counted> {
    // Before the lots: an empty portfolio begins with the capital of the file.
    let capital = capital::store(tx, portfolio, user, reading).await?;
    let plan = plan(tx, portfolio, reading, mode.revives).await?;
    let mut counted = Counted {
        unchanged: plan.unchanged,
        deleted: plan.deleted,
        closes_created: plan.closes.len() + plan.closes_of_new,
        closes_unchanged: plan.closes_unchanged,
        capital,
        ..Counted::default()
    };
    for outcome in positions::insert(tx, portfolio, plan.lots).await? {
        match outcome {
            Outcome::Created => counted.created += 1,
            Outcome::Revived => counted.revived += 1,
            Outcome::Unchanged => counted.unchanged += 1,
        }
    }
    closes::add(tx, portfolio, &plan.closes).await?;
    Ok(counted)
}
