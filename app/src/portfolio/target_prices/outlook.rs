//! What follows from target prices.
//!
//! | figure | formula |
//! |---|---|
//! | return | (target - price) / price x 100, with the other sign when short |
//! | value | sum over lots of signed units x multiplier x (target - price) x rate: what a short lot gains is above 0 |
//! | weight | value of the lots without its sign / equity |
//! | contribution | weight x return |
//!
//! Price: what the owner compared with, else the mark of the lots, else the newest close.

use chrono::NaiveDate;
use entity::core::target_price;
use entity::ids::PortfolioId;
use sea_orm::prelude::Decimal;
use sea_orm::sea_query::prelude::rust_decimal::prelude::ToPrimitive;

use crate::db::CoreConn;
use crate::error::{Error, Result};
use crate::market::Market;
use crate::portfolio::figures::{Account, Ledger, Lot, Priced, Valued, cents, needs, roll};
use crate::portfolio::positions::is_short;
use crate::portfolio::{day, lots};

/// A portfolio today.
pub(super) struct Today {
    day: NaiveDate,
    account: Account,
    market: Market,
}

/// The same, valued.
pub(super) struct Book<'a> {
    today: &'a Today,
    open: Vec<Valued>,
    equity: Decimal,
}

/// What follows from one target price.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Outlook {
    /// Compared with; none: no price is known.
    pub(super) price: Option<Decimal>,
    /// Of that price; none if the owner gave it.
    pub(super) price_date: Option<NaiveDate>,
    /// Open units of today, signed.
    pub(super) quantity: Decimal,
    /// Lots it is about.
    pub(super) lots: usize,
    /// In the portfolio's currency, signed; none: it cannot be valued.
    pub(super) market_value: Option<Decimal>,
    /// Of the equity.
    pub(super) weight: Option<f64>,
    /// At the end of the year.
    pub(super) eoy: Gain,
    /// At the end of the next.
    pub(super) next_year: Gain,
    /// If it goes badly.
    pub(super) downside: Gain,
}

/// What a target would bring.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Gain {
    /// In percent.
    pub(super) percent: Option<f64>,
    /// In the portfolio's currency.
    pub(super) value: Option<Decimal>,
    /// To the portfolio's return, in percent.
    pub(super) contribution: Option<f64>,
}

impl Today {
    /// Reads what target prices of a portfolio are compared with. The caller has made sure that it may be read.
    pub(super) async fn load(
        core: &impl CoreConn,
        id: PortfolioId,
        rows: &[target_price::Model],
    ) -> Result<Self> {
        let today = day::today(core).await?;
        let account = lots::load(core, &[id]).await?.pop().ok_or(Error::NotFound("portfolio"))?;
        let mut needs = needs([&account], today);
        needs.symbols.extend(rows.iter().map(|row| row.symbol.clone()));
        let market = lots::prices(core, &needs, today).await?;
        Ok(Self { day: today, account, market })
    }

    pub(super) fn book(&self) -> Book<'_> {
        let priced = Priced::new(&self.account, &self.market);
        let open = priced.on(self.day).collect();
        let snapshot = roll(&priced, &Ledger::new(&priced), &[self.day], None).pop();
        Book { today: self, open, equity: snapshot.map(|snapshot| snapshot.total_value).unwrap_or_default() }
    }
}

