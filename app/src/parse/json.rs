//! JSON and JSON lines: what is named stands beside its name, objects within
//! objects become headings, and each entry of a list one line.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Deserializer as Json;

use super::paper::{Paper, one_line};
use super::{Document, Limits, Refused, table, text};

/// Objects deeper than this are told in one line with their entry.
const HEADINGS_MAX: usize = 4;
/// Values of a list without names share a line of about this many characters.
const LINE_CHARS: usize = 300;
/// What serde_json says of what is nested deeper than 127 levels.
const TOO_DEEP: &str = "recursion limit exceeded";

/// One value, or several one after the other.
pub(super) fn read(bytes: &[u8], limits: Limits) -> Result<Document, Refused> {
    let text = text::decode(bytes, None);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut paper = Paper::new(limits);
    let mut json = Json::from_str(text);
    let room = Room::new(limits);
    let mut any = false;
    while !any || json.end().is_err() {
        let value = Part { level: 1, room: &room }.deserialize(&mut json);
        let value = value.map_err(|error| refused(&error, limits, "the file"))?;
        match value {
            Told::Value(value) => paper.block(&value)?,
            Told::Parts { own, nested } => {
                if !own.is_empty() {
                    paper.items(&own)?;
                }
                paper.block(&nested)?;
            }
        }
        any = true;
    }
    Ok(Document { text: paper.finish()?, ..Default::default() })
}

/// A value a line.
pub(super) fn read_lines(bytes: &[u8], limits: Limits) -> Result<Document, Refused> {
    let text = text::decode(bytes, None);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut paper = Paper::new(limits);
    for (line, number) in text.lines().zip(1..) {
        if line.trim().is_empty() {
            continue;
        }
        let room = Room::new(limits);
        let mut cells = Vec::new();
        let mut json = Json::from_str(line);
        let row = Row { path: String::new(), cells: &mut cells, room: &room };
        row.deserialize(&mut json)
            .and_then(|()| json.end())
            .map_err(|error| refused(&error, limits, &format!("line {number}")))?;
        if !cells.is_empty() {
            paper.items(&table::lines(&cells))?;
        }
    }
    Ok(Document { text: paper.finish()?, ..Default::default() })
}

/// How many bytes of text may still be kept.
struct Room {
    bytes: Cell<usize>,
}

impl Room {
    fn new(limits: Limits) -> Self {
        Self { bytes: Cell::new(limits.characters.saturating_mul(4)) }
    }

    fn take<E: serde::de::Error>(&self, bytes: usize) -> Result<(), E> {
        let left = self.bytes.get().checked_sub(bytes);
        self.bytes.set(left.unwrap_or_default());
        left.map(|_| ()).ok_or_else(|| E::custom("too long"))
    }
}

/// Why JSON cannot be read.
fn refused(error: &serde_json::Error, limits: Limits, what: &str) -> Refused {
    let said = error.to_string();
    if error.is_data() {
        return Refused::too_long(limits);
    }
    Refused::because(if said.starts_with(TOO_DEEP) {
        format!("{what} is nested too deeply: more than 127 levels")
    } else if error.is_eof() {
        format!("{what} ends in the middle of its JSON: {said}")
    } else {
        format!("{what} is no valid JSON: {said}")
    })
}

/// A value as it is told.
enum Told {
    Value(String),
    /// Lines of its own, and blocks under headings.
    Parts {
        own: String,
        nested: String,
    },
}

/// A value whose parts may stand under headings.
struct Part<'a> {
    level: usize,
    room: &'a Room,
}

impl<'de> DeserializeSeed<'de> for Part<'_> {
    type Value = Told;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Told, D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// What both visitors do with a value that has no parts.
macro_rules! scalars {
    ($value:ty) => {
        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("any value")
        }
        fn visit_unit<E: serde::de::Error>(self) -> Result<$value, E> {
            self.scalar(String::new())
        }
        fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<$value, E> {
            self.scalar(value.to_string())
        }
        fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<$value, E> {
            self.scalar(value.to_string())
        }
        fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<$value, E> {
            self.scalar(value.to_string())
        }
        fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<$value, E> {
            self.scalar(value.to_string())
        }
        fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<$value, E> {
            self.scalar(one_line(value))
        }
    };
}

