//! Corrections of a lot. What happened to it later is a close, not a correction.

use chrono::{DateTime, Duration, NaiveDate, Utc};
use entity::core::{portfolio, position};
use entity::ids::{PositionId, RealizedEventId, UserId};
use sea_orm::ActiveValue::Set;
use sea_orm::prelude::Decimal;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use uuid::Uuid;

use super::close::{self, Close};
use super::draft::{is_notes, is_short, is_stored, is_subtype, signed, wrong_entry};
use super::fault::Fault;
use super::insert::{Priced, watched};
use super::read::{self, Known, find_locked};
use crate::auth::Change;
use crate::db::{CoreDb, CoreTx};
use crate::error::{Error, Result};
use crate::market;
use crate::portfolio::{changed, day};

/// How long a symbol can be corrected. Later it is another position.
const SYMBOL_WINDOW: Duration = Duration::minutes(5);

/// What to change; what is none stays.
#[derive(Clone, Debug, Default)]
pub(crate) struct Edit {
    pub(crate) symbol: Option<String>,
    /// As it was opened, in units of its entry.
    pub(crate) quantity: Option<Decimal>,
    pub(crate) entry_price: Option<Decimal>,
    pub(crate) entry_date: Option<NaiveDate>,
    pub(crate) investment_subtype: Change<String>,
    pub(crate) notes: Change<String>,
    /// After the corrections.
    pub(crate) close: Option<Close>,
}

/// Corrects a lot of the user's, then closes of it what is to be closed. 404, 409
/// `symbol_fixed`, `position_closed`, 422.
pub(crate) async fn change(core: &CoreDb, user: UserId, id: PositionId, edit: Edit) -> Result<Known> {
    let tx = core.begin().await?;
    let (portfolio, row) = find_locked(&tx, user, id).await?;
    let close = edit.close.clone();
    let row = correct(&tx, &portfolio, row, edit).await?;
    if let Some(close) = close {
        close::take(&tx, &portfolio, &row, RealizedEventId(Uuid::now_v7()), close).await?;
    }
    let known = read::find(&tx, user, id).await?;
    tx.commit().await?;
    Ok(known)
}

async fn correct(
    tx: &CoreTx,
    portfolio: &portfolio::Model,
    row: position::Model,
    edit: Edit,
) -> Result<position::Model> {
    let now = day::now(tx).await?;
    let mut corrected = row.clone();
    if let Some(quantity) = edit.quantity {
        corrected.opened_quantity = signed(quantity, row.position_type)?;
    }
    corrected.entry_price = edit.entry_price.unwrap_or(row.entry_price);
    corrected.entry_date = edit.entry_date.unwrap_or(row.entry_date);
    let faults = wrong_entry(corrected.entry_price, corrected.entry_date, now.date_naive());
    if !faults.is_empty() {
        return Err(faults.into());
    }
    if !is_stored(corrected.opened_quantity, corrected.entry_price, row.multiplier) {
        return Err(Fault::Value.into());
    }
    if let Some(symbol) = edit.symbol {
        corrected.symbol = symbol_of(&row, &symbol, now)?;
    }
    let subtype = edit.investment_subtype.apply(row.investment_subtype.clone());
    corrected.investment_subtype = require(subtype, is_subtype, Fault::Subtype)?;
    corrected.notes = require(edit.notes.apply(row.notes.clone()), is_notes, Fault::Notes)?;
    if corrected == row {
        return Ok(row);
    }
    let figures =
        |row: &position::Model| (row.opened_quantity, row.entry_price, row.entry_date, row.symbol.clone());
    let is_other = figures(&corrected) != figures(&row);
    if is_other {
        leave_open(tx, &row, &mut corrected).await?;
    }
    let written = write(tx, corrected).await?;
    if is_other {
        close::reprice(tx, portfolio, written.id).await?;
        if written.symbol != row.symbol {
            market::watch(tx, &watched(&Priced::from(&written), &portfolio.currency), None).await?;
        }
        changed(tx, portfolio.id, written.entry_date.min(row.entry_date)).await?;
    }
    Ok(written)
}

/// Another symbol, as long as it can be a slip of the hand.
fn symbol_of(row: &position::Model, given: &str, now: DateTime<Utc>) -> Result<String> {
    let symbol = market::normalised(given).ok_or(Fault::Symbol)?;
    if symbol != row.symbol && now - row.created_at > SYMBOL_WINDOW {
        let minutes = SYMBOL_WINDOW.num_minutes();
        let detail =
            format!("a symbol can be corrected for {minutes} minutes; delete the position and make another");
        return Err(Error::conflict("symbol_fixed", detail));
    }
    Ok(symbol)
}

fn require(text: Option<String>, is_right: fn(&str) -> bool, fault: Fault) -> Result<Option<String>> {
    match text {
        Some(text) if !is_right(&text) => Err(fault.into()),
        text => Ok(text),
    }
}

/// What its closes leave open of the corrected lot.
async fn leave_open(tx: &CoreTx, row: &position::Model, corrected: &mut position::Model) -> Result<()> {
    let taken = read::closes(tx, vec![row.id]).await?;
    if taken.first().is_some_and(|first| first.trade_date < corrected.entry_date) {
        return Err(Error::field("entry_date", "must not be after the first close"));
    }
    let closed: Decimal = taken.iter().map(|close| close.quantity_closed).sum();
    let open = corrected.opened_quantity.abs() - closed;
    if open < Decimal::ZERO {
        return Err(Error::field(
            "quantity",
            format!("must not be less than the {} that are closed", closed.normalize()),
        ));
    }
    let last = taken.last().filter(|_| open.is_zero());
    corrected.quantity = if is_short(row.position_type) { -open } else { open };
    corrected.exit_price = last.map(|close| close.price);
    corrected.exit_date = last.map(|close| close.trade_date);
    Ok(())
}

async fn write(tx: &CoreTx, row: position::Model) -> Result<position::Model> {
    let set = position::ActiveModel {
        symbol: Set(row.symbol),
        opened_quantity: Set(row.opened_quantity),
        quantity: Set(row.quantity),
        entry_price: Set(row.entry_price),
        entry_date: Set(row.entry_date),
        exit_price: Set(row.exit_price),
        exit_date: Set(row.exit_date),
        investment_subtype: Set(row.investment_subtype),
        notes: Set(row.notes),
        ..Default::default()
    };
    position::Entity::update_many()
        .set(set)
        .col_expr(position::Column::UpdatedAt, Expr::current_timestamp())
        .filter(position::Column::Id.eq(row.id))
        .exec_with_returning(tx)
        .await?
        .pop()
        .ok_or(Error::NotFound("position"))
}
