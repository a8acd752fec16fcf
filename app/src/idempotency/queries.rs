//! The keys' statements. Leases use the database's clock, and every write
//! under a lease is fenced by its owner.

use std::time::Duration;

use entity::core::idempotency_key as row;
use entity::ids::UserId;
use sea_orm::{ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, Statement, Value};
use uuid::Uuid;

use crate::db::{CoreConn, CoreDb};
use crate::error::{Error, Result};

/// Life of a lease. A request prolongs its own while it runs.
pub(super) const LEASE: Duration = Duration::from_secs(15);
/// Times a claim is tried when rows come and go.
const CLAIMS_MAX: u32 = 5;
/// Rows a run of [`delete_expired`] deletes at most.
const SWEEP_BATCH: i64 = 1_000;

/// What a request is known by.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) user: UserId,
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) key: String,
    pub(super) hash: Vec<u8>,
}

/// The right to do what a key stands for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lease {
    pub(super) row: Uuid,
    pub(super) owner: Uuid,
    pub(super) resource_id: Uuid,
    /// Nobody had this key before.
    pub(super) is_first: bool,
}

/// What came of asking for the right.
pub(super) enum Claim {
    Held(Lease),
    /// Somebody had it, or has it.
    Known(Box<row::Model>),
}

/// Takes the key, or says what is known of it.
pub(super) async fn claim(core: &CoreDb, identity: &Identity) -> Result<Claim> {
    for _ in 0..CLAIMS_MAX {
        if let Some(lease) = take(core, identity).await? {
            return Ok(Claim::Held(lease));
        }
        // It may have been released in between.
        if let Some(known) = find(core, identity).await? {
            return Ok(Claim::Known(Box::new(known)));
        }
    }
    Err(Error::conflict("idempotency_in_progress", "requests with this key are being answered; try again"))
}

/// A new key, one whose day is over, or one whose holder is gone.
async fn take(core: &CoreDb, identity: &Identity) -> Result<Option<Lease>> {
    let (proposed, owner) = (Uuid::now_v7(), Uuid::now_v7());
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "INSERT INTO idempotency_keys AS k
                (id, user_id, method, path, key, request_hash, resource_id, lease_owner, lease_expires_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, now() + make_interval(secs => $9), now() + interval '24 hours')
         ON CONFLICT ON CONSTRAINT uq_idempotency_keys_request DO UPDATE
            SET request_hash = excluded.request_hash, state = 'running',
                status = NULL, content_type = NULL, body = NULL,
                lease_owner = excluded.lease_owner, lease_expires_at = excluded.lease_expires_at,
                resource_id = CASE WHEN k.expires_at <= now() THEN excluded.resource_id ELSE k.resource_id END,
                expires_at = CASE WHEN k.expires_at <= now() THEN excluded.expires_at ELSE k.expires_at END
          WHERE k.expires_at <= now()
             OR (k.state = 'running' AND k.lease_expires_at <= now() AND k.request_hash = excluded.request_hash)
         RETURNING id, resource_id",
        [
            Uuid::now_v7().into(),
            identity.user.0.into(),
            identity.method.into(),
            identity.path.clone().into(),
            identity.key.clone().into(),
            identity.hash.clone().into(),
            proposed.into(),
            owner.into(),
            LEASE.as_secs_f64().into(),
        ],
    );
    let Some(taken) = core.query_one_raw(statement).await? else {
        return Ok(None);
    };
    let (id, resource_id): (Uuid, Uuid) = (taken.try_get("", "id")?, taken.try_get("", "resource_id")?);
    Ok(Some(Lease { row: id, owner, resource_id, is_first: resource_id == proposed }))
}

async fn find(core: &CoreDb, identity: &Identity) -> Result<Option<row::Model>> {
    Ok(row::Entity::find()
        .filter(row::Column::UserId.eq(identity.user))
        .filter(row::Column::Method.eq(identity.method))
        .filter(row::Column::Path.eq(identity.path.as_str()))
        .filter(row::Column::Key.eq(identity.key.as_str()))
        .one(core)
        .await?)
}

/// Prolongs a lease.
pub(super) async fn prolong(core: &CoreDb, lease: Lease) -> Result<()> {
    execute(
        core,
        "UPDATE idempotency_keys SET lease_expires_at = now() + make_interval(secs => $3)
          WHERE id = $1 AND lease_owner = $2 AND lease_expires_at > now()",
        vec![lease.row.into(), lease.owner.into(), LEASE.as_secs_f64().into()],
    )
    .await?;
    Ok(())
}

