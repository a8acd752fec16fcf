//! Rows as `COPY ... FROM STDIN` reads them: Postgres' own text format, where
//! columns end with a tab, rows with a new line, and `\N` is null.

use std::io::Write;

use chrono::{DateTime, NaiveDate, Utc};
use sea_orm::prelude::Decimal;
use uuid::Uuid;

/// A row that is being written behind others. Its columns come in the order of the statement.
///
/// ```text
/// let mut rows = Vec::new();
/// Row::on(&mut rows).put("AAPL").put(date).put(Some(close)).end();
/// tx.copy_in("COPY prices (symbol, date, close) FROM STDIN", &rows).await?;
/// ```
#[derive(Debug)]
#[must_use = "a row counts once it has its end"]
pub struct Row<'a> {
    rows: &'a mut Vec<u8>,
    is_first: bool,
}

impl<'a> Row<'a> {
    /// Begins a row behind those that are there.
    pub fn on(rows: &'a mut Vec<u8>) -> Self {
        Self { rows, is_first: true }
    }

    /// The next column.
    pub fn put(mut self, value: impl Cell) -> Self {
        if !std::mem::take(&mut self.is_first) {
            self.rows.push(b'\t');
        }
        value.write(self.rows);
        self
    }

    /// Ends the row.
    pub fn end(self) {
        self.rows.push(b'\n');
    }
}

/// What a column can hold.
pub trait Cell {
    /// Appends the value, escaped.
    fn write(&self, rows: &mut Vec<u8>);
}

impl Cell for str {
    fn write(&self, rows: &mut Vec<u8>) {
        for byte in self.bytes() {
            match byte {
                b'\\' => rows.extend_from_slice(br"\\"),
                b'\t' => rows.extend_from_slice(br"\t"),
                b'\n' => rows.extend_from_slice(br"\n"),
                b'\r' => rows.extend_from_slice(br"\r"),
                byte => rows.push(byte),
            }
        }
    }
}

impl Cell for String {
    fn write(&self, rows: &mut Vec<u8>) {
        self.as_str().write(rows);
    }
}

impl Cell for bool {
    fn write(&self, rows: &mut Vec<u8>) {
        rows.push(if *self { b't' } else { b'f' });
    }
}

impl<T: Cell> Cell for Option<T> {
    fn write(&self, rows: &mut Vec<u8>) {
        match self {
            Some(value) => value.write(rows),
            None => rows.extend_from_slice(br"\N"),
        }
    }
}

impl<T: Cell + ?Sized> Cell for &T {
    fn write(&self, rows: &mut Vec<u8>) {
        T::write(self, rows);
    }
}

impl Cell for [i64] {
    fn write(&self, rows: &mut Vec<u8>) {
        rows.push(b'{');
        for (place, number) in self.iter().enumerate() {
            if place > 0 {
                rows.push(b',');
            }
            number.write(rows);
        }
        rows.push(b'}');
    }
}

/// `bytea` in hexadecimal; the backslash before it is escaped.
impl Cell for [u8] {
    fn write(&self, rows: &mut Vec<u8>) {
        rows.extend_from_slice(br"\\x");
        for byte in self {
            let _ = write!(rows, "{byte:02x}");
        }
    }
}

impl Cell for serde_json::Value {
    fn write(&self, rows: &mut Vec<u8>) {
        self.to_string().write(rows);
    }
}

impl Cell for DateTime<Utc> {
    fn write(&self, rows: &mut Vec<u8>) {
        self.to_rfc3339().write(rows);
    }
}

/// Values whose text holds nothing that would have to be escaped.
macro_rules! plain {
    ($($kind:ty),+) => {$(
        impl Cell for $kind {
            fn write(&self, rows: &mut Vec<u8>) {
                // Writing to a vector cannot fail.
                let _ = write!(rows, "{self}");
            }
        }
    )+};
}

plain!(i16, i32, i64, f64, Decimal, NaiveDate, Uuid);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_what_copy_reads() {
        let mut rows = Vec::new();
        let day = NaiveDate::from_ymd_opt(2024, 2, 29);
        Row::on(&mut rows).put("a\tb\\N\n\r").put(None::<i64>).put(true).put(-1.5).put(day).end();
        Row::on(&mut rows).put("").put(Decimal::new(-1050, 2)).put(serde_json::json!({"a": "\n"})).end();
        Row::on(&mut rows).put(&[-1_i64, 2][..]).put(&[0_u8, 255][..]).put(&[0_i64; 0][..]).end();
        let text = String::from_utf8(rows).unwrap();
        assert_eq!(
            text,
            "a\\tb\\\\N\\n\\r\t\\N\tt\t-1.5\t2024-02-29\n\
             \t-10.50\t{\"a\":\"\\\\n\"}\n\
             {-1,2}\t\\\\x00ff\t{}\n"
        );
    }
}
