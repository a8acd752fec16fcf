//! What an answer of data says of itself: what was asked, what was applied, what was left out.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::error::{Context, Result};

/// The version of these answers. It changes when a field does not mean what it meant.
pub const SCHEMA_VERSION: &str = "1";

/// What an answer of data says of itself.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Meta {
    /// The newest day that the data are of; null: there are none.
    pub as_of: Option<NaiveDate>,
    /// The parameters as they came.
    #[schema(value_type = Object)]
    pub requested: Value,
    /// The parameters as they were used, with defaults.
    #[schema(value_type = Object)]
    pub applied: Value,
    /// What one answer can hold at most.
    pub limits: BTreeMap<&'static str, u64>,
    /// Rows of `data`.
    pub rows_returned: u64,
    /// A limit kept rows out.
    pub truncated: bool,
    /// Changes when a field does not mean what it meant.
    pub schema_version: &'static str,
}

impl Meta {
    /// Of an answer without rows; what it has is set afterwards.
    pub fn new(
        requested: &impl Serialize,
        applied: &impl Serialize,
        limits: &[(&'static str, u64)],
    ) -> Result<Self> {
        let value = |given: serde_json::Result<Value>| given.context("describing an answer");
        Ok(Self {
            as_of: None,
            requested: value(serde_json::to_value(requested))?,
            applied: value(serde_json::to_value(applied))?,
            limits: limits.iter().copied().collect(),
            rows_returned: 0,
            truncated: false,
            schema_version: SCHEMA_VERSION,
        })
    }

    /// With this many rows, the newest of this day.
    #[must_use]
    pub fn with_rows(mut self, count: usize, as_of: Option<NaiveDate>) -> Self {
        self.rows_returned = count as u64;
        self.as_of = as_of;
        self
    }
}

/// Data, and what is to be known of them.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Described<T> {
    /// What was asked, applied, left out.
    pub meta: Meta,
    /// The data.
    pub data: T,
}
