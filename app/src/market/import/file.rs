//! A CSV file as a stream of rows for the staging table.

use std::borrow::Cow;
use std::io::{BufRead, BufReader, Error as IoError, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::NaiveDate;
use csv::ByteRecord;
use flate2::bufread::MultiGzDecoder;

use super::cell::{self, Broken, Cell, Code};
use super::header::{self, Layout};
use super::table::{Column, Table};
use super::{ROWS_MAX, Report};
use crate::error::{Error, Result};

/// Largest file, unpacked.
const FILE_BYTES_MAX: u64 = 2 << 30;
/// Longest line. A quote that is never closed makes one line of a whole file.
const LINE_BYTES_MAX: u64 = 1 << 20;
/// How much of a file is looked at for its delimiter.
const PEEK_BYTES: usize = 64 << 10;

/// What a cell holds; None is nothing.
pub(in crate::market) type Value<'a> = Option<Cow<'a, str>>;

/// An open file.
pub(in crate::market) struct File<'a> {
    csv: csv::Reader<Box<dyn Read + Send>>,
    /// Bytes read since the last line began.
    of_line: Arc<AtomicU64>,
    table: &'a Table,
    layout: Layout,
    ignored: Vec<String>,
    width: usize,
    today: NaiveDate,
    record: ByteRecord,
}

impl<'a> File<'a> {
    /// Opens a file, gzipped or not, and reads its header.
    pub(in crate::market) fn open(
        input: Box<dyn Read + Send>,
        table: &'a Table,
        today: NaiveDate,
    ) -> Result<Self> {
        let of_line = Arc::new(AtomicU64::new(0));
        let plain = unpacked(input)?;
        let bounded = Bounded { inner: plain, total: 0, of_line: Arc::clone(&of_line) };
        let mut peeked = BufReader::with_capacity(PEEK_BYTES, bounded);
        let delimiter = delimiter(peeked.fill_buf().map_err(|error| unreadable(&error))?);
        let mut csv = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(Box::new(peeked) as Box<dyn Read + Send>);
        let names: Vec<String> =
            csv.headers().map_err(|error| of_csv(&error))?.iter().map(str::to_owned).collect();
        let (layout, ignored) = header::read(&names, table)?;
        let width = names.len();
        Ok(Self { csv, of_line, table, layout, ignored, width, today, record: ByteRecord::new() })
    }

