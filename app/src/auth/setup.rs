//! The first administrator.
//!
//! While there never was one, `serve` prints a token that makes one. All
//! replicas print the same: it is derived from the signing key they share and
//! a nonce in core, which is replaced when it is a day old.

use entity::core::{setting, user};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, FromQueryResult, QueryFilter,
    Statement,
};
use secrecy::{ExposeSecret, SecretString};

use super::keys::{self, Purpose};
use super::register::{self, NewUser};
use super::throttle::Throttle;
use crate::db::{CoreConn, CoreTx};
use crate::error::{Error, Result};
use crate::state::AppState;
use crate::web::Client;

/// Set once there is, or was, an administrator.
const CLOSED: &str = "auth.setup_closed";
/// What the token is derived from; its row is the lock of the setup.
const NONCE: &str = "auth.setup_nonce";
/// Life of a token, in hours.
const TOKEN_HOURS: i32 = 24;

#[derive(Debug, FromQueryResult)]
struct Nonce {
    nonce: String,
    expired: bool,
}

/// The token that makes the first administrator, to be printed at start; none
/// when the setup is over. Within its life every call, on every replica, gives
/// the same one.
pub async fn setup_token(state: &AppState) -> Result<Option<SecretString>> {
    if is_over(&state.core).await? {
        // Also when an administrator was made by hand, in SQL, who may go again.
        let tx = state.core.begin().await?;
        close(&tx).await?;
        tx.commit().await?;
        return Ok(None);
    }
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "INSERT INTO settings AS s (key, value) VALUES ($1, to_jsonb($2::text))
         ON CONFLICT ON CONSTRAINT pk_settings DO UPDATE
            SET value = excluded.value, updated_at = now()
          WHERE s.updated_at <= now() - make_interval(hours => $3)",
        [NONCE.into(), keys::random_token().into(), TOKEN_HOURS.into()],
    );
    state.core.execute_raw(statement).await?;
    match nonce(&state.core, false).await? {
        Some(Nonce { nonce, expired: false }) => Ok(Some(token(state, &nonce)?)),
        _ => Ok(None),
    }
}

/// Makes the first administrator. 410 `setup_closed` when there is or was one,
/// 401 when the token is wrong or too old, 429 after too many wrong ones.
pub(super) async fn set_up(
    state: &AppState,
    client: Client,
    given: &SecretString,
    new: NewUser,
) -> Result<user::Model> {
    require_open(&state.core).await?;
    let throttle = Throttle::setup(state, client)?;
    throttle.check(&state.core).await?;
    let attempt = throttle.attempt(&state.core).await?;
    let outcome = try_set_up(state, given, new).await;
    attempt.end(&state.core, &outcome).await;
    outcome
}

async fn try_set_up(state: &AppState, given: &SecretString, new: NewUser) -> Result<user::Model> {
    // Before anything expensive; decided again below, under the lock.
    require_token(state, &state.core, given, false).await?;
    let prepared = register::prepare(new).await?;
    let tx = state.core.begin().await?;
    require_token(state, &tx, given, true).await?;
    require_open(&tx).await?;
    let user = register::insert(&tx, prepared).await?;
    tx.commit().await?;
    Ok(user)
}

/// The setup is over for good, whatever becomes of the administrator.
pub(super) async fn close(tx: &CoreTx) -> Result<()> {
    // First the row that is the lock: whoever sets up at the same time holds it.
    setting::Entity::delete_by_id(NONCE).exec(tx).await?;
    let row =
        setting::ActiveModel { key: Set(CLOSED.to_owned()), value: Set(true.into()), ..Default::default() };
    setting::Entity::insert(row)
        .on_conflict(OnConflict::column(setting::Column::Key).do_nothing().to_owned())
        .exec_without_returning(tx)
        .await?;
    Ok(())
}

async fn is_over(core: &impl CoreConn) -> Result<bool> {
    if setting::Entity::find_by_id(CLOSED).one(core).await?.is_some() {
        return Ok(true);
    }
    let administrator =
        user::Entity::find().filter(user::Column::Role.eq(user::Role::Admin)).one(core).await?;
    Ok(administrator.is_some())
}

async fn require_open(core: &impl CoreConn) -> Result<()> {
    if is_over(core).await? {
        return Err(Error::Gone {
            code: "setup_closed",
            detail: "this server has, or had, an administrator; `tandem user create --admin` makes another"
                .to_owned(),
        });
    }
    Ok(())
}

/// With `locked`, nobody else sets up until the transaction ends.
async fn require_token(
    state: &AppState,
    core: &impl CoreConn,
    given: &SecretString,
    locked: bool,
) -> Result<()> {
    let Some(Nonce { nonce, expired }) = nonce(core, locked).await? else {
        // Whoever held the lock has just finished.
        require_open(core).await?;
        return Err(invalid());
    };
    if !keys::same(token(state, &nonce)?.expose_secret(), given.expose_secret()) {
        return Err(invalid());
    }
    if expired {
        return Err(Error::unauthenticated(
            "setup_token_expired",
            "the setup token is older than 24 hours; start the server again for a new one",
        ));
    }
    Ok(())
}

async fn nonce(core: &impl CoreConn, locked: bool) -> Result<Option<Nonce>> {
    let lock = if locked { "FOR UPDATE" } else { "" };
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        format!(
            "SELECT value #>> '{{}}' AS nonce,
                    updated_at <= clock_timestamp() - make_interval(hours => $2) AS expired
               FROM settings WHERE key = $1 {lock}"
        ),
        [NONCE.into(), TOKEN_HOURS.into()],
    );
    Ok(Nonce::find_by_statement(statement).one(core).await?)
}

fn token(state: &AppState, nonce: &str) -> Result<SecretString> {
    let key = keys::derive(&state.signing_key, Purpose::Setup)?;
    Ok(keys::encode(&keys::hmac(&key, nonce.as_bytes())?).into())
}

fn invalid() -> Error {
    Error::unauthenticated("invalid_setup_token", "the setup token is not the one in the server's log")
}
