//! The outbox's statements in core. Leases use the database's clock; every
//! write under a lease is fenced by it.

use std::time::Duration;

use entity::ids::{EventId, UserId};
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, Statement, Value};
use uuid::Uuid;

use super::{Aggregate, Event};
use crate::db::{CoreConn, CoreDb, CoreTx};
use crate::error::Result;

/// An event that failed this often, and not for want of a database, is given up.
const ATTEMPTS_MAX: i32 = 10;

/// The first of its aggregate that waits, and nobody delivers it.
const FREE: &str = "o.delivered_at IS NULL AND o.dead_at IS NULL
    AND (o.lease_expires_at IS NULL OR o.lease_expires_at < now())
    AND NOT EXISTS (SELECT 1 FROM outbox e
                     WHERE e.aggregate_id = o.aggregate_id AND e.aggregate_type = o.aggregate_type
                       AND e.delivered_at IS NULL AND e.position < o.position)";

const TAKE: &str = "UPDATE outbox SET lease_owner = $1, lease_expires_at = now() + make_interval(secs => $2)";

/// A delivery: who, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lease {
    pub(super) owner: Uuid,
    pub(super) length: Duration,
}

impl Lease {
    pub(super) fn new(length: Duration) -> Self {
        Self { owner: Uuid::now_v7(), length }
    }
}

/// Claims due events of these kinds, at most one of each aggregate.
pub(super) async fn claim_due(
    core: &CoreDb,
    lease: Lease,
    kinds: Vec<String>,
    limit: i64,
) -> Result<Vec<Event>> {
    let sql = format!(
        "{TAKE} WHERE id IN (SELECT o.id FROM outbox o
                              WHERE {FREE} AND o.run_at <= now() AND o.kind = ANY($3)
                              ORDER BY o.position LIMIT $4 FOR UPDATE OF o SKIP LOCKED)
         RETURNING *"
    );
    claim(core, lease, sql, [kinds.into(), limit.into()]).await
}

/// Claims the first waiting event of an aggregate, due or not.
pub(super) async fn claim_of(core: &CoreDb, lease: Lease, aggregate: Aggregate) -> Result<Option<Event>> {
    let sql = format!(
        "{TAKE} WHERE id IN (SELECT o.id FROM outbox o
                              WHERE {FREE} AND o.aggregate_type = $3 AND o.aggregate_id = $4
                              ORDER BY o.position LIMIT 1 FOR UPDATE OF o SKIP LOCKED)
         RETURNING *"
    );
    Ok(claim(core, lease, sql, [aggregate.kind.into(), aggregate.id.into()]).await?.pop())
}

/// Claims this event, if it is the first of its aggregate and nobody has it.
pub(super) async fn claim_one(core: &CoreDb, lease: Lease, id: EventId) -> Result<Option<Event>> {
    let sql = format!(
        "{TAKE} WHERE id IN (SELECT o.id FROM outbox o WHERE {FREE} AND o.id = $3 FOR UPDATE OF o SKIP LOCKED)
         RETURNING *"
    );
    Ok(claim(core, lease, sql, [id.0.into()]).await?.pop())
}

async fn claim(
    core: &CoreDb,
    lease: Lease,
    sql: String,
    more: impl IntoIterator<Item = Value>,
) -> Result<Vec<Event>> {
    let values = [Value::from(lease.owner), lease.length.as_secs_f64().into()].into_iter().chain(more);
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    let mut events = Event::find_by_statement(statement).all(core).await?;
    events.sort_unstable_by_key(|event| event.position);
    Ok(events)
}

/// Whether any event waits; those given up too.
pub(super) async fn any_waiting(core: &CoreDb) -> Result<bool> {
    let statement = Statement::from_string(
        DbBackend::Postgres,
        "SELECT 1 AS one FROM outbox WHERE delivered_at IS NULL LIMIT 1",
    );
    Ok(core.query_one_raw(statement).await?.is_some())
}

/// Waiting events of these aggregates, those given up too, in order.
pub(super) async fn waiting_of(core: &CoreDb, aggregates: &[Aggregate]) -> Result<Vec<Event>> {
    let (kinds, ids): (Vec<String>, Vec<Uuid>) =
        aggregates.iter().map(|aggregate| (aggregate.kind.to_owned(), aggregate.id)).unzip();
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT o.* FROM outbox o
           JOIN unnest($1::text[], $2::uuid[]) AS wanted(kind, id) ON o.aggregate_id = wanted.id AND o.aggregate_type = wanted.kind
          WHERE o.delivered_at IS NULL ORDER BY o.position",
        [kinds.into(), ids.into()],
    );
    Ok(Event::find_by_statement(statement).all(core).await?)
}

/// Waiting events that this user asked for, or an administrator, in order.
pub(super) async fn waiting_for(core: &CoreDb, user: UserId, limit: i64) -> Result<Vec<Event>> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT * FROM outbox
          WHERE delivered_at IS NULL AND (owner_id = $1 OR payload @> '{\"admin\": true}')
          ORDER BY position LIMIT $2",
        [user.0.into(), limit.into()],
    );
    Ok(Event::find_by_statement(statement).all(core).await?)
}

/// Prolongs a delivery. False: it is another's by now.
pub(super) async fn prolong(core: &CoreDb, id: EventId, lease: Lease) -> Result<bool> {
    let sql = "UPDATE outbox SET lease_expires_at = now() + make_interval(secs => $3)
                WHERE id = $1 AND lease_owner = $2 AND lease_expires_at > now() AND delivered_at IS NULL";
    held(core, sql, id, lease, [lease.length.as_secs_f64().into()]).await
}

/// Marks an event delivered. False: the lease is lost.
pub(super) async fn mark_delivered(core: &CoreTx, id: EventId, lease: Lease) -> Result<bool> {
    let sql =
        "UPDATE outbox SET delivered_at = now(), lease_owner = NULL, lease_expires_at = NULL, error = NULL
                WHERE id = $1 AND lease_owner = $2 AND lease_expires_at > now() AND delivered_at IS NULL";
    held(core, sql, id, lease, []).await
}

/// Gives an event back as it was: a database was away, which is not its fault.
pub(super) async fn release(core: &CoreDb, id: EventId, lease: Lease, error: &str) -> Result<bool> {
    let sql = "UPDATE outbox SET lease_owner = NULL, lease_expires_at = NULL, error = $3
                WHERE id = $1 AND lease_owner = $2 AND delivered_at IS NULL";
    held(core, sql, id, lease, [error.into()]).await
}

/// Notes a failure: again later, or never unless somebody asks.
pub(super) async fn fail(core: &CoreDb, id: EventId, lease: Lease, error: &str) -> Result<bool> {
    let sql = "UPDATE outbox
                  SET attempts = attempts + 1, error = $3, lease_owner = NULL, lease_expires_at = NULL,
                      run_at = now() + make_interval(secs => least(60, power(2, attempts))),
                      dead_at = CASE WHEN attempts + 1 >= $4 THEN now() END
                WHERE id = $1 AND lease_owner = $2 AND delivered_at IS NULL";
    held(core, sql, id, lease, [error.into(), ATTEMPTS_MAX.into()]).await
}

async fn held(
    core: &impl CoreConn,
    sql: &str,
    id: EventId,
    lease: Lease,
    more: impl IntoIterator<Item = Value>,
) -> Result<bool> {
    let values = [Value::from(id.0), lease.owner.into()].into_iter().chain(more);
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    Ok(core.execute_raw(statement).await?.rows_affected() == 1)
}
