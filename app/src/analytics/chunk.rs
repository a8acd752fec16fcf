//! Several portfolios in one transaction: locked, read, computed, written.
//!
//! Their rows are locked as by whoever changes a lot, so nothing changes between reading and
//! writing, and `stale_from` is cleared for what was seen. Prices are not
//! locked: what changes of them reaches the portfolios as a revision, and prices that were
//! read before a revision are not used after it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use entity::core::portfolio_snapshot::{self, Column};
use entity::ids::{BatchRunId, PortfolioId};
use sea_orm::sea_query::Condition;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter};
use uuid::Uuid;

use super::claim::{count, fence};
use super::compute::{Computed, Task, compute};
use super::phases::{self, OF_PORTFOLIOS};
use super::plan::{Asked, Candidate, Work, candidates_of, work};
use super::universe::Universe;
use super::{sql, write};
use crate::db::{CoreDb, CoreTx};
use crate::error::{Context, Result};
use crate::market::{Calendar, Market};
use crate::portfolio::figures::{Before, Totals, needs};
use crate::portfolio::lots;

/// What all transactions of a run have in common.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) core: CoreDb,
    pub(super) run: BatchRunId,
    pub(super) owner: Uuid,
    pub(super) lease: Duration,
    pub(super) calendar: Calendar,
    pub(super) asked: Asked,
    pub(super) universe: Option<Universe>,
    /// Of each portfolio, before the universe was read.
    pub(super) revisions: HashMap<PortfolioId, i64>,
}

/// Portfolios that could not be computed, and why.
pub(super) type Failed = Vec<(PortfolioId, String)>;

/// Does these portfolios, or none of them if it fails.
pub(super) async fn run(common: &Common, ids: &[PortfolioId]) -> Result<Failed> {
    let tx = common.core.begin().await?;
    limit(&tx, common.lease).await?;
    fence(&tx, common.run, common.owner).await?;
    lock(&tx, ids).await?;
    let started = Instant::now();
    let computed = computed(&tx, common, ids).await?;
    let computing = started.elapsed();
    let mut written = Vec::with_capacity(OF_PORTFOLIOS.len());
    for phase in OF_PORTFOLIOS {
        let started = Instant::now();
        let rows = (phase.write)(&tx, common.run, &computed).await?;
        written.push((phase.name, rows, started.elapsed()));
    }
    write::settle(&tx, common.run, &computed).await?;
    let failed: Failed = computed.iter().filter_map(|one| Some((one.id, one.error?.to_owned()))).collect();
    // Last, because others wait for these rows.
    count(&tx, common.run, common.owner, ids.len() - failed.len(), failed.len()).await?;
    for (place, (name, rows, took)) in written.into_iter().enumerate() {
        // Reading and arithmetic, which all phases share, count with the first.
        let took = if place == 0 { took + computing } else { took };
        phases::count(&tx, common.run, name, rows, took).await?;
    }
    tx.commit().await?;
    Ok(failed)
}

/// Notes that a portfolio cannot be done.
pub(super) async fn give_up(common: &Common, id: PortfolioId, error: &str) -> Result<()> {
    let tx = common.core.begin().await?;
    fence(&tx, common.run, common.owner).await?;
    write::done(&tx, common.run, &[(id, Some(error))]).await?;
    count(&tx, common.run, common.owner, 0, 1).await?;
    tx.commit().await
}

/// A process that is paused in the middle does not hold its locks for longer
/// than its lease: the server ends its session.
async fn limit(tx: &CoreTx, lease: Duration) -> Result<()> {
    let ms = (lease / 2).as_millis();
    let limits = format!(
        "SET LOCAL idle_in_transaction_session_timeout = {ms}; SET LOCAL lock_timeout = {ms}; SET LOCAL jit = off"
    );
    tx.execute_unprepared(&limits).await?;
    Ok(())
}

async fn lock(tx: &CoreTx, ids: &[PortfolioId]) -> Result<()> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let statement =
        sql("SELECT id FROM portfolios WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE", [ids.into()]);
    tx.query_all_raw(statement).await?;
    Ok(())
}

async fn computed(tx: &CoreTx, common: &Common, ids: &[PortfolioId]) -> Result<Vec<Computed>> {
    let candidates = candidates_of(tx, ids).await?;
    let mut works: HashMap<PortfolioId, Work> = candidates
        .iter()
        .map(|candidate| (candidate.id, work(candidate, &common.calendar, common.asked)))
        .collect();
    let accounts = lots::load(tx, ids).await?;
    let mut before = before(tx, common, &works).await?;
    let tasks: Vec<Task> = accounts
        .into_iter()
        .map(|account| Task {
            work: works.remove(&account.id).unwrap_or(Work::Nothing),
            before: before.remove(&account.id),
            account,
        })
        .collect();
    let market = market(tx, common, &candidates, &tasks).await?;
    // Seconds of arithmetic, for a large account: not on a thread that answers requests.
    let computing = move || tasks.iter().map(|task| compute(task, &market)).collect();
    tokio::task::spawn_blocking(computing).await.context("computing figures")
}

/// The prices of the run, unless something came between.
async fn market(
    tx: &CoreTx,
    common: &Common,
    candidates: &[Candidate],
    tasks: &[Task],
) -> Result<Arc<Market>> {
    let days = || {
        tasks.iter().filter_map(|task| match &task.work {
            Work::Days { days, .. } => Some(days),
            Work::Nothing | Work::Clear => None,
        })
    };
    let from = days().filter_map(|days| days.first()).min().copied();
    let to = days().filter_map(|days| days.last()).max().copied();
    let Some((from, to)) = from.zip(to) else { return Ok(Arc::default()) };
    let needs = needs(tasks.iter().map(|task| &task.account), from);
    let is_seen = |candidate: &Candidate| common.revisions.get(&candidate.id) == Some(&candidate.revision);
    if let Some(universe) = &common.universe
        && candidates.iter().all(is_seen)
        && universe.covers(&needs, to)
    {
        return Ok(Arc::clone(&universe.market));
    }
    Ok(Arc::new(lots::prices(tx, &needs, to).await?))
}

/// The snapshots that the first ones follow.
async fn before(
    tx: &CoreTx,
    common: &Common,
    works: &HashMap<PortfolioId, Work>,
) -> Result<HashMap<PortfolioId, Before>> {
    let mut wanted = Condition::any();
    let mut is_empty = true;
    for (id, work) in works {
        if let Work::Days { days, is_beginning: false } = work
            && let Some(day) = days.first().and_then(|first| common.calendar.previous(*first))
        {
            wanted = wanted.add(Column::PortfolioId.eq(*id).and(Column::SnapshotDate.eq(day)));
            is_empty = false;
        }
    }
    if is_empty {
        return Ok(HashMap::new());
    }
    let rows = portfolio_snapshot::Entity::find().filter(wanted).all(tx).await?;
    Ok(rows.into_iter().map(|row| (row.portfolio_id, as_before(&row))).collect())
}

fn as_before(row: &portfolio_snapshot::Model) -> Before {
    Before {
        total_value: row.total_value,
        cumulative_pnl: row.cumulative_pnl,
        cumulative: Totals {
            realized: row.cumulative_realized_pnl,
            income: row.cumulative_income,
            flow: row.cumulative_capital_flow,
            uncounted: 0,
        },
        cumulative_return: row.cumulative_return,
    }
}
