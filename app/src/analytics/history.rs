//! Runs that were, and the one that is.

use entity::core::{batch_job, batch_run, batch_run_log};
use entity::ids::{BatchRunId, PortfolioId};
use sea_orm::{ColumnTrait, Condition, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect};

use super::sql;
use crate::db::CoreConn;
use crate::error::{Error, Result};
use crate::web::{Cursor, Page, PageQuery};

/// Lines of a log that are shown without being asked for more.
pub const LINES_SHOWN: u64 = 50;
/// Days of the summary.
pub const SUMMARY_DAYS: i32 = 30;

/// The run over all that is running, else the one that waits.
pub async fn current(core: &impl CoreConn) -> Result<Option<batch_run::Model>> {
    let open = batch_run::Entity::find()
        .filter(batch_run::Column::PortfolioId.is_null())
        .filter(
            batch_run::Column::Status
                .is_in([batch_run::BatchStatus::Running, batch_run::BatchStatus::Queued]),
        )
        .order_by_desc(batch_run::Column::Status);
    Ok(open.one(core).await?)
}

/// A run.
pub async fn find(core: &impl CoreConn, id: BatchRunId) -> Result<batch_run::Model> {
    batch_run::Entity::find_by_id(id).one(core).await?.ok_or(Error::NotFound("run"))
}

/// A run over this portfolio alone.
pub async fn find_of(
    core: &impl CoreConn,
    portfolio: PortfolioId,
    id: BatchRunId,
) -> Result<batch_run::Model> {
    let run = batch_run::Entity::find_by_id(id).filter(batch_run::Column::PortfolioId.eq(portfolio));
    run.one(core).await?.ok_or(Error::NotFound("run"))
}

/// Runs, newest first.
pub async fn list(core: &impl CoreConn, page: &PageQuery) -> Result<Page<batch_run::Model>> {
    use batch_run::Column::{CreatedAt, Id};
    let mut runs = batch_run::Entity::find().order_by_desc(CreatedAt).order_by_desc(Id).limit(page.limit + 1);
    if let Some(after) = page.cursor {
        let same = Condition::all().add(CreatedAt.eq(after.at)).add(Id.lt(after.id));
        runs = runs.filter(Condition::any().add(CreatedAt.lt(after.at)).add(same));
    }
    let position = |run: &batch_run::Model| Cursor { at: run.created_at, id: run.id.0 };
    Ok(Page::of(runs.all(core).await?, page.limit, position, |run| run))
}

/// Its phases, in their order.
pub async fn phases(core: &impl CoreConn, id: BatchRunId) -> Result<Vec<batch_job::Model>> {
    let phases = batch_job::Entity::find().filter(batch_job::Column::RunId.eq(id));
    Ok(phases.order_by_asc(batch_job::Column::Id).all(core).await?)
}

/// The last lines of its log before this one, the last first.
pub async fn lines(
    core: &impl CoreConn,
    id: BatchRunId,
    before: Option<i32>,
    limit: u64,
) -> Result<Vec<batch_run_log::Model>> {
    let mut lines = batch_run_log::Entity::find().filter(batch_run_log::Column::RunId.eq(id));
    if let Some(before) = before {
        lines = lines.filter(batch_run_log::Column::Seq.lt(before));
    }
    Ok(lines.order_by_desc(batch_run_log::Column::Seq).limit(limit).all(core).await?)
}

/// Runs of the last 30 days by how they ended, and how long they took.
#[derive(Clone, Debug, PartialEq, FromQueryResult)]
pub struct Summary {
    /// All.
    pub runs: i64,
    /// Done.
    pub completed: i64,
    /// Failed.
    pub failed: i64,
    /// Called off.
    pub cancelled: i64,
    /// Seconds of one that was completed, on average.
    pub average_s: Option<f64>,
    /// Seconds of the longest.
    pub longest_s: Option<f64>,
    /// When one was last completed.
    pub last_completed_at: Option<chrono::DateTime<chrono::Utc>>,
    /// When one last failed.
    pub last_failed_at: Option<chrono::DateTime<chrono::Utc>>,
}

/// What became of runs.
pub async fn summary(core: &impl CoreConn) -> Result<Summary> {
    let statement = sql(
        "SELECT count(*) AS runs, count(*) FILTER (WHERE status = 'completed') AS completed,
                count(*) FILTER (WHERE status = 'failed') AS failed,
                count(*) FILTER (WHERE status = 'cancelled') AS cancelled,
                avg(extract(epoch FROM completed_at - started_at)) FILTER (WHERE status = 'completed')::float8 AS average_s,
                max(extract(epoch FROM completed_at - started_at)) FILTER (WHERE status = 'completed')::float8 AS longest_s,
                max(completed_at) FILTER (WHERE status = 'completed') AS last_completed_at,
                max(completed_at) FILTER (WHERE status = 'failed') AS last_failed_at
           FROM batch_run_history WHERE created_at > now() - make_interval(days => $1)",
        [SUMMARY_DAYS.into()],
    );
    Summary::find_by_statement(statement).one(core).await?.ok_or(Error::NotFound("history"))
}
