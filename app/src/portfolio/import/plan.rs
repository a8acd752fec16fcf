//! What of a reading is new to a portfolio.

use std::collections::{BTreeSet, HashMap, HashSet};

use chrono::NaiveDate;
use entity::core::{portfolio, position};
use entity::ids::{PositionId, RealizedEventId};
use sea_orm::prelude::Decimal;
use sea_orm::{ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, Statement};
use uuid::Uuid;

use super::contract::Contract;
use super::ids::{Ids, is_imported};
use super::issue::{Code, Issue};
use super::reading::{Lot, Reading};
use crate::db::CoreTx;
use crate::error::Result;
use crate::portfolio::positions::{NewClose, NewLot};

/// Ids a query.
const IDS_AT_ONCE: usize = 1000;

/// What is to be stored.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Lots that are new, or come back.
    pub(super) lots: Vec<NewLot>,
    /// Closes of lots that are there.
    pub(super) closes: Vec<(PositionId, NewClose)>,
    /// Lots that are there.
    pub(super) unchanged: usize,
    /// Lots that their owner deleted, and that stay so.
    pub(super) deleted: usize,
    /// Closes that are there.
    pub(super) closes_unchanged: usize,
    /// Closes of lots that are new.
    pub(super) closes_of_new: usize,
}

/// A lot that is there.
struct There {
    is_deleted: bool,
    open: Decimal,
}

/// Compares a reading with a portfolio that is locked. What contradicts it becomes an error
/// of the reading, what stays deleted a note.
pub(super) async fn plan(
    tx: &CoreTx,
    portfolio: &portfolio::Model,
    reading: &mut Reading,
    revives: bool,
) -> Result<Plan> {
    let mut ids = Ids::of(portfolio.id);
    let mut lots: Vec<(u64, NewLot, Vec<u64>)> = Vec::with_capacity(reading.lots.len());
    for lot in &reading.lots {
        let id = ids.lot(lot);
        let lines = lot.closes.iter().map(|close| close.line).collect();
        lots.push((lot.line, new_lot(portfolio, lot, id, &mut ids), lines));
    }
    let there = lots_there(tx, portfolio, &lots).await?;
    let known = closes_there(tx, portfolio, &lots).await?;
    let expected: HashSet<RealizedEventId> =
        lots.iter().flat_map(|(_, lot, _)| lot.closes.iter().map(|close| close.id)).collect();
    let moved = known.moved(&expected);
    let mut plan = Plan::default();
    for (line, lot, lines) in lots {
        let is_moved = |close: &NewClose| {
            !known.ids.contains(&close.id) && moved.contains(&(lot.symbol.as_str(), close.trade_date))
        };
        if let Some(place) = lot.closes.iter().position(is_moved) {
            let message = format!(
                "{} was closed on that day by an earlier import, from other lots: the files do not tell the same story",
                lot.symbol
            );
            let at = lines.get(place).copied().unwrap_or(line);
            reading.errors.push(Issue::row(at, Code::ClosedOtherwise, message));
            continue;
        }
        match there.get(&lot.id) {
            Some(There { is_deleted: true, .. }) if !revives => {
                plan.deleted += 1;
                let message = "was deleted before and stays so; say revive=true to take it in again";
                reading.notes.push(Issue::row(line, Code::Deleted, message));
            }
            Some(There { is_deleted: false, open }) => {
                plan.unchanged += 1;
                let new: Vec<NewClose> =
                    lot.closes.into_iter().filter(|close| !known.ids.contains(&close.id)).collect();
                plan.closes_unchanged += lines.len() - new.len();
                let closed: Decimal = new.iter().map(|close| close.quantity).sum();
                if closed > *open {
                    let message = format!(
                        "closes {closed}, but only {open} of the lot is open; it was closed otherwise"
                    );
                    let at = lines.first().copied().unwrap_or(line);
                    reading.errors.push(Issue::row(at, Code::ClosedOtherwise, message));
                    continue;
                }
                plan.closes.extend(new.into_iter().map(|close| (lot.id, close)));
            }
            _ => {
                plan.closes_of_new += lot.closes.len();
                plan.lots.push(lot);
            }
        }
    }
    Ok(plan)
}

