//! Where prices come from: CSV files ([`file`], the default, offline) or a
//! service of the net ([`tiingo`]). Figures never wait for a provider: they are
//! computed from what is stored.

mod file;
mod tiingo;

use std::path::PathBuf;

use chrono::NaiveDate;
use entity::core::corporate_action::CorporateActionKind;
use futures::future::BoxFuture;
use sea_orm::prelude::Decimal;
use serde::Serialize;

use crate::config::{MarketProvider, Settings};
use crate::error::{Error, Result};

/// The folder of shipped prices in the cache.
const SHIPPED: &str = "market";
/// The name of shipped prices where data say where they are from.
const SHIPPED_SOURCE: &str = "skfolio";

/// Where prices come from.
pub trait Provider: Send + Sync + std::fmt::Debug {
    /// Kept with each row.
    fn name(&self) -> &'static str;

    /// How many symbols may be asked at once; what one call answers is stored before the next.
    fn symbols_max(&self) -> usize;

    /// Prices, splits and dividends of each symbol, from its day on to `to`. An error says that asking
    /// for others is useless too; what is wrong with one symbol stands in the answer.
    fn daily<'a>(&'a self, wanted: &'a [Wanted], to: NaiveDate) -> BoxFuture<'a, Result<Daily>>;
}

/// A symbol, and from which day on something is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// As it is stored.
    pub symbol: String,
    /// First day.
    pub from: NaiveDate,
}

/// What a provider answered.
#[derive(Clone, Debug, Default)]
pub struct Daily {
    /// Prices, in any order.
    pub bars: Vec<Bar>,
    /// Splits and dividends, in any order.
    pub actions: Vec<Action>,
    /// Symbols without an answer.
    pub failed: Vec<Failed>,
    /// It gives no more now: its limit is reached, or it is away.
    pub is_exhausted: bool,
}

/// Prices of a day, as they were paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bar {
    /// As it is stored.
    pub symbol: String,
    /// Day.
    pub date: NaiveDate,
    /// First price.
    pub open: Option<Decimal>,
    /// Highest price.
    pub high: Option<Decimal>,
    /// Lowest price.
    pub low: Option<Decimal>,
    /// Last price.
    pub close: Decimal,
    /// Units traded.
    pub volume: Option<i64>,
}

/// A split or a dividend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// As it is stored.
    pub symbol: String,
    /// From this day on prices are without it.
    pub ex_date: NaiveDate,
    /// Which of the two.
    pub kind: CorporateActionKind,
    /// Split: new units for an old one. Dividend: money a unit.
    pub value: Decimal,
}

/// A symbol without an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failed {
    /// The symbol.
    pub symbol: String,
    /// Why, for people to read.
    pub reason: String,
}

impl Failed {
    pub(super) fn of(wanted: &Wanted, reason: impl Into<String>) -> Self {
        Self { symbol: wanted.symbol.clone(), reason: reason.into() }
    }
}

/// The provider of the settings; none if it is `file` and there is no folder.
pub fn configured(settings: &Settings) -> Result<Option<Box<dyn Provider>>> {
    let market = &settings.market;
    match (market.provider, &market.data_dir) {
        (MarketProvider::File, None) => Ok(None),
        (MarketProvider::File, Some(folder)) => Ok(Some(Box::new(file::Files::new("file", folder.clone())))),
        (MarketProvider::Tiingo, _) => Ok(Some(Box::new(tiingo::Tiingo::new(market)?))),
    }
}

/// The prices that are shipped for trials: twenty shares and an index from 1990 and five factor funds
/// from 2014 to the end of 2022, adjusted for splits and dividends. Never used unless asked for.
pub fn shipped(settings: &Settings) -> Result<Box<dyn Provider>> {
    let folder: PathBuf = settings.embedded.cache_dir.join(SHIPPED);
    if !folder.join("LICENSE").is_file() {
        return Err(Error::startup(
            format!("the shipped prices are not in {}", folder.display()),
            "run `make setup`, which fetches them",
        ));
    }
    Ok(Box::new(file::Files::new(SHIPPED_SOURCE, folder)))
}
