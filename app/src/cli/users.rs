//! `tandem user` and `tandem token`

use clap::{Args, Subcommand};
use entity::core::user::{self, Role};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use secrecy::{ExposeSecret, SecretString};

use super::{output, with_core};
use crate::auth::{self, AccountChange, CurrentUser, NewUser};
use crate::config::Settings;
use crate::db::CoreDb;
use crate::error::{Context, Error, Result};
use crate::state;

/// User.
#[derive(Debug, Subcommand)]
pub(super) enum User {
    /// Make a user; the password is read from standard input, or generated and printed
    Create(Create),
    /// Shut an account out from the next request on
    Disable(Switch),
    /// Let a disabled account in again
    Enable(Switch),
}

/// User disable, user enable.
#[derive(Debug, Args)]
pub(super) struct Switch {
    /// Whose account
    email: String,
}

/// User create.
#[derive(Debug, Args)]
pub(super) struct Create {
    /// Address to log in with
    email: String,
    /// Make an administrator
    #[arg(long)]
    admin: bool,
    /// Name to show
    #[arg(long)]
    full_name: Option<String>,
    /// Read the password from standard input instead of generating one
    #[arg(long)]
    password_stdin: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Token.
#[derive(Debug, Args)]
pub(super) struct Token {
    /// Whose token
    email: String,
}

impl User {
    pub(super) async fn run(self, settings: Settings) -> Result<()> {
        match self {
            Self::Create(create) => create.run(settings).await,
            Self::Disable(switch) => switch.run(settings, false).await,
            Self::Enable(switch) => switch.run(settings, true).await,
        }
    }
}

impl Create {
    async fn run(self, settings: Settings) -> Result<()> {
        let given = self.password_stdin.then(read_password).transpose()?;
        let password = given.clone().unwrap_or_else(auth::generate_password);
        let new = NewUser {
            email: self.email.clone(),
            password: password.clone(),
            full_name: self.full_name.clone(),
            role: if self.admin { Role::Admin } else { Role::User },
        };
        let id = with_core(settings, async |core: &CoreDb, _: &Settings| auth::create_user(core, new).await)
            .await?;
        let generated = given.is_none().then(|| password.expose_secret().to_owned());
        if self.json {
            return output::json(
                &serde_json::json!({ "id": id, "email": self.email, "password": generated }),
            );
        }
        output::line(&format!("created {} {id}", self.email))?;
        match generated {
            Some(password) => output::line(&format!("password {password}")),
            None => Ok(()),
        }
    }
}

impl Switch {
    async fn run(self, settings: Settings, is_active: bool) -> Result<()> {
        with_core(settings, async |core: &CoreDb, _: &Settings| {
            let account =
                auth::find_account_by_email(core, &self.email).await.map_err(|error| match error {
                    Error::NotFound(_) => nobody(&self.email),
                    other => other,
                })?;
            let change = AccountChange { is_active: Some(is_active), ..AccountChange::default() };
            auth::change_account(core, account.id, change).await
        })
        .await?;
        output::line(&format!("{} {}", if is_active { "enabled" } else { "disabled" }, self.email))
    }
}

fn nobody(email: &str) -> Error {
    Error::startup(
        format!("there is no account of {email}"),
        "make one with `tandem user create EMAIL`, or `tandem seed --demo`",
    )
}

fn read_password() -> Result<SecretString> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).context("reading the password")?;
    Ok(SecretString::from(line.trim_end_matches(['\r', '\n'])))
}

impl Token {
    pub(super) async fn run(self, settings: Settings) -> Result<()> {
        let token = with_core(settings, async |core: &CoreDb, settings: &Settings| {
            let user = find(core, &self.email).await?;
            let signing_key = state::signing_key(settings, core).await?;
            auth::sign_access_token(&signing_key, settings.auth.access_token_ttl_s, &user)
        })
        .await?;
        output::line(&token)
    }
}

/// The user of that address, or a clear error.
pub(super) async fn find(core: &CoreDb, email: &str) -> Result<CurrentUser> {
    auth::find_user_by_email(core, email).await?.ok_or_else(|| {
        Error::startup(
            format!("there is no active user {email}"),
            "make one with `tandem user create EMAIL`, or `tandem seed --demo`",
        )
    })
}

/// The user named, or the oldest active one.
pub(super) async fn find_or_oldest(core: &CoreDb, email: Option<&str>) -> Result<CurrentUser> {
    if let Some(email) = email {
        return find(core, email).await;
    }
    let oldest = user::Entity::find()
        .filter(user::Column::IsActive.eq(true))
        .order_by_asc(user::Column::CreatedAt)
        .order_by_asc(user::Column::Id)
        .one(core)
        .await?;
    match oldest {
        Some(row) => find(core, &row.email).await,
        None => Err(Error::startup(
            "there is no user to ask as",
            "make one with `tandem user create EMAIL`, or `tandem seed --demo`",
        )),
    }
}
