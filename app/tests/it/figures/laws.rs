//! Laws that hold for every book: made up at random, with proptest.

use chrono::{Days, NaiveDate};
use entity::core::position::{InvestmentClass, PositionType};
use entity::ids::{PortfolioId, PositionId, RealizedEventId};
use proptest::prelude::*;
use sea_orm::prelude::Decimal;
use tandem::market::{Close, Event, Market, Series};
use tandem::portfolio::figures::{
    Account, Flow, Lot, LotClose, Snapshot, cumulative, drawdown, money_weighted,
};
use uuid::Uuid;

use super::golden::snapshots;

const SYMBOLS: [&str; 3] = ["ALFA", "BETA", "GAMA"];
const LAST_DAY: u64 = 40;

fn first() -> NaiveDate {
    NaiveDate::from_ymd_opt(2024, 1, 2).unwrap()
}

fn day(offset: u64) -> NaiveDate {
    first() + Days::new(offset)
}

fn cents(cents: i64) -> Decimal {
    Decimal::new(cents, 2)
}

/// A lot, and perhaps a close of a part of it, some days later.
fn lot() -> impl Strategy<Value = Lot> {
    (0..SYMBOLS.len(), any::<bool>(), 1_i64..500, 1_i64..50_000, 0..20_u64, 1..10_u64, 0_i64..=100).prop_map(
        |(symbol, is_short, quantity, price, opened_on, after, closed)| {
            let opened = Decimal::from(if is_short { -quantity } else { quantity });
            let quantity_closed = opened.abs() * Decimal::from(closed) / Decimal::from(100);
            let close = LotClose {
                id: RealizedEventId(Uuid::nil()),
                day: day(opened_on + after),
                quantity: quantity_closed,
                price: cents(price + 7),
            };
            Lot {
                id: PositionId(Uuid::nil()),
                symbol: SYMBOLS[symbol].to_owned(),
                kind: if is_short { PositionType::Short } else { PositionType::Long },
                class: InvestmentClass::Public,
                opened,
                multiplier: Decimal::ONE,
                currency: "USD".to_owned(),
                entry_price: cents(price),
                entry_date: day(opened_on),
                contract: None,
                closes: if closed == 0 { Vec::new() } else { vec![close] },
                valuations: Vec::new(),
            }
        },
    )
}

/// Closes of some of the days; dividends of some.
fn market() -> impl Strategy<Value = Market> {
    let series = (
        proptest::collection::btree_map(0..LAST_DAY, 1_i64..50_000, 1..40),
        proptest::collection::btree_map(0..LAST_DAY, 1_i64..200, 0..3),
    );
    proptest::collection::vec(series, SYMBOLS.len()).prop_map(|all| {
        Market::of(SYMBOLS.iter().zip(all).map(|(symbol, (closes, dividends))| {
            let closes = closes.into_iter().map(|(at, price)| Close { date: day(at), price: cents(price) });
            let dividends =
                dividends.into_iter().map(|(at, value)| Event { ex_date: day(at), value: cents(value) });
            (
                (*symbol).to_owned(),
                Series::new(Some("USD"), closes).with_events(Vec::new(), dividends.collect()),
            )
        }))
    })
}

fn account(lots: Vec<Lot>, equity_balance: Option<i64>) -> Account {
    Account {
        id: PortfolioId(Uuid::nil()),
        currency: "USD".to_owned(),
        equity_balance: equity_balance.map(Decimal::from),
        created_on: first(),
        lots,
        flows: Vec::new(),
    }
}

