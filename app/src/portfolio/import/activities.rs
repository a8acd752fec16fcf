//! Files of activities: rows are trades and movements of cash. Trades become
//! lots; what closes a lot is found by [`super::matching`].

use chrono::NaiveDate;
use entity::core::position::InvestmentClass;
use sea_orm::prelude::Decimal;
use sea_orm::sea_query::prelude::rust_decimal::RoundingStrategy;

use super::activity::{self, Activity};
use super::cells::{Cells, Style};
use super::contract::{Contract, MULTIPLIER};
use super::field::Field;
use super::format::{Format, Known};
use super::issue::{Code, Issue, quoted};
use super::matching::{self, Asset, Trade};
use super::number;
use super::reading::{Flow, Reading};
use super::table::Table;
use crate::market;

/// Longest notes, in characters.
const NOTES_MAX: usize = 5000;

/// Reads the rows behind a heading.
pub(super) fn read(table: &Table, known: &Known, style: Style) -> Reading {
    let mut reading = Reading::default();
    let mut trades = Vec::new();
    let mut fees = (0_usize, Decimal::ZERO);
    let rows = table.rows.iter().skip(known.heading + 1).filter(|row| !row.is_blank());
    for row in rows {
        reading.rows += 1;
        if known.format == Format::Robinhood && row.filled() <= 1 {
            let text = row.cells.iter().find(|cell| !cell.is_empty()).map_or("", String::as_str);
            reading.note(Issue::row(row.line, Code::NoHolding, format!("no activity: {}", quoted(text))));
            continue;
        }
        let mut cells = Cells::new(row, &known.columns, style);
        if known.format != Format::Robinhood {
            cells.check_width();
        }
        let done = one(&mut cells, known.format);
        if let Some(fee) = cells.said(Field::Fee).and_then(|_| cells.number(Field::Fee))
            && matches!(done, Some(Done::Trade(_)))
            && !fee.is_zero()
        {
            fees = (fees.0 + 1, fees.1 + fee.abs());
        }
        match done {
            _ if !cells.is_right() => reading.reject(cells.issues),
            Some(Done::Trade(trade)) => trades.push(trade),
            Some(Done::Flow(flow)) => {
                reading.used += 1;
                reading.flows.push(flow);
            }
            Some(Done::Nothing(code, why)) => reading.note(Issue::row(row.line, code, why)),
            None => {
                let why = Issue::row(row.line, Code::UnknownActivity, "the row says nothing that is known");
                reading.reject(vec![why]);
            }
        }
    }
    if fees.0 > 0 {
        let message = format!("fees of {} trades, {} in all, are no part of the prices", fees.0, fees.1);
        reading.notes.push(Issue::file(Code::Fees, message));
    }
    matching::matched(trades, &mut reading);
    reading
}

/// What a row comes to.
enum Done {
    Trade(Trade),
    Flow(Flow),
    Nothing(Code, String),
}

fn one(cells: &mut Cells<'_>, format: Format) -> Option<Done> {
    let symbol = cells.text(Field::Symbol).unwrap_or_default();
    let is_cash = symbol.is_empty() || symbol.to_ascii_uppercase().starts_with("$CASH");
    let Some(word) = cells.said(Field::Activity) else {
        cells.wrong(Field::Activity, Code::UnknownActivity, "it is not said what was done");
        return None;
    };
    let Some(done) = activity::parse(format, word, is_cash) else {
        cells.wrong(Field::Activity, Code::UnknownActivity, format!("\"{}\" is not known", quoted(word)));
        return None;
    };
    let Some(date) = cells.day(Field::Date) else {
        if cells.is_right() {
            cells.wrong(Field::Date, Code::NoDate, "the date is missing");
        }
        return None;
    };
    match done {
        Activity::Dividend => {
            let why = "dividends follow from the market's data and what was held; stored here too they would count twice";
            Some(Done::Nothing(Code::Dividend, why.to_owned()))
        }
        Activity::Charge => {
            Some(Done::Nothing(Code::Charge, format!("{} is no part of a lot", quoted(&word.to_lowercase()))))
        }
        Activity::TransferOut => {
            cells.wrong(
                Field::Activity,
                Code::Untellable,
                "what went out without a price cannot be told as a close",
            );
            None
        }
        Activity::Deposit | Activity::Withdrawal | Activity::Transfer => {
            flow(cells, done, date).map(Done::Flow)
        }
        _ => trade(cells, format, done, date).map(Done::Trade),
    }
}

fn flow(cells: &mut Cells<'_>, done: Activity, date: NaiveDate) -> Option<Flow> {
    let amount = cells.number(Field::Amount).or_else(|| {
        let (quantity, price) = (cells.number(Field::Quantity)?, cells.number(Field::Price)?);
        quantity.checked_mul(price)
    });
    let currency = cells.currency();
    let Some(amount) = amount.filter(|_| cells.is_right()) else {
        if cells.is_right() {
            cells.wrong(Field::Amount, Code::NoPrice, "the amount is missing");
        }
        return None;
    };
    let amount = match done {
        Activity::Deposit => amount.abs(),
        Activity::Withdrawal => -amount.abs(),
        _ => amount,
    };
    let amount = amount.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
    if amount.is_zero() || !number::fits(amount) {
        cells.wrong(Field::Amount, Code::ZeroQuantity, "the amount is 0, or too large");
        return None;
    }
    Some(Flow { line: cells.row.line, date, amount, currency })
}

