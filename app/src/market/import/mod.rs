//! Market data from CSV files: prices, splits and dividends, profiles,
//! statements, what funds hold, sectors of benchmarks.
//!
//! A file is read as a stream and goes, row by row, through its table's rules ([`cell`]) into a
//! staging table by COPY; one statement then writes what is new or differs. Rows that break a rule
//! are left out and named by line and code; everything else is written, all of it or,
//! if the file cannot be read to its end, nothing. The same file again changes nothing.

pub(super) mod cell;
pub(super) mod file;
mod header;
pub(super) mod stage;
pub(super) mod table;

use std::io::Read;

use serde::Serialize;

use crate::db::CoreDb;
use crate::db::copy_text::Row;
use crate::error::Result;

pub use cell::Code;
pub use table::Kind;

/// Most rows of a file (prices of a file with a column for each symbol).
pub const ROWS_MAX: u64 = 5_000_000;
/// Rows that go to the staging table at once.
const ROWS_PER_BATCH: usize = 5_000;
/// Rejected cells that a report names; all are counted.
const ERRORS_SHOWN: usize = 1_000;

/// How to import.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the data are from, kept with each row; 1 to 50 characters.
    pub source: String,
    /// Only say what would happen.
    pub is_dry_run: bool,
}

/// A cell that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RowError {
    /// Line of the file, the header's is 1.
    pub line: u64,
    /// Which rule.
    pub code: Code,
    /// The column, as the table calls it.
    pub column: String,
    /// What is wrong, for people to read.
    pub message: String,
}

/// What became of a file.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// The table.
    pub table: &'static str,
    /// Rows of the file; with a column for each symbol, its prices.
    pub rows: u64,
    /// Written, and not known before.
    pub new: u64,
    /// Written over other values.
    pub changed: u64,
    /// Known as they are.
    pub unchanged: u64,
    /// Not written.
    pub rejected: u64,
    /// Why; the first 1,000.
    pub errors: Vec<RowError>,
    /// Columns of the file that the table does not have.
    pub ignored_columns: Vec<String>,
    /// Nothing was written.
    pub dry_run: bool,
}

impl Report {
    /// A line that is not written, with every cell that is wrong.
    fn reject_row<'a>(&mut self, line: u64, wrong: impl IntoIterator<Item = (&'a str, cell::Broken)>) {
        self.rejected += 1;
        for (column, (code, message)) in wrong {
            self.name(RowError { line, code, column: column.to_owned(), message });
        }
    }

    fn name(&mut self, error: RowError) {
        if self.errors.len() < ERRORS_SHOWN {
            self.errors.push(error);
        }
    }
}

/// Imports a file; `progress` hears how many rows were read so far.
///
/// 422 if it is no such file at all: no header, a needed column missing, not UTF-8, too large.
pub async fn import(
    core: &CoreDb,
    kind: Kind,
    input: Box<dyn Read + Send>,
    options: &Options,
    mut progress: impl FnMut(u64) + Send,
) -> Result<Report> {
    let table = kind.table();
    let tx = core.begin().await?;
    let today = stage::prepare(&tx).await?;
    let mut file = file::File::open(input, &table, today)?;
    let mut report = Report { table: table.name, dry_run: options.is_dry_run, ..Report::default() };
    report.ignored_columns = file.ignored_columns();
    let stage = stage::Stage::begin(&tx, &table, &file.columns()).await?;
    let mut rows = Vec::new();
    let copied = |rows: &mut Vec<u8>, line: u64, values: &[file::Value<'_>]| {
        values
            .iter()
            .fold(Row::on(rows).put(line.cast_signed()), |row, value| row.put(value.as_deref()))
            .end();
    };
    while file.read(ROWS_PER_BATCH, &mut report, |line, values| copied(&mut rows, line, values))? {
        stage.add(&rows).await?;
        rows.clear();
        progress(report.rows);
    }
    let written = stage.write(&options.source).await?;
    (report.new, report.changed, report.unchanged) = (written.new, written.changed, written.unchanged);
    report.rejected += written.repeated;
    for line in written.repeated_lines {
        report.name(RowError {
            line,
            code: Code::Repeated,
            column: table.keys().collect::<Vec<_>>().join(", "),
            message: "an earlier line of the file has the same key".to_owned(),
        });
    }
    report.errors.sort_by_key(|error| error.line);
    if !options.is_dry_run {
        tx.commit().await?;
    }
    Ok(report)
}
