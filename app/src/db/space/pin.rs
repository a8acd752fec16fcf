//! Whoever has a vector says in its own transaction which space it was made
//! for. Until that transaction ends nobody can switch; a vector of another
//! space never meets a column.

use entity::ids::SpaceId;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, RuntimeErr, Statement};
use uuid::Uuid;

use super::column::{Place, type_of};
use super::live::Active;
use crate::db::handle::{AiDb, AiTx};
use crate::db::reach::Reach;
use crate::db::word_index;
use crate::error::{Error, Result};

/// What the database says to a vector of another space.
const MOVED: &str = "TS001";

/// Whether another space became active since the vector was made: make it again.
pub fn is_moved(error: &Error) -> bool {
    let Error::Database(
        DbErr::Query(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Conn(RuntimeErr::SqlxError(error)),
    ) = error
    else {
        return false;
    };
    error
        .as_database_error()
        .and_then(sea_orm::sqlx::error::DatabaseError::code)
        .is_some_and(|code| code == MOVED)
}

fn pinned(space: SpaceId) -> String {
    // An id holds nothing that could end the literal.
    format!("SELECT ai_pin_space('{space}'); ")
}

impl AiDb {
    /// As [`AiDb::begin_for`], with vectors of this space. [`is_moved`] when it is no longer active.
    pub async fn begin_for_in(&self, reach: &Reach, space: SpaceId) -> Result<AiTx> {
        self.begin_for_if(reach, "", &pinned(space)).await
    }

    /// As [`AiDb::begin_by_index`], with a vector of this space.
    pub async fn begin_by_index_in(&self, reach: &Reach, space: SpaceId) -> Result<AiTx> {
        self.begin_for_if(reach, word_index::BY_INDEX, &pinned(space)).await
    }

    /// For a search of another width than the connections' own, with a vector of this space.
    pub async fn begin_search_in(&self, reach: &Reach, ef_search: u32, space: SpaceId) -> Result<AiTx> {
        let width = format!("; SET LOCAL hnsw.ef_search = {ef_search}");
        self.begin_for_if(reach, &width, &pinned(space)).await
    }

    /// As [`AiDb::begin_worker`], with vectors of this space.
    pub async fn begin_worker_in(&self, space: SpaceId) -> Result<AiTx> {
        self.begin_worker_if(&pinned(space)).await
    }
}

/// Whether the space is beside the active one, at this place, until the transaction ends.
pub async fn pin_beside(
    ai: &impl ConnectionTrait,
    space: SpaceId,
    place: Place,
    lease: Option<Uuid>,
) -> Result<bool> {
    ai.execute_unprepared("LOCK TABLE ai_kb_documents, ai_memories IN ACCESS SHARE MODE").await?;
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT CASE status WHEN 'active' THEN 'embedding' WHEN 'previous' THEN 'embedding_prev' ELSE 'embedding_next' END AS place
           FROM ai_embedding_spaces
          WHERE id = $1 AND status <> 'retired' AND ($2::uuid IS NULL OR (lease_owner = $2 AND lease_expires_at > now()))",
        [space.0.into(), lease.into()],
    );
    let row = ai.query_one_raw(statement).await?;
    let found: Option<String> = row.map(|row| row.try_get("", "place")).transpose()?;
    Ok(found.as_deref() == Some(place.column()))
}

/// Writes the vectors that were made for the space beside the active one, in the transaction
/// that writes their rows. If that space is elsewhere by now they are left out: whoever fills it finds the rows.
pub async fn write_beside(
    ai: &impl ConnectionTrait,
    table: &'static str,
    active: &Active,
    vectors: Vec<(Uuid, Vec<f32>)>,
) -> Result<()> {
    let Some((place, space)) = &active.beside else { return Ok(()) };
    if vectors.is_empty() || !pin_beside(ai, space.id, *place, None).await? {
        return Ok(());
    }
    let (ids, vectors): (Vec<Uuid>, Vec<String>) =
        vectors.into_iter().map(|(id, vector)| (id, literal(&vector))).unzip();
    let (column, kind) = (place.column(), type_of(space.embedder.space().dimensions));
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        format!(
            "UPDATE {table} SET {column} = item.vector::{kind}
               FROM unnest($1::uuid[], $2::text[]) AS item(id, vector) WHERE {table}.id = item.id"
        ),
        [ids.into(), vectors.into()],
    );
    ai.execute_raw(statement).await?;
    Ok(())
}

/// A vector as pgvector reads it; every number keeps its value.
pub(super) fn literal(vector: &[f32]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(vector.len() * 12 + 2);
    text.push('[');
    for (place, number) in vector.iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        // Writing into a String cannot fail.
        let _ = write!(text, "{number}");
    }
    text.push(']');
    text
}