    /// The columns of the table that its rows have, in their order.
    pub(in crate::market) fn columns(&self) -> Vec<&'a Column> {
        match &self.layout {
            Layout::Rows(fields) => fields.iter().map(|(_, index)| &self.table.columns[*index]).collect(),
            Layout::Matrix { .. } => {
                ["symbol", "date", "close"].iter().filter_map(|name| self.table.column(name)).collect()
            }
        }
    }

    /// Columns of the file that the table does not have.
    pub(super) fn ignored_columns(&self) -> Vec<String> {
        self.ignored.clone()
    }

    /// Reads up to `lines` lines and gives what they hold, in the order of [`Self::columns`], to `each`;
    /// false at the end of the file.
    pub(in crate::market) fn read(
        &mut self,
        lines: usize,
        report: &mut Report,
        mut each: impl FnMut(u64, &[Value<'_>]),
    ) -> Result<bool> {
        for nth in 0..lines {
            self.of_line.store(0, Ordering::Relaxed);
            let mut record = std::mem::take(&mut self.record);
            let is_there = self.csv.read_byte_record(&mut record).map_err(|error| of_csv(&error))?;
            if !is_there {
                return Ok(nth > 0);
            }
            let line = record.position().map_or(0, csv::Position::line);
            match self.cells(&record) {
                Ok(cells) => self.take(line, &cells, report, &mut each),
                Err(why) => {
                    report.rows += 1;
                    report.reject_row(line, [("", (Code::Line, why))]);
                }
            }
            self.record = record;
            if report.rows > ROWS_MAX {
                return Err(Error::field("file", format!("has more than {ROWS_MAX} rows")));
            }
        }
        Ok(true)
    }

    fn cells<'c>(&self, record: &'c ByteRecord) -> Result<Vec<&'c str>, String> {
        let cells: Option<Vec<&str>> =
            record.iter().map(|cell| std::str::from_utf8(cell).ok().map(str::trim)).collect();
        let cells = cells.ok_or_else(|| "holds bytes that are not UTF-8".to_owned())?;
        if cells.len() == self.width {
            return Ok(cells);
        }
        Err(format!("has {} columns, the header has {}", cells.len(), self.width))
    }

    fn take(&self, line: u64, cells: &[&str], report: &mut Report, each: &mut impl FnMut(u64, &[Value<'_>])) {
        match &self.layout {
            Layout::Rows(fields) => {
                report.rows += 1;
                let values = self.row(fields, cells);
                if values.iter().any(Result::is_err) {
                    let names = fields.iter().map(|(_, index)| self.table.columns[*index].name);
                    let wrong = names.zip(values).filter_map(|(name, value)| Some((name, value.err()?)));
                    return report.reject_row(line, wrong);
                }
                let values: Vec<Value<'_>> = values.into_iter().flatten().collect();
                each(line, &values);
            }
            Layout::Matrix { day, symbols } => {
                let date = cell::day(cells[*day], self.today, false).map(|date| date.to_string());
                let price = Cell::Decimal { whole_digits: 12, is_positive: true };
                for (place, symbol) in symbols.iter().filter(|(place, _)| !cell::is_empty(cells[*place])) {
                    report.rows += 1;
                    let close = date.as_ref().map_err(Broken::clone);
                    match close.and_then(|date| Ok((date, price.read(cells[*place], self.today)?))) {
                        Ok((date, close)) => {
                            each(line, &[Some(Cow::from(symbol)), Some(Cow::from(date)), Some(close)]);
                        }
                        Err(broken) => report.reject_row(line, [(symbol.as_str(), broken)]),
                    }
                }
            }
        }
    }

    /// The values of a line; those that are nothing are None.
    fn row<'c>(&self, fields: &[(usize, usize)], cells: &[&'c str]) -> Vec<Result<Value<'c>, Broken>> {
        let mut values: Vec<Result<Value<'c>, Broken>> = fields
            .iter()
            .map(|(place, index)| {
                let column = &self.table.columns[*index];
                match cells[*place] {
                    nothing if cell::is_empty(nothing) => match column.default {
                        None if column.is_required => Err((column.cell.code(), "is missing".to_owned())),
                        default => Ok(default.map(Cow::Borrowed)),
                    },
                    text => column.cell.read(text, self.today).map(Some),
                }
            })
            .collect();
        if let Some((place, why)) = self.contradiction(fields, &values) {
            values[place] = Err((Code::Range, why));
        }
        values
    }

    /// What cells cannot say alone: the place of the wrong one, and why.
    fn contradiction(
        &self,
        fields: &[(usize, usize)],
        values: &[Result<Value<'_>, Broken>],
    ) -> Option<(usize, String)> {
        let number = |name: &str| {
            let place = fields.iter().position(|(_, index)| self.table.columns[*index].name == name)?;
            let value = values[place].as_ref().ok()?.as_deref()?;
            Some((place, cell::decimal(value, 24, false).ok()?))
        };
        if let (Some((place, low)), Some((_, high))) = (number("low"), number("high"))
            && low > high
        {
            return Some((place, format!("the lowest price {low} is above the highest, {high}")));
        }
        // A sector of a benchmark is a part of it; only funds are short of something.
        if let (Some((place, weight)), None) = (number("weight"), self.table.column("fund_symbol"))
            && (weight.is_sign_negative() || weight > sea_orm::prelude::Decimal::ONE)
        {
            return Some((place, format!("{weight} is not from 0 to 1: write 0.25 for 25 %")));
        }
        None
    }
}

fn unpacked(input: Box<dyn Read + Send>) -> Result<Box<dyn Read + Send>> {
    let mut input = BufReader::with_capacity(PEEK_BYTES, input);
    let is_gzip = input.fill_buf().map_err(|error| unreadable(&error))?.starts_with(&[0x1f, 0x8b]);
    Ok(if is_gzip { Box::new(MultiGzDecoder::new(input)) } else { Box::new(input) })
}

/// The one of these that is most frequent in the first line.
fn delimiter(beginning: &[u8]) -> u8 {
    let line = beginning.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let count = |delimiter: u8| line.split(|byte| *byte == delimiter).count();
    [b'\t', b';', b','].into_iter().max_by_key(|delimiter| count(*delimiter)).unwrap_or(b',')
}

/// Stops a file that is too large, or a line that does not end.
struct Bounded<R> {
    inner: R,
    total: u64,
    of_line: Arc<AtomicU64>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.total += count as u64;
        let of_line = self.of_line.fetch_add(count as u64, Ordering::Relaxed);
        if self.total > FILE_BYTES_MAX {
            return Err(IoError::other(format!("it is larger than {FILE_BYTES_MAX} bytes")));
        }
        if of_line > LINE_BYTES_MAX {
            return Err(IoError::other(format!(
                "a line is longer than {LINE_BYTES_MAX} bytes; is a quote never closed?"
            )));
        }
        Ok(count)
    }
}

fn unreadable(error: &IoError) -> Error {
    Error::field("file", format!("cannot be read: {error}"))
}

fn of_csv(error: &csv::Error) -> Error {
    Error::field("file", format!("cannot be read: {error}"))
}
