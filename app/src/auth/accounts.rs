//! Accounts, as administrators see and change them.

use entity::core::user::{self, Role, Tier};
use entity::ids::UserId;
use sea_orm::sea_query::{Expr, ExprTrait, LockType};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Statement,
};
use serde::{Deserialize, Deserializer};

use super::{email, queries, refresh, register};
use crate::db::{CoreConn, CoreDb, CoreTx};
use crate::error::{Error, Result};
use crate::web::{Cursor, Page, PageQuery};

/// The advisory lock under which the number of administrators shrinks.
const ADMINISTRATORS_LOCK: &str = "tandem.administrators";

/// What becomes of something that an account may have or not. As JSON: absent,
/// null, or the new value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Change<T> {
    /// It stays as it is.
    #[default]
    Keep,
    /// It goes.
    Remove,
    /// It becomes this.
    Set(T),
}

impl<T> Change<T> {
    /// The same change with another kind of value.
    pub fn map<U>(self, other: impl FnOnce(T) -> U) -> Change<U> {
        match self {
            Self::Keep => Change::Keep,
            Self::Remove => Change::Remove,
            Self::Set(value) => Change::Set(other(value)),
        }
    }

    /// What becomes of a value that is this now.
    pub fn apply(self, now: Option<T>) -> Option<T> {
        match self {
            Self::Keep => now,
            Self::Remove => None,
            Self::Set(value) => Some(value),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Change<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Remove, Self::Set))
    }
}

/// What to change in an account; what is none stays.
#[derive(Clone, Debug, Default)]
pub struct AccountChange {
    /// False closes every door on the next request.
    pub is_active: Option<bool>,
    /// What the user may do.
    pub role: Option<Role>,
    /// What the account comprises.
    pub tier: Option<Tier>,
    /// Display name.
    pub full_name: Change<String>,
}

/// A page of all accounts, oldest first, or of those whose address begins so.
pub async fn list_accounts(
    core: &impl CoreConn,
    email_prefix: Option<&str>,
    page: &PageQuery,
) -> Result<Page<user::Model>> {
    let mut query = user::Entity::find()
        .order_by_asc(user::Column::CreatedAt)
        .order_by_asc(user::Column::Id)
        .limit(page.limit + 1);
    if let Some(prefix) = email_prefix {
        query = query.filter(Expr::cust_with_values("starts_with(email, $1)", [email::normalise(prefix)]));
    }
    if let Some(cursor) = page.cursor {
        let row = Expr::tuple([Expr::col(user::Column::CreatedAt), Expr::col(user::Column::Id)]);
        query = query.filter(row.gt(Expr::tuple([Expr::val(cursor.at), Expr::val(cursor.id)])));
    }
    let rows = query.all(core).await?;
    let cursor = |row: &user::Model| Cursor { at: row.created_at, id: row.id.0 };
    Ok(Page::of(rows, page.limit, cursor, |row| row))
}

/// An account, active or not.
pub async fn find_account(core: &impl CoreConn, id: UserId) -> Result<user::Model> {
    queries::by_id(core, id).await?.ok_or(Error::NotFound("user"))
}

/// The account with this address, active or not.
pub async fn find_account_by_email(core: &impl CoreConn, email: &str) -> Result<user::Model> {
    queries::by_email(core, email).await?.ok_or(Error::NotFound("user"))
}

/// Changes an account. 409 `last_admin` rather than leave nobody who
/// administers. A disabled account's sessions have ended for good; its API keys
/// work again when it is enabled.
pub async fn change_account(core: &CoreDb, id: UserId, change: AccountChange) -> Result<user::Model> {
    if let Change::Set(name) = &change.full_name {
        register::is_name(name, &()).map_err(|error| Error::field("full_name", error.message()))?;
    }
    let tx = core.begin().await?;
    // The user's row first, as everything does that changes sessions.
    let before = user::Entity::find_by_id(id)
        .lock(LockType::NoKeyUpdate)
        .one(&tx)
        .await?
        .ok_or(Error::NotFound("user"))?;
    let is_active = change.is_active.unwrap_or(before.is_active);
    let role = change.role.unwrap_or(before.role);
    let tier = change.tier.unwrap_or(before.tier);
    let full_name = change.full_name.apply(before.full_name);
    let administers = |is_active: bool, role: Role| is_active && role == Role::Admin;
    if administers(before.is_active, before.role) && !administers(is_active, role) {
        require_other_admin(&tx, id).await?;
    }
    user::Entity::update_many()
        .col_expr(user::Column::IsActive, Expr::val(is_active))
        .col_expr(user::Column::Role, Expr::val(role))
        .col_expr(user::Column::Tier, Expr::val(tier))
        .col_expr(user::Column::FullName, Expr::val(full_name))
        .col_expr(user::Column::UpdatedAt, Expr::cust("now()"))
        .filter(user::Column::Id.eq(id))
        .exec(&tx)
        .await?;
    if before.is_active && !is_active {
        refresh::end_all(&tx, id).await?;
    }
    let after = find_account(&tx, id).await?;
    tx.commit().await?;
    tracing::info!(user_id = %id, is_active, ?role, ?tier, "an account was changed");
    Ok(after)
}

/// 409 `last_admin` unless somebody else administers. Whoever else is about to
/// remove an administrator waits until this transaction ends, so that two
/// cannot remove each other.
pub async fn require_other_admin(tx: &CoreTx, leaving: UserId) -> Result<()> {
    let lock = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))",
        [ADMINISTRATORS_LOCK.into()],
    );
    tx.execute_raw(lock).await?;
    let other = user::Entity::find()
        .filter(user::Column::Id.ne(leaving))
        .filter(user::Column::Role.eq(Role::Admin))
        .filter(user::Column::IsActive.eq(true))
        .one(tx)
        .await?;
    match other {
        Some(_) => Ok(()),
        None => {
            Err(Error::conflict("last_admin", "this is the last active administrator; make another first"))
        }
    }
}
