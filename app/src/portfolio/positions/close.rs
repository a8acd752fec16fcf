//! Closes: what is taken from a lot, at which price.

use chrono::NaiveDate;
use entity::core::{portfolio, position, position_realized_event as event};
use entity::ids::{PositionId, RealizedEventId, UserId};
use sea_orm::prelude::Decimal;
use sea_orm::{ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QueryOrder, Statement};

use super::draft::{is_amount, is_short, is_stored};
use super::fault::Fault;
use super::lot::NewClose;
use super::read::{self, Known, find_locked};
use super::splits::Splits;
use crate::db::{CoreDb, CoreTx};
use crate::error::{Error, Result};
use crate::idempotency::Attempt;
use crate::portfolio::{changed, day};

/// Closes of a lot.
const CLOSES_MAX: usize = 1000;
/// Digits after the point of quantities and prices.
const DECIMALS: u32 = 8;
/// What rounding a quantity to these digits may leave over.
const CRUMB: Decimal = Decimal::from_parts(1, 0, 0, false, DECIMALS);

/// A close as its owner speaks of it: in the units of its day.
#[derive(Clone, Debug)]
pub(crate) struct Close {
    /// None: all that is open.
    pub quantity: Option<Decimal>,
    /// A unit.
    pub price: Decimal,
    /// None: today.
    pub trade_date: Option<NaiveDate>,
}

/// What a close's result depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) entry_price: Decimal,
    pub(super) multiplier: Decimal,
    pub(super) is_short: bool,
}

impl Terms {
    fn of(row: &position::Model) -> Self {
        Self {
            entry_price: row.entry_price,
            multiplier: row.multiplier,
            is_short: is_short(row.position_type),
        }
    }

    /// Proceeds less cost, to the cent, in the lot's currency.
    pub(super) fn realized(self, close: &NewClose) -> Decimal {
        let gain = close.quantity * (close.price - self.entry_price) * self.multiplier;
        cents(if self.is_short { -gain } else { gain })
    }
}

/// To two digits, half away from zero.
fn cents(amount: Decimal) -> Decimal {
    let rounded = (amount.abs() + Decimal::new(5, 3)).trunc_with_scale(2);
    if amount.is_sign_negative() { -rounded } else { rounded }
}

/// What is wrong with a close of a lot of which this much is open, without sign.
pub(super) fn check_close(
    close: &NewClose,
    entry: NaiveDate,
    open: Decimal,
    multiplier: Decimal,
    today: NaiveDate,
) -> Result<(), Fault> {
    if close.quantity <= Decimal::ZERO || !is_amount(close.quantity) {
        return Err(Fault::CloseQuantity);
    }
    if close.price < Decimal::ZERO || !is_amount(close.price) {
        return Err(Fault::ClosePrice);
    }
    if close.trade_date < entry {
        return Err(Fault::CloseBeforeEntry);
    }
    if close.trade_date > today {
        return Err(Fault::CloseInFuture);
    }
    if close.quantity > open {
        return Err(Fault::CloseTooMuch);
    }
    if !is_stored(close.quantity, close.price, multiplier) {
        return Err(Fault::ClosePrice);
    }
    Ok(())
}

/// Takes something from a lot of the user's, or everything. Under a key the same close is
/// made once. 404, 409 `position_closed`, 422.
pub(crate) async fn close(
    core: &CoreDb,
    attempt: Attempt,
    user: UserId,
    id: PositionId,
    close: Close,
) -> Result<Known> {
    let tx = core.begin().await?;
    let (portfolio, row) = find_locked(&tx, user, id).await?;
    let made = if attempt.is_first {
        None
    } else {
        event::Entity::find_by_id(RealizedEventId(attempt.id))
            .filter(event::Column::PositionId.eq(id))
            .one(&tx)
            .await?
    };
    if made.is_none() {
        take(&tx, &portfolio, &row, RealizedEventId(attempt.id), close).await?;
    }
    let known = read::find(&tx, user, id).await?;
    tx.commit().await?;
    Ok(known)
}

