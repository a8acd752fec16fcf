//! Users, by what identifies them.

use entity::core::user;
use entity::ids::UserId;
use sea_orm::EntityTrait;

use super::{CurrentUser, email};
use crate::db::CoreConn;
use crate::error::Result;

/// The active user with this address, in any spelling.
pub async fn find_user_by_email(core: &impl CoreConn, email: &str) -> Result<Option<CurrentUser>> {
    let user = by_email(core, email).await?;
    Ok(user.filter(|user| user.is_active).map(CurrentUser::from))
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