/// An answer that is kept.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) content_type: Option<String>,
    pub(super) body: Option<Vec<u8>>,
    /// What the answer says was made, when that is not the id that was proposed.
    pub(super) made: Option<Uuid>,
}

/// Keeps the answer and frees the lease. A lease that was lost keeps nothing.
pub(super) async fn finish(core: &CoreDb, lease: Lease, answer: Answer) -> Result<()> {
    execute(
        core,
        "UPDATE idempotency_keys
            SET state = 'done', lease_owner = NULL, lease_expires_at = NULL,
                status = $3, content_type = $4, body = $5, resource_id = coalesce($6, resource_id)
          WHERE id = $1 AND lease_owner = $2",
        vec![
            lease.row.into(),
            lease.owner.into(),
            i32::from(answer.status).into(),
            answer.content_type.into(),
            answer.body.into(),
            answer.made.into(),
        ],
    )
    .await?;
    Ok(())
}

/// Nothing was done: the key is free again.
pub(super) async fn release(core: &CoreDb, lease: Lease) -> Result<()> {
    execute(
        core,
        "DELETE FROM idempotency_keys WHERE id = $1 AND lease_owner = $2",
        vec![lease.row.into(), lease.owner.into()],
    )
    .await?;
    Ok(())
}

/// Something may have been done: the key stays with its id, and the next one tries.
pub(super) async fn abandon(core: &CoreDb, lease: Lease) -> Result<()> {
    execute(
        core,
        "UPDATE idempotency_keys SET lease_expires_at = now() WHERE id = $1 AND lease_owner = $2",
        vec![lease.row.into(), lease.owner.into()],
    )
    .await?;
    Ok(())
}

/// Deletes a batch of keys whose day is over. Returns how many.
pub async fn delete_expired(core: &CoreDb) -> Result<u64> {
    execute(
        core,
        "DELETE FROM idempotency_keys WHERE id IN (
             SELECT id FROM idempotency_keys WHERE expires_at <= now()
              ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)",
        vec![SWEEP_BATCH.into()],
    )
    .await
}

/// Deletes what is kept about a thing of the user that is being deleted. For a
/// conversation that is everything that was sent in it: call it before its
/// messages go.
pub async fn forget(core: &impl CoreConn, user: UserId, id: Uuid) -> Result<u64> {
    execute(
        core,
        "DELETE FROM idempotency_keys
          WHERE user_id = $1
            AND (resource_id = $2 OR resource_id IN (SELECT id FROM messages WHERE conversation_id = $2))",
        vec![user.0.into(), id.into()],
    )
    .await
}

/// The same for several things, of which none is a conversation.
pub async fn forget_all(core: &impl CoreConn, user: UserId, ids: Vec<Uuid>) -> Result<u64> {
    execute(
        core,
        "DELETE FROM idempotency_keys WHERE user_id = $1 AND resource_id = ANY($2)",
        vec![user.0.into(), ids.into()],
    )
    .await
}

/// The same for everything the user made at a route, named by the end of its path.
pub async fn forget_made_at(core: &impl CoreConn, user: UserId, path_end: &str) -> Result<u64> {
    execute(
        core,
        "DELETE FROM idempotency_keys WHERE user_id = $1 AND right(path, length($2)) = $2",
        vec![user.0.into(), path_end.into()],
    )
    .await
}

/// The same for what was made at a route and names this thing in its answer:
/// a user's, or everybody's.
pub async fn forget_naming(
    core: &impl CoreConn,
    user: Option<UserId>,
    path_end: &str,
    named: Uuid,
) -> Result<u64> {
    execute(
        core,
        "DELETE FROM idempotency_keys
          WHERE ($1::uuid IS NULL OR user_id = $1) AND right(path, length($2)) = $2
            AND position(convert_to($3, 'UTF8') in body) > 0",
        vec![user.map(|user| user.0).into(), path_end.into(), named.to_string().into()],
    )
    .await
}

async fn execute(core: &impl CoreConn, sql: &'static str, values: Vec<Value>) -> Result<u64> {
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    Ok(core.execute_raw(statement).await?.rows_affected())
}
