//! Writing events, in core.

use std::collections::HashSet;

use entity::core::outbox;
use entity::ids::{EventId, UserId};
use sea_orm::ActiveValue::Set;
use sea_orm::{ConnectionTrait, DbBackend, EntityTrait, Statement};
use serde_json::Value;
use uuid::Uuid;

use super::CHANNEL;
use crate::db::CoreTx;
use crate::error::Result;

/// What an event is about. Events of one aggregate keep their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Aggregate {
    /// What kind of thing, for example `source`.
    pub kind: &'static str,
    /// Which one.
    pub id: Uuid,
}

impl Aggregate {
    /// The thing of this kind with this id.
    pub fn new(kind: &'static str, id: impl Into<Uuid>) -> Self {
        Self { kind, id: id.into() }
    }
}

/// An event to be.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// What happened; consumers are registered under it.
    pub kind: &'static str,
    /// What it is about.
    pub aggregate: Aggregate,
    /// Ids and bounds, nothing that was deleted. `admin: true` when an
    /// administrator asks, who may delete what others see.
    pub payload: Value,
    /// Who asks.
    pub owner_id: Option<UserId>,
}

/// Writes an event; the relay wakes when the transaction commits. Two
/// transactions that publish for one aggregate wait for each other, so that
/// the order of their numbers is the order of their commits.
pub async fn publish(core: &CoreTx, new: NewEvent) -> Result<EventId> {
    lock(core, "pg_advisory_xact_lock", new.aggregate.kind, &[new.aggregate.id]).await?;
    let id = EventId(Uuid::now_v7());
    let row = outbox::ActiveModel {
        id: Set(id),
        aggregate_type: Set(new.aggregate.kind.to_owned()),
        aggregate_id: Set(new.aggregate.id),
        kind: Set(new.kind.to_owned()),
        payload: Set(new.payload),
        owner_id: Set(new.owner_id),
        ..Default::default()
    };
    outbox::Entity::insert(row).exec_without_returning(core).await?;
    let notify = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT pg_notify($1, $2)",
        [CHANNEL.into(), "".into()],
    );
    core.execute_raw(notify).await?;
    Ok(id)
}

/// Which of these things `user`, or an administrator, asked to be deleted since
/// then. No such event can commit until this transaction ends: what it writes
/// about the others is seen by whatever their deletion does.
pub async fn deleted_since(
    core: &CoreTx,
    kind: &'static str,
    ids: &[Uuid],
    user: UserId,
    since: chrono::DateTime<chrono::Utc>,
) -> Result<HashSet<Uuid>> {
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    lock(core, "pg_advisory_xact_lock_shared", kind, ids).await?;
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT DISTINCT aggregate_id FROM outbox
          WHERE aggregate_type = $1 AND aggregate_id = ANY($2) AND created_at >= $3
            AND (owner_id = $4 OR payload @> '{\"admin\": true}')",
        [kind.into(), ids.to_vec().into(), since.into(), user.0.into()],
    );
    let rows = core.query_all_raw(statement).await?;
    rows.iter().map(|row| Ok(row.try_get("", "aggregate_id")?)).collect()
}

/// Locks the aggregates' events until the transaction ends, in one order.
async fn lock(core: &CoreTx, how: &str, kind: &str, ids: &[Uuid]) -> Result<()> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        format!(
            "SELECT {how}(hashtextextended('outbox:' || $1 || ':' || id, 0))
               FROM (SELECT DISTINCT id::text AS id FROM unnest($2::uuid[]) AS id ORDER BY 1) AS aggregate"
        ),
        [kind.into(), ids.to_vec().into()],
    );
    core.query_all_raw(statement).await?;
    Ok(())
}
