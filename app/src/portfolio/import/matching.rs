//! Trades to lots: each purchase opens one, each sale closes the oldest first
//! (FIFO).
//!
//! A sale after a split is in units after it, its lot in units before: a close
//! is stored in units of its lot's entry. On one day openings come before
//! closings, since files of days do not say what came first.

use std::collections::{BTreeMap, VecDeque};

use chrono::NaiveDate;
use entity::core::position::{InvestmentClass, PositionType};
use sea_orm::prelude::Decimal;
use sea_orm::sea_query::prelude::rust_decimal::RoundingStrategy;

use super::activity::Activity;
use super::contract::{Contract, Right};
use super::issue::{Code, Issue};
use super::number::{self, DECIMALS};
use super::reading::{Close, Lot, Reading};

/// Most units of today for one of an entry.
const FACTOR_MAX: u32 = 1_000_000;

/// What was traded.
#[derive(Clone, Debug)]
pub(super) struct Asset {
    pub(super) symbol: String,
    pub(super) contract: Option<Contract>,
    pub(super) class: InvestmentClass,
    pub(super) multiplier: Decimal,
}

/// A trade, or a split.
#[derive(Clone, Debug)]
pub(super) struct Trade {
    pub(super) line: u64,
    pub(super) date: NaiveDate,
    pub(super) done: Activity,
    pub(super) asset: Asset,
    /// Without sign; of a split its ratio or the units that came.
    pub(super) quantity: Decimal,
    pub(super) price: Decimal,
    pub(super) currency: Option<String>,
    pub(super) notes: Option<String>,
}

/// What is open of a lot.
#[derive(Clone, Copy, Debug)]
struct Open {
    /// Place among the lots.
    lot: usize,
    /// In units of its entry.
    left: Decimal,
    /// Units of today for one of its entry.
    factor: Decimal,
}

/// Open lots by symbol, long and short apart, oldest first.
type Book = BTreeMap<(String, bool), VecDeque<Open>>;

/// Makes lots of trades. What cannot be matched is rejected.
pub(super) fn matched(trades: Vec<Trade>, reading: &mut Reading) {
    let mut book = Book::new();
    let first = reading.lots.len();
    for trade in in_order(trades) {
        let outcome = match trade.done {
            Activity::Buy | Activity::BuyToOpen => open(&trade, false, &mut book, &mut reading.lots),
            Activity::SellToOpen => open(&trade, true, &mut book, &mut reading.lots),
            Activity::Sell | Activity::SellToClose => close(&trade, false, &mut book, &mut reading.lots),
            Activity::BuyToClose => close(&trade, true, &mut book, &mut reading.lots),
            Activity::Expire => {
                let is_short = held(&book, &trade.asset.symbol, false).is_zero();
                close(&trade, is_short, &mut book, &mut reading.lots)
            }
            _ => split(&trade, &mut book),
        };
        match outcome {
            Ok(()) if matches!(trade.done, Activity::Split | Activity::SplitUnits) => {
                let message = "used to match later sales; the split itself belongs to the market's data";
                reading.note(Issue::row(trade.line, Code::Split, message));
            }
            Ok(()) => reading.used += 1,
            Err(issue) => reading.reject(vec![issue]),
        }
    }
    reading.lots[first..].sort_by_key(|lot| lot.line);
}

/// By day; of a day openings first, then as the file has them, which some have from the end.
fn in_order(mut trades: Vec<Trade>) -> Vec<Trade> {
    let is_backwards = match (trades.first(), trades.last()) {
        (Some(first), Some(last)) => first.date > last.date,
        _ => false,
    };
    if is_backwards {
        trades.reverse();
    }
    let rank = |trade: &Trade| match trade.done {
        Activity::Split | Activity::SplitUnits => 0,
        Activity::Buy | Activity::BuyToOpen | Activity::SellToOpen => 1,
        _ => 2,
    };
    trades.sort_by_key(|trade| (trade.date, rank(trade)));
    trades
}

