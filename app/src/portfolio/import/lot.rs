//! From the cells of a row to a lot.

use chrono::NaiveDate;
use entity::core::position::PositionType;
use sea_orm::prelude::Decimal;
use sea_orm::sea_query::prelude::rust_decimal::RoundingStrategy;

use super::asset::asset;
use super::cells::Cells;
use super::contract::{MULTIPLIER, Right};
use super::field::Field;
use super::format::Format;
use super::issue::{Code, Issue, quoted};
use super::number::{self, DECIMALS};
use super::reading::{Close, Lot};

/// Longest subtype, in characters.
const SUBTYPE_MAX: usize = 30;
/// Longest notes, in characters.
const NOTES_MAX: usize = 5000;
/// Largest multiplier.
const MULTIPLIER_MAX: u32 = 10_000_000;

/// What is known of a row beside its cells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context<'a> {
    pub(super) format: Format,
    /// The symbol, where another row has it.
    pub(super) symbol: Option<&'a str>,
    /// When it was opened, where another column has it.
    pub(super) opened: Option<NaiveDate>,
    /// When it was opened if nobody says.
    pub(super) undated: NaiveDate,
}

/// The lot of a row, and what was taken for granted; none if something is wrong with it.
pub(super) fn lot(cells: &mut Cells<'_>, context: Context<'_>) -> Option<(Lot, Vec<Issue>)> {
    let mut notes = Vec::new();
    let asset = asset(cells, context.format, context.symbol);
    let quantity = quantity(cells);
    let is_option = asset.as_ref().is_some_and(|asset| asset.contract.is_some());
    let multiplier = multiplier(cells, is_option);
    let entry_price =
        quantity.and_then(|quantity| entry_price(cells, quantity * multiplier, context.format, &mut notes));
    let opened = opened(cells, context);
    let subtype = cells.limited(Field::InvestmentSubtype, SUBTYPE_MAX);
    let remarks = cells.limited(Field::Notes, NOTES_MAX);
    let currency = cells.currency();
    let right = asset.as_ref().and_then(|asset| asset.contract.as_ref()).map(|contract| contract.right);
    let typed = quantity.and_then(|quantity| position_type(cells, quantity, right));
    let entry_date = opened.unwrap_or(context.undated);
    let closes = quantity.map(|quantity| exit(cells, entry_date, quantity.abs())).unwrap_or_default();
    let asset = asset?;
    if asset.contract.as_ref().is_some_and(|contract| contract.expiry < entry_date) {
        cells.wrong(Field::ExpirationDate, Code::Expired, "the option expired before it was opened");
    }
    let (position_type, quantity) = typed?;
    let lot = Lot {
        line: cells.row.line,
        symbol: asset.symbol,
        position_type,
        class: asset.class,
        subtype,
        quantity,
        multiplier,
        entry_price: entry_price?,
        entry_date,
        is_dated: opened.is_some(),
        currency,
        contract: asset.contract,
        notes: remarks,
        closes,
    };
    cells.is_right().then_some((lot, notes))
}

fn quantity(cells: &mut Cells<'_>) -> Option<Decimal> {
    let Some(_) = cells.said(Field::Quantity) else {
        cells.wrong(Field::Quantity, Code::NoQuantity, "the quantity is missing");
        return None;
    };
    let quantity = cells.number(Field::Quantity)?;
    if quantity.is_zero() {
        cells.wrong(Field::Quantity, Code::ZeroQuantity, "the quantity is 0");
        return None;
    }
    Some(quantity)
}

fn multiplier(cells: &mut Cells<'_>, is_option: bool) -> Decimal {
    let usual = Decimal::from(if is_option { MULTIPLIER } else { 1 });
    let Some(given) = cells.number(Field::Multiplier) else { return usual };
    if given <= Decimal::ZERO || given > Decimal::from(MULTIPLIER_MAX) || given.scale() > 4 {
        let message = "must be above 0, at most 10,000,000, with at most 4 digits after the point";
        cells.wrong(Field::Multiplier, Code::TooManyDigits, message);
        return usual;
    }
    given
}

