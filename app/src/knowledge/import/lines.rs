//! JSON lines.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde_json::{Map, Value};

use super::{Rejected, rejected};
use crate::error::{Error, Result};
use crate::knowledge::chunk::MediaType;
use crate::knowledge::source::SourceInput;
use crate::web::extract::validate;

/// Longest line: the longest text, escaped, and its other fields.
const LINE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The texts of a file with one JSON object a line. Blank lines are passed over.
pub(super) fn open(
    path: &Path,
) -> Result<impl Iterator<Item = Result<SourceInput, Rejected>> + Send + use<>> {
    let file = File::open(path).map_err(|error| {
        Error::startup(format!("{} cannot be read: {error}", path.display()), "name a file that exists")
    })?;
    Ok(Lines {
        reader: BufReader::new(file),
        name: path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        number: 0,
        ended: false,
    })
}

struct Lines {
    reader: BufReader<File>,
    name: String,
    number: u64,
    ended: bool,
}

impl Lines {
    /// The next line as it is; none at the end.
    fn line(&mut self) -> Option<Result<Vec<u8>, Rejected>> {
        self.number += 1;
        let mut line = Vec::new();
        match self.reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line) {
            Ok(0) => None,
            Ok(read) if read as u64 == LINE_BYTES_MAX && line.last() != Some(&b'\n') => {
                let skipped = self.reader.skip_until(b'\n');
                self.ended = skipped.is_err();
                Some(Err(self.rejected(format!("longer than {LINE_BYTES_MAX} bytes"))))
            }
            Ok(_) => Some(Ok(line)),
            Err(error) => {
                self.ended = true;
                Some(Err(self.rejected(format!("the file cannot be read further: {error}"))))
            }
        }
    }

    fn rejected(&self, error: impl std::fmt::Display) -> Rejected {
        rejected(format!("{}:{}", self.name, self.number), error)
    }
}

impl Iterator for Lines {
    type Item = Result<SourceInput, Rejected>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended {
            let line = match self.line()? {
                Ok(line) => line,
                Err(rejected) => return Some(Err(rejected)),
            };
            if line.trim_ascii().is_empty() {
                continue;
            }
            return Some(parse(&line).map_err(|error| self.rejected(error)));
        }
        None
    }
}

fn parse(line: &[u8]) -> Result<SourceInput, String> {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    let value: Value = serde_json::from_slice(line).map_err(|error| format!("not JSON: {error}"))?;
    let Value::Object(mut fields) = value else {
        return Err("not a JSON object".to_owned());
    };
    let external_id = match fields.remove("id") {
        None | Some(Value::Null) => None,
        Some(Value::String(id)) => Some(id),
        Some(Value::Number(id)) => Some(id.to_string()),
        Some(_) => return Err("id: must be a string or a number".to_owned()),
    };
    let text = string(&mut fields, "text")?.ok_or("text: is missing")?;
    let title = string(&mut fields, "title")?.filter(|title| !title.trim().is_empty());
    let scope = string(&mut fields, "scope")?;
    let explicit = match fields.remove("metadata") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(metadata)) => metadata,
        Some(_) => return Err("metadata: must be an object".to_owned()),
    };
    // What is said in metadata wins over a field of the same name beside it.
    fields.extend(explicit);
    let input = SourceInput {
        title: title.or_else(|| external_id.clone()).unwrap_or_else(|| opening(&text)),
        text,
        external_id,
        scope,
        metadata: fields,
        media_type: MediaType::Plain,
    };
    validate(&input).map_err(|error| error.to_string())?;
    Ok(input)
}

fn string(fields: &mut Map<String, Value>, name: &str) -> Result<Option<String>, String> {
    match fields.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("{name}: must be a string")),
    }
}

/// A text without title and id is called by its first words.
fn opening(text: &str) -> String {
    let opening: String =
        text.split_whitespace().take(12).collect::<Vec<_>>().join(" ").chars().take(100).collect();
    if opening.is_empty() { "Untitled".to_owned() } else { opening }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_fields_go_to_metadata() {
        let input = parse(
            br#"{"id": 471, "text": "t", "scope": "a", "year": 1, "lang": "x", "metadata": {"lang": "en"}}"#,
        )
        .unwrap();
        assert_eq!(input.external_id.as_deref(), Some("471"));
        assert_eq!(input.title, "471");
        assert_eq!(Value::Object(input.metadata), serde_json::json!({"year": 1, "lang": "en"}));
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert_eq!(parse(b"{}").unwrap_err(), "text: is missing");
        assert_eq!(parse(br#"{"text": 1}"#).unwrap_err(), "text: must be a string");
        assert_eq!(parse(b"[1]").unwrap_err(), "not a JSON object");
        assert!(parse(b"{").unwrap_err().starts_with("not JSON"));
        assert!(parse(br#"{"text": "a\u0000b"}"#).unwrap_err().contains("NUL"));
    }
}
