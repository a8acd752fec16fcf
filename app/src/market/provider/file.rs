//! Prices from the CSV files of a folder: `prices*.csv` and `actions*.csv`,
//! plain or gzipped, in the forms that `tandem market import` reads. Later files win.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use chrono::NaiveDate;
use entity::core::corporate_action::CorporateActionKind;
use futures::future::BoxFuture;
use sea_orm::prelude::Decimal;

use super::{Action, Bar, Daily, Failed, Provider, Wanted};
use crate::error::{Context, Error, Result};
use crate::market::import::file::{File, Value};
use crate::market::import::{Kind, Report};

/// Symbols at once; each time all files are read.
const SYMBOLS_MAX: usize = 5_000;
/// Files of a folder that are read.
const FILES_MAX: usize = 100;
/// Lines between two looks at the limit of rows.
const LINES: usize = 5_000;

/// A folder.
#[derive(Debug)]
pub(super) struct Files {
    name: &'static str,
    folder: PathBuf,
}

impl Files {
    /// The files of this folder, known by this name.
    pub(super) fn new(name: &'static str, folder: PathBuf) -> Self {
        Self { name, folder }
    }
}

impl Provider for Files {
    fn name(&self) -> &'static str {
        self.name
    }

    fn symbols_max(&self) -> usize {
        SYMBOLS_MAX
    }

    fn daily<'a>(&'a self, wanted: &'a [Wanted], to: NaiveDate) -> BoxFuture<'a, Result<Daily>> {
        let (folder, wanted) = (self.folder.clone(), wanted.to_vec());
        Box::pin(async move {
            let reading = tokio::task::spawn_blocking(move || read(&folder, &wanted, to));
            reading.await.context("reading market data files")?
        })
    }
}

fn read(folder: &Path, wanted: &[Wanted], to: NaiveDate) -> Result<Daily> {
    let from: HashMap<&str, NaiveDate> =
        wanted.iter().map(|wanted| (wanted.symbol.as_str(), wanted.from)).collect();
    let is_wanted =
        |symbol: &str, date: NaiveDate| from.get(symbol).is_some_and(|from| *from <= date && date <= to);
    let mut bars: BTreeMap<(String, NaiveDate), Bar> = BTreeMap::new();
    let mut actions: BTreeMap<(String, NaiveDate, &str), Action> = BTreeMap::new();
    let mut known: HashSet<String> = HashSet::new();
    for path in files(folder, "prices")? {
        rows(&path, Kind::Prices, |row| {
            let Some((symbol, date, close)) = row.head("date", "close") else { return };
            if from.contains_key(symbol) {
                known.insert(symbol.to_owned());
            }
            if is_wanted(symbol, date) {
                bars.insert((symbol.to_owned(), date), row.bar(symbol, date, close));
            }
        })?;
    }
    for path in files(folder, "actions")? {
        rows(&path, Kind::Actions, |row| {
            let Some((symbol, ex_date, value)) = row.head("ex_date", "value") else { return };
            let (kind, name) = match row.text("kind") {
                Some("split") => (CorporateActionKind::Split, "split"),
                _ => (CorporateActionKind::Dividend, "dividend"),
            };
            if is_wanted(symbol, ex_date) {
                let action = Action { symbol: symbol.to_owned(), ex_date, kind, value };
                actions.insert((symbol.to_owned(), ex_date, name), action);
            }
        })?;
    }
    let failed = wanted.iter().filter(|wanted| !known.contains(&wanted.symbol));
    Ok(Daily {
        failed: failed.map(|wanted| Failed::of(wanted, "no file has its prices")).collect(),
        bars: bars.into_values().collect(),
        actions: actions.into_values().collect(),
        is_exhausted: false,
    })
}

/// Files whose names begin so, in the order of their names.
fn files(folder: &Path, beginning: &str) -> Result<Vec<PathBuf>> {
    let away = |error: std::io::Error| Error::Unavailable {
        code: "market_data_dir",
        detail: format!("the folder {} cannot be read", folder.display()),
        source: Some(error.into()),
    };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(away)? {
        let path = entry.map_err(away)?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
        let kind = name.trim_end_matches(".gz").rsplit_once('.').map(|(_, kind)| kind);
        if name.starts_with(beginning) && kind == Some("csv") {
            paths.push(path);
        }
    }
    paths.sort();
    if paths.len() > FILES_MAX {
        return Err(Error::field(
            "MARKET_DATA_DIR",
            format!("holds more than {FILES_MAX} files of {beginning}"),
        ));
    }
    Ok(paths)
}

/// Every row of a file that breaks no rule; the others are logged.
fn rows(path: &Path, kind: Kind, mut each: impl FnMut(&Fields<'_>)) -> Result<()> {
    let table = kind.table();
    let input = fs::File::open(path).context("opening a market data file")?;
    let mut file = File::open(Box::new(input), &table, NaiveDate::MAX)?;
    let names: Vec<&str> = file.columns().iter().map(|column| column.name).collect();
    let mut report = Report::default();
    while file.read(LINES, &mut report, |_, values| each(&Fields { names: &names, values }))? {}
    if let Some(first) = report.errors.first() {
        tracing::warn!(file = %path.display(), rejected = report.rejected, line = first.line, why = first.message,
            "rows of a market data file cannot be used");
    }
    Ok(())
}

/// A row by the names of its columns.
struct Fields<'a> {
    names: &'a [&'a str],
    values: &'a [Value<'a>],
}

impl Fields<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        let place = self.names.iter().position(|known| *known == name)?;
        self.values.get(place)?.as_deref()
    }

    fn decimal(&self, name: &str) -> Option<Decimal> {
        Decimal::from_str(self.text(name)?).ok()
    }

    fn head(&self, date: &str, value: &str) -> Option<(&str, NaiveDate, Decimal)> {
        Some((self.text("symbol")?, self.text(date)?.parse().ok()?, self.decimal(value)?))
    }

    fn bar(&self, symbol: &str, date: NaiveDate, close: Decimal) -> Bar {
        Bar {
            symbol: symbol.to_owned(),
            date,
            open: self.decimal("open"),
            high: self.decimal("high"),
            low: self.decimal("low"),
            close,
            volume: self.text("volume").and_then(|volume| volume.parse().ok()),
        }
    }
}
