//! Lists in pages: `?limit=&cursor=` to `{items, next_cursor}`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::error::{Error, Result};

/// Page size without `limit`.
pub const LIMIT_DEFAULT: u64 = 50;
/// Largest page.
pub const LIMIT_MAX: u64 = 200;

/// Query parameters of a list.
#[derive(Clone, Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// Rows a page, 1 to 200.
    #[garde(range(min = 1, max = LIMIT_MAX))]
    #[serde(default = "limit_default")]
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: u64,
    /// `next_cursor` of the page before.
    #[garde(skip)]
    #[serde(default)]
    #[param(value_type = Option<String>)]
    pub cursor: Option<Cursor>,
}

/// The default of `limit`.
pub fn limit_default() -> u64 {
    LIMIT_DEFAULT
}

/// One page of a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Ask for the next page with this; absent on the last one.
    #[schema(value_type = Option<String>)]
    pub next_cursor: Option<Cursor>,
}

/// Where a page ended: time and id of its last row. Opaque to clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// When the last row was made.
    pub at: DateTime<Utc>,
    /// Its id, which decides between equal times.
    pub id: Uuid,
}

impl<T> Page<T> {
    /// A page of at most `limit` rows out of up to one more, which only tells
    /// that there is a next page.
    pub fn of<R>(
        mut rows: Vec<R>,
        limit: u64,
        position: impl Fn(&R) -> Cursor,
        item: impl Fn(R) -> T,
    ) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = rows.last().filter(|_| more).map(position);
        Self { items: rows.into_iter().map(item).collect(), next_cursor }
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut bytes = self.at.timestamp_micros().to_be_bytes().to_vec();
        bytes.extend_from_slice(self.id.as_bytes());
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl std::str::FromStr for Cursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::field("cursor", "not a cursor of this list");
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| wrong())?;
        let (micros, id) = bytes.split_first_chunk::<8>().ok_or_else(wrong)?;
        let id = Uuid::from_slice(id).map_err(|_| wrong())?;
        let at = DateTime::from_timestamp_micros(i64::from_be_bytes(*micros)).ok_or_else(wrong)?;
        Ok(Self { at, id })
    }
}

impl Serialize for Cursor {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|_| serde::de::Error::custom("not a cursor of this list"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_its_text_form() {
        let at = DateTime::from_timestamp_micros(1_700_000_000_123_456).unwrap();
        let cursor = Cursor { at, id: Uuid::now_v7() };
        assert_eq!(cursor.to_string().parse::<Cursor>().unwrap(), cursor);
        assert!("garbage".parse::<Cursor>().is_err());
    }
}
