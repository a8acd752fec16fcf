//! Closes, splits, dividends and exchange rates in memory: read once, asked
//! often, without I/O.
//!
//! A close takes 20 bytes: 5,000 symbols over a year are 25 MB.

use std::collections::HashMap;

use chrono::{Datelike, NaiveDate};
use sea_orm::prelude::Decimal;

/// The currency through which two others are compared that are quoted against each other nowhere.
const BRIDGE: &str = "USD";

/// A price and the day it is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close {
    /// Its day.
    pub date: NaiveDate,
    /// As it was paid, in the symbol's currency.
    pub price: Decimal,
}

/// A split or a dividend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// From this day on prices are without it.
    pub ex_date: NaiveDate,
    /// Split: new units for an old one. Dividend: money a unit.
    pub value: Decimal,
}

/// What is known of one symbol; by day, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Series {
    currency: Option<String>,
    /// Days of the common era.
    days: Vec<i32>,
    prices: Vec<Decimal>,
    splits: Vec<Event>,
    dividends: Vec<Event>,
}

impl Series {
    /// A series of closes, in any order, one a day.
    pub fn new(currency: Option<&str>, closes: impl IntoIterator<Item = Close>) -> Self {
        let mut closes: Vec<Close> = closes.into_iter().collect();
        closes.sort_by_key(|close| close.date);
        let days = closes.iter().map(|close| close.date.num_days_from_ce()).collect();
        let prices = closes.iter().map(|close| close.price).collect();
        Self::of_columns(currency.map(str::to_owned), days, prices)
    }

    /// The same from columns that are sorted already.
    pub(super) fn of_columns(currency: Option<String>, days: Vec<i32>, prices: Vec<Decimal>) -> Self {
        Self { currency, days, prices, ..Self::default() }
    }

    /// With these splits and dividends, in any order.
    #[must_use]
    pub fn with_events(mut self, mut splits: Vec<Event>, mut dividends: Vec<Event>) -> Self {
        splits.sort_by_key(|event| event.ex_date);
        dividends.sort_by_key(|event| event.ex_date);
        (self.splits, self.dividends) = (splits, dividends);
        self
    }

    /// In which its prices are, if that is known.
    pub fn currency(&self) -> Option<&str> {
        self.currency.as_deref()
    }

    /// The close of the day, else the newest before it that was loaded.
    pub fn close_on_or_before(&self, date: NaiveDate) -> Option<Close> {
        let day = date.num_days_from_ce();
        self.at(self.days.partition_point(|known| *known <= day).checked_sub(1)?)
    }

    /// The newest close before the day that was loaded.
    pub fn close_before(&self, date: NaiveDate) -> Option<Close> {
        self.close_on_or_before(date.pred_opt()?)
    }

    /// The newest close.
    pub fn latest(&self) -> Option<Close> {
        self.at(self.days.len().checked_sub(1)?)
    }

    /// The newest close and the one before it.
    pub fn last_two(&self) -> (Option<Close>, Option<Close>) {
        let before = self.days.len().checked_sub(2).and_then(|index| self.at(index));
        (self.latest(), before)
    }

    /// Every close that was loaded, oldest first.
    pub fn closes(&self) -> impl ExactSizeIterator<Item = Close> + '_ {
        (0..self.days.len()).map(|index| Close { date: date(self.days[index]), price: self.prices[index] })
    }

    /// Every split up to the last day that was loaded, oldest first.
    pub fn splits(&self) -> &[Event] {
        &self.splits
    }

    /// Every dividend up to the last day that was loaded, oldest first.
    pub fn dividends(&self) -> &[Event] {
        &self.dividends
    }

    /// Units that one of `after` has become on `upto`: the product of the splits
    /// with `after < ex_date <= upto`. None if it can no longer be counted.
    pub fn split_factor(&self, after: NaiveDate, upto: NaiveDate) -> Option<Decimal> {
        let mut splits = self.splits.iter().filter(|split| after < split.ex_date && split.ex_date <= upto);
        splits.try_fold(Decimal::ONE, |factor, split| factor.checked_mul(split.value))
    }

    fn at(&self, index: usize) -> Option<Close> {
        Some(Close { date: date(*self.days.get(index)?), price: *self.prices.get(index)? })
    }
}

fn date(day: i32) -> NaiveDate {
    NaiveDate::from_num_days_from_ce_opt(day).unwrap_or_default()
}

/// Some symbols, and the rates between currencies. See [`super::load`] for what is in it.
#[derive(Clone, Debug, Default)]
pub struct Market {
    places: HashMap<String, usize>,
    series: Vec<Series>,
    rates: HashMap<String, Series>,
}

impl Market {
    /// Of these symbols; pairs such as `EUR/USD` also serve as rates.
    pub fn of(series: impl IntoIterator<Item = (String, Series)>) -> Self {
        let mut market = Self::default();
        for (symbol, series) in series {
            if symbol.len() == 7 && symbol.as_bytes()[3] == b'/' {
                market.rates.insert(symbol.clone(), series.clone());
            }
            market.places.insert(symbol, market.series.len());
            market.series.push(series);
        }
        market
    }

    /// With these rates beside those that are among the symbols.
    pub(super) fn with_rates(mut self, rates: impl IntoIterator<Item = (String, Series)>) -> Self {
        self.rates.extend(rates);
        self
    }

    /// Where a symbol is; none if it was not asked for.
    pub fn index_of(&self, symbol: &str) -> Option<usize> {
        self.places.get(symbol).copied()
    }

