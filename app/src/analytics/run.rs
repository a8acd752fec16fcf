//! One run, from its first phase to its last.

use std::time::{Duration, Instant};

use chrono::NaiveDate;
use entity::core::batch_run;
use entity::ids::PortfolioId;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use sea_orm::ConnectionTrait;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::chunk::{self, Common, Failed};
use super::log::{Level, say};
use super::plan::{Asked, Candidate, Work, candidates, work};
use super::{last_session, phases, prices, settle_changes, sql, tracking, universe};
use crate::error::{Error, Result};
use crate::market::Calendar;
use crate::state::AppState;

/// Portfolios a transaction: short ones let users in between.
const PORTFOLIOS_PER_CHUNK: usize = 16;
/// Transactions at once: while one computes, another writes.
const CHUNKS_AT_ONCE: usize = 2;
/// Failures that a run's summary names; the log has all.
const FAILURES_NAMED_MAX: usize = 20;

/// A run that this process holds.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) state: AppState,
    pub(super) row: batch_run::Model,
    pub(super) owner: Uuid,
    pub(super) lease: Duration,
}

/// How a run went.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// What failed, by phase.
    errors: Map<String, Value>,
}

impl Run {
    /// Does what is left of it.
    pub(super) async fn work(&self) -> Result<Outcome> {
        let core = &self.state.core;
        let (id, is_first) = (self.row.id, self.row.attempts <= 1);
        say(core, id, Level::Info, if is_first { "started" } else { "taken over" }).await?;
        phases::open(core, id, self.row.prices_only).await?;
        let calendar = Calendar::load(core).await?;
        let last = last_session(core, &calendar).await?;
        let asked =
            Asked { from: self.row.from_date, to: self.row.to_date.unwrap_or(last), force: self.row.force };
        let mut outcome = Outcome::default();
        let prices_error = self.fetch(asked, &mut outcome).await?;
        settle_changes(core).await?;
        if !self.row.prices_only {
            let days = self.portfolios(calendar, asked, &mut outcome).await?;
            if self.row.portfolio_id.is_none() {
                let has_failed = outcome.errors.contains_key("portfolios");
                tracking::note(core, id, &days, prices_error.as_deref(), has_failed).await?;
            }
        }
        Ok(outcome)
    }

    /// The phase of prices. What cannot be fetched is said, and the others go on with what is there.
    async fn fetch(&self, asked: Asked, outcome: &mut Outcome) -> Result<Option<String>> {
        let (core, id) = (&self.state.core, self.row.id);
        if phases::is_done(core, id, phases::PRICES).await? {
            return Ok(None);
        }
        phases::begin(core, id, self.owner, phases::PRICES).await?;
        let started = Instant::now();
        let error = match prices::fetch(&self.state, id, self.row.portfolio_id, asked.to).await {
            Ok(rows) => {
                phases::count(core, id, phases::PRICES, rows, started.elapsed()).await?;
                None
            }
            Err(error) if error.is_outage() => return Err(error),
            Err(error) => {
                say(core, id, Level::Warning, &format!("prices could not be fetched: {error}")).await?;
                outcome.errors.insert(phases::PRICES.to_owned(), error.to_string().into());
                Some(error.to_string())
            }
        };
        phases::end(core, id, self.owner, phases::PRICES, error.as_deref()).await?;
        Ok(error)
    }

    /// The phases over portfolios. Answers the days of all of them together.
    async fn portfolios(
        &self,
        calendar: Calendar,
        asked: Asked,
        outcome: &mut Outcome,
    ) -> Result<Vec<NaiveDate>> {
        let (core, id) = (&self.state.core, self.row.id);
        // First, so that a change of prices that comes later shows as another revision.
        let all = candidates(core, id, self.row.portfolio_id).await?;
        let (due, days) = due(&all, &calendar, asked);
        self.expect(due.len()).await?;
        for phase in phases::OF_PORTFOLIOS {
            phases::begin(core, id, self.owner, phase.name).await?;
        }
        let universe = match days.first().zip(days.last()) {
            Some((from, to)) => universe::load(core, &due, *from, *to).await?,
            None => None,
        };
        let common = Common {
            core: core.clone(),
            run: id,
            owner: self.owner,
            lease: self.lease,
            calendar,
            asked,
            universe,
            revisions: all.iter().map(|candidate| (candidate.id, candidate.revision)).collect(),
        };
        let attempts: Vec<_> =
            due.chunks(PORTFOLIOS_PER_CHUNK).map(|some| attempt(&common, some).boxed()).collect();
        let mut attempts = stream::iter(attempts).buffer_unordered(CHUNKS_AT_ONCE);
        let mut failed = Failed::new();
        while let Some(some) = attempts.try_next().await? {
            failed.extend(some);
        }
        for (portfolio, error) in &failed {
            say(core, id, Level::Warning, &format!("portfolio {portfolio}: {error}")).await?;
        }
        let said = format!("{} portfolios computed, {} failed", due.len() - failed.len(), failed.len());
        say(core, id, Level::Info, &said).await?;
        let error = self.failures(outcome).await?;
        for phase in phases::OF_PORTFOLIOS {
            phases::end(core, id, self.owner, phase.name, error.as_deref()).await?;
        }
        if self.row.attempts > 1 {
            tracking::with_earlier(core, id, &common.calendar, days).await
        } else {
            Ok(days)
        }
    }

