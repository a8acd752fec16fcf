//! `/data` and `/analytics`: portfolios as they are read.

pub mod aggregate;
pub mod analytics;
pub mod data;
mod several;

use chrono::NaiveDate;
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

/// On which day.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DayQuery {
    /// The end of this day; without it of the last trading day.
    #[garde(skip)]
    pub as_of_date: Option<NaiveDate>,
}
