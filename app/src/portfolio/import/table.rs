//! From bytes to rows of cells: encoding, delimiter, quotation marks; or the
//! objects of a list in JSON.

use serde_json::{Map, Value};

use super::issue::{Code, Issue};
use crate::parse;

/// Largest file, in bytes.
pub const BYTES_MAX: usize = 10 * 1024 * 1024;
/// Most rows of a file.
pub(super) const ROWS_MAX: usize = 20_000;
/// Most columns.
const COLUMNS_MAX: usize = 200;
/// What may stand between cells.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// Rows that are looked at to tell the delimiter.
const LOOKED_AT: usize = 60;

/// Rows in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    pub(super) rows: Vec<Row>,
    /// Its rows are objects of JSON.
    pub(super) is_json: bool,
    /// What stands between its cells; nothing in JSON.
    pub(super) delimiter: u8,
}

/// Cells, trimmed.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Counted from 1.
    pub(super) line: u64,
    pub(super) cells: Vec<String>,
}

impl Row {
    pub(super) fn is_blank(&self) -> bool {
        self.cells.iter().all(String::is_empty)
    }

    /// Its cells that say something.
    pub(super) fn filled(&self) -> usize {
        self.cells.iter().filter(|cell| !cell.is_empty()).count()
    }
}

/// Reads a file. An error is about the whole of it.
pub(super) fn read(bytes: &[u8]) -> Result<Table, Issue> {
    if bytes.len() > BYTES_MAX {
        return Err(Issue::file(Code::TooLarge, format!("the file has more than {BYTES_MAX} bytes")));
    }
    let text = decoded(bytes)?;
    // One kind of line end, so that lines are counted alike.
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n");
    if text.trim().is_empty() {
        return Err(Issue::file(Code::Empty, "the file is empty"));
    }
    let begins = text.trim_start();
    let table =
        if begins.starts_with('{') || begins.starts_with('[') { json(&text)? } else { separated(&text)? };
    if table.rows.len() > ROWS_MAX {
        return Err(Issue::file(Code::TooMany, format!("the file has more than {ROWS_MAX} rows")));
    }
    Ok(table)
}

fn decoded(bytes: &[u8]) -> Result<String, Issue> {
    let is_archive = [&b"PK\x03\x04"[..], b"%PDF", b"\xd0\xcf\x11\xe0", b"\x1f\x8b"]
        .iter()
        .any(|magic| bytes.starts_with(magic));
    let text = if is_archive { String::new() } else { parse::decoded(bytes) };
    let is_noise = |letter: &char| letter.is_control() && !matches!(letter, '\n' | '\r' | '\t');
    if is_archive || text.chars().any(|letter| is_noise(&letter) || letter == '\u{fffd}') {
        let message = "the file is no text; export it as CSV, not as a workbook or a PDF";
        return Err(Issue::file(Code::NoText, message));
    }
    Ok(text)
}

fn separated(text: &str) -> Result<Table, Issue> {
    // Some programs say first what stands between the cells.
    let told = text.lines().next().and_then(|line| line.trim().strip_prefix("sep="));
    let told = told.and_then(|sign| sign.bytes().next()).filter(|sign| DELIMITERS.contains(sign));
    let delimiter = told.unwrap_or_else(|| likeliest(text));
    if let Some(line) = open_quote(text, delimiter) {
        return Err(Issue::row(line, Code::OpenQuote, "a quotation mark is opened here and never closed"));
    }
    let mut rows = Vec::new();
    for record in reader(text, delimiter).into_records() {
        let record =
            record.map_err(|error| Issue::file(Code::NoText, format!("the file cannot be read: {error}")))?;
        let line = record.position().map_or(0, |position| line_at(text, position));
        if record.len() > COLUMNS_MAX {
            return Err(Issue::row(
                line,
                Code::TooMany,
                format!("the row has more than {COLUMNS_MAX} cells"),
            ));
        }
        if told.is_some() && line == 1 {
            continue;
        }
        rows.push(Row { line, cells: record.iter().map(cleaned).collect() });
        if rows.len() > ROWS_MAX {
            break;
        }
    }
    Ok(Table { rows, is_json: false, delimiter })
}