    /// How many portfolios there are to do; who takes the run over counts those that are left.
    async fn expect(&self, left: usize) -> Result<()> {
        let left = i32::try_from(left).unwrap_or(i32::MAX);
        self.state
            .core
            .execute_raw(sql(
                "UPDATE batch_run_history SET total_jobs = completed_jobs + failed_jobs + $3
                  WHERE id = $1 AND lease_owner = $2 AND status = 'running'",
                [self.row.id.0.into(), self.owner.into(), left.into()],
            ))
            .await?;
        Ok(())
    }

    /// What failed in the whole run, also before it was taken over.
    async fn failures(&self, outcome: &mut Outcome) -> Result<Option<String>> {
        let statement = sql(
            "SELECT portfolio_id, error FROM batch_run_portfolios
              WHERE run_id = $1 AND error IS NOT NULL ORDER BY portfolio_id",
            [self.row.id.0.into()],
        );
        let rows = self.state.core.query_all_raw(statement).await?;
        let mut named = Map::new();
        for row in rows.iter().take(FAILURES_NAMED_MAX) {
            let portfolio: Uuid = row.try_get("", "portfolio_id")?;
            named.insert(portfolio.to_string(), row.try_get::<String>("", "error")?.into());
        }
        if named.is_empty() {
            return Ok(None);
        }
        outcome.errors.insert("portfolios".to_owned(), Value::Object(named));
        Ok(Some(format!("{} portfolios failed", rows.len())))
    }

    /// Writes how it went, and that it ended.
    pub(super) async fn finish(&self, outcome: Result<Outcome>) -> Result<()> {
        let outcome = outcome.unwrap_or_else(|error| {
            let mut failed = Outcome::default();
            failed.errors.insert("run".to_owned(), error.to_string().into());
            failed
        });
        let (core, id) = (&self.state.core, self.row.id);
        let is_well = outcome.errors.is_empty();
        let message = if is_well {
            "completed".to_owned()
        } else {
            format!("failed: {}", Value::Object(outcome.errors.clone()))
        };
        say(core, id, if is_well { Level::Info } else { Level::Warning }, &message).await?;
        core.execute_raw(sql(
            "WITH ended AS (
               UPDATE batch_run_history
                  SET status = CASE WHEN $3 THEN 'completed' ELSE 'failed' END, error_summary = $4,
                      phase = NULL, phase_durations = (
                        SELECT coalesce(jsonb_object_agg(job_name, round((job_metadata->>'took_ms')::numeric)), '{}')
                          FROM batch_jobs WHERE run_id = $1 AND job_metadata->>'took_ms' IS NOT NULL),
                      lease_owner = NULL, lease_expires_at = NULL, completed_at = now()
                WHERE id = $1 AND lease_owner = $2 AND status = 'running' RETURNING id)
             UPDATE batch_jobs SET status = 'failed', completed_at = now(), error_message = 'the run ended before it'
               FROM ended WHERE run_id = ended.id AND batch_jobs.status IN ('queued', 'running')",
            [
                id.0.into(),
                self.owner.into(),
                is_well.into(),
                (!is_well).then_some(Value::Object(outcome.errors)).into(),
            ],
        ))
        .await?;
        // Who is done matters while the run goes on; what failed stays.
        core.execute_raw(sql(
            "DELETE FROM batch_run_portfolios WHERE run_id = $1 AND error IS NULL
                AND EXISTS (SELECT 1 FROM batch_run_history WHERE id = $1 AND status IN ('completed', 'failed'))",
            [id.0.into()],
        ))
        .await?;
        Ok(())
    }
}

/// Portfolios with something to do, and every day of theirs.
fn due(all: &[Candidate], calendar: &Calendar, asked: Asked) -> (Vec<PortfolioId>, Vec<NaiveDate>) {
    let mut due = Vec::new();
    let mut range: Option<(NaiveDate, NaiveDate)> = None;
    for candidate in all {
        match work(candidate, calendar, asked) {
            Work::Nothing => continue,
            Work::Clear => {}
            Work::Days { days, .. } => {
                if let Some((first, last)) = days.first().copied().zip(days.last().copied()) {
                    let (from, to) = range.unwrap_or((first, last));
                    range = Some((from.min(first), to.max(last)));
                }
            }
        }
        due.push(candidate.id);
    }
    let days = range.map(|(from, to)| calendar.days(from, to).collect()).unwrap_or_default();
    (due, days)
}

/// Does some portfolios; one that fails does not keep the others from being done.
async fn attempt(common: &Common, ids: &[PortfolioId]) -> Result<Failed> {
    let error = match chunk::run(common, ids).await {
        Ok(failed) => return Ok(failed),
        Err(error) => error,
    };
    if is_over(&error) {
        return Err(error);
    }
    let mut failed = Failed::new();
    for id in ids {
        match chunk::run(common, std::slice::from_ref(id)).await {
            Ok(some) => failed.extend(some),
            Err(error) if is_over(&error) => return Err(error),
            Err(error) => {
                tracing::warn!(portfolio = %id, %error, "a portfolio could not be computed");
                chunk::give_up(common, *id, &error.to_string()).await?;
                failed.push((*id, error.to_string()));
            }
        }
    }
    Ok(failed)
}

/// Whether it is not about a portfolio.
fn is_over(error: &Error) -> bool {
    error.is_outage() || matches!(error, Error::Conflict { code: "lease_lost", .. })
}
