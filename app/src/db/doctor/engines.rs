//! Which engine finds candidates, what the server offers, and the vector indexes.

use sea_orm::sqlx::postgres::PgConnection;
use sea_orm::sqlx::query_as;

use super::Report;
use super::hnsw::{self, DEFAULT_EF_CONSTRUCTION, DEFAULT_M, Hnsw};
use crate::config::{Settings, VectorEngine};
use crate::db::engine::{self, Extension, TEXTSEARCH, VECTORSCALE};
use crate::db::facts;
use crate::db::space::{VECTOR_COLUMNS, graph};
use crate::error::{Context, Result};

/// An index's definition, and whether it is valid.
type Row = Option<(String, bool)>;

async fn index(ai: &mut PgConnection, name: &str) -> Result<Row> {
    query_as(
        "SELECT pg_get_indexdef(i.indexrelid), i.indisvalid
           FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
          WHERE c.relname = $1 AND c.relnamespace = current_schema()::regnamespace",
    )
    .bind(name)
    .fetch_optional(ai)
    .await
    .context("reading an index's definition")
}

/// The engine of each leg, and what else the server offers for it.
pub(super) async fn engines(report: &mut Report, ai: &mut PgConnection, settings: &Settings) {
    let found = async {
        let database = facts::read(ai).await?.database;
        Ok((database, engine::extension(ai, VECTORSCALE).await?, engine::extension(ai, TEXTSEARCH).await?))
    };
    let Some((database, vectorscale, textsearch)) = report.made("ai.engine.vector", found.await) else {
        return;
    };
    let wanted = settings.engines.vector;
    let offered = format!("hnsw (pgvector), {}", offered("diskann (pgvectorscale", &vectorscale));
    match engine::refusal(&database, &vectorscale).filter(|_| wanted == VectorEngine::Diskann) {
        Some((problem, remedy)) => report.fail("ai.engine.vector", problem, remedy),
        None => report.ok("ai.engine.vector", format!("{}; the server offers {offered}", wanted.method())),
    }
    let beside = match textsearch.installed.or(textsearch.available) {
        Some(version) => format!("; pg_textsearch {version} is offered and not used (docs/scaling.md)"),
        None => String::new(),
    };
    report.ok("ai.engine.words", format!("Tandem's own index{beside}"));
}

fn offered(name: &str, found: &Extension) -> String {
    match (&found.installed, &found.available) {
        (Some(version), _) => format!("{name} {version})"),
        (None, Some(version)) => format!("{name} {version}, not installed in the database)"),
        (None, None) => format!("no {name})"),
    }
}

/// Both vector indexes by their definitions: the name does not say what an index is.
pub(super) async fn indexes(report: &mut Report, ai: &mut PgConnection, settings: &Settings) {
    for (table, name) in VECTOR_COLUMNS {
        let check = format!("ai.hnsw.{table}");
        let Some(row) = report.made(&check, index(ai, name).await) else {
            continue;
        };
        match row {
            Some(row) => one(report, check, name, row, settings.engines.vector, graph(table, settings)),
            None => report.fail(check, format!("the index {name} is missing"), "tandem migrate ai"),
        }
    }
}

fn one(
    report: &mut Report,
    check: String,
    index: &str,
    (definition, is_valid): (String, bool),
    engine: VectorEngine,
    (wanted_m, wanted_ef): (u32, u32),
) {
    let again =
        "tandem migrate ai: it builds another one beside it and swaps them; no row is lost".to_owned();
    let Some(found) = hnsw::parse(&definition) else {
        report.fail(check, format!("cannot be read: {definition}"), again);
        return;
    };
    let (m, ef) = (found.m.unwrap_or(DEFAULT_M), found.ef_construction.unwrap_or(DEFAULT_EF_CONSTRUCTION));
    let seen = seen(&found, m, ef);
    if !found.is_searchable() {
        report.fail(
            check,
            format!("{index} is {seen}; {} over cosine distance is needed", engine.method()),
            again,
        );
    } else if !is_valid {
        report.fail(check, format!("{index} is not valid: its build was cut off"), again);
    } else if found.method != engine.method() {
        report.warn(
            check,
            format!("{seen} is searched; VECTOR_ENGINE is {}", engine.method()),
            "`tandem serve` changes it in the background, `tandem migrate ai` at once; both while the old one is searched",
        );
    } else if engine == VectorEngine::Hnsw && (m, ef) != (wanted_m, wanted_ef) {
        report.warn(
            check,
            format!("{seen}; configured are m={wanted_m}, ef_construction={wanted_ef}"),
            format!("run there: DROP INDEX {index}; then: tandem migrate ai"),
        );
    } else {
        report.ok(check, seen);
    }
}

fn seen(found: &Hnsw, m: u32, ef: u32) -> String {
    if found.method == "diskann" {
        let class = found.operator_class.as_deref().unwrap_or("vector_cosine_ops");
        return format!("diskann, {class}");
    }
    let class = found.operator_class.as_deref().unwrap_or_default();
    format!("{}, {class}, m={m}, ef_construction={ef}", found.method)
}
