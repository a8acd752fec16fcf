//! Which days of a portfolio are to be computed.

use chrono::{Days, NaiveDate};
use entity::ids::{BatchRunId, PortfolioId};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::sql;
use crate::db::CoreConn;
use crate::error::Result;
use crate::market::Calendar;

/// A portfolio, and what is there of it.
#[derive(Clone, Debug, FromQueryResult)]
pub(super) struct Candidate {
    pub(super) id: PortfolioId,
    /// Counts changes of what its figures are computed from.
    pub(super) revision: i64,
    stale_from: Option<NaiveDate>,
    /// Of its first lot or flow.
    begins_on: Option<NaiveDate>,
    snapshots: i64,
    first: Option<NaiveDate>,
    last: Option<NaiveDate>,
    first_incomplete: Option<NaiveDate>,
}

const CANDIDATES: &str = "
SELECT portfolio.id, portfolio.revision, portfolio.stale_from,
       coalesce(least(lots.first, flows.first),
                CASE WHEN equity_balance IS NOT NULL THEN (portfolio.created_at AT TIME ZONE 'UTC')::date END) AS begins_on,
       kept.snapshots, kept.first, kept.last, kept.first_incomplete
  FROM portfolios AS portfolio
 CROSS JOIN LATERAL (SELECT min(entry_date) AS first FROM positions
                      WHERE portfolio_id = portfolio.id AND deleted_at IS NULL) AS lots
 CROSS JOIN LATERAL (SELECT min(change_date) AS first FROM equity_changes
                      WHERE portfolio_id = portfolio.id AND deleted_at IS NULL) AS flows
 CROSS JOIN LATERAL (SELECT count(*) AS snapshots, min(snapshot_date) AS first, max(snapshot_date) AS last,
                            min(snapshot_date) FILTER (WHERE NOT is_complete) AS first_incomplete
                       FROM portfolio_snapshots WHERE portfolio_id = portfolio.id) AS kept
 WHERE portfolio.deleted_at IS NULL";

/// Every portfolio that this run is not done with, or only this one; by id.
pub(super) async fn candidates(
    core: &impl CoreConn,
    run: BatchRunId,
    only: Option<PortfolioId>,
) -> Result<Vec<Candidate>> {
    let text = format!(
        "{CANDIDATES} AND ($2::uuid IS NULL OR portfolio.id = $2)
            AND NOT EXISTS (SELECT 1 FROM batch_run_portfolios AS done
                             WHERE done.run_id = $1 AND done.portfolio_id = portfolio.id)
          ORDER BY portfolio.id"
    );
    let statement = sql(&text, [run.0.into(), only.map(|id| id.0).into()]);
    Ok(Candidate::find_by_statement(statement).all(core).await?)
}

/// These portfolios, by id.
pub(super) async fn candidates_of(core: &impl CoreConn, ids: &[PortfolioId]) -> Result<Vec<Candidate>> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let text = format!("{CANDIDATES} AND portfolio.id = ANY ($1) ORDER BY portfolio.id");
    Ok(Candidate::find_by_statement(sql(&text, [ids.into()])).all(core).await?)
}

/// What a run was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) from: Option<NaiveDate>,
    pub(super) to: NaiveDate,
    pub(super) force: bool,
}

/// What is to be done with a portfolio.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// It is as it should be.
    Nothing,
    /// It has no days, and so no snapshots.
    Clear,
    /// These trading days, without a gap. The first of them may be its first of all.
    Days { days: Vec<NaiveDate>, is_beginning: bool },
}

/// From the first day that is missing, incomplete, stale or asked for, to the
/// last that is asked for or there: what is behind a day follows from it.
pub(super) fn work(candidate: &Candidate, calendar: &Calendar, asked: Asked) -> Work {
    let end = candidate.last.map_or(asked.to, |last| last.max(asked.to));
    let start = candidate.begins_on.and_then(|begins_on| calendar.on_or_after(begins_on));
    let Some(start) = start.filter(|start| *start <= end) else {
        let is_clear = candidate.snapshots == 0 && candidate.stale_from.is_none();
        return if is_clear { Work::Nothing } else { Work::Clear };
    };
    let stale_from = candidate.stale_from.map(|day| day.max(start));
    let wanted = if asked.force { Some(asked.from.unwrap_or(start)) } else { asked.from };
    let from =
        [missing_from(candidate, calendar, start, asked.to), candidate.first_incomplete, stale_from, wanted]
            .into_iter()
            .flatten()
            .min();
    let Some(from) = from.map(|day| day.max(start)) else { return Work::Nothing };
    let days: Vec<NaiveDate> = calendar.days(from, end).collect();
    match days.first() {
        Some(first) => Work::Days { is_beginning: *first == start, days },
        None => Work::Nothing,
    }
}

