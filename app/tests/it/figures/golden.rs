//! Books worked out by hand (`tests/golden`), computed by the pure functions; `batch::golden` does
//! the same through the databases. P-CA-1, P-CA-2, P-CA-11.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::str::FromStr;

use chrono::NaiveDate;
use entity::core::position::{InvestmentClass, PositionType};
use entity::ids::{PortfolioId, PositionId, RealizedEventId};
use sea_orm::prelude::Decimal;
use serde::Deserialize;
use serde_json::{Value, json};
use tandem::market::{Calendar, Close, Event, Market, Series};
use tandem::portfolio::figures::{
    Account, Contract, Flow, Ledger, Lot, LotClose, Priced, Snapshot, Valuation, book, roll,
};
use uuid::Uuid;

type Days = BTreeMap<NaiveDate, String>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Golden {
    pub(crate) what: String,
    #[serde(default)]
    pub(crate) equity_balance: Option<String>,
    pub(crate) lots: Vec<GoldenLot>,
    #[serde(default)]
    pub(crate) flows: Vec<GoldenFlow>,
    pub(crate) prices: BTreeMap<String, GoldenPrices>,
    pub(crate) to: NaiveDate,
    pub(crate) expect: Vec<BTreeMap<String, Value>>,
    #[serde(default)]
    pub(crate) positions: BTreeMap<String, BTreeMap<String, Value>>,
    #[serde(default)]
    pub(crate) realized: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GoldenLot {
    pub(crate) id: String,
    pub(crate) symbol: String,
    #[serde(rename = "type")]
    pub(crate) kind: PositionType,
    #[serde(default = "public")]
    pub(crate) class: InvestmentClass,
    pub(crate) quantity: String,
    pub(crate) price: String,
    #[serde(default = "one")]
    pub(crate) multiplier: String,
    #[serde(default = "usd")]
    pub(crate) currency: String,
    pub(crate) day: NaiveDate,
    pub(crate) underlying: Option<String>,
    pub(crate) strike: Option<String>,
    pub(crate) expires: Option<NaiveDate>,
    #[serde(default)]
    pub(crate) closes: Vec<GoldenClose>,
    #[serde(default)]
    pub(crate) valuations: Days,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GoldenClose {
    pub(crate) day: NaiveDate,
    pub(crate) quantity: String,
    pub(crate) price: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GoldenFlow {
    pub(crate) day: NaiveDate,
    pub(crate) amount: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GoldenPrices {
    #[serde(default)]
    pub(crate) currency: Option<String>,
    pub(crate) closes: Days,
    #[serde(default)]
    pub(crate) splits: Days,
    #[serde(default)]
    pub(crate) dividends: Days,
}

fn public() -> InvestmentClass {
    InvestmentClass::Public
}

fn one() -> String {
    "1".to_owned()
}

fn usd() -> String {
    "USD".to_owned()
}

pub(crate) fn number(text: &str) -> Decimal {
    Decimal::from_str(text).unwrap()
}

impl Golden {
    /// Every file, by name.
    pub(crate) fn all() -> Vec<(String, Self)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        let mut all: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| {
                let path = entry.unwrap().path();
                let golden = serde_json::from_slice(&fs::read(&path).unwrap());
                let name = path.file_stem().unwrap().to_string_lossy().into_owned();
                (name, golden.unwrap_or_else(|error| panic!("{}: {error}", path.display())))
            })
            .collect();
        all.sort_by(|one: &(String, Self), other| one.0.cmp(&other.0));
        assert!(all.len() >= 12, "only {} golden files", all.len());
        all
    }

    pub(crate) fn account(&self) -> Account {
        Account {
            id: PortfolioId(Uuid::nil()),
            currency: usd(),
            equity_balance: self.equity_balance.as_deref().map(number),
            created_on: self.to,
            lots: self.lots.iter().map(GoldenLot::lot).collect(),
            flows: self
                .flows
                .iter()
                .map(|flow| Flow { day: flow.day, amount: number(&flow.amount) })
                .collect(),
        }
    }

    pub(crate) fn market(&self) -> Market {
        Market::of(self.prices.iter().map(|(symbol, prices)| {
            let closes =
                prices.closes.iter().map(|(date, price)| Close { date: *date, price: number(price) });
            let events = |days: &Days| {
                days.iter()
                    .map(|(ex_date, value)| Event { ex_date: *ex_date, value: number(value) })
                    .collect()
            };
            let series = Series::new(prices.currency.as_deref(), closes);
            (symbol.clone(), series.with_events(events(&prices.splits), events(&prices.dividends)))
        }))
    }
}

impl GoldenLot {
    fn lot(&self) -> Lot {
        Lot {
            id: PositionId(Uuid::nil()),
            symbol: self.symbol.clone(),
            kind: self.kind,
            class: self.class,
            opened: number(&self.quantity),
            multiplier: number(&self.multiplier),
            currency: self.currency.clone(),
            entry_price: number(&self.price),
            entry_date: self.day,
            contract: self.underlying.as_ref().map(|underlying| Contract {
                underlying: underlying.clone(),
                strike: number(self.strike.as_deref().unwrap()),
                expires_on: self.expires.unwrap(),
            }),
            closes: self
                .closes
                .iter()
                .map(|close| LotClose {
                    id: RealizedEventId(Uuid::nil()),
                    day: close.day,
                    quantity: number(&close.quantity),
                    price: number(&close.price),
                })
                .collect(),
            valuations: self
                .valuations
                .iter()
                .map(|(day, price)| Valuation { day: *day, price: number(price) })
                .collect(),
        }
    }
}

/// Snapshots of every trading day of an account up to a day.
pub(crate) fn snapshots(account: &Account, market: &Market, to: NaiveDate) -> Vec<Snapshot> {
    let days: Vec<NaiveDate> = Calendar::by_rule().days(account.begins_on().unwrap(), to).collect();
    let priced = Priced::new(account, market);
    roll(&priced, &Ledger::new(&priced), &days, None)
}

/// As the table has it: text by column, ratios as numbers.
pub(crate) fn columns(snapshot: &Snapshot) -> Value {
    let money = |sum: Decimal| format!("{sum:.2}");
    let Snapshot { exposures, daily, cumulative, .. } = snapshot;
    json!({
        "snapshot_date": snapshot.day,
        "total_value": money(snapshot.total_value),
        "cash_value": money(snapshot.cash_value),
        "long_value": money(exposures.long),
        "short_value": money(exposures.short),
        "gross_exposure": money(exposures.gross()),
        "net_exposure": money(exposures.net()),
        "cost_basis": money(exposures.cost_basis),
        "unrealized_pnl": money(exposures.unrealized_pnl),
        "daily_pnl": money(snapshot.daily_pnl),
        "daily_realized_pnl": money(daily.realized),
        "daily_income": money(daily.income),
        "daily_capital_flow": money(daily.flow),
        "daily_return": snapshot.daily_return,
        "cumulative_pnl": money(snapshot.cumulative_pnl),
        "cumulative_realized_pnl": money(cumulative.realized),
        "cumulative_income": money(cumulative.income),
        "cumulative_capital_flow": money(cumulative.flow),
        "cumulative_return": snapshot.cumulative_return,
        "num_positions": exposures.positions().to_string(),
        "num_long_positions": exposures.long_positions.to_string(),
        "num_short_positions": exposures.short_positions.to_string(),
        "is_complete": snapshot.quality.is_complete().to_string(),
        "quality": snapshot.quality,
    })
}

/// Holds what was computed to what was worked out by hand: money to the cent, ratios to 1e-12.
#[track_caller]
pub(crate) fn check(name: &str, expected: &BTreeMap<String, Value>, found: &Value) {
    for (column, expected) in expected.iter().filter(|(column, _)| *column != "why") {
        let found = found.get(column).unwrap_or_else(|| panic!("{name}: no column {column}"));
        let is_equal = match (expected, found) {
            (Value::Number(expected), Value::Number(found)) => {
                (expected.as_f64().unwrap() - found.as_f64().unwrap()).abs() < 1e-12
            }
            // Counts that are not named are 0.
            (Value::Object(expected), Value::Object(found)) => found
                .iter()
                .all(|(name, count)| expected.get(name).unwrap_or(&json!(0)).as_u64() == count.as_u64()),
            (expected, found) => expected == found,
        };
        assert!(is_equal, "{name}, {column}: expected {expected}, found {found}");
    }
}

#[test]
fn every_golden_book_is_right_to_the_cent() {
    for (name, golden) in Golden::all() {
        let (account, market) = (golden.account(), golden.market());
        let snapshots = snapshots(&account, &market, golden.to);
        for expected in &golden.expect {
            let day = expected["snapshot_date"].as_str().unwrap();
            let found = snapshots.iter().find(|snapshot| snapshot.day.to_string() == day);
            let found = found.unwrap_or_else(|| panic!("{name}: no snapshot of {day}"));
            check(&format!("{name} on {day} ({})", golden.what), expected, &columns(found));
        }
    }
}

#[test]
fn a_book_is_what_its_snapshot_says() {
    for (name, golden) in Golden::all() {
        let (account, market) = (golden.account(), golden.market());
        for snapshot in snapshots(&account, &market, golden.to) {
            let book = book(&account, &market, snapshot.day);
            assert_eq!(book.exposures, snapshot.exposures, "{name}");
            let sum: Decimal = book.positions.iter().filter_map(|one| Some(one.worth?.market_value)).sum();
            assert_eq!(sum, book.exposures.net(), "{name}");
            assert_eq!(snapshot.total_value, snapshot.cash_value + snapshot.exposures.net(), "{name}");
        }
    }
}
