//! The queue's statements. Leases use the database's clock, and every write
//! under a lease is fenced by its owner.

use std::time::Duration;

use entity::core::job::{self, Status};
use entity::ids::{JobId, UserId};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, FromQueryResult, QueryFilter, Statement,
};
use serde::Serialize;
use uuid::Uuid;

use crate::db::{CoreConn, CoreDb};
use crate::error::Result;

/// The channel that wakes workers.
pub(super) const CHANNEL: &str = "tandem_jobs";

/// A job to be.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// Which handler runs it.
    pub kind: &'static str,
    /// Its input.
    pub payload: serde_json::Value,
    /// Who asked for it.
    pub user_id: Option<UserId>,
    /// Units of work, if known.
    pub progress_total: Option<i64>,
}

/// Puts a job into the queue and wakes a worker when the transaction commits.
pub async fn enqueue(core: &impl CoreConn, new: NewJob) -> Result<JobId> {
    let id = JobId(Uuid::now_v7());
    let row = job::ActiveModel {
        id: Set(id),
        kind: Set(new.kind.to_owned()),
        payload: Set(new.payload),
        user_id: Set(new.user_id),
        progress_total: Set(new.progress_total),
        ..Default::default()
    };
    job::Entity::insert(row).exec_without_returning(core).await?;
    core.execute_raw(Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT pg_notify($1, $2)",
        [CHANNEL.into(), new.kind.into()],
    ))
    .await?;
    Ok(id)
}

/// Parts of a larger statement that queue jobs. They come after a part `ended` whose
/// `jobs` is a list of [`JobToBe`]; the statement has to ask `woken` for its `kinds`,
/// which wakes workers.
pub fn queueing() -> String {
    format!(
        "queued AS (
             INSERT INTO jobs (id, kind, payload, user_id, progress_total)
             SELECT job.id, job.kind, job.payload, job.user_id, job.progress_total
               FROM ended CROSS JOIN LATERAL jsonb_to_recordset(ended.jobs)
                    AS job (id uuid, kind text, payload jsonb, user_id uuid, progress_total int8)
             RETURNING kind),
         woken AS MATERIALIZED (
             SELECT count(pg_notify('{CHANNEL}', kind)) AS kinds
               FROM (SELECT DISTINCT kind FROM queued) AS job)"
    )
}

/// A job as [`queueing`] takes it.
#[derive(Clone, Debug, Serialize)]
pub struct JobToBe {
    id: Uuid,
    kind: &'static str,
    payload: serde_json::Value,
    user_id: Option<Uuid>,
    progress_total: Option<i64>,
}

impl From<NewJob> for JobToBe {
    fn from(new: NewJob) -> Self {
        let NewJob { kind, payload, user_id, progress_total } = new;
        Self { id: Uuid::now_v7(), kind, payload, user_id: user_id.map(|id| id.0), progress_total }
    }
}

/// Claims the next due job of one of `kinds`, or one whose lease ran out.
pub(super) async fn claim(
    core: &CoreDb,
    owner: Uuid,
    lease: Duration,
    kinds: &[String],
) -> Result<Option<job::Model>> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "UPDATE jobs SET status = 'running', attempts = attempts + 1, lease_owner = $1,
                lease_expires_at = now() + make_interval(secs => $2),
                started_at = coalesce(started_at, now())
          WHERE id = (SELECT id FROM jobs
                       WHERE kind = ANY($3)
                         AND ((status = 'queued' AND run_at <= now())
                           OR (status = 'running' AND lease_expires_at < now() AND attempts < attempts_max))
                       ORDER BY priority DESC, run_at, id
                       LIMIT 1 FOR UPDATE SKIP LOCKED)
         RETURNING *",
        [owner.into(), lease.as_secs_f64().into(), kinds.to_vec().into()],
    );
    Ok(job::Model::find_by_statement(statement).one(core).await?)
}

/// Gives up jobs that died with their process as often as they may be started.
pub(super) async fn give_up_dead(core: &CoreDb) -> Result<u64> {
    let statement = Statement::from_string(
        DbBackend::Postgres,
        "UPDATE jobs SET status = 'failed', lease_owner = NULL, lease_expires_at = NULL, finished_at = now(),
                error = 'its process died each time it ran'
          WHERE status = 'running' AND lease_expires_at < now() AND attempts >= attempts_max",
    );
    Ok(core.execute_raw(statement).await?.rows_affected())
}

/// Prolongs a lease and records progress. False: the lease is lost, stop; one
/// that ran out is lost even if nobody has taken the job yet.
pub(super) async fn beat(core: &CoreDb, id: JobId, owner: Uuid, lease: Duration, done: i64) -> Result<bool> {
    let updated = job::Entity::update_many()
        .col_expr(job::Column::LeaseExpiresAt, in_seconds(lease.as_secs_f64()))
        .col_expr(job::Column::ProgressDone, Expr::val(done))
        .filter(held(id, owner))
        .exec(core)
        .await?;
    Ok(updated.rows_affected == 1)
}

/// Ends a job well. False: the lease was lost.
pub(super) async fn succeed(core: &CoreDb, id: JobId, owner: Uuid, done: i64) -> Result<bool> {
    let updated = freed(job::Entity::update_many())
        .col_expr(job::Column::Status, Expr::val(Status::Succeeded))
        .col_expr(job::Column::ProgressDone, Expr::val(done))
        .col_expr(job::Column::Error, Expr::val(None::<String>))
        .col_expr(job::Column::FinishedAt, Expr::cust("now()"))
        .filter(held(id, owner))
        .exec(core)
        .await?;
    Ok(updated.rows_affected == 1)
}

/// Puts a failed job back for later, or gives it up.
pub(super) async fn fail(
    core: &CoreDb,
    id: JobId,
    owner: Uuid,
    error: &str,
    retry_in: Option<Duration>,
) -> Result<bool> {
    let update = freed(job::Entity::update_many()).col_expr(job::Column::Error, Expr::val(error));
    let update = match retry_in {
        Some(delay) => update
            .col_expr(job::Column::Status, Expr::val(Status::Queued))
            .col_expr(job::Column::RunAt, in_seconds(delay.as_secs_f64())),
        None => update
            .col_expr(job::Column::Status, Expr::val(Status::Failed))
            .col_expr(job::Column::FinishedAt, Expr::cust("now()")),
    };
    let updated = update.filter(held(id, owner)).exec(core).await?;
    Ok(updated.rows_affected == 1)
}

fn held(id: JobId, owner: Uuid) -> sea_orm::Condition {
    sea_orm::Condition::all()
        .add(job::Column::Id.eq(id))
        .add(job::Column::LeaseOwner.eq(owner))
        .add(job::Column::Status.eq(Status::Running))
        .add(Expr::cust("lease_expires_at > now()"))
}

fn freed(update: sea_orm::UpdateMany<job::Entity>) -> sea_orm::UpdateMany<job::Entity> {
    update
        .col_expr(job::Column::LeaseOwner, Expr::val(None::<Uuid>))
        .col_expr(job::Column::LeaseExpiresAt, Expr::cust("NULL"))
}

fn in_seconds(seconds: f64) -> Expr {
    Expr::cust_with_values("now() + make_interval(secs => $1)", [seconds])
}
