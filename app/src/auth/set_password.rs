//! Another password for an account.

use entity::core::user;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use secrecy::SecretString;

use super::{password, queries, refresh};
use crate::db::CoreDb;
use crate::error::{Error, Result};

/// Sets the password of the account with this address and ends all its
/// sessions. 404 when there is none, 422 when the password has not 8 to 128
/// characters. For the operator: nobody is asked for the old one.
pub async fn set_password(core: &CoreDb, email: &str, password: SecretString) -> Result<()> {
    password::is_acceptable(&password, &()).map_err(|error| Error::field("password", error.message()))?;
    let user = queries::by_email(core, email).await?.ok_or(Error::NotFound("user"))?;
    let hash = password::hash(&password).await?;
    let tx = core.begin().await?;
    // Locks the user's row first, as everything does that changes sessions.
    user::Entity::update_many()
        .col_expr(user::Column::PasswordHash, Expr::val(hash))
        .col_expr(user::Column::UpdatedAt, Expr::cust("now()"))
        .filter(user::Column::Id.eq(user.id))
        .exec(&tx)
        .await?;
    refresh::end_all(&tx, user.id).await?;
    tx.commit().await
}
