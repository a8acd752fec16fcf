//! `tandem market`: market data from files and from the provider.

use std::fs::File;
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use clap::{Args, Subcommand};
use indicatif::ProgressBar;
use sea_orm::{ConnectionTrait, DbBackend, Statement};

use super::{output, with_core};
use crate::config::Settings;
use crate::db::CoreDb;
use crate::error::{Error, Result};
use crate::market::import::{self, Kind, Options, Report};
use crate::market::provider;
use crate::market::{Fetched, fetch_from, normalised};

/// Days back that a fetch looks at by default.
const FETCH_DAYS: i64 = 30;
/// Most symbols that a fetch asks for.
const FETCH_SYMBOLS_MAX: u64 = 50_000;
/// Problems that are printed; JSON has up to 1,000.
const ERRORS_PRINTED: usize = 50;

/// Market.
#[derive(Debug, Subcommand)]
pub(super) enum Market {
    /// Add CSV files (also .gz): prices, splits and dividends, profiles, statements, funds, benchmarks
    Import(Import),
    /// Ask the configured provider for prices that are missing
    Fetch(Fetch),
}

/// Import.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("files").required(true).multiple(true)))]
pub(super) struct Import {
    /// symbol, date, close, and open?, high?, low?, volume?; or a column of days and one of closes for each symbol
    #[arg(long, value_name = "FILE", group = "files")]
    prices: Option<PathBuf>,
    /// symbol, ex_date, kind (split or dividend), value
    #[arg(long, value_name = "FILE", group = "files")]
    actions: Option<PathBuf>,
    /// symbol, and any column of company profiles
    #[arg(long, value_name = "FILE", group = "files")]
    profiles: Option<PathBuf>,
    /// symbol, period_date, frequency (q or a), and any column of income statements
    #[arg(long, value_name = "FILE", group = "files")]
    income: Option<PathBuf>,
    /// The same of balance sheets
    #[arg(long, value_name = "FILE", group = "files")]
    balance: Option<PathBuf>,
    /// The same of cash flow statements
    #[arg(long, value_name = "FILE", group = "files")]
    cash_flow: Option<PathBuf>,
    /// fund_symbol, holding_symbol, last_updated, weight, and holding_name?, shares?, market_value?
    #[arg(long, value_name = "FILE", group = "files")]
    holdings: Option<PathBuf>,
    /// benchmark_code, asof_date, sector, weight, and market_cap?, num_constituents?
    #[arg(long, value_name = "FILE", group = "files")]
    sector_weights: Option<PathBuf>,
    /// Where the data are from, kept with each row
    #[arg(long, value_name = "NAME", default_value = "csv")]
    source: String,
    /// Only say what would happen
    #[arg(long)]
    dry_run: bool,
    /// Print the reports as JSON
    #[arg(long)]
    json: bool,
}

/// Fetch.
#[derive(Debug, Args)]
pub(super) struct Fetch {
    /// First day; default: 30 days before the last
    #[arg(long, value_name = "YYYY-MM-DD")]
    from: Option<NaiveDate>,
    /// Last day; default: today
    #[arg(long, value_name = "YYYY-MM-DD")]
    to: Option<NaiveDate>,
    /// Only these, separated by commas; default: every symbol that somebody holds, and those of factors
    #[arg(long, value_name = "SYMBOLS", value_delimiter = ',')]
    symbols: Vec<String>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

impl Market {
    pub(super) async fn run(self, settings: Settings) -> Result<()> {
        with_core(settings, async |core: &CoreDb, settings: &Settings| match self {
            Self::Import(import) => import.work(core).await,
            Self::Fetch(fetch) => fetch.work(core, settings).await,
        })
        .await
    }
}

impl Import {
    fn files(&self) -> impl Iterator<Item = (Kind, &Path)> {
        // Profiles first: what they say of symbols is known before prices come.
        let all = [
            (Kind::Profiles, &self.profiles),
            (Kind::Prices, &self.prices),
            (Kind::Actions, &self.actions),
            (Kind::Income, &self.income),
            (Kind::Balance, &self.balance),
            (Kind::CashFlow, &self.cash_flow),
            (Kind::Holdings, &self.holdings),
            (Kind::SectorWeights, &self.sector_weights),
        ];
        all.into_iter().filter_map(|(kind, path)| Some((kind, path.as_deref()?)))
    }

