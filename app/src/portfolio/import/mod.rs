//! Files of holdings and activities, and the lots they become.
//!
//! [`read`] is pure: bytes in, out come lots, capital, and a finding for every row
//! that is wrong or not used. [`import`] stores a reading in one transaction,
//! under ids that follow from what the file says, so that the same file twice is
//! there once.
//!
//! A format is a shape of headings (`shapes`); rows become lots in `lot` or, from
//! activities, by `matching`. Adding a broker is adding a shape.

mod activities;
mod activity;
mod asset;
mod capital;
mod cells;
mod closes;
mod contract;
mod date;
mod field;
mod format;
mod holdings;
pub mod http;
mod ids;
mod issue;
mod lot;
mod matching;
mod number;
mod plan;
mod read;
mod reading;
pub mod receive;
pub mod report;
mod run;
mod shapes;
mod table;
mod targets;

pub use contract::{Contract, Right};
pub use date::Order;
pub use field::Field;
pub use format::Format;
pub use issue::{Code, Issue};
pub use read::read;
pub use reading::{Close, Flow, Lot, Options, Reading};
pub use report::Report;
pub use run::{Mode, Target, import, today};
pub use table::BYTES_MAX;

pub(super) use receive::{PortfolioFile, Sent};
pub(super) use targets::targets;

use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// Longest mapping, in bytes.
const MAPPING_MAX: usize = 10_000;

/// Twelve columns, and a row for each kind of position.
pub const TEMPLATE: &str = "\
symbol,quantity,entry_price,entry_date,class,subtype,underlying,strike,expiry,option_type,exit_date,exit_price\r
AAPL,100,158.00,2024-01-05,PUBLIC,STOCK,,,,,,\r
TSLA,-20,240.50,2024-01-05,PUBLIC,STOCK,,,,,,\r
NVDA,2,12.50,2024-01-05,OPTIONS,,NVDA,500,2027-01-15,CALL,,\r
LAKE HOUSE,1,500000,2020-05-01,PRIVATE,REAL_ESTATE,,,,,,\r
MSFT,10,300.00,2023-01-05,PUBLIC,STOCK,,,,,2024-02-01,400.00\r
";

/// Reads a mapping: a JSON object of headings and what they mean. 422.
pub fn mapping(json: &str) -> Result<Vec<(String, Field)>> {
    let read: Map<String, Value> = serde_json::from_str(json)
        .map_err(|error| Error::field("mapping", format!("must be a JSON object: {error}")))?;
    if json.len() > MAPPING_MAX || read.is_empty() {
        return Err(Error::field(
            "mapping",
            format!("must have 1 to {MAPPING_MAX} bytes with at least one column"),
        ));
    }
    read.into_iter()
        .map(|(heading, meaning)| {
            let field = serde_json::from_value(meaning)
                .map_err(|error| Error::field("mapping", format!("{heading}: {error}")))?;
            Ok((heading, field))
        })
        .collect()
}
