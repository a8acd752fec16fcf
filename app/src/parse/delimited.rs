//! Tables as text: values between commas, semicolons, tabs or bars.

use csv::{ReaderBuilder, StringRecord};

use super::paper::Paper;
use super::table::{Table, numbered};
use super::{Document, Limits, Refused, text};

/// Most columns, as many as a spreadsheet has.
const COLUMNS_MAX: usize = 16_384;
/// Bytes that are looked at to tell what stands between values.
const SNIFFED: usize = 64 << 10;
/// Lines that are looked at.
const LINES_SNIFFED: usize = 50;

pub(super) fn read(bytes: &[u8], limits: Limits) -> Result<Document, Refused> {
    let text = text::decode(bytes, None);
    let (delimiter, table) = named(&text).unwrap_or_else(|| (guessed(&text), text.as_str()));
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .from_reader(table.as_bytes());
    let mut paper = Paper::new(limits);
    let mut told = Table::new(numbered);
    let mut record = StringRecord::new();
    while reader
        .read_record(&mut record)
        .map_err(|error| Refused::because(format!("the table cannot be read: {error}")))?
    {
        if record.len() > COLUMNS_MAX {
            return Err(Refused::because(format!("a row of the table has more than {COLUMNS_MAX} values")));
        }
        let cells: Vec<(usize, String)> = record.iter().map(str::to_owned).enumerate().collect();
        told.row(&mut paper, &cells)?;
    }
    told.end(&mut paper)?;
    Ok(Document { text: paper.finish()?, ..Default::default() })
}

/// What a first line such as `sep=;` says, and what follows it.
fn named(text: &str) -> Option<(u8, &str)> {
    let (first, rest) = text.strip_prefix('\u{feff}').unwrap_or(text).split_once('\n')?;
    let delimiter = first.trim_end_matches('\r').strip_prefix("sep=")?;
    match delimiter.as_bytes() {
        [delimiter] => Some((*delimiter, rest)),
        _ => None,
    }
}

/// What stands in the most lines as often as in the first, outside of quotes.
fn guessed(text: &str) -> u8 {
    let start = &text[..text.floor_char_boundary(SNIFFED)];
    let score = |delimiter: u8| {
        let counts: Vec<usize> = counts(start, delimiter);
        let first = counts.first().copied().unwrap_or_default();
        let alike = counts.iter().filter(|count| **count == first).count();
        if first == 0 { (0, 0) } else { (alike, first) }
    };
    // Of equals the last one counts.
    [b'|', b'\t', b';', b','].into_iter().max_by_key(|delimiter| score(*delimiter)).unwrap_or(b',')
}

/// How often it stands in each line.
fn counts(text: &str, delimiter: u8) -> Vec<usize> {
    let mut counts = Vec::new();
    let (mut count, mut quoted, mut any) = (0, false, false);
    for byte in text.bytes() {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' if !quoted => {
                if any {
                    counts.push(count);
                }
                (count, any) = (0, false);
                if counts.len() == LINES_SNIFFED {
                    return counts;
                }
            }
            b'\r' => {}
            _ => {
                any = true;
                if byte == delimiter && !quoted {
                    count += 1;
                }
            }
        }
    }
    // The last line may be cut off where the look ends.
    if counts.is_empty() {
        counts.push(count);
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(bytes: &[u8]) -> String {
        read(bytes, Limits { characters: 10_000, pages: 1 }).unwrap().text
    }

    #[test]
    fn every_separator_and_encoding_is_told_apart() {
        let expected = "- Name: Müller, Anna; City: Zürich\n- Name: Bob; City: Bern";
        for separator in [",", ";", "\t", "|"] {
            let table = "Name;City\n\"Müller, Anna\";Zürich\nBob;Bern\n".replace(';', separator);
            assert_eq!(told(table.as_bytes()), expected, "{separator:?}");
        }
        assert_eq!(
            told("sep=;\r\nName;City\r\nBob;\"a \"\"b\"\"\"".as_bytes()),
            "- Name: Bob; City: a \"b\""
        );
        let latin = encoding_rs::WINDOWS_1252.encode("Name;City\nJosé;Orléans\nZoë;Besançon\n").0;
        assert_eq!(told(&latin), "- Name: José; City: Orléans\n- Name: Zoë; City: Besançon");
    }

    #[test]
    fn a_row_with_more_values_than_names_loses_none() {
        assert_eq!(told(b"a,b\n1,2,3\n4\n"), "- a: 1; b: 2; column 3: 3\n- a: 4");
    }
}
