//! The embedding spaces and their indexes.

use sea_orm::sqlx::postgres::PgConnection;
use sea_orm::sqlx::query_as;

use super::Report;
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