/// What was paid a unit; of reports also from what was paid for all.
fn entry_price(
    cells: &mut Cells<'_>,
    units: Decimal,
    format: Format,
    notes: &mut Vec<Issue>,
) -> Option<Decimal> {
    let wrong = cells.issues.len();
    let price =
        if format.is_report() { cells.average(Field::EntryPrice) } else { cells.price(Field::EntryPrice) };
    if let Some(price) = price {
        return Some(price);
    }
    if let Some(cost) = cells.number(Field::CostBasis) {
        let price = cost.checked_div(units).unwrap_or(Decimal::MAX).abs();
        let price = price.round_dp_with_strategy(DECIMALS, RoundingStrategy::MidpointAwayFromZero);
        if number::fits(price) {
            return Some(price.normalize());
        }
        cells.wrong(Field::CostBasis, Code::TooManyDigits, "the price a unit has too many digits");
    }
    if cells.issues.len() > wrong {
        return None;
    }
    if format.is_report()
        && let Some(price) = cells.price(Field::MarketPrice)
    {
        let message = "the file does not say what it cost; taken in at the price of the file";
        notes.push(Issue::cell(
            cells.row.line,
            cells.columns.heading(Field::MarketPrice),
            Code::NoCost,
            message,
        ));
        return Some(price);
    }
    if cells.issues.len() == wrong {
        cells.wrong(Field::EntryPrice, Code::NoPrice, "the price is missing");
    }
    None
}

/// None: the file does not say, or it is wrong.
fn opened(cells: &mut Cells<'_>, context: Context<'_>) -> Option<NaiveDate> {
    if context.opened.is_some() {
        return context.opened;
    }
    let day = cells.day(Field::EntryDate);
    let must_be = cells.columns.has(Field::EntryDate) && !context.format.is_report();
    if must_be && cells.said(Field::EntryDate).is_none() {
        cells.wrong(Field::EntryDate, Code::NoDate, "the entry date is missing");
    }
    day
}

/// The type, and the quantity with its sign.
fn position_type(
    cells: &mut Cells<'_>,
    quantity: Decimal,
    right: Option<Right>,
) -> Option<(PositionType, Decimal)> {
    let by_sign = match (right, quantity.is_sign_negative()) {
        (None, false) => PositionType::Long,
        (None, true) => PositionType::Short,
        (Some(Right::Call), false) => PositionType::LongCall,
        (Some(Right::Call), true) => PositionType::ShortCall,
        (Some(Right::Put), false) => PositionType::LongPut,
        (Some(Right::Put), true) => PositionType::ShortPut,
    };
    let Some(given) = cells.said(Field::PositionType) else { return Some((by_sign, quantity)) };
    let named = match (given.to_ascii_uppercase().as_str(), right) {
        ("LONG", None) => Some(PositionType::Long),
        ("SHORT", None) => Some(PositionType::Short),
        ("LC", Some(Right::Call)) => Some(PositionType::LongCall),
        ("LP", Some(Right::Put)) => Some(PositionType::LongPut),
        ("SC", Some(Right::Call)) => Some(PositionType::ShortCall),
        ("SP", Some(Right::Put)) => Some(PositionType::ShortPut),
        _ => None,
    };
    let is_short =
        matches!(named, Some(PositionType::Short | PositionType::ShortCall | PositionType::ShortPut));
    match named {
        // A short quantity may be written without its sign.
        Some(named) if is_short => Some((named, -quantity.abs())),
        Some(named) if named == by_sign => Some((named, quantity)),
        _ => {
            let message = format!("\"{}\" does not go with the quantity or the contract", quoted(given));
            cells.wrong(Field::PositionType, Code::BadType, message);
            None
        }
    }
}

/// The close of all of it, if the row has one.
fn exit(cells: &mut Cells<'_>, entry: NaiveDate, quantity: Decimal) -> Vec<Close> {
    let wrong = cells.issues.len();
    let (date, price) = (cells.day(Field::ExitDate), cells.price(Field::ExitPrice));
    match (date, price) {
        _ if cells.issues.len() > wrong => {}
        (None, None) => {}
        (Some(date), Some(_)) if date < entry => {
            cells.wrong(Field::ExitDate, Code::EarlyExit, "the exit lies before the entry");
        }
        (Some(date), Some(price)) => return vec![Close { line: cells.row.line, date, quantity, price }],
        (None, Some(_)) => {
            cells.wrong(Field::ExitDate, Code::IncompleteExit, "the exit has a price and no date");
        }
        (Some(_), None) => {
            cells.wrong(Field::ExitPrice, Code::IncompleteExit, "the exit has a date and no price");
        }
    }
    Vec::new()
}
