//! Rows without a vector: which they are, and the vectors they get.

use entity::ids::SpaceId;
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, Statement};
use uuid::Uuid;

use super::column::{Place, type_of};
use super::pin::{literal, pin_beside};
use crate::db::handle::AiDb;
use crate::error::Result;

/// A row to embed.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Row {
    /// Key.
    pub id: Uuid,
    /// Another one after each change of the row.
    pub version: String,
    /// Passages: title of the source.
    pub title: String,
    /// Passages: headings above it.
    pub heading_path: String,
    /// The text.
    pub content: String,
    /// Passages: the caller's id of the source.
    pub external_id: Option<String>,
    /// Passages: whether it is all of its source.
    pub is_whole: bool,
}

/// What is selected of a row of each table.
fn selected(table: &str) -> (&'static str, &'static str) {
    if table == "ai_memories" {
        (
            "''::text AS title, ''::text AS heading_path, t.content, NULL::text AS external_id, true AS is_whole",
            "",
        )
    } else {
        (
            "t.title, t.heading_path, t.content, s.external_id, s.documents = 1 AS is_whole",
            "JOIN ai_kb_sources s ON s.id = t.source_id",
        )
    }
}

/// The next rows without a vector at this place, in the order of their ids.
pub async fn lacking(ai: &AiDb, table: &str, place: Place, after: Uuid, limit: usize) -> Result<Vec<Row>> {
    let (columns, join) = selected(table);
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        format!(
            "SELECT t.id, t.xmin::text AS version, {columns} FROM {table} t {join}
              WHERE t.{} IS NULL AND t.id > $1 ORDER BY t.id LIMIT $2",
            place.column()
        ),
        [after.into(), i64::try_from(limit).unwrap_or(i64::MAX).into()],
    );
    Ok(Row::find_by_statement(statement).all(&ai.begin_worker().await?).await?)
}

/// About `limit` rows from all over a table, with the number of its rows and of its characters.
pub async fn sample(ai: &AiDb, table: &str, limit: u32) -> Result<(Vec<Row>, i64, i64)> {
    let (columns, join) = selected(table);
    let ai = ai.begin_worker().await?;
    let length = if table == "ai_memories" {
        "char_length(content)"
    } else {
        "char_length(content) + char_length(title) + char_length(heading_path)"
    };
    let counted = Statement::from_string(
        DbBackend::Postgres,
        format!("SELECT count(*) AS rows, coalesce(sum({length}), 0)::bigint AS characters FROM {table}"),
    );
    let (mut rows, mut characters) = (0, 0);
    if let Some(row) = ai.query_one_raw(counted).await? {
        (rows, characters) = (row.try_get("", "rows")?, row.try_get("", "characters")?);
    }
    #[expect(clippy::cast_precision_loss, reason = "a share of the rows, roughly")]
    let percent =
        if rows == 0 { 100.0 } else { (f64::from(limit) * 400.0 / rows as f64).clamp(0.001, 100.0) };
    let some = Statement::from_sql_and_values(
        DbBackend::Postgres,
        format!(
            "SELECT t.id, t.xmin::text AS version, {columns} FROM {table} t TABLESAMPLE BERNOULLI ({percent}) {join}
              ORDER BY random() LIMIT $1"
        ),
        [i64::from(limit).into()],
    );
    Ok((Row::find_by_statement(some).all(&ai).await?, rows, characters))
}

/// Writes vectors of rows that have not changed since they were read and still
/// lack theirs. False: the lease is lost, or the space is elsewhere; nothing was written.
pub async fn write(
    ai: &AiDb,
    table: &str,
    (place, space, dimensions): (Place, SpaceId, u32),
    lease: Option<Uuid>,
    (vectors, tokens): (Vec<(Row, Vec<f32>)>, u64),
) -> Result<bool> {
    let transaction = ai.begin_worker().await?;
    if !pin_beside(&transaction, space, place, lease).await? {
        return Ok(false);
    }
    let (mut ids, mut versions, mut literals) = (Vec::new(), Vec::new(), Vec::new());
    for (row, vector) in vectors {
        ids.push(row.id);
        versions.push(row.version);
        literals.push(literal(&vector));
    }
    let (column, kind) = (place.column(), type_of(dimensions));
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        format!(
            "UPDATE {table} t SET {column} = item.vector::{kind}
               FROM unnest($1::uuid[], $2::text[], $3::text[]) AS item(id, version, vector)
              WHERE t.id = item.id AND t.xmin::text = item.version AND t.{column} IS NULL"
        ),
        [ids.into(), versions.into(), literals.into()],
    );
    transaction.execute_raw(statement).await?;
    let count = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "UPDATE ai_embedding_spaces SET tokens = tokens + $2, error = NULL, updated_at = now() WHERE id = $1",
        [space.0.into(), i64::try_from(tokens).unwrap_or(i64::MAX).into()],
    );
    transaction.execute_raw(count).await?;
    transaction.commit().await?;
    Ok(true)
}

/// Remembers why a space does not get on.
pub async fn complain(ai: &AiDb, space: SpaceId, error: &str) -> Result<()> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "UPDATE ai_embedding_spaces SET error = $2 WHERE id = $1 AND status <> 'retired'",
        [space.0.into(), error.into()],
    );
    let ai = ai.begin_worker().await?;
    ai.execute_raw(statement).await?;
    ai.commit().await
}