/// A record's position is where the one before ended: blank lines between are no part of it.
fn line_at(text: &str, position: &csv::Position) -> u64 {
    let rest = usize::try_from(position.byte()).ok().and_then(|start| text.as_bytes().get(start..));
    let blank = rest.unwrap_or_default().iter().take_while(|byte| **byte == b'\n').count();
    position.line() + blank as u64
}

fn reader(text: &str, delimiter: u8) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .from_reader(text.as_bytes())
}

/// The delimiter with which most rows have equally many cells, and more than one.
fn likeliest(text: &str) -> u8 {
    let score = |delimiter: u8| {
        let widths =
            reader(text, delimiter).into_records().take(LOOKED_AT).flatten().map(|record| record.len());
        let mut counts = std::collections::BTreeMap::<usize, usize>::new();
        for width in widths.filter(|width| *width > 1) {
            *counts.entry(width).or_default() += 1;
        }
        counts.into_iter().map(|(width, count)| (width - 1) * count).max().unwrap_or(0)
    };
    // Of equal ones the first.
    let mut best = (b',', 0);
    for delimiter in DELIMITERS {
        let reached = score(delimiter);
        if reached > best.1 {
            best = (delimiter, reached);
        }
    }
    best.0
}

/// The line of a quotation mark that begins a cell and does not end.
fn open_quote(text: &str, delimiter: u8) -> Option<u64> {
    let (mut line, mut opened) = (1, None);
    let mut begins_cell = true;
    let mut bytes = text.bytes().peekable();
    while let Some(byte) = bytes.next() {
        if byte == b'\n' {
            line += 1;
        }
        match (byte, opened) {
            (b'"', None) if begins_cell => opened = Some(line),
            (b'"', Some(_)) if bytes.peek() == Some(&b'"') => {
                bytes.next();
            }
            (b'"', Some(_)) => opened = None,
            _ => {}
        }
        begins_cell = opened.is_none() && (byte == delimiter || byte == b'\n' || byte == b'\r');
    }
    opened
}

/// A cell without blanks around it, and without what spreadsheets are kept from
/// computing by: `="0123"`, `'-AAPL`.
fn cleaned(cell: &str) -> String {
    let is_blank = |letter: char| letter.is_whitespace() || matches!(letter, '\u{feff}' | '\u{200b}');
    let cell = cell.trim_matches(is_blank);
    let cell = cell.strip_prefix("=\"").and_then(|inside| inside.strip_suffix('"')).unwrap_or(cell);
    let guarded = cell.strip_prefix('\'').filter(|rest| rest.starts_with(['=', '+', '-', '@']));
    guarded.unwrap_or(cell).trim_matches(is_blank).to_owned()
}

/// A list of objects, or an object with a list of activities.
fn json(text: &str) -> Result<Table, Issue> {
    let value: Value = serde_json::from_str(text)
        .map_err(|error| Issue::file(Code::BadJson, format!("the file is not valid JSON: {error}")))?;
    let list = match value {
        Value::Array(list) => Some(list),
        Value::Object(mut fields) => match fields.remove("activities") {
            Some(Value::Array(list)) => Some(list),
            _ => None,
        },
        _ => None,
    };
    let objects: Option<Vec<Map<String, Value>>> = list.and_then(|list| {
        let fields = |item| if let Value::Object(fields) = item { Some(fields) } else { None };
        list.into_iter().take(ROWS_MAX + 1).map(fields).collect()
    });
    let Some(objects) = objects else {
        let message = "the file is no list of activities, and no object with `activities`";
        return Err(Issue::file(Code::BadJson, message));
    };
    if objects.is_empty() {
        return Err(Issue::file(Code::Empty, "the file has no activities"));
    }
    let mut names: Vec<String> = objects.iter().flat_map(|fields| fields.keys().cloned()).collect();
    names.sort();
    names.dedup();
    if names.len() > COLUMNS_MAX {
        return Err(Issue::file(
            Code::TooMany,
            format!("the activities have more than {COLUMNS_MAX} fields"),
        ));
    }
    let rows = objects.iter().zip(1..).map(|(fields, line)| {
        let cells = names.iter().map(|name| fields.get(name).map(plain).unwrap_or_default());
        Row { line, cells: cells.collect() }
    });
    let heading = Row { line: 0, cells: names.clone() };
    Ok(Table { rows: std::iter::once(heading).chain(rows).collect(), is_json: true, delimiter: 0 })
}

