//! The schemas: steps, drift, row security, queues.

use std::collections::BTreeMap;

use sea_orm::sqlx::postgres::PgConnection;
use sea_orm::sqlx::{query_as, query_scalar};

use super::Report;
use crate::db::adopt::Chain;
use crate::db::migrate::Step;
use crate::db::tables;
use crate::error::{Context, Result};

pub(super) async fn check(
    report: &mut Report,
    chain: Chain,
    status: Result<Vec<Step>>,
    connection: &mut PgConnection,
) {
    let side = chain.name();
    migrations(report, chain, status);
    let columns = columns(connection).await;
    if let Some(columns) = report.made(&format!("{side}.schema"), columns) {
        drift(report, chain, &columns);
    }
    let invalid = query_scalar::<_, String>(
        "SELECT i.indexrelid::regclass::text FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
          WHERE c.relnamespace = current_schema()::regnamespace AND NOT (i.indisvalid AND i.indisready)
            AND c.relname NOT LIKE '%\\_embedding\\_next\\_%' ORDER BY 1",
    )
    .fetch_all(connection)
    .await
    .context("looking for invalid indexes");
    let name = format!("{side}.indexes");
    match report.made(&name, invalid) {
        Some(invalid) if invalid.is_empty() => report.ok(name, "all are valid"),
        Some(invalid) => report.fail(
            name,
            format!("not valid, and so not used: {}", invalid.join(", ")),
            format!("run there: REINDEX INDEX CONCURRENTLY {};", invalid[0]),
        ),
        None => {}
    }
}

fn migrations(report: &mut Report, chain: Chain, status: Result<Vec<Step>>) {
    let name = format!("{}.migrations", chain.name());
    let Some(steps) = report.made(&name, status) else {
        return;
    };
    let pending: Vec<&str> =
        steps.iter().filter(|step| !step.applied).map(|step| step.name.as_str()).collect();
    let applied = steps.len() - pending.len();
    if pending.is_empty() {
        let last = steps.last().map_or("", |step| step.name.as_str());
        report.ok(name, format!("{applied} of {} applied, the last is {last}", steps.len()));
    } else {
        report.fail(
            name,
            format!("{applied} of {} applied, pending: {}", steps.len(), pending.join(", ")),
            format!("tandem migrate {}", chain.name()),
        );
    }
}

/// Columns of every table, by table.
async fn columns(connection: &mut PgConnection) -> Result<BTreeMap<String, Vec<String>>> {
    let rows: Vec<(String, String)> = query_as(
        "SELECT c.relname::text, a.attname::text
           FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
          WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
            AND a.attnum > 0 AND NOT a.attisdropped",
    )
    .fetch_all(connection)
    .await
    .context("reading the schema")?;
    let mut columns = BTreeMap::<String, Vec<String>>::new();
    for (table, column) in rows {
        columns.entry(table).or_default().push(column);
    }
    Ok(columns)
}

/// What the entities need and the database lacks.
fn drift(report: &mut Report, chain: Chain, columns: &BTreeMap<String, Vec<String>>) {
    let expected = match chain {
        Chain::Core => tables::core(),
        Chain::Ai => tables::ai(),
    };
    let mut missing = Vec::new();
    for table in &expected {
        match columns.get(table.name) {
            None => missing.push(format!("table {}", table.name)),
            Some(found) => missing.extend(
                table
                    .columns
                    .iter()
                    .filter(|column| !found.iter().any(|found| found == *column))
                    .map(|column| format!("column {}.{column}", table.name)),
            ),
        }
    }
    let name = format!("{}.schema", chain.name());
    if missing.is_empty() {
        report.ok(name, format!("{} tables are as this version knows them", expected.len()));
    } else {
        report.fail(
            name,
            format!("missing: {}", missing.join(", ")),
            "if migrations pend, apply them; otherwise somebody changed the schema by hand: restore it from a backup",
        );
    }
}

/// Every ai table whose rows belong to somebody has row security, also for its owner.
pub(super) async fn row_security(report: &mut Report, ai: &mut PgConnection) {
    let rows = query_as::<_, (String, bool)>(
        "SELECT DISTINCT c.relname::text, c.relrowsecurity AND c.relforcerowsecurity
                                 AND EXISTS (SELECT FROM pg_policy AS p WHERE p.polrelid = c.oid)
           FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname IN ('audience', 'user_id')
          WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND c.relname LIKE 'ai\\_%'
          ORDER BY 1",
    )
    .fetch_all(ai)
    .await
    .context("reading row security");
    let Some(rows) = report.made("ai.row_security", rows) else {
        return;
    };
    let open: Vec<&str> =
        rows.iter().filter(|(_, forced)| !forced).map(|(table, _)| table.as_str()).collect();
    if rows.is_empty() {
        report.warn("ai.row_security", "there are no tables with users' rows yet", "tandem migrate ai");
    } else if open.is_empty() {
        report.ok("ai.row_security", format!("forced on {} tables", rows.len()));
    } else {
        report.fail(
            "ai.row_security",
            format!("not forced on {}", open.join(", ")),
            format!(
                "run there: ALTER TABLE {} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;",
                open[0]
            ),
        );
    }
}

/// Work that waits, and work that was given up.
pub(super) async fn queues(report: &mut Report, core: &mut PgConnection) {
    let jobs = query_as::<_, (i64, i64)>(
        "SELECT count(*) FILTER (WHERE finished_at IS NULL), count(*) FILTER (WHERE status = 'failed' AND finished_at > now() - interval '1 day')
           FROM jobs",
    )
    .fetch_one(&mut *core)
    .await
    .context("counting jobs");
    match report.made("core.jobs", jobs) {
        Some((waiting, 0)) => {
            report.ok("core.jobs", format!("{waiting} waiting or running, none failed in a day"));
        }
        Some((waiting, failed)) => report.warn(
            "core.jobs",
            format!("{waiting} waiting or running, {failed} failed in a day"),
            "see the log for their errors, and the sources with status failed",
        ),
        None => {}
    }
    let events = query_as::<_, (i64, i64)>(
        "SELECT count(*) FILTER (WHERE delivered_at IS NULL AND dead_at IS NULL), count(*) FILTER (WHERE dead_at IS NOT NULL)
           FROM outbox",
    )
    .fetch_one(core)
    .await
    .context("counting events");
    match report.made("core.outbox", events) {
        Some((waiting, 0)) => {
            report.ok("core.outbox", format!("{waiting} events wait for ai, none was given up"));
        }
        Some((waiting, dead)) => report.warn(
            "core.outbox",
            format!("{waiting} events wait for ai, {dead} were given up"),
            "GET /api/v1/admin/links says why, POST /api/v1/admin/links/retry tries them again",
        ),
        None => {}
    }
}
