//! Runs by the clock: cron expressions in the database.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use croner::Cron;
use entity::core::batch_schedule;
use entity::ids::{BatchRunId, BatchScheduleId};
use sea_orm::{ConnectionTrait, EntityTrait, FromQueryResult, QueryOrder};
use uuid::Uuid;

use super::request::{NewRun, Requested, request_in};
use super::sql;
use crate::db::{CoreConn, CoreDb, CoreTx};
use crate::error::{Error, Result};

/// Schedules a look.
const DUE_MAX: i64 = 100;
/// Minute, hour, day of month, month, day of week.
const FIELDS: usize = 5;

/// When a schedule begins a run.
#[derive(Clone, Debug)]
pub struct Edit {
    /// Minute, hour, day of month, month, day of week.
    pub cron_expression: String,
    /// IANA zone in which it is read.
    pub timezone: String,
    /// It runs.
    pub is_active: bool,
    /// For people.
    pub description: Option<String>,
}

/// All schedules, by name.
pub async fn list(core: &impl CoreConn) -> Result<Vec<batch_schedule::Model>> {
    Ok(batch_schedule::Entity::find().order_by_asc(batch_schedule::Column::JobName).all(core).await?)
}

/// Changes a schedule; its next run is worked out anew.
pub async fn change(core: &CoreDb, id: BatchScheduleId, edit: Edit) -> Result<batch_schedule::Model> {
    let next = next_after(&edit.cron_expression, &edit.timezone, now(core).await?)?;
    let changed = batch_schedule::Model::find_by_statement(sql(
        "UPDATE batch_job_schedules
            SET cron_expression = $2, timezone = $3, is_active = $4, description = $5, next_run_at = $6, updated_at = now()
          WHERE id = $1 RETURNING *",
        [
            id.0.into(),
            edit.cron_expression.into(),
            edit.timezone.into(),
            edit.is_active.into(),
            edit.description.into(),
            edit.is_active.then_some(next).into(),
        ],
    ));
    changed.one(core).await?.ok_or(Error::NotFound("schedule"))
}

/// Begins the runs that are due, each once however many replicas look. What was due several
/// times while nobody looked is begun once. Answers how many were begun.
pub async fn start_due(core: &CoreDb) -> Result<u64> {
    let tx = core.begin().await?;
    let due = batch_schedule::Model::find_by_statement(sql(
        "SELECT * FROM batch_job_schedules
          WHERE is_active AND (next_run_at IS NULL OR next_run_at <= now())
          ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED",
        [DUE_MAX.into()],
    ));
    let due = due.all(&tx).await?;
    if due.is_empty() {
        return Ok(0);
    }
    let now = now(&tx).await?;
    let mut begun = 0;
    for schedule in due {
        if start(&tx, &schedule, now).await? {
            begun += 1;
        }
    }
    tx.commit().await?;
    Ok(begun)
}

async fn start(tx: &CoreTx, schedule: &batch_schedule::Model, now: DateTime<Utc>) -> Result<bool> {
    let next = match next_after(&schedule.cron_expression, &schedule.timezone, now) {
        Ok(next) => next,
        Err(error) => {
            tracing::warn!(schedule = schedule.job_name, %error, "a schedule cannot be read and is switched off");
            tx.execute_raw(sql(
                "UPDATE batch_job_schedules SET is_active = false, next_run_at = NULL WHERE id = $1",
                [schedule.id.0.into()],
            ))
            .await?;
            return Ok(false);
        }
    };
    // The first look only works out when it is due.
    let is_due = schedule.next_run_at.is_some();
    let mut has_begun = false;
    if is_due {
        let new = NewRun {
            id: BatchRunId(Uuid::now_v7()),
            portfolio: None,
            from: None,
            to: None,
            force: false,
            prices_only: false,
            triggered_by: "schedule".to_owned(),
        };
        has_begun = matches!(request_in(tx, &new).await?, Requested::Started(_));
        if !has_begun {
            tracing::info!(schedule = schedule.job_name, "a run is open already");
        }
    }
    tx.execute_raw(sql(
        "UPDATE batch_job_schedules
            SET next_run_at = $2, last_run_at = CASE WHEN $3 THEN now() ELSE last_run_at END WHERE id = $1",
        [schedule.id.0.into(), next.into(), has_begun.into()],
    ))
    .await?;
    Ok(has_begun)
}

/// When an expression is next due after this time. 422 for one that cannot be read, or never is.
pub fn next_after(expression: &str, timezone: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>> {
    let zone = Tz::from_str(timezone).map_err(|_| Error::field("timezone", "is no IANA time zone"))?;
    let wrong = |why: &str| Error::field("cron_expression", why);
    if expression.split_whitespace().count() != FIELDS {
        return Err(wrong("must have five fields: minute, hour, day of month, month, day of week"));
    }
    let cron = Cron::from_str(expression).map_err(|error| wrong(&error.to_string()))?;
    let next = cron.find_next_occurrence(&now.with_timezone(&zone), false);
    Ok(next.map_err(|_| wrong("is never due"))?.with_timezone(&Utc))
}

async fn now(core: &impl CoreConn) -> Result<DateTime<Utc>> {
    let row = core.query_one_raw(sql("SELECT now() AS now", [])).await?;
    Ok(row.ok_or_else(|| Error::conflict("no_clock", "no time"))?.try_get("", "now")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(expression: &str, zone: &str, now: &str) -> Result<String> {
        let next = next_after(expression, zone, now.parse().unwrap())?;
        Ok(next.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
    }

    #[test]
    fn expressions_are_read_in_their_zone() {
        let nightly = |now| next("30 17 * * 1-5", "America/New_York", now).unwrap();
        // A Friday in summer time, a Friday in winter time; the weekend is left out.
        assert_eq!(nightly("2024-07-05T12:00:00Z"), "2024-07-05T21:30:00Z");
        assert_eq!(nightly("2024-01-05T12:00:00Z"), "2024-01-05T22:30:00Z");
        assert_eq!(nightly("2024-01-05T22:30:00Z"), "2024-01-08T22:30:00Z");
        // The clock goes forward in the night to Sunday.
        assert_eq!(nightly("2024-03-09T12:00:00Z"), "2024-03-11T21:30:00Z");
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for (expression, zone) in [
            ("30 17 * *", "UTC"),
            ("0 30 17 * * 1", "UTC"),
            ("61 * * * *", "UTC"),
            ("* * 31 2 *", "UTC"),
            ("* * * * *", "Mars/Olympus"),
            ("", "UTC"),
        ] {
            assert!(next(expression, zone, "2024-01-01T00:00:00Z").is_err(), "{expression} {zone}");
        }
    }
}
