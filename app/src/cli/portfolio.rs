//! `tandem portfolio`

use std::path::PathBuf;

use chrono::NaiveDate;
use clap::{Args, Subcommand};
use entity::core::portfolio;
use entity::ids::{PortfolioId, UserId};
use sea_orm::sea_query::Condition;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::{output, users, with_core};
use crate::config::Settings;
use crate::db::CoreDb;
use crate::error::{Context, Error, Result};
use crate::portfolio::import::{self, BYTES_MAX, Issue, Mode, Options, Order, Report, Target};

/// Findings that are printed.
const PRINTED_MAX: usize = 50;

/// Portfolio.
#[derive(Debug, Subcommand)]
pub(super) enum Portfolio {
    /// Import a broker's file of holdings or activities
    Import(Import),
}

/// Portfolio import.
#[derive(Debug, Args)]
pub(super) struct Import {
    /// CSV, or activities in JSON
    file: PathBuf,
    /// Whose portfolio
    #[arg(long, value_name = "EMAIL")]
    owner: String,
    /// Its id, name or account
    #[arg(long, value_name = "ID|NAME")]
    portfolio: String,
    #[command(flatten)]
    mode: How,
    /// What the columns mean, as {"My column": "symbol"}
    #[arg(long, value_name = "JSON")]
    mapping: Option<String>,
    /// mdy or dmy: what comes first in dates such as 03/04/2024
    #[arg(long, value_name = "ORDER", value_parser = order)]
    date_order: Option<Order>,
    /// When lots without a date were opened
    #[arg(long, value_name = "DATE")]
    entry_date: Option<NaiveDate>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// What is to be done with the file.
#[derive(Debug, Args)]
struct How {
    /// Only say what would be done
    #[arg(long)]
    preview: bool,
    /// Store the right rows although others are wrong
    #[arg(long)]
    partial: bool,
    /// Take in again what the owner deleted
    #[arg(long)]
    revive: bool,
}

fn order(text: &str) -> std::result::Result<Order, String> {
    match text {
        "mdy" => Ok(Order::MonthFirst),
        "dmy" => Ok(Order::DayFirst),
        _ => Err("must be mdy or dmy".to_owned()),
    }
}

impl Portfolio {
    pub(super) async fn run(self, settings: Settings) -> Result<()> {
        match self {
            Self::Import(import) => {
                with_core(settings, async |core: &CoreDb, _: &Settings| import.work(core).await).await
            }
        }
    }
}

impl Import {
    async fn work(&self, core: &CoreDb) -> Result<()> {
        let owner = users::find(core, &self.owner).await?;
        let id = find(core, owner.id, &self.portfolio).await?;
        let bytes = self.bytes().await?;
        let mapping = self.mapping.as_deref().map(import::mapping).transpose()?.unwrap_or_default();
        let today = import::today(core).await?;
        let options =
            Options { format: None, mapping, order: self.date_order, entry_date: self.entry_date, today };
        let How { preview, partial, revive } = self.mode;
        let mode = Mode { is_preview: preview, is_partial: partial, revives: revive };
        let report = import::import(core, owner.id, Target::Known(id), bytes.into(), options, mode).await?;
        if self.json {
            output::json(&report)?;
        } else {
            show(&report)?;
        }
        if report.error_count == 0 {
            return Ok(());
        }
        let stored = if report.stored { "the other rows are stored" } else { "nothing was stored" };
        Err(Error::startup(
            format!("the file has errors ({}); {stored}", report.error_count),
            "mend what is reported above and run the same command again; what is there already stays",
        ))
    }

    async fn bytes(&self) -> Result<Vec<u8>> {
        let unreadable = |error: std::io::Error| {
            Error::startup(
                format!("{} cannot be read: {error}", self.file.display()),
                "name a file that can be read",
            )
        };
        let size = tokio::fs::metadata(&self.file).await.map_err(unreadable)?.len();
        if size > BYTES_MAX as u64 {
            let problem = format!("{} has {size} bytes, at most {BYTES_MAX} are read", self.file.display());
            return Err(Error::startup(problem, "split it into several files"));
        }
        tokio::fs::read(&self.file).await.context("reading the file")
    }
}

/// A portfolio of the owner's, by its id, its name or its account's.
async fn find(core: &CoreDb, owner: UserId, named: &str) -> Result<PortfolioId> {
    let own = portfolio::Entity::find()
        .filter(portfolio::Column::UserId.eq(owner))
        .filter(portfolio::Column::DeletedAt.is_null());
    let found = match named.parse() {
        Ok(id) => own.filter(portfolio::Column::Id.eq(PortfolioId(id))),
        Err(_) => own.filter(
            Condition::any()
                .add(portfolio::Column::Name.eq(named))
                .add(portfolio::Column::AccountName.eq(named)),
        ),
    };
    match &found.all(core).await?[..] {
        [one] => Ok(one.id),
        [] => Err(Error::startup(
            format!("the owner has no portfolio {named}"),
            "make it with POST /portfolios, or name another",
        )),
        several => Err(Error::startup(
            format!("{} portfolios are called {named}", several.len()),
            "name the one by its id or its account",
        )),
    }
}

fn show(report: &Report) -> Result<()> {
    let line = |issue: &Issue| {
        let at = issue.line.map(|line| format!("line {line}: ")).unwrap_or_default();
        let column = issue.column.as_ref().map(|column| format!("{column}: ")).unwrap_or_default();
        let code = serde_json::to_value(issue.code).ok();
        let code = code.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default();
        format!("{at}{code} {column}{}", issue.message)
    };
    for issue in report.errors.iter().take(PRINTED_MAX).chain(report.notes.iter().take(PRINTED_MAX)) {
        output::line(&line(issue))?;
    }
    let beyond =
        report.error_count.saturating_sub(PRINTED_MAX) + report.note_count.saturating_sub(PRINTED_MAX);
    if beyond > 0 {
        output::line(&format!("and {beyond} more; see --json"))?;
    }
    let would = if report.preview { "would be " } else { "" };
    output::line(&format!(
        "{} rows: {} {would}created, {} unchanged, {} revived, {} left deleted; {} closes, {} capital; {} rejected, {} not used",
        report.rows,
        report.created,
        report.unchanged,
        report.revived,
        report.deleted,
        report.closes_created,
        report.equity_changes_created,
        report.rejected,
        report.noted,
    ))
}
