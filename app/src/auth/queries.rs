//! Users, by what identifies them.

use entity::core::user::{self, Role};
use entity::ids::{CollectionId, TenantId, UserId};
use sea_orm::{DbBackend, EntityTrait, FromQueryResult, Statement};

use super::{CurrentUser, email};
use crate::db::CoreConn;
use crate::error::Result;

/// The collections that the user `u` of a statement may read: own ones, the tenant's, and
/// those shared by name. Part of the statement that reads the account, so it costs no round trip.
pub(super) const COLLECTIONS: &str = "ARRAY(
        SELECT c.id FROM knowledge_collections AS c WHERE c.owner_id = u.id
         UNION SELECT c.id FROM knowledge_collections AS c WHERE c.is_shared AND c.tenant_id = u.tenant_id
         UNION SELECT c.id FROM knowledge_collection_readers AS r JOIN knowledge_collections AS c ON c.id = r.collection_id
                WHERE r.user_id = u.id AND c.tenant_id = u.tenant_id) AS collections";

/// An account as requests need it.
#[derive(Debug, FromQueryResult)]
pub(super) struct Account {
    id: UserId,
    tenant_id: TenantId,
    email: String,
    role: Role,
    pub(super) is_active: bool,
    collections: Vec<uuid::Uuid>,
}

impl From<Account> for CurrentUser {
    fn from(account: Account) -> Self {
        let Account { id, tenant_id, email, role, collections, .. } = account;
        Self { id, tenant_id, email, role, collections: collections.into_iter().map(CollectionId).collect() }
    }
}

/// An account, active or not, with what it may read.
pub(super) async fn account(core: &impl CoreConn, id: UserId) -> Result<Option<Account>> {
    let sql = format!(
        "SELECT u.id, u.tenant_id, u.email, u.role, u.is_active, {COLLECTIONS} FROM users AS u WHERE u.id = $1"
    );
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [id.into()]);
    Ok(Account::find_by_statement(statement).one(core).await?)
}

/// The user with what it may read now: for work that goes on long after its request.
pub async fn again(core: &impl CoreConn, user: &CurrentUser) -> Result<CurrentUser> {
    let account = account(core, user.id).await?;
    account.map(CurrentUser::from).ok_or(crate::error::Error::NotFound("user"))
}

/// The active user with this address, in any spelling.
pub async fn find_user_by_email(core: &impl CoreConn, email: &str) -> Result<Option<CurrentUser>> {
    let Some(user) = by_email(core, email).await? else { return Ok(None) };
    let account = account(core, user.id).await?;
    Ok(account.filter(|account| account.is_active).map(CurrentUser::from))
}

/// The whole row, active or not, for whoever checks its password.
pub(super) async fn by_email(core: &impl CoreConn, email: &str) -> Result<Option<user::Model>> {
    let email = email::normalise(email);
    Ok(user::Entity::find_by_email(email).one(core).await?)
}

/// The whole row, active or not.
pub(super) async fn by_id(core: &impl CoreConn, id: UserId) -> Result<Option<user::Model>> {
    Ok(user::Entity::find_by_id(id).one(core).await?)
}