/// Takes something from a lot; its portfolio is locked. Whoever calls it commits.
pub(super) async fn take(
    tx: &CoreTx,
    portfolio: &portfolio::Model,
    row: &position::Model,
    id: RealizedEventId,
    close: Close,
) -> Result<()> {
    if row.quantity.is_zero() {
        return Err(Error::conflict("position_closed", "nothing of this position is open"));
    }
    let closes = read::closes(tx, vec![row.id]).await?;
    if closes.len() >= CLOSES_MAX {
        let detail = format!("a position has at most {CLOSES_MAX} closes");
        return Err(Error::conflict("too_many_closes", detail));
    }
    let today = day::today(tx).await?;
    let trade_date = close.trade_date.unwrap_or(today);
    let splits = Splits::load(tx, [row.symbol.as_str()]).await?;
    let factor = splits.between(&row.symbol, row.entry_date, trade_date);
    let close = in_entry_units(&close, row.quantity.abs(), factor, id, trade_date)?;
    check_close(&close, row.entry_date, row.quantity.abs(), row.multiplier, today)?;
    let realized = (row.currency == portfolio.currency).then(|| Terms::of(row).realized(&close));
    event::Entity::insert(close.row(row.id, portfolio.id, realized)).exec_without_returning(tx).await?;
    settle(tx, row.id).await?;
    changed(tx, portfolio.id, trade_date).await
}

/// What its owner said, in units of the lot's entry.
fn in_entry_units(
    close: &Close,
    open: Decimal,
    factor: Decimal,
    id: RealizedEventId,
    trade_date: NaiveDate,
) -> Result<NewClose, Fault> {
    let quantity = match close.quantity {
        None => open,
        Some(given) if given <= Decimal::ZERO => return Err(Fault::CloseQuantity),
        Some(given) => {
            let quantity = given.checked_div(factor).ok_or(Fault::CloseQuantity)?.round_dp(DECIMALS);
            // A third of a hundred units is no number: who names all of them means all.
            if (quantity - open).abs() <= CRUMB && factor != Decimal::ONE { open } else { quantity }
        }
    };
    let price = close.price.checked_mul(factor).ok_or(Fault::ClosePrice)?.round_dp(DECIMALS);
    Ok(NewClose { id, trade_date, quantity, price })
}

/// Takes back the newest close of a lot of the user's. 404, also when there is none.
pub(crate) async fn reopen(core: &CoreDb, user: UserId, id: PositionId) -> Result<Known> {
    let tx = core.begin().await?;
    let (portfolio, _) = find_locked(&tx, user, id).await?;
    let last = event::Entity::find()
        .filter(event::Column::PositionId.eq(id))
        .order_by_desc(event::Column::TradeDate)
        .order_by_desc(event::Column::CreatedAt)
        .order_by_desc(event::Column::Id)
        .one(&tx)
        .await?
        .ok_or(Error::NotFound("close"))?;
    event::Entity::delete_by_id(last.id).exec(&tx).await?;
    settle(&tx, id).await?;
    changed(&tx, portfolio.id, last.trade_date).await?;
    let known = read::find(&tx, user, id).await?;
    tx.commit().await?;
    Ok(known)
}

/// Writes on a lot what its closes leave of it: quantity, exit, result. Its figures of the
/// last valuation go: they were of more, or of less.
pub(super) async fn settle(tx: &CoreTx, id: PositionId) -> Result<()> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "WITH closed AS (
             SELECT coalesce(sum(quantity_closed), 0) AS quantity,
                    CASE WHEN bool_and(realized_pnl IS NOT NULL) THEN sum(realized_pnl) END AS realized
               FROM position_realized_events WHERE position_id = $1),
         last AS (
             SELECT trade_date, price FROM position_realized_events WHERE position_id = $1
              ORDER BY trade_date DESC, created_at DESC, id DESC LIMIT 1)
         UPDATE positions AS lot
            SET quantity = lot.opened_quantity - sign(lot.opened_quantity) * closed.quantity,
                exit_price = CASE WHEN abs(lot.opened_quantity) = closed.quantity THEN (SELECT price FROM last) END,
                exit_date = CASE WHEN abs(lot.opened_quantity) = closed.quantity THEN (SELECT trade_date FROM last) END,
                realized_pnl = closed.realized, market_value = NULL, cost_basis = NULL, unrealized_pnl = NULL,
                updated_at = now()
           FROM closed WHERE lot.id = $1",
        [id.0.into()],
    );
    tx.execute_raw(statement).await?;
    Ok(())
}

/// Works out the results of a lot's closes again, after its entry was corrected. Those that
/// take a rate of exchange are left to the batch.
pub(super) async fn reprice(tx: &CoreTx, portfolio: &portfolio::Model, id: PositionId) -> Result<()> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "UPDATE position_realized_events AS taken
            SET realized_pnl = CASE WHEN lot.currency = $2 THEN
                    round(sign(lot.opened_quantity) * taken.quantity_closed * (taken.price - lot.entry_price)
                          * lot.multiplier, 2) END
           FROM positions AS lot WHERE lot.id = $1 AND taken.position_id = lot.id",
        [id.0.into(), portfolio.currency.clone().into()],
    );
    tx.execute_raw(statement).await?;
    settle(tx, id).await
}
