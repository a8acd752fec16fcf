//! The end of an account.

use entity::core::collection;
use entity::core::user::{self, Role};
use entity::ids::UserId;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use secrecy::SecretString;
use serde_json::json;

use super::{password, queries, require_other_admin};
use crate::db::{AiTx, CoreTx};
use crate::error::{Error, Result};
use crate::jobs::outbox::{self, Aggregate, NewEvent};
use crate::state::AppState;

/// The event that an account is gone from core, with everything core held of it.
pub const ACCOUNT_DELETED: &str = "account.deleted";

/// The event before it, for an account with collections: what others were shown of them is taken back.
pub const ACCOUNT_SHARES_DELETED: &str = "account.shares_deleted";

fn aggregate(id: UserId) -> Aggregate {
    Aggregate::new("account", id)
}

/// Deletes an account with everything of its user in both databases. False:
/// ai, which is away, does its part later. 409 `last_admin` for the last
/// active administrator.
pub async fn delete_account(state: &AppState, id: UserId) -> Result<bool> {
    let core = state.core.begin().await?;
    require_other_admin_unless_ordinary(&core, id).await?;
    let collections = collection::Entity::find().filter(collection::Column::OwnerId.eq(id));
    let shares = collections.count(&core).await? > 0;
    let deleted = user::Entity::delete_by_id(id).exec(&core).await?;
    if deleted.rows_affected == 0 {
        return Err(Error::NotFound("user"));
    }
    if shares {
        let kind = ACCOUNT_SHARES_DELETED;
        let event = NewEvent { kind, aggregate: aggregate(id), payload: json!({}), owner_id: Some(id) };
        outbox::publish(&core, event).await?;
    }
    let event =
        NewEvent { kind: ACCOUNT_DELETED, aggregate: aggregate(id), payload: json!({}), owner_id: Some(id) };
    outbox::publish(&core, event).await?;
    core.commit().await?;
    Ok(state.outbox.deliver_now(aggregate(id)).await)
}

/// Deletes the account of somebody who knows its password. 403 `wrong_password`.
pub(super) async fn delete_own(state: &AppState, id: UserId, given: &SecretString) -> Result<bool> {
    let user = queries::by_id(&state.core, id).await?.ok_or(Error::NotFound("user"))?;
    let turn = password::turn().await?;
    if !password::verify(turn, given, Some(user.password_hash)).await? {
        return Err(Error::forbidden("wrong_password", "the password is wrong; nothing was deleted"));
    }
    delete_account(state, id).await
}

/// Somebody must be able to open the door.
async fn require_other_admin_unless_ordinary(core: &CoreTx, id: UserId) -> Result<()> {
    match queries::by_id(core, id).await? {
        Some(user) if user.role == Role::Admin && user.is_active => require_other_admin(core, id).await,
        _ => Ok(()),
    }
}

/// 404 when the owner's account is gone: a request or job that still runs for
/// it brings nothing back. Call it in the transaction that writes.
pub async fn require_account(ai: &AiTx, owner: UserId) -> Result<()> {
    if outbox::is_gone(ai, aggregate(owner), ACCOUNT_DELETED).await? {
        return Err(Error::NotFound("account"));
    }
    Ok(())
}
