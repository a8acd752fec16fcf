//! Asking for a run, and calling one off.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use entity::core::batch_run;
use entity::ids::{BatchRunId, PortfolioId};
use sea_orm::{ConnectionTrait, FromQueryResult};

use super::sql;
use crate::db::{CoreConn, CoreDb, CoreTx};
use crate::error::{Error, Result};
use crate::market::Calendar;

/// The channel that wakes runners.
pub(super) const CHANNEL: &str = "tandem_batch";

/// Held by whoever decides which run is there and who has it, until it is decided.
pub(super) const LOCK: &str = "hashtextextended('tandem.batch', 0)";

/// From this time on, in New York, a trading day's closes are there. The exchange closes at 16:00.
const CLOSED_AT: (u32, u32) = (16, 15);

/// A run to be.
#[derive(Clone, Debug)]
pub struct NewRun {
    /// Its id.
    pub id: BatchRunId,
    /// Only this one; none: all.
    pub portfolio: Option<PortfolioId>,
    /// From this day on figures are computed again; none: what is missing.
    pub from: Option<NaiveDate>,
    /// The last day; none: the last trading day.
    pub to: Option<NaiveDate>,
    /// From the beginning.
    pub force: bool,
    /// Prices are fetched, and nothing is computed.
    pub prices_only: bool,
    /// `cli`, `schedule`, `user` or an administrator's address.
    pub triggered_by: String,
}

/// What became of asking.
#[derive(Clone, Debug)]
pub enum Requested {
    /// It waits for whoever is free; one that is forced, for the running one as well.
    Started(batch_run::Model),
    /// This one is open already.
    Open(batch_run::Model),
}

/// Asks for a run. One is open at a time over all portfolios and over each; a
/// forced one waits behind it. 422 for days that are not over yet.
pub async fn request(core: &CoreDb, new: NewRun) -> Result<Requested> {
    require_past(core, &new).await?;
    let tx = core.begin().await?;
    let requested = request_in(&tx, &new).await?;
    tx.commit().await?;
    Ok(requested)
}

async fn require_past(core: &CoreDb, new: &NewRun) -> Result<()> {
    if new.from.zip(new.to).is_some_and(|(from, to)| from > to) {
        return Err(Error::field("start_date", "must not be after end_date"));
    }
    let last = last_session(core, &Calendar::load(core).await?).await?;
    for (field, day) in [("start_date", new.from), ("end_date", new.to)] {
        if day.is_some_and(|day| day > last) {
            return Err(Error::field(
                field,
                format!("must not be after {last}, the last trading day that is over"),
            ));
        }
    }
    Ok(())
}

/// The last trading day whose closes are there.
pub async fn last_session(core: &impl CoreConn, calendar: &Calendar) -> Result<NaiveDate> {
    let statement = sql("SELECT now() AT TIME ZONE 'America/New_York' AS now", []);
    let row = core.query_one_raw(statement).await?.ok_or_else(|| Error::conflict("no_clock", "no time"))?;
    let now: NaiveDateTime = row.try_get("", "now")?;
    let closed_at = NaiveTime::from_hms_opt(CLOSED_AT.0, CLOSED_AT.1, 0).unwrap_or_default();
    let day = if now.time() >= closed_at { Some(now.date()) } else { now.date().pred_opt() };
    let session = day.and_then(|day| calendar.on_or_before(day));
    session.ok_or_else(|| Error::conflict("no_trading_day", "the calendar has no trading day"))
}

pub(super) async fn request_in(tx: &CoreTx, new: &NewRun) -> Result<Requested> {
    tx.execute_unprepared(&format!("SELECT pg_advisory_xact_lock({LOCK})")).await?;
    let portfolio = new.portfolio.map(|id| id.0);
    let open = batch_run::Model::find_by_statement(sql(
        "SELECT * FROM batch_run_history
          WHERE id = $1 OR (portfolio_id IS NOT DISTINCT FROM $2 AND status IN ('queued', 'running'))
          ORDER BY id = $1 DESC, status",
        [new.id.0.into(), portfolio.into()],
    ));
    // `queued` before `running`, and an earlier try of the same request before either.
    if let Some(open) = open.one(tx).await? {
        if open.id == new.id {
            return Ok(Requested::Started(open));
        }
        if !new.force || open.status == batch_run::BatchStatus::Queued {
            return Ok(Requested::Open(open));
        }
    }
    let made = batch_run::Model::find_by_statement(sql(
        "INSERT INTO batch_run_history (id, triggered_by, portfolio_id, from_date, to_date, force, prices_only)
         VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING *",
        [
            new.id.0.into(),
            new.triggered_by.as_str().into(),
            portfolio.into(),
            new.from.into(),
            new.to.into(),
            new.force.into(),
            new.prices_only.into(),
        ],
    ));
    let made = made.one(tx).await?.ok_or(Error::NotFound("run"))?;
    tx.execute_raw(sql("SELECT pg_notify($1, '')", [CHANNEL.into()])).await?;
    Ok(Requested::Started(made))
}

/// Calls off the run over all that is running, else the one that waits. What is
/// written stays; each portfolio is whole.
pub async fn cancel(core: &CoreDb) -> Result<batch_run::Model> {
    let tx = core.begin().await?;
    tx.execute_unprepared(&format!("SELECT pg_advisory_xact_lock({LOCK})")).await?;
    let cancelled = batch_run::Model::find_by_statement(sql(
        "UPDATE batch_run_history
            SET status = 'cancelled', lease_owner = NULL, lease_expires_at = NULL, completed_at = now()
          WHERE id = (SELECT id FROM batch_run_history
                       WHERE portfolio_id IS NULL AND status IN ('queued', 'running') ORDER BY status DESC LIMIT 1)
         RETURNING *",
        [],
    ));
    let cancelled = cancelled.one(&tx).await?.ok_or(Error::NotFound("running batch"))?;
    tx.execute_raw(sql(
        "UPDATE batch_jobs SET status = 'cancelled', completed_at = now()
          WHERE run_id = $1 AND status IN ('queued', 'running')",
        [cancelled.id.0.into()],
    ))
    .await?;
    tx.commit().await?;
    Ok(cancelled)
}
