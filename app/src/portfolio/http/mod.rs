//! `/portfolios`, `/positions`, `/tags`.

pub mod equity_changes;
pub mod portfolios;
pub mod position_tags;
pub mod positions;
pub mod sector_tags;
pub mod tags;
