//! Refresh tokens: used once, followed by a successor of the same family.
//!
//! Only SHA-256 hashes are stored. The successor is an HMAC of the presented
//! token under a server key, so a client that lost the answer, or eight tabs
//! that refresh at once on several replicas, get the very same successor
//! without its plaintext being kept anywhere. After ten seconds a used token
//! is a stolen one: its whole family ends.
//!
//! What changes one user's sessions happens under a lock on the user's row.
//! That keeps a successor from slipping into a family while it is revoked.

use std::time::Duration;

use entity::core::{refresh_token, user};
use entity::ids::{RefreshTokenId, UserId};
use sea_orm::sea_query::{Expr, LockType, Query};
use sea_orm::{
    ColumnTrait, DbBackend, DeriveActiveEnum, EntityTrait, EnumIter, FromQueryResult, QueryFilter,
    QuerySelect, Statement,
};
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use super::keys::{self, Purpose};
use super::{CurrentUser, login};
use crate::db::{CoreConn, CoreDb, CoreTx};
use crate::error::{Error, Result};
use crate::state::AppState;

/// Where a stored token is in its life, by the database's clock. Not `now()`:
/// that is when the transaction began, before it waited for the lock.
const STAGE: &str = "CASE WHEN revoked_at IS NOT NULL THEN 'revoked'
     WHEN expires_at <= clock_timestamp() THEN 'expired'
     WHEN rotated_at IS NULL THEN 'fresh'
     WHEN rotated_at > clock_timestamp() - interval '10 seconds' THEN 'repeated'
     ELSE 'reused' END";

#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
enum Stage {
    /// Its family was ended.
    Revoked,
    /// Too old.
    Expired,
    /// Never used.
    Fresh,
    /// Used a moment ago: the same client, twice.
    Repeated,
    /// Used before: somebody else has it.
    Reused,
}

#[derive(Debug, FromQueryResult)]
struct Presented {
    id: RefreshTokenId,
    family_id: Uuid,
    stage: Stage,
}

/// A session begins: the first token of a new family. `user` is the row whose
/// password was checked; 401 when the password or the account has changed since,
/// so that no session outlives what should have ended it.
pub(super) async fn start(state: &AppState, user: &user::Model) -> Result<SecretString> {
    let token = SecretString::from(keys::random_token());
    let tx = state.core.begin().await?;
    let now = user::Entity::find_by_id(user.id)
        .lock(LockType::NoKeyUpdate)
        .one(&tx)
        .await?
        .filter(|now| now.password_hash == user.password_hash)
        .ok_or_else(login::invalid_credentials)?;
    if !now.is_active {
        return Err(login::account_disabled());
    }
    insert(state, &tx, user.id, Uuid::now_v7(), &token).await?;
    tx.commit().await?;
    Ok(token)
}

/// The successor of a token, and whose session it is.
pub(super) async fn rotate(state: &AppState, token: &SecretString) -> Result<(CurrentUser, SecretString)> {
    let tx = state.core.promptly(state.core.begin()).await?;
    let (user, presented) = lock(&tx, token).await?.ok_or_else(invalid)?;
    if !user.is_active {
        return Err(login::account_disabled());
    }
    let successor = successor(state, token)?;
    match presented.stage {
        Stage::Fresh => {
            insert(state, &tx, user.id, presented.family_id, &successor).await?;
            mark_rotated(&tx, presented.id).await?;
            tx.commit().await?;
            Ok((user.into(), successor))
        }
        Stage::Repeated => Ok((user.into(), successor)),
        Stage::Reused => {
            revoke(&tx, family(&presented)).await?;
            tx.commit().await?;
            tracing::warn!(user_id = %user.id, family_id = %presented.family_id, "a refresh token was used again; its family is revoked");
            Err(Error::unauthenticated(
                "refresh_token_reused",
                "this refresh token was used before; the session has ended, log in again",
            ))
        }
        Stage::Revoked => {
            Err(Error::unauthenticated("refresh_token_revoked", "this session has ended; log in again"))
        }
        Stage::Expired => Err(Error::unauthenticated(
            "refresh_token_expired",
            "the refresh token has expired; log in again",
        )),
    }
}