fn new_lot(portfolio: &portfolio::Model, lot: &Lot, id: PositionId, ids: &mut Ids) -> NewLot {
    let closes = lot.closes.iter().map(|close| NewClose {
        id: ids.close(id, close),
        trade_date: close.date,
        quantity: close.quantity,
        price: close.price,
    });
    let closes = closes.collect();
    let of = |part: fn(&Contract) -> String| lot.contract.as_ref().map(part);
    NewLot {
        id,
        symbol: lot.symbol.clone(),
        position_type: lot.position_type,
        investment_class: lot.class,
        investment_subtype: lot.subtype.clone(),
        opened_quantity: lot.quantity,
        multiplier: lot.multiplier,
        currency: lot.currency.clone().unwrap_or_else(|| portfolio.currency.clone()),
        entry_price: lot.entry_price,
        entry_date: lot.entry_date,
        underlying_symbol: of(|contract| contract.underlying.clone()),
        strike_price: lot.contract.as_ref().map(|contract| contract.strike),
        expiration_date: lot.contract.as_ref().map(|contract| contract.expiry),
        notes: lot.notes.clone(),
        closes,
    }
}

async fn lots_there(
    tx: &CoreTx,
    portfolio: &portfolio::Model,
    lots: &[(u64, NewLot, Vec<u64>)],
) -> Result<HashMap<PositionId, There>> {
    let mut there = HashMap::new();
    for chunk in lots.chunks(IDS_AT_ONCE) {
        let rows = position::Entity::find()
            .filter(position::Column::PortfolioId.eq(portfolio.id))
            .filter(position::Column::Id.is_in(chunk.iter().map(|(_, lot, _)| lot.id)))
            .all(tx)
            .await?;
        there.extend(
            rows.into_iter().map(|row| {
                (row.id, There { is_deleted: row.deleted_at.is_some(), open: row.quantity.abs() })
            }),
        );
    }
    Ok(there)
}

/// Closes that are there, of lots of a file's symbols.
#[derive(Default)]
struct Closes {
    ids: HashSet<RealizedEventId>,
    imported: Vec<(RealizedEventId, String, NaiveDate)>,
}

impl Closes {
    /// Symbols and days of imported closes that the file does not have so: it matches them otherwise.
    fn moved(&self, expected: &HashSet<RealizedEventId>) -> HashSet<(&str, NaiveDate)> {
        let others = self.imported.iter().filter(|(id, ..)| !expected.contains(id));
        others.map(|(_, symbol, day)| (symbol.as_str(), *day)).collect()
    }
}

async fn closes_there(
    tx: &CoreTx,
    portfolio: &portfolio::Model,
    lots: &[(u64, NewLot, Vec<u64>)],
) -> Result<Closes> {
    let closed = lots.iter().filter(|(_, lot, _)| !lot.closes.is_empty());
    let symbols: BTreeSet<String> = closed.map(|(_, lot, _)| lot.symbol.clone()).collect();
    let symbols: Vec<String> = symbols.into_iter().collect();
    let mut found = Closes::default();
    for chunk in symbols.chunks(IDS_AT_ONCE) {
        let statement = Statement::from_sql_and_values(
            DbBackend::Postgres,
            "SELECT taken.id, lot.symbol, taken.trade_date
               FROM position_realized_events AS taken JOIN positions AS lot ON lot.id = taken.position_id
              WHERE taken.portfolio_id = $1 AND lot.deleted_at IS NULL AND lot.symbol = ANY($2)",
            [portfolio.id.0.into(), chunk.to_vec().into()],
        );
        for row in tx.query_all_raw(statement).await? {
            let id: Uuid = row.try_get("", "id")?;
            found.ids.insert(RealizedEventId(id));
            if is_imported(id) {
                let close = (RealizedEventId(id), row.try_get("", "symbol")?, row.try_get("", "trade_date")?);
                found.imported.push(close);
            }
        }
    }
    Ok(found)
}