impl Book<'_> {
    /// Equity today, in the portfolio's currency.
    pub(super) fn equity(&self) -> Decimal {
        self.equity
    }

    /// How many symbols are open.
    pub(super) fn open_lots(&self) -> usize {
        self.open.len()
    }

    /// The value of all open lots without their signs.
    pub(super) fn gross(&self) -> Decimal {
        self.open.iter().filter_map(|valued| valued.worth).map(|worth| worth.market_value.abs()).sum()
    }

    /// Places of the open lots that a target is about.
    pub(super) fn places(&self, row: &target_price::Model) -> Vec<usize> {
        let about = |lot: &Lot| match row.position_id {
            Some(id) => lot.id == id,
            None => lot.symbol == row.symbol && row.position_type.is_none_or(|kind| kind == lot.kind),
        };
        let open = self.open.iter().filter(|valued| self.lot(valued).is_some_and(about));
        open.map(|valued| valued.lot).collect()
    }

    /// What follows from a target.
    pub(super) fn outlook(&self, row: &target_price::Model) -> Outlook {
        self.outlook_of(row, &self.places(row))
    }

    /// What follows from a target for one open lot.
    pub(super) fn of_lot(&self, place: usize, row: &target_price::Model) -> Outlook {
        self.outlook_of(row, &[place])
    }

    fn outlook_of(&self, row: &target_price::Model, places: &[usize]) -> Outlook {
        let lots: Vec<&Valued> = self.open.iter().filter(|valued| places.contains(&valued.lot)).collect();
        let close = || self.today.market.find(&row.symbol)?.latest();
        let mark = lots.first().map(|valued| (valued.mark.price, valued.mark.day));
        let known = mark.or_else(|| close().map(|close| (close.price, close.date)));
        let price = row.current_price.or(known.map(|(price, _)| price)).map(|price| price.normalize());
        let worth: Option<Vec<Decimal>> =
            lots.iter().map(|valued| Some(valued.worth?.market_value)).collect();
        let market_value =
            worth.filter(|worth| !worth.is_empty()).map(|worth| worth.into_iter().sum::<Decimal>());
        let weight = market_value.and_then(|value| ratio(value.abs(), self.equity));
        let quantity: Decimal = lots.iter().map(|valued| valued.quantity).sum();
        let is_short = row.position_type.map_or(quantity.is_sign_negative() && !quantity.is_zero(), is_short);
        let gain = |target: Option<Decimal>| self.gain(target, price, &lots, is_short, weight);
        Outlook {
            price,
            price_date: known.map(|(_, day)| day).filter(|_| row.current_price.is_none()),
            quantity: quantity.normalize(),
            lots: lots.len(),
            market_value,
            weight,
            eoy: gain(row.target_price_eoy),
            next_year: gain(row.target_price_next_year),
            downside: gain(row.downside_target_price),
        }
    }

    fn gain(
        &self,
        target: Option<Decimal>,
        price: Option<Decimal>,
        lots: &[&Valued],
        is_short: bool,
        weight: Option<f64>,
    ) -> Gain {
        let (Some(target), Some(price)) = (target, price) else { return Gain::default() };
        let Some(rise) = target.checked_sub(price) else { return Gain::default() };
        let toward = if is_short { -rise } else { rise };
        let percent = ratio(toward, price).map(|ratio| ratio * 100.0);
        let values: Option<Vec<Decimal>> = lots.iter().map(|valued| self.value(valued, rise)).collect();
        let value = values.filter(|values| !values.is_empty()).map(|values| values.into_iter().sum());
        let contribution = percent.zip(weight).map(|(percent, weight)| percent * weight);
        Gain { percent, value, contribution }
    }

    /// What a rise of the price brings a lot, in the portfolio's currency.
    fn value(&self, valued: &Valued, rise: Decimal) -> Option<Decimal> {
        let lot = self.lot(valued)?;
        let rate = self.today.market.fx(&lot.currency, &self.today.account.currency, self.today.day)?;
        let exact = valued.quantity.checked_mul(lot.multiplier)?.checked_mul(rise)?.checked_mul(rate)?;
        Some(cents(exact))
    }

    fn lot(&self, valued: &Valued) -> Option<&Lot> {
        self.today.account.lots.get(valued.lot)
    }
}

/// None where there is nothing to compare with.
fn ratio(part: Decimal, whole: Decimal) -> Option<f64> {
    if whole <= Decimal::ZERO {
        return None;
    }
    part.checked_div(whole)?.to_f64()
}

#[cfg(test)]
mod tests {
    use entity::core::position::{InvestmentClass, PositionType};
    use entity::ids::{PositionId, TargetPriceId};
    use uuid::Uuid;

    use super::*;
    use crate::market::{Close, Series};

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn lot(number: u128, symbol: &str, kind: PositionType, opened: i64, multiplier: i64) -> Lot {
        Lot {
            id: PositionId(Uuid::from_u128(number)),
            symbol: symbol.to_owned(),
            kind,
            class: InvestmentClass::Public,
            opened: opened.into(),
            multiplier: multiplier.into(),
            currency: "USD".to_owned(),
            entry_price: 100.into(),
            entry_date: day("2024-01-02"),
            contract: None,
            closes: Vec::new(),
            valuations: Vec::new(),
        }
    }