fn open(trade: &Trade, is_short: bool, book: &mut Book, lots: &mut Vec<Lot>) -> Result<(), Issue> {
    let Asset { symbol, contract, class, multiplier } = trade.asset.clone();
    if contract.as_ref().is_some_and(|contract| contract.expiry < trade.date) {
        return Err(Issue::row(trade.line, Code::Expired, "the option expired before it was opened"));
    }
    let position_type = match (contract.as_ref().map(|contract| contract.right), is_short) {
        (None, false) => PositionType::Long,
        (None, true) => PositionType::Short,
        (Some(Right::Call), false) => PositionType::LongCall,
        (Some(Right::Call), true) => PositionType::ShortCall,
        (Some(Right::Put), false) => PositionType::LongPut,
        (Some(Right::Put), true) => PositionType::ShortPut,
    };
    let open = Open { lot: lots.len(), left: trade.quantity, factor: Decimal::ONE };
    book.entry((symbol.clone(), is_short)).or_default().push_back(open);
    lots.push(Lot {
        line: trade.line,
        symbol,
        position_type,
        class,
        subtype: None,
        quantity: if is_short { -trade.quantity } else { trade.quantity },
        multiplier,
        entry_price: trade.price,
        entry_date: trade.date,
        is_dated: true,
        currency: trade.currency.clone(),
        contract,
        notes: trade.notes.clone(),
        closes: Vec::new(),
    });
    Ok(())
}

/// Units of today that are open.
fn held(book: &Book, symbol: &str, is_short: bool) -> Decimal {
    let lots = book.get(&(symbol.to_owned(), is_short));
    lots.into_iter().flatten().map(|open| kept(open.left * open.factor)).sum()
}

fn close(trade: &Trade, is_short: bool, book: &mut Book, lots: &mut [Lot]) -> Result<(), Issue> {
    let held = held(book, &trade.asset.symbol, is_short);
    if held < trade.quantity {
        let message = format!(
            "closes {} of {}, but the file has opened only {held} before; add what came earlier",
            trade.quantity, trade.asset.symbol
        );
        return Err(Issue::row(trade.line, Code::NotHeld, message));
    }
    let queue = book.entry((trade.asset.symbol.clone(), is_short)).or_default();
    let is_other = |open: &&Open| lots.get(open.lot).is_some_and(|lot| lot.currency != trade.currency);
    if queue.iter().any(|open| is_other(&open)) {
        let message = "closed in another currency than it was opened in";
        return Err(Issue::row(trade.line, Code::BadCurrency, message));
    }
    if queue.iter().any(|open| !number::fits(kept(trade.price * open.factor))) {
        return Err(Issue::row(
            trade.line,
            Code::TooManyDigits,
            "the price in units of the entry is too large",
        ));
    }
    let mut rest = trade.quantity;
    while !rest.is_zero() {
        let Some(oldest) = queue.front_mut() else { break };
        let available = kept(oldest.left * oldest.factor);
        let takes_all = rest >= available;
        let part = || kept(rest.checked_div(oldest.factor).unwrap_or(rest)).min(oldest.left);
        let taken = if takes_all { oldest.left } else { part() };
        if !taken.is_zero()
            && let Some(lot) = lots.get_mut(oldest.lot)
        {
            let price = kept(trade.price * oldest.factor).normalize();
            lot.closes.push(Close { line: trade.line, date: trade.date, quantity: taken.normalize(), price });
        }
        rest = if takes_all { rest - available } else { Decimal::ZERO };
        oldest.left -= taken;
        if oldest.left.is_zero() {
            queue.pop_front();
        }
    }
    Ok(())
}

/// By a ratio, as 2 for two of one, or by the units that came.
fn split(trade: &Trade, book: &mut Book) -> Result<(), Issue> {
    let ratio = if trade.done == Activity::SplitUnits {
        let held = held(book, &trade.asset.symbol, false);
        (held + trade.quantity).checked_div(held).unwrap_or_default()
    } else {
        trade.quantity
    };
    for is_short in [false, true] {
        for open in book.entry((trade.asset.symbol.clone(), is_short)).or_default() {
            let factor = open.factor.checked_mul(ratio).unwrap_or_default();
            if factor <= Decimal::ZERO || factor > Decimal::from(FACTOR_MAX) {
                return Err(Issue::row(
                    trade.line,
                    Code::BadNumber,
                    "the ratio of the split cannot be right",
                ));
            }
            open.factor = factor;
        }
    }
    Ok(())
}

/// To the digits that are kept.
fn kept(number: Decimal) -> Decimal {
    number.round_dp_with_strategy(DECIMALS, RoundingStrategy::MidpointAwayFromZero)
}