    async fn work(&self, core: &CoreDb) -> Result<()> {
        let options = Options { source: self.source.clone(), is_dry_run: self.dry_run };
        let mut reports = Vec::new();
        for (kind, path) in self.files() {
            let input = File::open(path).map_err(|error| {
                Error::startup(
                    format!("{} cannot be read: {error}", path.display()),
                    "give the path of a CSV file",
                )
            })?;
            let bar = ProgressBar::new_spinner().with_message(path.display().to_string());
            let imported =
                import::import(core, kind, Box::new(input), &options, |rows| bar.set_position(rows)).await;
            bar.finish_and_clear();
            let report = imported.map_err(|error| named(path, error))?;
            if !self.json {
                show(path, &report)?;
            }
            reports.push(report);
        }
        if self.json {
            output::json(&reports)?;
        }
        let rejected: u64 = reports.iter().map(|report| report.rejected).sum();
        if rejected == 0 {
            return Ok(());
        }
        Err(Error::startup(
            format!(
                "{rejected} rows were rejected; everything else was {}",
                if self.dry_run { "right" } else { "written" }
            ),
            "mend the lines that are named above and import the file again; what is known stays as it is",
        ))
    }
}

/// Which file it is about.
fn named(path: &Path, error: Error) -> Error {
    match error {
        Error::Invalid(_) => Error::startup(
            format!("{}: {error}", path.display()),
            "see `tandem market import --help` for the columns; nothing of this file was written",
        ),
        other => other,
    }
}

fn show(path: &Path, report: &Report) -> Result<()> {
    for error in report.errors.iter().take(ERRORS_PRINTED) {
        let code = serde_json::to_value(error.code).unwrap_or_default();
        let code = code.as_str().unwrap_or_default();
        output::line(&format!("line {}: {code} {}: {}", error.line, error.column, error.message))?;
    }
    if !report.ignored_columns.is_empty() {
        output::line(&format!("columns not used: {}", report.ignored_columns.join(", ")))?;
    }
    output::line(&format!(
        "{}: {}{} new, {} changed, {} unchanged, {} rejected",
        path.display(),
        if report.dry_run { "would be " } else { "" },
        report.new,
        report.changed,
        report.unchanged,
        report.rejected,
    ))
}

impl Fetch {
    async fn work(&self, core: &CoreDb, settings: &Settings) -> Result<()> {
        let Some(provider) = provider::configured(settings)? else {
            return Err(Error::startup(
                "no prices can be fetched: the provider is `file`, and it has no folder",
                "set MARKET_DATA_DIR to a folder with prices*.csv, or MARKET_PROVIDER=tiingo with TIINGO_API_KEY",
            ));
        };
        let clock = Statement::from_string(DbBackend::Postgres, "SELECT CURRENT_DATE");
        let today = core.query_one_raw(clock).await?.map(|row| row.try_get_by_index(0)).transpose()?;
        let to: NaiveDate = self.to.or(today).unwrap_or_default();
        let from =
            self.from.or_else(|| to.checked_sub_signed(chrono::TimeDelta::days(FETCH_DAYS))).unwrap_or(to);
        if from > to {
            return Err(Error::startup(format!("{from} is after {to}"), "give --from before --to"));
        }
        let symbols = self.symbols(core).await?;
        let fetched = fetch_from(core, provider.as_ref(), &symbols, from, to).await?;
        self.show(&fetched)
    }

    async fn symbols(&self, core: &CoreDb) -> Result<Vec<String>> {
        let wrong = |given: &String| {
            Error::startup(format!("{given:?} is no symbol"), "write symbols such as BRK.B or EUR/USD")
        };
        if !self.symbols.is_empty() {
            return self.symbols.iter().map(|given| normalised(given).ok_or_else(|| wrong(given))).collect();
        }
        let statement = Statement::from_sql_and_values(
            DbBackend::Postgres,
            "SELECT symbol FROM symbol_universe WHERE is_active AND asset_type <> 'option'
              UNION SELECT long_symbol FROM factor_definitions WHERE is_active
              UNION SELECT short_symbol FROM factor_definitions WHERE is_active AND short_symbol IS NOT NULL
              ORDER BY 1 LIMIT $1",
            [FETCH_SYMBOLS_MAX.into()],
        );
        let rows = core.query_all_raw(statement).await?;
        rows.iter().map(|row| Ok(row.try_get_by_index(0)?)).collect()
    }

    fn show(&self, fetched: &Fetched) -> Result<()> {
        if self.json {
            output::json(fetched)?;
        } else {
            for failed in fetched.failed.iter().take(ERRORS_PRINTED) {
                output::line(&format!("no prices: {}: {}", failed.symbol, failed.reason))?;
            }
            output::line(&format!(
                "{} symbols asked: {} closes new, {} changed, {} splits and dividends, {} symbols without an answer",
                fetched.asked,
                fetched.new,
                fetched.changed,
                fetched.events,
                fetched.failed.len(),
            ))?;
        }
        if fetched.failed.is_empty() {
            return Ok(());
        }
        Err(Error::startup(
            format!("{} symbols have no prices", fetched.failed.len()),
            "see above; what came is stored, and a further run asks only for what is missing",
        ))
    }
}
