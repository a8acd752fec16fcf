//! API keys: for programs that act as a user, within stated limits.

use chrono::{DateTime, Utc};
use entity::core::api_key;
use entity::core::user::Role;
use entity::ids::{ApiKeyId, CollectionId, TenantId, UserId};
use sea_orm::sea_query::{Expr, ExprTrait, LockType};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, FromQueryResult, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect, Statement,
};
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use super::queries::COLLECTIONS;
use super::scope::{self, Needs};
use super::{CurrentUser, Grants, keys, login};
use crate::db::{CoreConn, CoreDb};
use crate::error::{CanFail, Error, Result};
use crate::web::{Cursor, Page, PageQuery};

/// What every key begins with, so that it is recognised, also in a leak.
pub(super) const PREFIX: &str = "tdm_";
/// Characters of a key that are kept readable.
const PREFIX_CHARACTERS: usize = 12;
/// Keys a user may have.
const KEYS_MAX: u64 = 100;

/// A key as it is presented, with its user.
#[derive(Debug, FromQueryResult)]
struct Presented {
    key_id: Uuid,
    scopes: Vec<String>,
    expired: bool,
    /// Its last use was noted more than a minute ago, or never.
    unnoted: bool,
    id: UserId,
    tenant_id: TenantId,
    email: String,
    role: Role,
    is_active: bool,
    collections: Vec<Uuid>,
}

/// Makes a key; it is not kept and cannot be shown again. 403 `admin_scope` for
/// scopes the user has not got, 409 `too_many_keys`, 422 for what is wrong.
pub(super) async fn create(
    core: &CoreDb,
    user: &CurrentUser,
    name: String,
    scopes: &[String],
    expires_at: Option<DateTime<Utc>>,
) -> Result<(api_key::Model, SecretString)> {
    let scopes = scope::parse(scopes)?;
    if !user.is_admin() && scopes.iter().any(|scope| scope::is_admin(scope)) {
        return Err(Error::forbidden("admin_scope", "only administrators make keys with admin scopes"));
    }
    let key = SecretString::from(format!("{PREFIX}{}", keys::random_token()));
    let tx = core.begin().await?;
    // Whoever makes keys of this user at the same time waits, so that the limit holds.
    entity::core::user::Entity::find_by_id(user.id).lock(LockType::NoKeyUpdate).one(&tx).await?;
    if api_key::Entity::find().filter(api_key::Column::UserId.eq(user.id)).count(&tx).await? >= KEYS_MAX {
        return Err(Error::conflict(
            "too_many_keys",
            format!("a user has at most {KEYS_MAX} keys; delete some"),
        ));
    }
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        // Expiry is compared with the database's clock, also here.
        "INSERT INTO api_keys (id, user_id, name, prefix, key_hash, scopes, expires_at)
         SELECT $1, $2, $3, $4, $5, $6, $7 WHERE $7 IS NULL OR $7 > now() RETURNING *",
        [
            Uuid::now_v7().into(),
            user.id.0.into(),
            name.into(),
            key.expose_secret().chars().take(PREFIX_CHARACTERS).collect::<String>().into(),
            keys::sha256(key.expose_secret()).into(),
            scopes.into(),
            expires_at.into(),
        ],
    );
    let row = api_key::Model::find_by_statement(statement).one(&tx).await?;
    let row = row.ok_or_else(|| Error::field("expires_at", "must be in the future"))?;
    tx.commit().await?;
    Ok((row, key))
}

/// A page of a user's keys, newest first.
pub(super) async fn list(
    core: &impl CoreConn,
    user: UserId,
    page: &PageQuery,
) -> Result<Page<api_key::Model>> {
    let mut query = api_key::Entity::find()
        .filter(api_key::Column::UserId.eq(user))
        .order_by_desc(api_key::Column::CreatedAt)
        .order_by_desc(api_key::Column::Id)
        .limit(page.limit + 1);
    if let Some(cursor) = page.cursor {
        let row = Expr::tuple([Expr::col(api_key::Column::CreatedAt), Expr::col(api_key::Column::Id)]);
        query = query.filter(row.lt(Expr::tuple([Expr::val(cursor.at), Expr::val(cursor.id)])));
    }
    let rows = query.all(core).await?;
    let cursor = |row: &api_key::Model| Cursor { at: row.created_at, id: row.id.0 };
    Ok(Page::of(rows, page.limit, cursor, |row| row))
}