/// A value as a cell; numbers of JSON as their digits.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => cleaned(text),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(bytes: &[u8]) -> Vec<(u64, Vec<String>)> {
        read(bytes).unwrap().rows.into_iter().map(|row| (row.line, row.cells)).collect()
    }

    #[test]
    fn delimiters_encodings_and_marks_are_told() {
        let expected = vec![
            (1, vec!["symbol".to_owned(), "quantity".to_owned()]),
            (2, vec!["A".to_owned(), "1,5".to_owned()]),
        ];
        for text in [
            "symbol;quantity\nA;1,5\n",
            "symbol\tquantity\r\nA\t1,5",
            "symbol|quantity\nA|1,5",
            "symbol,quantity\n\"A\",\"1,5\"\n",
        ] {
            assert_eq!(cells(text.as_bytes()), expected, "{text}");
            assert_eq!(cells(&[b"\xef\xbb\xbf", text.as_bytes()].concat()), expected, "{text}");
            let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            assert_eq!(cells(&[&b"\xff\xfe"[..], &wide].concat()), expected, "{text}");
        }
        let told = cells(b"sep=;\nsymbol;quantity\n");
        assert_eq!(told, [(2, vec!["symbol".to_owned(), "quantity".to_owned()])]);
        let latin = cells(b"name;note\nZ\xfcrich;f\xfcr f\xfcnf Anteile\n");
        assert_eq!(latin[1].1[0], "Zürich");
        assert_eq!(cleaned("=\"0123\""), "0123");
        assert_eq!(cleaned("'-AAPL240119C150"), "-AAPL240119C150");
    }

    #[test]
    fn what_is_no_table_is_refused() {
        for (bytes, code) in [
            (&b""[..], Code::Empty),
            (b" \n\n", Code::Empty),
            (b"PK\x03\x04xxxx", Code::NoText),
            (b"%PDF-1.7", Code::NoText),
            (b"symbol,quantity\nA\0B,1", Code::NoText),
            (b"symbol,quantity\n\"A,1\nB,2\n", Code::OpenQuote),
            (b"{\"activities\": 1}", Code::BadJson),
            (b"[1, 2]", Code::BadJson),
            (b"[{]", Code::BadJson),
            (b"[]", Code::Empty),
        ] {
            assert_eq!(read(bytes).unwrap_err().code, code, "{}", String::from_utf8_lossy(bytes));
        }
        let long = "a,b\n".repeat(ROWS_MAX + 1);
        assert_eq!(read(long.as_bytes()).unwrap_err().code, Code::TooMany);
        let wide = "a,".repeat(COLUMNS_MAX + 1);
        assert_eq!(read(wide.as_bytes()).unwrap_err().code, Code::TooMany);
        assert_eq!(read(&vec![b'a'; BYTES_MAX + 1]).unwrap_err().code, Code::TooLarge);
        assert_eq!(read(b"a,b\n\"x\ny\",1\n\"z,1").unwrap_err().line, Some(4));
    }

    #[test]
    fn a_list_in_json_becomes_rows() {
        let table = read(br#"{"meta": {}, "activities": [{"symbol": "A", "quantity": 0.1}, {"symbol": "B", "fee": null}]}"#).unwrap();
        assert_eq!(table.rows[0].cells, ["fee", "quantity", "symbol"]);
        assert_eq!(table.rows[1].cells, ["", "0.1", "A"]);
        assert_eq!((table.rows[2].line, table.is_json), (2, true));
    }
}
