//! Figures of portfolios: value, cost, P&L, exposures, equity and returns. Pure
//! functions of lots, capital and a [`Market`](crate::market::Market) in memory; no I/O, no clock.
//!
//! Money is [`Decimal`](sea_orm::prelude::Decimal) throughout. Each amount (the value or cost of a lot,
//! the proceeds of a close, a dividend) is rounded to cents, half away from zero, in the
//! portfolio's currency; sums are sums of rounded amounts. Ratios are double precision.
//!
//! | figure | formula | source |
//! |---|---|---|
//! | value | units x mark x multiplier x rate of the day | market value accounting |
//! | cost | open units x entry price x multiplier x rate of the entry | cost by lot |
//! | realised | closed x sign x (price x rate then - entry price x rate of the entry) x multiplier | specific identification |
//! | cumulative P&L | unrealised + realised so far + income so far | a difference of totals: nothing counts twice |
//! | equity | capital at the beginning + flows so far + cumulative P&L | roll-forward |
//! | daily return | P&L since the snapshot before / (equity then + capital that came in) | Modified Dietz with flows at the day's beginning |
//! | cumulative return | product of (1 + daily return) - 1 | time-weighted (GIPS) |
//! | money-weighted | the rate at which all flows are worth nothing, 365 days a year | internal rate of return |
//! | drawdown | level / highest level so far - 1 | |
//!
//! A lot's history is made of what was opened and the closes up to a day, never
//! of what is open today. Prices are as they were paid: a lot's units
//! follow splits, its cost does not change by them.

mod account;
mod amount;
mod book;
mod drawdown;
mod ledger;
mod mark;
mod needs;
mod returns;
mod roll;
mod valuation;

pub use account::{Account, Contract, Flow, Lot, LotClose, Valuation};
pub use amount::{amount, cents, is_storable};
pub use book::{Book, Exposures, Quality, book};
pub use drawdown::{Drawdown, drawdown};
pub use ledger::{Ledger, Totals};
pub use mark::{Mark, STALE_DAYS_MAX, Source};
pub use needs::{Needs, needs};
pub use returns::{annualized, chained, cumulative, daily, day_return, money_weighted};
pub use roll::{Before, Snapshot, roll};
pub use valuation::{Priced, Valued, Worth};
