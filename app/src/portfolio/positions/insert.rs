//! The one way lots come in.

use std::collections::{HashMap, HashSet};

use entity::core::position::InvestmentClass;
use entity::core::{portfolio, position, position_realized_event as event, position_valuation};
use entity::ids::PositionId;
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{ColumnTrait, EntityTrait, Iterable, PaginatorTrait, QueryFilter};

use super::lot::NewLot;
use crate::db::CoreTx;
use crate::error::{Error, Result};
use crate::market::{self, Watched};
use crate::portfolio::changed;

/// Lots of a portfolio that are not deleted.
const LOTS_MAX: u64 = 10_000;
/// Rows a statement inserts at most: each has some twenty parameters of 65,535.
const ROWS_AT_ONCE: usize = 1000;

/// What became of a lot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is new.
    Created,
    /// It was there, and stays as it is.
    Unchanged,
    /// It had been deleted, and is there again as given.
    Revived,
}

/// Stores lots in a portfolio that is locked, with their closes; says what became of each,
/// in their order. A lot whose id is there already stays as it is, and comes back if it was
/// deleted. 409 `too_many_positions`.
///
/// Whoever calls it has checked them ([`super::Draft::check`], [`NewLot::check_closes`]) and
/// commits. Their symbols are followed from now on, and the portfolio's figures are to be
/// computed again from the first of them.
pub async fn insert(tx: &CoreTx, portfolio: &portfolio::Model, lots: Vec<NewLot>) -> Result<Vec<Outcome>> {
    let known = known(tx, portfolio, &lots).await?;
    let mut seen = HashSet::new();
    let outcomes: Vec<Outcome> = lots
        .iter()
        .map(|lot| match known.get(&lot.id) {
            // The same id twice is the same lot.
            _ if !seen.insert(lot.id) => Outcome::Unchanged,
            None => Outcome::Created,
            Some(IsDeleted(false)) => Outcome::Unchanged,
            Some(IsDeleted(true)) => Outcome::Revived,
        })
        .collect();
    let stored: Vec<&NewLot> = lots
        .iter()
        .zip(&outcomes)
        .filter_map(|(lot, outcome)| (*outcome != Outcome::Unchanged).then_some(lot))
        .collect();
    let Some(first_day) = stored.iter().map(|lot| lot.entry_date).min() else { return Ok(outcomes) };
    require_room(tx, portfolio, stored.len()).await?;
    let revived: Vec<PositionId> =
        stored.iter().map(|lot| lot.id).filter(|id| known.contains_key(id)).collect();
    if !revived.is_empty() {
        forget_events(tx, revived).await?;
    }
    for chunk in stored.chunks(ROWS_AT_ONCE) {
        let rows = chunk.iter().map(|lot| lot.row(portfolio));
        position::Entity::insert_many(rows).on_conflict(as_given()).exec_without_returning(tx).await?;
    }
    let events: Vec<event::ActiveModel> = stored.iter().flat_map(|lot| lot.events(portfolio)).collect();
    for chunk in events.chunks(ROWS_AT_ONCE) {
        event::Entity::insert_many(chunk.to_vec()).exec_without_returning(tx).await?;
    }
    let watched: Vec<Watched> =
        stored.iter().flat_map(|lot| watched(&Priced::from(*lot), &portfolio.currency)).collect();
    market::watch(tx, &watched, None).await?;
    changed(tx, portfolio.id, first_day).await?;
    Ok(outcomes)
}

struct IsDeleted(bool);

/// What happened to a lot that was deleted was of its former life; tags and target prices stay.
async fn forget_events(tx: &CoreTx, ids: Vec<PositionId>) -> Result<()> {
    let theirs = event::Column::PositionId.is_in(ids.iter().copied());
    event::Entity::delete_many().filter(theirs).exec(tx).await?;
    let theirs = position_valuation::Column::PositionId.is_in(ids);
    position_valuation::Entity::delete_many().filter(theirs).exec(tx).await?;
    Ok(())
}

/// A row that is there becomes what was given, as a new one would be.
fn as_given() -> OnConflict {
    let others = position::Column::iter().filter(|column| !matches!(column, position::Column::Id));
    OnConflict::column(position::Column::Id).update_columns(others).to_owned()
}

/// Those among the lots that are there. A lot of another portfolio is in the way of none:
/// ids say which portfolio they are of, or come from nowhere.
async fn known(
    tx: &CoreTx,
    portfolio: &portfolio::Model,
    lots: &[NewLot],
) -> Result<HashMap<PositionId, IsDeleted>> {
    let mut known = HashMap::new();
    for chunk in lots.chunks(ROWS_AT_ONCE) {
        let rows = position::Entity::find()
            .filter(position::Column::PortfolioId.eq(portfolio.id))
            .filter(position::Column::Id.is_in(chunk.iter().map(|lot| lot.id)))
            .all(tx)
            .await?;
        known.extend(rows.into_iter().map(|row| (row.id, IsDeleted(row.deleted_at.is_some()))));
    }
    Ok(known)
}

async fn require_room(tx: &CoreTx, portfolio: &portfolio::Model, more: usize) -> Result<()> {
    let there = position::Entity::find()
        .filter(position::Column::PortfolioId.eq(portfolio.id))
        .filter(Expr::col(position::Column::DeletedAt).is_null())
        .count(tx)
        .await?;
    if there + more as u64 > LOTS_MAX {
        let detail = format!("a portfolio has at most {LOTS_MAX} positions");
        return Err(Error::conflict("too_many_positions", detail));
    }
    Ok(())
}

/// What tells which prices value a lot.
pub(super) struct Priced<'a> {
    pub(super) symbol: &'a str,
    pub(super) underlying: Option<&'a str>,
    pub(super) class: InvestmentClass,
    pub(super) currency: &'a str,
}

impl<'a> From<&'a NewLot> for Priced<'a> {
    fn from(lot: &'a NewLot) -> Self {
        Self {
            symbol: &lot.symbol,
            underlying: lot.underlying_symbol.as_deref(),
            class: lot.investment_class,
            currency: &lot.currency,
        }
    }
}

impl<'a> From<&'a position::Model> for Priced<'a> {
    fn from(row: &'a position::Model) -> Self {
        Self {
            symbol: &row.symbol,
            underlying: row.underlying_symbol.as_deref(),
            class: row.investment_class,
            currency: &row.currency,
        }
    }
}

/// The symbols whose prices value a lot in a portfolio's currency. One without a market has
/// none of its own.
pub(super) fn watched(lot: &Priced<'_>, currency: &str) -> Vec<Watched> {
    let mut watched = Vec::new();
    let mut watch = |symbol: &str, asset_type, currency: Option<&str>| {
        let currency = currency.map(str::to_owned);
        watched.push(Watched { symbol: symbol.to_owned(), asset_type, currency });
    };
    if lot.class != InvestmentClass::Private {
        let asset_type = if lot.underlying.is_some() { "option" } else { "equity" };
        watch(lot.symbol, asset_type, Some(lot.currency));
    }
    if let Some(underlying) = lot.underlying {
        watch(underlying, "equity", None);
    }
    if lot.currency != currency {
        watch(&format!("{}/{currency}", lot.currency), "fx", Some(currency));
    }
    watched
}