    fn today() -> Today {
        let close =
            |price: i64| Series::new(Some("USD"), [Close { date: day("2024-01-05"), price: price.into() }]);
        Today {
            day: day("2024-01-05"),
            account: Account {
                id: PortfolioId(Uuid::nil()),
                currency: "USD".to_owned(),
                equity_balance: Some(100_000.into()),
                created_on: day("2024-01-02"),
                lots: vec![
                    lot(1, "AAPL", PositionType::Long, 100, 1),
                    lot(2, "AAPL", PositionType::Long, 50, 1),
                    lot(3, "TSLA", PositionType::Short, -40, 1),
                ],
                flows: Vec::new(),
            },
            market: Market::of([
                ("AAPL".to_owned(), close(120)),
                ("TSLA".to_owned(), close(80)),
                ("MSFT".to_owned(), close(400)),
            ]),
        }
    }

    fn target(symbol: &str, eoy: i64) -> target_price::Model {
        target_price::Model {
            id: TargetPriceId(Uuid::nil()),
            portfolio_id: PortfolioId(Uuid::nil()),
            position_id: None,
            symbol: symbol.to_owned(),
            position_type: None,
            target_price_eoy: Some(eoy.into()),
            target_price_next_year: None,
            downside_target_price: None,
            current_price: None,
            analyst_notes: None,
            data_source: None,
            created_at: chrono::DateTime::UNIX_EPOCH,
            updated_at: chrono::DateTime::UNIX_EPOCH,
        }
    }

    /// Equity: 100,000 + 150 x 20 gained long + 40 x 20 gained short = 103,800.
    #[test]
    fn returns_values_and_weights_follow_from_lots_and_closes() {
        let today = today();
        let book = today.book();
        assert_eq!(book.equity(), 103_800.into());
        let long = book.outlook(&target("AAPL", 150));
        assert_eq!((long.price, long.quantity, long.lots), (Some(120.into()), 150.into(), 2));
        // (150 - 120) / 120 = 25 %; 150 x 30 = 4,500; 18,000 / 103,800.
        assert_eq!((long.eoy.percent, long.eoy.value), (Some(25.0), Some(4_500.into())));
        assert!((long.weight.unwrap() - 18_000.0 / 103_800.0).abs() < 1e-12);
        assert!((long.eoy.contribution.unwrap() - 25.0 * 18_000.0 / 103_800.0).abs() < 1e-12);
        // A short lot gains when the price falls: (60 - 80) / 80 = -25 %, the other sign; -40 x -20 = 800.
        let short = book.outlook(&target("TSLA", 60));
        assert_eq!((short.eoy.percent, short.eoy.value), (Some(25.0), Some(800.into())));
    }

    #[test]
    fn a_target_is_about_one_lot_a_type_or_all_and_may_be_compared_with_a_price_of_its_own() {
        let today = today();
        let book = today.book();
        let one =
            target_price::Model { position_id: Some(PositionId(Uuid::from_u128(2))), ..target("AAPL", 150) };
        assert_eq!(book.outlook(&one).quantity, 50.into());
        let none = target_price::Model { position_type: Some(PositionType::Short), ..target("AAPL", 150) };
        let none = book.outlook(&none);
        assert_eq!((none.lots, none.weight, none.eoy.value, none.eoy.percent), (0, None, None, Some(-25.0)));
        let own = target_price::Model { current_price: Some(100.into()), ..target("AAPL", 150) };
        let own = book.outlook(&own);
        assert_eq!((own.eoy.percent, own.price_date, own.eoy.value), (Some(50.0), None, Some(7_500.into())));
        // Not held: the return is known, the value is not.
        let watched = book.outlook(&target("MSFT", 500));
        assert_eq!((watched.eoy.percent, watched.eoy.value, watched.market_value), (Some(25.0), None, None));
        assert_eq!(book.outlook(&target("NONE", 1)).eoy, Gain::default());
    }
}
