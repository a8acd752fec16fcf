//! Made, corrected while it is fresh, deleted while it is not old.

use chrono::{Duration, NaiveDate};
use entity::core::equity_change::{self, Column, Entity, EquityChangeType, Model};
use entity::ids::{EquityChangeId, PortfolioId, UserId};
use sea_orm::ActiveValue::Set;
use sea_orm::prelude::Decimal;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};

use super::CHANGES_MAX;
use super::read::{find, of, require};
use crate::auth::Change;
use crate::db::{CoreDb, CoreTx};
use crate::error::{Error, Result};
use crate::idempotency::{self, Attempt};
use crate::portfolio::{changed, day, lock_owned};

/// How long after it was entered one can be corrected.
const EDIT_WINDOW: Duration = Duration::days(7);
/// How long after it was entered one can be deleted.
const DELETE_WINDOW: Duration = Duration::days(30);

/// One to be; its fields were checked.
#[derive(Clone, Debug)]
pub(crate) struct NewChange {
    pub(crate) change_type: EquityChangeType,
    pub(crate) amount: Decimal,
    pub(crate) change_date: NaiveDate,
    pub(crate) notes: Option<String>,
}

/// What to correct; what is none stays.
#[derive(Clone, Debug, Default)]
pub(crate) struct Edit {
    pub(crate) change_type: Option<EquityChangeType>,
    pub(crate) amount: Option<Decimal>,
    pub(crate) change_date: Option<NaiveDate>,
    pub(crate) notes: Change<String>,
}

/// The one `attempt` is to make: made now, or by an earlier try. 409 `too_many_equity_changes`.
pub(crate) async fn make(
    core: &CoreDb,
    attempt: Attempt,
    user: UserId,
    portfolio: PortfolioId,
    new: NewChange,
) -> Result<Model> {
    let id = EquityChangeId(attempt.id);
    if !attempt.is_first {
        match find(core, user, portfolio, id).await {
            Err(Error::NotFound("equity change")) => {}
            found => return found,
        }
    }
    let tx = core.begin().await?;
    lock_owned(&tx, user, portfolio).await?;
    require_past(&tx, new.change_date).await?;
    if of(portfolio).count(&tx).await? >= CHANGES_MAX {
        let detail = format!("a portfolio has at most {CHANGES_MAX} contributions and withdrawals");
        return Err(Error::conflict("too_many_equity_changes", detail));
    }
    let row = equity_change::ActiveModel {
        id: Set(id),
        portfolio_id: Set(portfolio),
        change_type: Set(new.change_type),
        amount: Set(new.amount),
        change_date: Set(new.change_date),
        notes: Set(new.notes),
        created_by_user_id: Set(user),
        ..Default::default()
    };
    let made = Entity::insert(row).exec_with_returning(&tx).await?;
    changed(&tx, portfolio, made.change_date).await?;
    tx.commit().await?;
    Ok(made)
}

/// Corrects one of the user's. 409 `equity_change_fixed`.
pub(crate) async fn change(
    core: &CoreDb,
    user: UserId,
    portfolio: PortfolioId,
    id: EquityChangeId,
    edit: Edit,
) -> Result<Model> {
    let tx = core.begin().await?;
    lock_owned(&tx, user, portfolio).await?;
    let row = require(&tx, portfolio, id).await?;
    require_younger(&tx, &row, EDIT_WINDOW, "equity_change_fixed", "corrected").await?;
    let change_date = edit.change_date.unwrap_or(row.change_date);
    require_past(&tx, change_date).await?;
    let set = equity_change::ActiveModel {
        change_type: Set(edit.change_type.unwrap_or(row.change_type)),
        amount: Set(edit.amount.unwrap_or(row.amount)),
        change_date: Set(change_date),
        notes: Set(edit.notes.apply(row.notes)),
        ..Default::default()
    };
    let written = Entity::update_many()
        .set(set)
        .col_expr(Column::UpdatedAt, Expr::current_timestamp())
        .filter(Column::Id.eq(id))
        .exec_with_returning(&tx)
        .await?
        .pop()
        .ok_or(Error::NotFound("equity change"))?;
    let figures = |row: &Model| (row.change_type, row.amount, row.change_date);
    if figures(&written) != (row.change_type, row.amount, row.change_date) {
        changed(&tx, portfolio, change_date.min(row.change_date)).await?;
    }
    tx.commit().await?;
    Ok(written)
}

/// Deletes one of the user's; its row stays, out of sight. 409 `equity_change_fixed`.
pub(crate) async fn delete(
    core: &CoreDb,
    user: UserId,
    portfolio: PortfolioId,
    id: EquityChangeId,
) -> Result<()> {
    let tx = core.begin().await?;
    lock_owned(&tx, user, portfolio).await?;
    let row = require(&tx, portfolio, id).await?;
    require_younger(&tx, &row, DELETE_WINDOW, "equity_change_fixed", "deleted").await?;
    Entity::update_many()
        .col_expr(Column::DeletedAt, Expr::current_timestamp())
        .col_expr(Column::UpdatedAt, Expr::current_timestamp())
        .filter(Column::Id.eq(id))
        .exec(&tx)
        .await?;
    changed(&tx, portfolio, row.change_date).await?;
    idempotency::forget(&tx, user, id.0).await?;
    tx.commit().await
}

async fn require_past(tx: &CoreTx, change_date: NaiveDate) -> Result<()> {
    if change_date > day::today(tx).await? {
        return Err(Error::field("change_date", "must not be in the future (UTC)"));
    }
    Ok(())
}

async fn require_younger(
    tx: &CoreTx,
    row: &Model,
    window: Duration,
    code: &'static str,
    deed: &str,
) -> Result<()> {
    if day::now(tx).await? - row.created_at <= window {
        return Ok(());
    }
    let days = window.num_days();
    let detail =
        format!("can be {deed} for {days} days after it was entered; enter one that makes up for it");
    Err(Error::conflict(code, detail))
}
