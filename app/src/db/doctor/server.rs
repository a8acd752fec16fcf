//! The servers: version, encoding, what may be written, the vector extension.

use sea_orm::sqlx::postgres::PgConnection;
use sea_orm::sqlx::query_as;

use super::Report;
use crate::db::facts::{self, Facts};
use crate::db::preflight;
use crate::error::Context;

pub(super) fn check(report: &mut Report, side: &str, facts: &Facts) {
    report.refused_or(
        format!("{side}.server"),
        preflight::version(facts),
        format!("PostgreSQL {}, database \"{}\", role \"{}\"", facts.version, facts.database, facts.role),
    );
    report.refused_or(format!("{side}.encoding"), preflight::encoding(facts), facts.encoding.as_str());
    report.refused_or(format!("{side}.writable"), preflight::writable(facts), "a primary that takes writes");
    report.refused_or(
        format!("{side}.privileges"),
        preflight::may_create_tables(facts),
        format!("may create tables in schema \"{}\"", facts.schema.as_deref().unwrap_or_default()),
    );
}

/// Another version of the system's sort order than the indexes were built
/// with: sorted text may be out of order.
pub(super) async fn collation(report: &mut Report, side: &str, connection: &mut PgConnection) {
    let name = format!("{side}.collation");
    let row = query_as::<_, (String, String, Option<String>, Option<String>)>(
        "SELECT datname::text, datcollate, datcollversion, pg_database_collation_actual_version(oid)
           FROM pg_database WHERE datname = current_database()",
    )
    .fetch_one(connection)
    .await
    .context("reading the database's collation");
    let Some((database, collate, recorded, actual)) = report.made(&name, row) else {
        return;
    };
    if recorded == actual {
        report.ok(name, format!("{collate} {}", recorded.unwrap_or_default()).trim_end());
        return;
    }
    report.warn(
        name,
        format!(
            "indexes of \"{database}\" were built with version {} of the collation {collate}, the system has {}",
            recorded.as_deref().unwrap_or("?"),
            actual.as_deref().unwrap_or("?")
        ),
        format!("run there: REINDEX DATABASE \"{database}\"; ALTER DATABASE \"{database}\" REFRESH COLLATION VERSION;"),
    );
}

pub(super) async fn vector(report: &mut Report, ai: &mut PgConnection) {
    let facts = facts::read(ai).await;
    let vector = facts::vector(ai).await;
    let Some(vector) = report.made("ai.vector", vector) else { return };
    let Some(facts) = report.made("ai.vector", facts) else { return };

    match &vector.available {
        Some(available) => {
            report.ok("ai.vector.available", format!("the server offers vector {available} (pg_available_extensions)"));
        }
        None if vector.installed.is_some() => report.warn(
            "ai.vector.available",
            "vector is installed in the database, but the server's files of it are gone (pg_available_extensions)",
            "install pgvector on the server again",
        ),
        None => {
            let refusal = preflight::vector_refusal(&facts.database, &vector);
            report.refused_or("ai.vector.available".to_owned(), refusal, "");
        }
    }
    let refusal = preflight::vector_refusal(&facts.database, &vector);
    match (&vector.installed, refusal) {
        (Some(installed), Some((problem, remedy))) if !preflight::is_new_enough(installed) => {
            // Search still works there, without iterative scans.
            report.warn("ai.vector.installed", problem, remedy);
        }
        (Some(_), Some((problem, remedy))) => report.fail("ai.vector.installed", problem, remedy),
        (Some(installed), None) => {
            let schema = vector.schema.as_deref().unwrap_or_default();
            report.ok(
                "ai.vector.installed",
                format!("vector {installed} in schema \"{schema}\" (pg_extension)"),
            );
        }
        (None, _) => report.fail(
            "ai.vector.installed",
            format!("the extension vector is not installed in database \"{}\"", facts.database),
            "`tandem migrate ai` creates it; if the role may not: CREATE EXTENSION vector; as a superuser",
        ),
    }
}
