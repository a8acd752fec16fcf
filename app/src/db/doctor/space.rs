//! The embedding spaces and their indexes.

use sea_orm::sqlx::postgres::PgConnection;
use sea_orm::sqlx::query_as;

use super::Report;
use super::hnsw::{self, DEFAULT_EF_CONSTRUCTION, DEFAULT_M};
use crate::config::Settings;
use crate::db::space::{VECTOR_COLUMNS, graph};
use crate::error::{Context, Result};
use crate::llm::SpaceSpec;

/// Provider, model, dimensions, status, complaint.
type Row = (String, String, i32, String, Option<String>);

async fn rows(ai: &mut PgConnection) -> Result<Vec<Row>> {
    query_as::<_, Row>(
        "SELECT provider, model, dimensions, status, to_jsonb(ai_embedding_spaces) ->> 'error'
           FROM ai_embedding_spaces WHERE status <> 'retired'",
    )
    .fetch_all(ai)
    .await
    .context("reading the embedding spaces")
}

/// The active space, whether the configuration asks for the same, and the one beside it.
pub(super) async fn space(report: &mut Report, ai: &mut PgConnection, wanted: Option<&SpaceSpec>) {
    let Some(rows) = report.made("ai.space", rows(ai).await) else {
        return;
    };
    let (active, beside): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| row.3 == "active");
    let Some((provider, model, dimensions, ..)) = active.into_iter().next() else {
        report.fail("ai.space", "there is no active embedding space", "tandem migrate ai");
        return;
    };
    let found = format!("{provider}/{model}/{dimensions}");
    let asked = wanted.map(|wanted| format!("{}/{}/{}", wanted.provider, wanted.model, wanted.dimensions));
    let length =
        if provider == "local" { String::new() } else { format!(" and EMBEDDING_DIMENSIONS={dimensions}") };
    let remedy = format!("set EMBEDDING_PROVIDER={provider} and EMBEDDING_MODEL={model}{length}");
    let is_beside =
        |asked: &String| beside.iter().any(|row| *asked == format!("{}/{}/{}", row.0, row.1, row.2));
    match asked {
        Some(asked) if asked != found && is_beside(&asked) => report.warn(
            "ai.space",
            format!("{found} is searched, the configuration still names {asked}"),
            remedy,
        ),
        Some(asked) if asked != found => report.fail(
            "ai.space",
            format!("the database holds vectors of {found}, the configuration asks for {asked}"),
            remedy,
        ),
        _ => report.ok("ai.space", found),
    }
    for (provider, model, dimensions, status, error) in beside {
        let seen = format!("{provider}/{model}/{dimensions} is {status}");
        match error {
            Some(error) => {
                report.warn("ai.space.beside", format!("{seen}: {error}"), "tandem reembed status");
            }
            None => report.ok("ai.space.beside", seen),
        }
    }
}

/// Both vector indexes by their definitions: not the name makes an index HNSW.
pub(super) async fn hnsw(report: &mut Report, ai: &mut PgConnection, settings: &Settings) {
    for (table, index) in VECTOR_COLUMNS {
        let name = format!("ai.hnsw.{table}");
        let row = query_as::<_, (String, bool)>(
            "SELECT pg_get_indexdef(i.indexrelid), i.indisvalid
               FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
              WHERE c.relname = $1 AND c.relnamespace = current_schema()::regnamespace",
        )
        .bind(index)
        .fetch_optional(&mut *ai)
        .await
        .context("reading an index's definition");
        let Some(row) = report.made(&name, row) else {
            continue;
        };
        let Some((definition, is_valid)) = row else {
            report.fail(name, format!("the index {index} is missing"), "tandem migrate ai");
            continue;
        };
        one_hnsw(report, name, index, &definition, is_valid, graph(table, settings));
    }
}

fn one_hnsw(
    report: &mut Report,
    name: String,
    index: &str,
    definition: &str,
    is_valid: bool,
    (wanted_m, wanted_ef): (u32, u32),
) {
    let again =
        "tandem migrate ai: it builds another one beside it and swaps them; no row is lost".to_owned();
    let Some(found) = hnsw::parse(definition) else {
        report.fail(name, format!("cannot be read: {definition}"), again);
        return;
    };
    let (m, ef) = (found.m.unwrap_or(DEFAULT_M), found.ef_construction.unwrap_or(DEFAULT_EF_CONSTRUCTION));
    let class = found.operator_class.as_deref().unwrap_or_default();
    let seen = format!("{}, {class}, m={m}, ef_construction={ef}", found.method);
    let is_cosine = matches!(class, "vector_cosine_ops" | "halfvec_cosine_ops");
    if found.method != "hnsw" || !is_cosine {
        report.fail(name, format!("{index} is {seen}; hnsw over cosine distance is needed"), again);
    } else if !is_valid {
        report.fail(name, format!("{index} is not valid: its build was cut off"), again);
    } else if (m, ef) != (wanted_m, wanted_ef) {
        report.warn(
            name,
            format!("{seen}; configured are m={wanted_m}, ef_construction={wanted_ef}"),
            format!("run there: DROP INDEX {index}; then: tandem migrate ai"),
        );
    } else {
        report.ok(name, seen);
    }
}
