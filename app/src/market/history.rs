//! Prices of days, for people to look at.

use chrono::NaiveDate;
use entity::core::corporate_action::CorporateActionKind;
use entity::core::position::InvestmentClass;
use entity::core::{corporate_action, portfolio, position, price, symbol};
use entity::ids::{PortfolioId, UserId};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::Serialize;
use utoipa::ToSchema;

use crate::db::CoreConn;
use crate::error::{Error, Result};
use crate::web::Money;

/// Splits and dividends of an answer; a share has four a year.
const EVENTS_MAX: u64 = 20_000;

/// Prices of a symbol.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct History {
    /// The symbol.
    pub symbol: String,
    /// Of its prices; null: not known.
    pub currency: Option<String>,
    /// As they were paid, oldest first.
    pub prices: Vec<DayPrice>,
    /// Splits with a first day in the range.
    pub splits: Vec<Happened>,
    /// Dividends with a first day in the range.
    pub dividends: Vec<Happened>,
}

/// Prices of a day.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DayPrice {
    /// Day.
    pub date: NaiveDate,
    /// First price.
    pub open: Option<Money>,
    /// Highest price.
    pub high: Option<Money>,
    /// Lowest price.
    pub low: Option<Money>,
    /// Last price.
    pub close: Money,
    /// Units traded.
    pub volume: Option<i64>,
}

/// A split or a dividend.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Happened {
    /// From this day on prices are without it.
    pub ex_date: NaiveDate,
    /// Split: new units for an old one. Dividend: money a unit.
    pub value: Money,
}

/// Histories, and whether some of them are cut.
#[derive(Clone, Debug)]
pub struct Histories {
    /// By symbol; one for each symbol that was asked for, empty if nothing is known.
    pub symbols: Vec<History>,
    /// The newest day of all.
    pub as_of: Option<NaiveDate>,
    /// How many prices there are.
    pub count: usize,
    /// There are more.
    pub is_truncated: bool,
}

/// Prices of these symbols from `from` to `to`, at most `limit`, symbol by symbol.
pub async fn history(
    core: &impl CoreConn,
    symbols: &[String],
    from: NaiveDate,
    to: NaiveDate,
    limit: u64,
) -> Result<Histories> {
    let mut wanted = symbols.to_vec();
    wanted.sort_unstable();
    wanted.dedup();
    let mut rows = price::Entity::find()
        .filter(price::Column::Symbol.is_in(wanted.clone()))
        .filter(price::Column::Date.between(from, to))
        .order_by_asc(price::Column::Symbol)
        .order_by_asc(price::Column::Date)
        .limit(limit + 1)
        .all(core)
        .await?;
    let is_truncated = rows.len() as u64 > limit;
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let events = corporate_action::Entity::find()
        .filter(corporate_action::Column::Symbol.is_in(wanted.clone()))
        .filter(corporate_action::Column::ExDate.between(from, to))
        .order_by_asc(corporate_action::Column::ExDate)
        .limit(EVENTS_MAX)
        .all(core)
        .await?;
    let known = symbol::Entity::find().filter(symbol::Column::Symbol.is_in(wanted.clone())).all(core).await?;
    let count = rows.len();
    let as_of = rows.iter().map(|row| row.date).max();
    let mut rows = rows.into_iter().peekable();
    let symbols = wanted.into_iter().map(|symbol| {
        let prices =
            std::iter::from_fn(|| rows.next_if(|row| row.symbol == symbol)).map(DayPrice::from).collect();
        let of_kind = |kind: CorporateActionKind| {
            let events = events.iter().filter(|event| event.symbol == symbol && event.kind == kind);
            events.map(|event| Happened { ex_date: event.ex_date, value: event.value.into() }).collect()
        };
        let currency = known.iter().find(|row| row.symbol == symbol).and_then(|row| row.currency.clone());
        let (splits, dividends) =
            (of_kind(CorporateActionKind::Split), of_kind(CorporateActionKind::Dividend));
        History { symbol, currency, prices, splits, dividends }
    });
    Ok(Histories { symbols: symbols.collect(), as_of, count, is_truncated })
}

impl From<price::Model> for DayPrice {
    fn from(row: price::Model) -> Self {
        Self {
            date: row.date,
            open: row.open.map(Money),
            high: row.high.map(Money),
            low: row.low.map(Money),
            close: Money(row.close),
            volume: row.volume,
        }
    }
}

/// The symbols of a user's portfolio that have a market, with the underlyings of its options; at most `limit`, in
/// order. 404 if the portfolio is not the user's.
pub async fn held(core: &impl CoreConn, user: UserId, id: PortfolioId, limit: u64) -> Result<Vec<String>> {
    let owned = portfolio::Entity::find_by_id(id)
        .filter(portfolio::Column::UserId.eq(user))
        .filter(portfolio::Column::DeletedAt.is_null());
    owned.one(core).await?.ok_or(Error::NotFound("portfolio"))?;
    let rows: Vec<(String, Option<String>)> = position::Entity::find()
        .select_only()
        .column(position::Column::Symbol)
        .column(position::Column::UnderlyingSymbol)
        .distinct()
        .filter(position::Column::PortfolioId.eq(id))
        .filter(position::Column::DeletedAt.is_null())
        .filter(position::Column::InvestmentClass.ne(InvestmentClass::Private))
        .order_by_asc(position::Column::Symbol)
        .limit(limit)
        .into_tuple()
        .all(core)
        .await?;
    let mut symbols: Vec<String> =
        rows.into_iter().flat_map(|(symbol, underlying)| [Some(symbol), underlying]).flatten().collect();
    symbols.sort_unstable();
    symbols.dedup();
    symbols.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(symbols)
}
