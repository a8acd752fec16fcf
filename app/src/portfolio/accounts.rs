//! Portfolios themselves. Whoever makes or renames one holds its owner's row: so the names
//! of accounts stay apart, and nobody has more than their tier comprises.

use std::collections::HashMap;

use entity::core::portfolio::{Column, Entity, Model};
use entity::core::{portfolio, user};
use entity::ids::{PortfolioId, UserId};
use sea_orm::ActiveValue::Set;
use sea_orm::prelude::Decimal;
use sea_orm::sea_query::{Expr, ExprTrait, LockType};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, Select, Statement,
};
use uuid::Uuid;

use super::{changed, day, find_owned, lock_owned};
use crate::auth::Change;
use crate::config::Portfolio as Limits;
use crate::conversation;
use crate::db::{CoreConn, CoreDb, CoreTx};
use crate::error::{Error, Result};
use crate::idempotency::{self, Attempt};
use crate::web::{Cursor, Page, PageQuery};

/// Characters of an account's name.
const ACCOUNT_NAME_CHARACTERS: usize = 100;

/// The kinds of accounts.
pub(super) const ACCOUNT_TYPES: [&str; 9] =
    ["taxable", "ira", "roth_ira", "401k", "403b", "529", "hsa", "trust", "other"];

/// A portfolio to be; its fields were checked.
#[derive(Clone, Debug)]
pub struct NewPortfolio {
    /// 1 to 255 characters.
    pub name: String,
    /// 1 to 100 characters; none: as the name begins.
    pub account_name: Option<String>,
    /// As [`portfolio::Model::account_type`].
    pub account_type: String,
    /// ISO 4217.
    pub currency: String,
    /// The owner's words.
    pub description: Option<String>,
    /// Capital at the beginning.
    pub equity_balance: Option<Decimal>,
}

/// What to change; what is none stays.
#[derive(Clone, Debug, Default)]
pub(super) struct Edit {
    pub(super) name: Option<String>,
    pub(super) account_name: Option<String>,
    pub(super) account_type: Option<String>,
    pub(super) currency: Option<String>,
    pub(super) description: Change<String>,
    pub(super) equity_balance: Change<Decimal>,
}

/// The portfolio `attempt` is to make: made now, or by an earlier try. 403
/// `portfolio_limit_reached`, 409 `account_name_taken`.
pub async fn make(
    core: &CoreDb,
    attempt: Attempt,
    user: UserId,
    limits: &Limits,
    new: NewPortfolio,
) -> Result<Model> {
    let id = PortfolioId(attempt.id);
    if !attempt.is_first {
        match find_owned(core, user, id).await {
            Err(Error::NotFound(_)) => {}
            found => return found,
        }
    }
    let tx = core.begin().await?;
    let made = make_in(&tx, user, limits, id, new).await?;
    tx.commit().await?;
    Ok(made)
}

/// The same within a transaction, which the caller commits.
pub async fn make_in(
    tx: &CoreTx,
    user: UserId,
    limits: &Limits,
    id: PortfolioId,
    new: NewPortfolio,
) -> Result<Model> {
    let owner = lock_user(tx, user).await?;
    let most = limits.most(owner.tier);
    if own(user).count(tx).await? >= most {
        let detail = format!("your account comprises {most} portfolios; delete one, or ask for more");
        return Err(Error::forbidden("portfolio_limit_reached", detail));
    }
    let account_name = new.account_name.unwrap_or_else(|| {
        let begins: String = new.name.chars().take(ACCOUNT_NAME_CHARACTERS).collect();
        begins.trim().to_owned()
    });
    refuse_taken(tx, user, &account_name, id).await?;
    let stale_from = match new.equity_balance {
        Some(_) => Some(day::today(tx).await?),
        None => None,
    };
    let row = portfolio::ActiveModel {
        id: Set(id),
        user_id: Set(user),
        name: Set(new.name),
        account_name: Set(account_name),
        account_type: Set(new.account_type),
        currency: Set(new.currency),
        description: Set(new.description),
        equity_balance: Set(new.equity_balance),
        stale_from: Set(stale_from),
        ..Default::default()
    };
    Ok(Entity::insert(row).exec_with_returning(tx).await?)
}

/// A page of the user's portfolios, the newest first.
pub(super) async fn list(core: &impl CoreConn, user: UserId, page: &PageQuery) -> Result<Page<Model>> {
    let mut query =
        own(user).order_by_desc(Column::CreatedAt).order_by_desc(Column::Id).limit(page.limit + 1);
    if let Some(cursor) = page.cursor {
        let row = Expr::tuple([Expr::col(Column::CreatedAt), Expr::col(Column::Id)]);
        query = query.filter(row.lt(Expr::tuple([Expr::val(cursor.at), Expr::val(cursor.id)])));
    }
    let place = |row: &Model| Cursor { at: row.created_at, id: row.id.0 };
    Ok(Page::of(query.all(core).await?, page.limit, place, |row| row))
}

