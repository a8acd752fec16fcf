//! New accounts.

use entity::core::user::Role;
use entity::core::{tenant, user};
use entity::ids::UserId;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::OnConflict;
use sea_orm::{EntityTrait, TryInsertResult};
use secrecy::SecretString;
use uuid::Uuid;

use super::{email, password};
use crate::config::{Registration, Settings};
use crate::db::CoreConn;
use crate::error::{Error, Result};
use crate::web::text;

/// The tenant everybody belongs to at first.
const FIRST_TENANT: &str = "default";
/// Longest display name, in characters.
pub(super) const NAME_CHARACTERS_MAX: usize = 200;

/// An account to be. The password cannot be printed.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// Address, in any spelling, at most 254 characters.
    pub email: String,
    /// 8 to 128 characters.
    pub password: SecretString,
    /// Display name, 1 to 200 characters.
    pub full_name: Option<String>,
    /// What the user may do.
    pub role: Role,
}

/// Makes an account in the tenant `default`. 409 `email_taken` when the address
/// has one, 422 when a field is wrong. Whether registration is open is a
/// question of [`require_registration_open`]: the operator may always.
pub async fn create_user(core: &impl CoreConn, new: NewUser) -> Result<UserId> {
    Ok(insert(core, new).await?.id)
}

/// 403 `registration_closed` unless anyone may register.
pub fn require_registration_open(settings: &Settings) -> Result<()> {
    match settings.registration() {
        Registration::Open => Ok(()),
        Registration::Closed => {
            Err(Error::forbidden("registration_closed", "accounts are made by the operator of this server"))
        }
    }
}

pub(super) async fn insert(core: &impl CoreConn, new: NewUser) -> Result<user::Model> {
    let email = email::parse(&new.email)?;
    password::is_acceptable(&new.password, &()).map_err(|error| Error::field("password", error.message()))?;
    if let Some(name) = &new.full_name {
        is_name(name, &()).map_err(|error| Error::field("full_name", error.message()))?;
    }
    let tenant =
        tenant::Entity::find_by_slug(FIRST_TENANT).one(core).await?.ok_or(Error::NotFound("tenant"))?;
    let row = user::ActiveModel {
        id: Set(UserId(Uuid::now_v7())),
        tenant_id: Set(tenant.id),
        email: Set(email),
        password_hash: Set(password::hash(&new.password).await?),
        full_name: Set(new.full_name),
        role: Set(new.role),
        ..Default::default()
    };
    let inserted = user::Entity::insert(row)
        .on_conflict(OnConflict::column(user::Column::Email).do_nothing().to_owned())
        .try_insert()
        .exec_with_returning(core)
        .await?;
    match inserted {
        TryInsertResult::Inserted(user) => Ok(user),
        TryInsertResult::Conflicted | TryInsertResult::Empty => {
            Err(Error::conflict("email_taken", "an account with this email exists"))
        }
    }
}

/// For `#[garde(custom(..))]`.
pub(super) fn is_name<T: AsRef<str>>(name: &T, context: &()) -> garde::Result {
    if name.as_ref().chars().count() > NAME_CHARACTERS_MAX {
        return Err(garde::Error::new(format!("must have at most {NAME_CHARACTERS_MAX} characters")));
    }
    text::not_blank(name, context)
}