fn trade(cells: &mut Cells<'_>, format: Format, done: Activity, date: NaiveDate) -> Option<Trade> {
    let asset = asset(cells, format, done);
    let quantity = units(cells, done);
    let price = match done {
        Activity::Expire | Activity::Split | Activity::SplitUnits => Some(Decimal::ZERO),
        _ => price(cells, quantity, asset.as_ref()),
    };
    let currency = cells.currency();
    let notes = cells.limited(Field::Notes, NOTES_MAX);
    let (asset, quantity, price) = (asset?, quantity?, price?);
    let trade = Trade { line: cells.row.line, date, done, asset, quantity, price, currency, notes };
    cells.is_right().then_some(trade)
}

fn asset(cells: &mut Cells<'_>, format: Format, done: Activity) -> Option<Asset> {
    let Some(given) = cells.text(Field::Symbol) else {
        cells.wrong(Field::Symbol, Code::NoSymbol, "the symbol is missing");
        return None;
    };
    let is_option_trade = matches!(
        done,
        Activity::BuyToOpen
            | Activity::SellToClose
            | Activity::SellToOpen
            | Activity::BuyToClose
            | Activity::Expire
    );
    let described = cells.text(Field::Description).map(|text| {
        let text = text.lines().next().unwrap_or_default().trim();
        text.strip_prefix("Option Expiration for ").unwrap_or(text)
    });
    let contract =
        Contract::parse(given).or_else(|| described.filter(|_| is_option_trade).and_then(Contract::parse));
    if contract.is_none() && is_option_trade {
        cells.wrong(Field::Description, Code::IncompleteOption, "the description names no contract");
        return None;
    }
    if let Some(contract) = contract {
        let symbol = contract.symbol();
        let multiplier = Decimal::from(MULTIPLIER);
        return Some(Asset { symbol, contract: Some(contract), class: InvestmentClass::Options, multiplier });
    }
    let Some(symbol) = market::normalised(given) else {
        cells.wrong(Field::Symbol, Code::BadSymbol, format!("\"{}\" is no symbol", quoted(given)));
        return None;
    };
    // What Ghostfolio has no market's data for is worth what its owner says.
    let is_manual = format == Format::Ghostfolio && cells.said(Field::DataSource) == Some("MANUAL");
    let class = if is_manual { InvestmentClass::Private } else { InvestmentClass::Public };
    Some(Asset { symbol, contract: None, class, multiplier: Decimal::ONE })
}

/// Units, without sign; of a split the ratio or the units that came.
fn units(cells: &mut Cells<'_>, done: Activity) -> Option<Decimal> {
    let wrong = cells.issues.len();
    let given = if done == Activity::Split && cells.columns.has(Field::Amount) {
        cells.number(Field::Amount).filter(|ratio| !ratio.is_zero()).or_else(|| cells.number(Field::Quantity))
    } else {
        counted(cells)
    };
    if cells.issues.len() > wrong {
        return None;
    }
    match given {
        None => cells.wrong(Field::Quantity, Code::NoQuantity, "the quantity is missing"),
        Some(given) if given.is_zero() => {
            cells.wrong(Field::Quantity, Code::ZeroQuantity, "the quantity is 0");
        }
        Some(given) => return Some(given.abs()),
    }
    None
}

/// `2S`: some write behind the number of contracts that they were short.
fn counted(cells: &mut Cells<'_>) -> Option<Decimal> {
    let bare =
        cells.said(Field::Quantity)?.strip_suffix('S').map(|bare| number::parse(bare, cells.style.mark));
    match bare {
        Some(Ok(number)) => Some(number),
        _ => cells.number(Field::Quantity),
    }
}

/// The price a unit, or what it follows from.
fn price(cells: &mut Cells<'_>, quantity: Option<Decimal>, asset: Option<&Asset>) -> Option<Decimal> {
    let wrong = cells.issues.len();
    if let Some(price) = cells.price(Field::Price) {
        return Some(price);
    }
    let units = quantity.and_then(|quantity| quantity.checked_mul(asset?.multiplier));
    if let (Some(units), Some(amount)) = (units, cells.number(Field::Amount)) {
        let price = amount.checked_div(units).unwrap_or(Decimal::MAX).abs();
        let price = price.round_dp_with_strategy(number::DECIMALS, RoundingStrategy::MidpointAwayFromZero);
        if number::fits(price) {
            return Some(price.normalize());
        }
    }
    if cells.issues.len() == wrong {
        cells.wrong(Field::Price, Code::NoPrice, "the price is missing");
    }
    None
}
