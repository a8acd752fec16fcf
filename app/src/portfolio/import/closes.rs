//! Closes of lots that are there already.

use std::collections::BTreeSet;

use entity::core::{portfolio, position_realized_event as event};
use entity::ids::PositionId;
use sea_orm::ActiveValue::Set;
use sea_orm::{ConnectionTrait, DbBackend, EntityTrait, Statement};
use uuid::Uuid;

use crate::db::CoreTx;
use crate::error::Result;
use crate::portfolio::changed;
use crate::portfolio::positions::NewClose;

/// Rows a statement.
const ROWS_AT_ONCE: usize = 1000;

/// Adds closes to lots of a portfolio that is locked; they were compared with what is open.
pub(super) async fn add(
    tx: &CoreTx,
    portfolio: &portfolio::Model,
    closes: &[(PositionId, NewClose)],
) -> Result<()> {
    let Some(first) = closes.iter().map(|(_, close)| close.trade_date).min() else { return Ok(()) };
    for chunk in closes.chunks(ROWS_AT_ONCE) {
        let rows = chunk.iter().map(|(lot, close)| event::ActiveModel {
            id: Set(close.id),
            position_id: Set(*lot),
            portfolio_id: Set(portfolio.id),
            trade_date: Set(close.trade_date),
            quantity_closed: Set(close.quantity),
            price: Set(close.price),
            ..Default::default()
        });
        event::Entity::insert_many(rows).exec_without_returning(tx).await?;
    }
    let lots: BTreeSet<Uuid> = closes.iter().map(|(lot, _)| lot.0).collect();
    settle(tx, portfolio, lots.into_iter().collect()).await?;
    changed(tx, portfolio.id, first).await
}

/// Writes on lots what their closes leave of them. Results that take a rate of exchange are
/// left to the batch.
async fn settle(tx: &CoreTx, portfolio: &portfolio::Model, lots: Vec<Uuid>) -> Result<()> {
    let results = "UPDATE position_realized_events AS taken
            SET realized_pnl = round(sign(lot.opened_quantity) * taken.quantity_closed
                                     * (taken.price - lot.entry_price) * lot.multiplier, 2)
           FROM positions AS lot
          WHERE lot.id = ANY($1) AND lot.currency = $2 AND taken.position_id = lot.id AND taken.realized_pnl IS NULL";
    let values = [lots.clone().into(), portfolio.currency.clone().into()];
    tx.execute_raw(Statement::from_sql_and_values(DbBackend::Postgres, results, values)).await?;
    let quantities = "WITH closed AS (
             SELECT position_id, sum(quantity_closed) AS quantity,
                    CASE WHEN bool_and(realized_pnl IS NOT NULL) THEN sum(realized_pnl) END AS realized,
                    (array_agg(price ORDER BY trade_date DESC, created_at DESC, id DESC))[1] AS price,
                    max(trade_date) AS trade_date
               FROM position_realized_events WHERE position_id = ANY($1) GROUP BY position_id)
         UPDATE positions AS lot
            SET quantity = lot.opened_quantity - sign(lot.opened_quantity) * closed.quantity,
                exit_price = CASE WHEN abs(lot.opened_quantity) = closed.quantity THEN closed.price END,
                exit_date = CASE WHEN abs(lot.opened_quantity) = closed.quantity THEN closed.trade_date END,
                realized_pnl = closed.realized, market_value = NULL, cost_basis = NULL, unrealized_pnl = NULL,
                updated_at = now()
           FROM closed WHERE lot.id = closed.position_id";
    tx.execute_raw(Statement::from_sql_and_values(DbBackend::Postgres, quantities, [lots.into()])).await?;
    Ok(())
}