/// A user's key.
pub(super) async fn find(core: &impl CoreConn, user: UserId, id: ApiKeyId) -> Result<api_key::Model> {
    api_key::Entity::find_by_id(id)
        .filter(api_key::Column::UserId.eq(user))
        .one(core)
        .await?
        .ok_or(Error::NotFound("API key"))
}

/// Gives a user's key another name.
pub(super) async fn rename(
    core: &impl CoreConn,
    user: UserId,
    id: ApiKeyId,
    name: String,
) -> Result<api_key::Model> {
    api_key::Entity::update_many()
        .col_expr(api_key::Column::Name, Expr::val(name))
        .filter(api_key::Column::Id.eq(id))
        .filter(api_key::Column::UserId.eq(user))
        .exec(core)
        .await?;
    find(core, user, id).await
}

/// Deletes a user's key; its next request is refused.
pub(super) async fn delete(core: &impl CoreConn, user: UserId, id: ApiKeyId) -> Result<()> {
    let deleted =
        api_key::Entity::delete_by_id(id).filter(api_key::Column::UserId.eq(user)).exec(core).await?;
    if deleted.rows_affected == 0 { Err(Error::NotFound("API key")) } else { Ok(()) }
}

/// The user a key acts for and the key's scopes, if it holds and may do what
/// the route needs. One query: role and account are what they are now.
pub(super) async fn authenticate(core: &CoreDb, key: &str, needs: Needs) -> Result<(CurrentUser, Grants)> {
    let sql = format!(
        "SELECT k.id AS key_id, k.scopes, coalesce(k.expires_at <= now(), false) AS expired,
                coalesce(k.last_used_at <= now() - interval '1 minute', true) AS unnoted,
                u.id, u.tenant_id, u.email, u.role, u.is_active, {COLLECTIONS}
           FROM api_keys AS k JOIN users AS u ON u.id = k.user_id
          WHERE k.key_hash = $1"
    );
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [keys::sha256(key).into()]);
    let presented = Presented::find_by_statement(statement)
        .one(core)
        .await?
        .ok_or_else(|| Error::unauthenticated("invalid_api_key", "the API key is not valid"))?;
    if presented.expired {
        return Err(Error::unauthenticated("api_key_expired", "the API key has expired; make another"));
    }
    if !presented.is_active {
        return Err(login::account_disabled());
    }
    match needs {
        Needs::Nothing => {}
        Needs::Scope(scope) if presented.scopes.contains(&scope) => {}
        Needs::Scope(scope) => {
            return Err(Error::forbidden("missing_scope", format!("this API key has not the scope {scope}")));
        }
        Needs::Person => {
            return Err(Error::forbidden(
                "key_not_allowed",
                "this route is not for API keys; log in instead",
            ));
        }
    }
    if presented.unnoted {
        note_use(core, presented.key_id).await.can_fail("the last use of an API key is not noted");
    }
    let Presented { id, tenant_id, email, role, scopes, collections, .. } = presented;
    let collections = collections.into_iter().map(CollectionId).collect();
    Ok((CurrentUser { id, tenant_id, email, role, collections }, Grants::Key(scopes.into())))
}

/// At most once a minute, so that a busy key is not a busy row.
async fn note_use(core: &CoreDb, id: Uuid) -> Result<()> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "UPDATE api_keys SET last_used_at = now()
          WHERE id = $1 AND coalesce(last_used_at <= now() - interval '1 minute', true)",
        [id.into()],
    );
    core.execute_raw(statement).await?;
    Ok(())
}