impl Part<'_> {
    fn scalar<E: serde::de::Error>(self, value: String) -> Result<Told, E> {
        self.room.take(value.len())?;
        Ok(Told::Value(value))
    }

    /// An object: its plain values first, then what has parts of its own.
    fn object<'de, A: MapAccess<'de>>(self, mut map: A) -> Result<Told, A::Error> {
        let (mut own, mut nested) = (String::new(), String::new());
        while let Some(key) = map.next_key::<String>()? {
            let key = one_line(&key);
            self.room.take(key.len() + 4)?;
            if self.level > HEADINGS_MAX {
                let mut cells = Vec::new();
                map.next_value_seed(Row { path: key, cells: &mut cells, room: self.room })?;
                own.push_str(&told(&cells));
                continue;
            }
            match map.next_value_seed(Part { level: self.level + 1, room: self.room })? {
                Told::Value(value) if value.is_empty() => {}
                Told::Value(value) => own.push_str(&table::lines(&[(key, value)])),
                Told::Parts { own, nested: inner } if own.is_empty() && inner.is_empty() => {}
                Told::Parts { own, nested: inner } => {
                    let marks = "#".repeat(self.level);
                    for block in [format!("{marks} {key}"), own, inner] {
                        if !block.is_empty() {
                            nested.push_str(block.trim_end());
                            nested.push_str("\n\n");
                        }
                    }
                }
            }
        }
        Ok(Told::Parts { own, nested })
    }
}

impl<'de> Visitor<'de> for Part<'_> {
    type Value = Told;

    scalars!(Told);

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Told, A::Error> {
        self.object(map)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Told, A::Error> {
        let mut own = String::new();
        // Values without names that share a line.
        let mut line = String::new();
        loop {
            let mut cells: Vec<(String, String)> = Vec::new();
            let row = Row { path: String::new(), cells: &mut cells, room: self.room };
            let more = seq.next_element_seed(row)?.is_some();
            let is_plain = matches!(&cells[..], [(name, _)] if name.is_empty());
            if !line.is_empty() && (!more || !is_plain || line.len() > LINE_CHARS) {
                own.extend(["- ", line.as_str(), "\n"]);
                line.clear();
            }
            if !more {
                return Ok(Told::Parts { own, nested: String::new() });
            }
            if is_plain {
                let separator = if line.is_empty() { "" } else { ", " };
                line.push_str(separator);
                line.push_str(&cells[0].1);
            } else {
                own.push_str(&told(&cells));
            }
        }
    }
}

fn told(cells: &[(String, String)]) -> String {
    if cells.is_empty() { String::new() } else { table::lines(cells) }
}

/// A value all of whose parts go into one row, named by their paths.
struct Row<'a> {
    path: String,
    cells: &'a mut Vec<(String, String)>,
    room: &'a Room,
}

impl<'de> DeserializeSeed<'de> for Row<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Row<'_> {
    fn scalar<E: serde::de::Error>(self, value: String) -> Result<(), E> {
        if value.is_empty() {
            return Ok(());
        }
        self.room.take(self.path.len() + value.len() + 4)?;
        match self.cells.last_mut() {
            // Values of one list follow each other.
            Some((name, values)) if *name == self.path && !name.is_empty() => {
                values.push_str(", ");
                values.push_str(&value);
            }
            _ => self.cells.push((self.path, value)),
        }
        Ok(())
    }
}

impl<'de> Visitor<'de> for Row<'_> {
    type Value = ();

    scalars!(());

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            let key = one_line(&key);
            let path = if self.path.is_empty() { key } else { format!("{}.{key}", self.path) };
            map.next_value_seed(Row { path, cells: self.cells, room: self.room })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        loop {
            let row = Row { path: self.path.clone(), cells: self.cells, room: self.room };
            if seq.next_element_seed(row)?.is_none() {
                return Ok(());
            }
        }
    }
}