fn computed(account: &Account, market: &Market) -> Vec<Snapshot> {
    snapshots(account, market, day(LAST_DAY))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Totals do not depend on the order of the lots.
    #[test]
    fn permutation(lots in proptest::collection::vec(lot(), 1..8), market in market()) {
        let mut turned = lots.clone();
        turned.reverse();
        prop_assert_eq!(computed(&account(lots, None), &market), computed(&account(turned, None), &market));
    }

    /// Ten times the units are ten times the money, and the same returns. Amounts
    /// here are whole cents already, so nothing is lost by rounding.
    #[test]
    fn scale(lots in proptest::collection::vec(lot(), 1..8), market in market()) {
        let whole: Vec<Lot> = lots.into_iter().map(|lot| Lot { closes: Vec::new(), ..lot }).collect();
        let ten = Decimal::TEN;
        let larger = whole.iter().map(|lot| Lot { opened: lot.opened * ten, ..lot.clone() }).collect();
        let (one, other) = (computed(&account(whole, None), &market), computed(&account(larger, None), &market));
        for (one, other) in one.iter().zip(&other) {
            prop_assert_eq!(one.total_value * ten, other.total_value);
            prop_assert_eq!(one.daily_pnl * ten, other.daily_pnl);
            prop_assert_eq!(one.cumulative.income * ten, other.cumulative.income);
            prop_assert_eq!(one.daily_return.is_some(), other.daily_return.is_some());
            if let Some((one, other)) = one.daily_return.zip(other.daily_return) {
                // Over next to no capital a return has many digits before the point.
                prop_assert!((one - other).abs() <= 1e-12 * one.abs().max(1.0), "{} and {}", one, other);
            }
        }
    }

    /// A book and its mirror image, short for long, gain nothing together.
    #[test]
    fn sign(lots in proptest::collection::vec(lot(), 1..8), market in market()) {
        let mirrored = lots.iter().map(|lot| Lot { opened: -lot.opened, ..lot.clone() }).collect();
        let (one, other) = (computed(&account(lots, None), &market), computed(&account(mirrored, None), &market));
        for (one, other) in one.iter().zip(&other) {
            prop_assert_eq!(one.daily_pnl + other.daily_pnl, Decimal::ZERO);
            prop_assert_eq!(one.exposures.net() + other.exposures.net(), Decimal::ZERO);
            prop_assert_eq!(one.exposures.gross(), other.exposures.gross());
        }
    }

    /// Capital that comes in or goes out changes equity and cash by as much, and no P&L.
    #[test]
    fn flows_are_no_gain(
        lots in proptest::collection::vec(lot(), 1..6), market in market(), at in 0..LAST_DAY, sum in -90_000_i64..90_000
    ) {
        let plain = account(lots, Some(1_000_000));
        let flow = Flow { day: plain.begins_on().unwrap().max(day(at)), amount: cents(sum) };
        let with = Account { flows: vec![flow], ..plain.clone() };
        for (one, other) in computed(&plain, &market).iter().zip(&computed(&with, &market)) {
            let expected = if flow.day <= one.day { flow.amount } else { Decimal::ZERO };
            prop_assert_eq!(one.daily_pnl, other.daily_pnl);
            prop_assert_eq!(other.total_value - one.total_value, expected);
            prop_assert_eq!(other.cash_value - one.cash_value, expected);
        }
    }

    /// Nothing counts twice and a gap loses nothing: days add up to the total, also if some are left out.
    #[test]
    fn days_add_up(lots in proptest::collection::vec(lot(), 1..8), market in market()) {
        let account = account(lots, None);
        let all = computed(&account, &market);
        let sum: Decimal = all.iter().map(|snapshot| snapshot.daily_pnl).sum();
        let last = all.last().unwrap();
        prop_assert_eq!(sum, last.cumulative_pnl);
        prop_assert_eq!(last.cumulative_pnl, last.exposures.unrealized_pnl + last.cumulative.realized + last.cumulative.income);
        // What a purchase brings and a close takes leaves no cash but dividends.
        for snapshot in &all {
            prop_assert_eq!(snapshot.cash_value, snapshot.cumulative.income);
        }
    }

    /// A drawdown is between nothing and everything, and ends where it says.
    #[test]
    fn drawdowns_are_bounded(returns in proptest::collection::vec(-0.5_f64..0.5, 0..60)) {
        let found = drawdown(&returns);
        prop_assert!((-1.0..=0.0).contains(&found.worst));
        prop_assert!(found.peak <= found.trough && found.current <= 0.0 && found.current >= found.worst);
        let fall = cumulative(&returns[found.peak..found.trough]);
        prop_assert!((fall - found.worst).abs() < 1e-12);
    }

    /// What was put in at a rate comes back at that rate.
    #[test]
    fn money_weighted_finds_the_rate(
        rate in -0.9_f64..3.0, puts in proptest::collection::vec((0_u64..2_000, 1.0_f64..1e6), 1..6)
    ) {
        let end = 2_100_u64;
        let years = |at: u64| f64::from(u32::try_from(end - at).unwrap()) / 365.0;
        let mut flows: Vec<(NaiveDate, f64)> = puts.iter().map(|(at, sum)| (day(*at), -sum)).collect();
        flows.push((day(end), puts.iter().map(|(at, sum)| sum * (1.0 + rate).powf(years(*at))).sum()));
        let found = money_weighted(&flows).unwrap();
        prop_assert!((found - rate).abs() < 1e-6 * (1.0 + rate.abs()), "{} {}", found, rate);
    }
}