/// The session of a token ends, on every device that took part in it. Unknown
/// tokens have none: nothing happens.
pub(super) async fn end(core: &CoreDb, token: &SecretString) -> Result<()> {
    let tx = core.promptly(core.begin()).await?;
    if let Some((_, presented)) = lock(&tx, token).await? {
        revoke(&tx, family(&presented)).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// Ends every session of a user, say because the password changed.
pub(super) async fn end_all(tx: &CoreTx, user: UserId) -> Result<()> {
    revoke(tx, refresh_token::Column::UserId.eq(user)).await
}

/// The stored token and its user, whose sessions nobody else changes until the
/// transaction ends. NO KEY UPDATE: other tables may go on referring to the user.
async fn lock(tx: &CoreTx, token: &SecretString) -> Result<Option<(user::Model, Presented)>> {
    let hash = keys::sha256(token.expose_secret());
    let owner = Query::select()
        .column(refresh_token::Column::UserId)
        .from(refresh_token::Entity)
        .and_where(refresh_token::Column::TokenHash.eq(hash.clone()))
        .to_owned();
    let user = user::Entity::find()
        .filter(user::Column::Id.in_subquery(owner))
        .lock(LockType::NoKeyUpdate)
        .one(tx)
        .await?;
    // Read again under the lock: what was true before it may not be now.
    let presented = refresh_token::Entity::find()
        .select_only()
        .columns([refresh_token::Column::Id, refresh_token::Column::FamilyId])
        .expr_as(Expr::cust(STAGE), "stage")
        .filter(refresh_token::Column::TokenHash.eq(hash))
        .into_model::<Presented>()
        .one(tx)
        .await?;
    Ok(user.zip(presented))
}

fn successor(state: &AppState, token: &SecretString) -> Result<SecretString> {
    let key = keys::derive(&state.signing_key, Purpose::RefreshToken)?;
    Ok(keys::encode(&keys::hmac(&key, token.expose_secret().as_bytes())?).into())
}

/// The ORM has no expressions in an insert, and expiry is the database's clock.
async fn insert(
    state: &AppState,
    core: &impl CoreConn,
    user: UserId,
    family: Uuid,
    token: &SecretString,
) -> Result<()> {
    let ttl_s = Duration::from_secs(state.settings.auth.refresh_token_ttl_s).as_secs_f64();
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "INSERT INTO refresh_tokens (id, user_id, family_id, token_hash, expires_at)
         VALUES ($1, $2, $3, $4, now() + make_interval(secs => $5))",
        [
            Uuid::now_v7().into(),
            user.0.into(),
            family.into(),
            keys::sha256(token.expose_secret()).into(),
            ttl_s.into(),
        ],
    );
    core.execute_raw(statement).await?;
    Ok(())
}

async fn mark_rotated(tx: &CoreTx, id: RefreshTokenId) -> Result<()> {
    refresh_token::Entity::update_many()
        .col_expr(refresh_token::Column::RotatedAt, Expr::cust("clock_timestamp()"))
        .filter(refresh_token::Column::Id.eq(id))
        .exec(tx)
        .await?;
    Ok(())
}

fn family(presented: &Presented) -> Expr {
    refresh_token::Column::FamilyId.eq(presented.family_id)
}

async fn revoke(tx: &CoreTx, which: Expr) -> Result<()> {
    refresh_token::Entity::update_many()
        .col_expr(refresh_token::Column::RevokedAt, Expr::cust("clock_timestamp()"))
        .filter(which)
        .filter(refresh_token::Column::RevokedAt.is_null())
        .exec(tx)
        .await?;
    Ok(())
}

fn invalid() -> Error {
    Error::unauthenticated("invalid_refresh_token", "this refresh token is not valid")
}