    /// What is known of the symbol at this place; nothing beyond the last place.
    pub fn series(&self, symbol: usize) -> &Series {
        const NOTHING: &Series = &Series {
            currency: None,
            days: Vec::new(),
            prices: Vec::new(),
            splits: Vec::new(),
            dividends: Vec::new(),
        };
        self.series.get(symbol).unwrap_or(NOTHING)
    }

    /// What is known of a symbol; none if it was not asked for.
    pub fn find(&self, symbol: &str) -> Option<&Series> {
        self.series.get(self.index_of(symbol)?)
    }

    /// The close of the day, else the newest before it that was loaded.
    pub fn close_on_or_before(&self, symbol: usize, date: NaiveDate) -> Option<Close> {
        self.series(symbol).close_on_or_before(date)
    }

    /// The newest close before the day that was loaded.
    pub fn previous_close(&self, symbol: usize, date: NaiveDate) -> Option<Close> {
        self.series(symbol).close_before(date)
    }

    /// The newest close.
    pub fn latest(&self, symbol: usize) -> Option<Close> {
        self.series(symbol).latest()
    }

    /// What one unit of `from` is worth in `to` at the end of the day: the pair's newest rate, else one
    /// over the other way round, else through the US dollar. None: no rate is known by then.
    pub fn fx(&self, from: &str, to: &str, date: NaiveDate) -> Option<Decimal> {
        if from == to {
            return Some(Decimal::ONE);
        }
        self.quoted(from, to, date).or_else(|| {
            if from == BRIDGE || to == BRIDGE {
                return None;
            }
            self.quoted(from, BRIDGE, date)?.checked_mul(self.quoted(BRIDGE, to, date)?)
        })
    }

    fn quoted(&self, from: &str, to: &str, date: NaiveDate) -> Option<Decimal> {
        let rate = |one: &str, other: &str| {
            let series = self.rates.get(&format!("{one}/{other}"))?;
            series.close_on_or_before(date).map(|close| close.price)
        };
        rate(from, to).or_else(|| Decimal::ONE.checked_div(rate(to, from)?))
    }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn money(text: &str) -> Decimal {
        Decimal::from_str(text).unwrap()
    }

    fn series(closes: &[(&str, &str)]) -> Series {
        Series::new(
            Some("USD"),
            closes.iter().map(|(date, price)| Close { date: day(date), price: money(price) }),
        )
    }

    #[test]
    fn a_day_without_a_close_has_the_newest_before_it() {
        let market = Market::of([(
            "AAPL".to_owned(),
            series(&[("2024-01-05", "181.18"), ("2024-01-02", "185.64"), ("2024-01-03", "184.25")]),
        )]);
        let aapl = market.index_of("AAPL").unwrap();
        let price = |date: &str| market.close_on_or_before(aapl, day(date)).map(|close| close.price);
        assert_eq!(price("2024-01-01"), None);
        assert_eq!(price("2024-01-02"), Some(money("185.64")));
        assert_eq!(price("2024-01-04"), Some(money("184.25")));
        assert_eq!(price("2030-01-01"), Some(money("181.18")));
        assert_eq!(market.previous_close(aapl, day("2024-01-05")).unwrap().date, day("2024-01-03"));
        assert_eq!(market.previous_close(aapl, day("2024-01-02")), None);
        assert_eq!(market.latest(aapl).unwrap().date, day("2024-01-05"));
        let (last, before) = market.series(aapl).last_two();
        assert_eq!((last.unwrap().date, before.unwrap().date), (day("2024-01-05"), day("2024-01-03")));
        assert!(market.index_of("MSFT").is_none());
        assert!(market.latest(99).is_none());
    }

    #[test]
    fn splits_count_from_their_ex_date_on() {
        let split = |date: &str, value: &str| Event { ex_date: day(date), value: money(value) };
        let series =
            Series::default().with_events(vec![split("2022-06-06", "20"), split("2014-06-09", "7")], vec![]);
        let factor = |after: &str, upto: &str| series.split_factor(day(after), day(upto)).unwrap();
        assert_eq!(factor("2014-06-08", "2014-06-08"), Decimal::ONE);
        assert_eq!(factor("2014-06-08", "2014-06-09"), money("7"));
        // A trade on the ex-date is without the split.
        assert_eq!(factor("2014-06-09", "2022-06-05"), Decimal::ONE);
        assert_eq!(factor("2000-01-01", "2024-01-01"), money("140"));
    }

    #[test]
    fn a_rate_is_the_pair_or_its_inverse_or_through_the_dollar() {
        let market = Market::of([
            ("EUR/USD".to_owned(), series(&[("2024-01-02", "1.25")])),
            ("USD/JPY".to_owned(), series(&[("2024-01-02", "150")])),
            ("GBP/EUR".to_owned(), series(&[("2024-01-04", "1.1"), ("2024-01-05", "1.2")])),
        ]);
        let rate = |from: &str, to: &str, date: &str| market.fx(from, to, day(date));
        assert_eq!(rate("EUR", "EUR", "1900-01-01"), Some(Decimal::ONE));
        assert_eq!(rate("EUR", "USD", "2024-01-03"), Some(money("1.25")));
        assert_eq!(rate("USD", "EUR", "2024-01-02"), Some(money("0.8")));
        assert_eq!(rate("EUR", "JPY", "2024-01-02"), Some(money("187.5")));
        assert_eq!(rate("EUR", "USD", "2024-01-01"), None);
        assert_eq!(rate("GBP", "EUR", "2024-01-03"), None);
        assert_eq!(rate("GBP", "EUR", "2024-01-05"), Some(money("1.2")));
        // One bridge, not two.
        assert_eq!(rate("GBP", "JPY", "2024-01-05"), None);
        assert_eq!(rate("CHF", "USD", "2024-01-05"), None);
    }
}
