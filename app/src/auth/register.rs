//! New accounts.

use entity::core::user::{PasswordHash, Role};
use entity::core::{tenant, user};
use entity::ids::UserId;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::OnConflict;
use sea_orm::{EntityTrait, TryInsertResult};
use secrecy::SecretString;
use uuid::Uuid;

use super::{email, invitations, password, queries, setup};
use crate::config::{Registration, Settings};
use crate::db::{CoreDb, CoreTx};
use crate::error::{Error, Result};
use crate::state::AppState;
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

/// An account to be, checked and hashed: what is left to do is fast, and may
/// be part of somebody's transaction.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) email: String,
    password_hash: PasswordHash,
    full_name: Option<String>,
    pub(super) role: Role,
}

/// Makes an account in the tenant `default`. 409 `email_taken` when the address
/// has one, 422 when a field is wrong. Whether registration is open is a
/// question of [`require_registration_open`]: the operator may always.
pub async fn create_user(core: &CoreDb, new: NewUser) -> Result<UserId> {
    let prepared = prepare(new).await?;
    let tx = core.begin().await?;
    let user = insert(&tx, prepared).await?;
    tx.commit().await?;
    Ok(user.id)
}

/// 403 `registration_closed` when only the operator makes accounts,
/// `invitation_required` when there has to be an invitation and is none.
pub fn require_registration_open(settings: &Settings, invited: bool) -> Result<()> {
    match settings.registration() {
        Registration::Open => Ok(()),
        Registration::Invite if invited => Ok(()),
        Registration::Invite => {
            Err(Error::forbidden("invitation_required", "registering here needs an invitation"))
        }
        Registration::Closed => {
            Err(Error::forbidden("registration_closed", "accounts are made by the operator of this server"))
        }
    }
}

/// Registers, with an invitation if there is one, which is used up by it.
pub(super) async fn register(
    state: &AppState,
    mut new: NewUser,
    invitation: Option<&SecretString>,
) -> Result<user::Model> {
    require_registration_open(&state.settings, invitation.is_some())?;
    if let Some(token) = invitation {
        // Before anything expensive; decided again below, under a lock.
        new.role = invitations::find(&state.core, token, &new.email).await?.role;
    }
    let prepared = prepare(new).await?;
    let tx = state.core.begin().await?;
    let accepted = match invitation {
        Some(token) => Some(invitations::lock(&tx, token, &prepared.email).await?),
        None => None,
    };
    let user = insert(&tx, prepared).await?;
    if let Some(invitation) = accepted {
        invitations::accept(&tx, invitation.id, user.id).await?;
    }
    tx.commit().await?;
    Ok(user)
}

/// Checks the fields and hashes the password, which takes a core for tens of
/// milliseconds: no connection is held meanwhile.
pub(super) async fn prepare(new: NewUser) -> Result<Prepared> {
    let email = email::parse(&new.email)?;
    password::is_acceptable(&new.password, &()).map_err(|error| Error::field("password", error.message()))?;
    if let Some(name) = &new.full_name {
        is_name(name, &()).map_err(|error| Error::field("full_name", error.message()))?;
    }
    let password_hash = password::hash(&new.password).await?;
    Ok(Prepared { email, password_hash, full_name: new.full_name, role: new.role })
}

/// Makes the account. The first administrator, however made, ends the setup.
pub(super) async fn insert(tx: &CoreTx, new: Prepared) -> Result<user::Model> {
    if new.role == Role::Admin {
        setup::close(tx).await?;
    }
    let tenant =
        tenant::Entity::find_by_slug(FIRST_TENANT).one(tx).await?.ok_or(Error::NotFound("tenant"))?;
    let id = UserId(Uuid::now_v7());
    let row = user::ActiveModel {
        id: Set(id),
        tenant_id: Set(tenant.id),
        email: Set(new.email),
        password_hash: Set(new.password_hash),
        full_name: Set(new.full_name),
        role: Set(new.role),
        ..Default::default()
    };
    // Read back apart: with `exec_with_returning` the ORM takes a conflict for a lost row.
    let inserted = user::Entity::insert(row)
        .on_conflict(OnConflict::column(user::Column::Email).do_nothing().to_owned())
        .try_insert()
        .exec(tx)
        .await?;
    match inserted {
        TryInsertResult::Inserted(_) => queries::by_id(tx, id).await?.ok_or(Error::NotFound("user")),
        TryInsertResult::Conflicted | TryInsertResult::Empty => {
            Err(Error::conflict("email_taken", "an account with this email exists"))
        }
    }
}

/// For `#[garde(custom(..))]`.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "garde's signature")]
pub(super) fn is_name<T: AsRef<str>>(name: &T, context: &()) -> garde::Result {
    if name.as_ref().chars().count() > NAME_CHARACTERS_MAX {
        return Err(garde::Error::new(format!("must have at most {NAME_CHARACTERS_MAX} characters")));
    }
    text::not_blank(name, context)
}