/// Open lots of portfolios, with one query; those that have none are not in it.
pub(super) async fn open_lots(
    core: &impl CoreConn,
    ids: Vec<PortfolioId>,
) -> Result<HashMap<PortfolioId, i64>> {
    let ids: Vec<Uuid> = ids.into_iter().map(Uuid::from).collect();
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT portfolio_id, count(*) AS lots FROM positions
          WHERE portfolio_id = ANY($1) AND deleted_at IS NULL AND exit_date IS NULL GROUP BY portfolio_id",
        [ids.into()],
    );
    let rows = core.query_all_raw(statement).await?;
    rows.iter()
        .map(|row| Ok((PortfolioId(row.try_get("", "portfolio_id")?), row.try_get("", "lots")?)))
        .collect()
}

/// Changes a portfolio of the user's. 404, 409 `account_name_taken`.
pub(super) async fn change(core: &CoreDb, user: UserId, id: PortfolioId, edit: Edit) -> Result<Model> {
    let tx = core.begin().await?;
    lock_user(&tx, user).await?;
    let row = lock_owned(&tx, user, id).await?;
    if let Some(account_name) = &edit.account_name {
        refuse_taken(&tx, user, account_name, id).await?;
    }
    let equity_balance = edit.equity_balance.apply(row.equity_balance);
    let currency = edit.currency.unwrap_or_else(|| row.currency.clone());
    let is_other_money = currency != row.currency;
    if is_other_money {
        forget_figures(&tx, id).await?;
    }
    if is_other_money || equity_balance != row.equity_balance {
        let first = first_day(&tx, id).await?;
        changed(&tx, id, first).await?;
    }
    let set = portfolio::ActiveModel {
        name: Set(edit.name.unwrap_or(row.name)),
        account_name: Set(edit.account_name.unwrap_or(row.account_name)),
        account_type: Set(edit.account_type.unwrap_or(row.account_type)),
        currency: Set(currency),
        description: Set(edit.description.apply(row.description)),
        equity_balance: Set(equity_balance),
        ..Default::default()
    };
    let written = Entity::update_many()
        .set(set)
        .col_expr(Column::UpdatedAt, Expr::current_timestamp())
        .filter(Column::Id.eq(id))
        .exec_with_returning(&tx)
        .await?
        .pop()
        .ok_or(Error::NotFound("portfolio"))?;
    tx.commit().await?;
    Ok(written)
}

/// Deletes a portfolio of the user's: it is seen no more, its account's name is free, and answers
/// quote its figures no longer.
pub(super) async fn delete(core: &CoreDb, user: UserId, id: PortfolioId) -> Result<()> {
    let tx = core.begin().await?;
    lock_owned(&tx, user, id).await?;
    Entity::update_many()
        .col_expr(Column::DeletedAt, Expr::current_timestamp())
        .col_expr(Column::UpdatedAt, Expr::current_timestamp())
        .filter(Column::Id.eq(id))
        .exec(&tx)
        .await?;
    conversation::forget_portfolio(&tx, user, id).await?;
    idempotency::forget(&tx, user, id.0).await?;
    tx.commit().await
}

/// Sums in another currency are no sums: they go until the batch has computed them again.
async fn forget_figures(tx: &CoreTx, id: PortfolioId) -> Result<()> {
    for sql in [
        "UPDATE position_realized_events SET realized_pnl = NULL WHERE portfolio_id = $1",
        "UPDATE positions SET market_value = NULL, cost_basis = NULL, unrealized_pnl = NULL, realized_pnl = NULL
          WHERE portfolio_id = $1",
    ] {
        tx.execute_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, [id.0.into()])).await?;
    }
    Ok(())
}

/// The first day of which a portfolio has figures.
async fn first_day(tx: &CoreTx, id: PortfolioId) -> Result<chrono::NaiveDate> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT least((created_at AT TIME ZONE 'UTC')::date,
                      (SELECT min(entry_date) FROM positions WHERE portfolio_id = $1 AND deleted_at IS NULL),
                      (SELECT min(change_date) FROM equity_changes WHERE portfolio_id = $1 AND deleted_at IS NULL)) AS day
           FROM portfolios WHERE id = $1",
        [id.0.into()],
    );
    let row = tx.query_one_raw(statement).await?.ok_or(Error::NotFound("portfolio"))?;
    Ok(row.try_get("", "day")?)
}

fn own(user: UserId) -> Select<Entity> {
    Entity::find().filter(Column::UserId.eq(user)).filter(Column::DeletedAt.is_null())
}

async fn lock_user(tx: &CoreTx, id: UserId) -> Result<user::Model> {
    let found = user::Entity::find_by_id(id).lock(LockType::NoKeyUpdate).one(tx).await?;
    found.ok_or(Error::NotFound("user"))
}

async fn refuse_taken(tx: &CoreTx, user: UserId, account_name: &str, but: PortfolioId) -> Result<()> {
    let other = own(user).filter(Column::AccountName.eq(account_name)).one(tx).await?;
    match other.filter(|other| other.id != but) {
        None => Ok(()),
        Some(other) => Err(Error::Conflict {
            code: "account_name_taken",
            detail: "another of your portfolios is of an account of this name".to_owned(),
            id: Some(other.id.0),
        }),
    }
}