/// The first day without a snapshot. If those that are there are not all that should
/// be, or more, it is the first of all: which one it is does not matter then.
fn missing_from(
    candidate: &Candidate,
    calendar: &Calendar,
    start: NaiveDate,
    to: NaiveDate,
) -> Option<NaiveDate> {
    let (Some(first), Some(last)) = (candidate.first, candidate.last) else { return Some(start) };
    let expected = calendar.days(start, last).count();
    if first != start || !calendar.is_open(last) || i64::try_from(expected) != Ok(candidate.snapshots) {
        return Some(start);
    }
    calendar.on_or_after(last + Days::new(1)).filter(|next| *next <= to)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    /// Monday to Friday of the second week of 2024: all open.
    fn kept(first: &str, last: &str, snapshots: i64) -> Candidate {
        Candidate {
            id: PortfolioId(Uuid::nil()),
            revision: 0,
            stale_from: None,
            begins_on: Some(day("2024-01-06")),
            snapshots,
            first: Some(day(first)),
            last: Some(day(last)),
            first_incomplete: None,
        }
    }

    fn days_of(candidate: &Candidate, to: &str) -> (String, bool) {
        let asked = Asked { from: None, to: day(to), force: false };
        match work(candidate, &Calendar::by_rule(), asked) {
            Work::Nothing => ("nothing".to_owned(), false),
            Work::Clear => ("clear".to_owned(), false),
            Work::Days { days, is_beginning } => {
                (format!("{}..{}", days[0], days[days.len() - 1]), is_beginning)
            }
        }
    }

    #[test]
    fn days_begin_where_something_is_missing() {
        let of = |text: &str, is_beginning: bool| (text.to_owned(), is_beginning);
        let whole = kept("2024-01-08", "2024-01-10", 3);
        assert_eq!(days_of(&whole, "2024-01-10"), of("nothing", false));
        assert_eq!(days_of(&whole, "2024-01-16"), of("2024-01-11..2024-01-16", false));
        // A gap, and a day too many.
        assert_eq!(
            days_of(&kept("2024-01-08", "2024-01-10", 2), "2024-01-10"),
            of("2024-01-08..2024-01-10", true)
        );
        assert_eq!(
            days_of(&kept("2024-01-05", "2024-01-10", 4), "2024-01-10"),
            of("2024-01-08..2024-01-10", true)
        );
        // Stale on a day that is no trading day; incomplete before it.
        let stale = Candidate { stale_from: Some(day("2024-01-09")), ..whole.clone() };
        assert_eq!(days_of(&stale, "2024-01-11"), of("2024-01-09..2024-01-11", false));
        let incomplete = Candidate { first_incomplete: Some(day("2024-01-08")), ..stale.clone() };
        assert_eq!(days_of(&incomplete, "2024-01-11"), of("2024-01-08..2024-01-11", true));
        // What is there beyond the last day asked for is computed with the rest.
        assert_eq!(days_of(&stale, "2024-01-08"), of("2024-01-09..2024-01-10", false));
        let before_all = Candidate { stale_from: Some(day("2020-01-01")), ..whole.clone() };
        assert_eq!(days_of(&before_all, "2024-01-10"), of("2024-01-08..2024-01-10", true));
        let empty = Candidate { begins_on: None, ..whole };
        assert_eq!(days_of(&empty, "2024-01-10"), of("clear", false));
        let never = Candidate { snapshots: 0, first: None, last: None, ..empty };
        assert_eq!(days_of(&never, "2024-01-10"), of("nothing", false));
    }
}
