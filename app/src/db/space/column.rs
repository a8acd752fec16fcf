//! The vector columns and their names.

use entity::ai::embedding_space::Status;
use sea_orm::{ConnectionTrait, DbBackend, Statement};

use crate::error::Result;

/// Tables with a vector column.
pub const TABLES: [&str; 2] = ["ai_kb_documents", "ai_memories"];

/// Tables with a vector column, and the name of the index that searches use.
pub const VECTOR_COLUMNS: [(&str, &str); 2] = [
    ("ai_kb_documents", "ix_ai_kb_documents_embedding_hnsw"),
    ("ai_memories", "ix_ai_memories_embedding_hnsw"),
];

/// pgvector's limit for an index over the type `vector`; longer vectors are kept as halves.
const SINGLES_MAX: u32 = 2000;

/// Up to here a vector stays in its row, which makes exact search over a few
/// thousand rows about three times as fast; longer ones would not fit a page.
const INLINE_DIMENSIONS_MAX: u32 = 1024;

/// Two vectors of a row stay there if they are no longer than this together.
const INLINE_BOTH_MAX: u32 = 1500;

/// Which of the columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The one that is searched.
    Active,
    /// The one that is filled.
    Next,
    /// The one that was searched before.
    Previous,
}

impl Place {
    /// Where the vectors of a space beside the active one are.
    pub fn of(status: Status) -> Self {
        match status {
            Status::Active => Self::Active,
            Status::Previous => Self::Previous,
            _ => Self::Next,
        }
    }

    /// The column's name.
    pub fn column(self) -> &'static str {
        match self {
            Self::Active => "embedding",
            Self::Next => "embedding_next",
            Self::Previous => "embedding_prev",
        }
    }

    /// The function that empties the column when the active vector changes.
    pub(super) fn void(self) -> &'static str {
        if self == Self::Previous { "ai_void_prev" } else { "ai_void_next" }
    }
}

/// Name of the vector index of a column.
pub(super) fn hnsw(table: &str, place: Place) -> String {
    format!("ix_{table}_{}_hnsw", place.column())
}

/// Name of the index over rows without a vector.
pub(super) fn missing(table: &str, place: Place) -> String {
    format!("ix_{table}_{}_missing", place.column())
}

/// The type of vectors of this length, without it.
pub(super) fn type_of(dimensions: u32) -> &'static str {
    if dimensions > SINGLES_MAX { "halfvec" } else { "vector" }
}

/// Makes the active column, unless it is there: a start must not lock a table for nothing.
pub(super) async fn ensure(connection: &impl ConnectionTrait, table: &str, dimensions: u32) -> Result<()> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass($1) AND attname = 'embedding' AND NOT attisdropped",
        [table.into()],
    );
    if connection.query_one_raw(statement).await?.is_none() {
        for statement in added(table, Place::Active, dimensions, 0) {
            connection.execute_unprepared(&statement).await?;
        }
    }
    Ok(())
}

/// Statements that make a column, in a row that holds `others` numbers already.
pub(super) fn added(table: &str, place: Place, dimensions: u32, others: u32) -> Vec<String> {
    let (column, kind) = (place.column(), type_of(dimensions));
    let mut statements = vec![format!("ALTER TABLE {table} ADD COLUMN {column} {kind}({dimensions})")];
    let fits = dimensions <= INLINE_DIMENSIONS_MAX;
    // A column that must stay in its row would refuse a row that is too long; this one may leave.
    let storage = if others == 0 || dimensions + others <= INLINE_BOTH_MAX { "PLAIN" } else { "MAIN" };
    if fits {
        statements.push(format!("ALTER TABLE {table} ALTER COLUMN {column} SET STORAGE {storage}"));
    }
    statements
}

/// Statements that keep the vectors beside the active ones true: none outlives the text it was made of.
pub(super) fn guarded(table: &str, place: Place) -> String {
    let (column, void) = (place.column(), place.void());
    format!(
        "CREATE TRIGGER tg_{table}_void BEFORE UPDATE ON {table} FOR EACH ROW
         WHEN (OLD.embedding IS DISTINCT FROM NEW.embedding AND OLD.{column} IS NOT DISTINCT FROM NEW.{column})
         EXECUTE FUNCTION {void}()"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_vectors_are_halves_and_two_of_a_row_fit_a_page() {
        assert_eq!((type_of(2000), type_of(2001), type_of(4000)), ("vector", "halfvec", "halfvec"));
        let storage = |dimensions, others| added("t", Place::Next, dimensions, others).get(1).cloned();
        assert!(storage(1024, 0).unwrap().ends_with("PLAIN"));
        assert!(storage(1024, 384).unwrap().ends_with("PLAIN"));
        assert!(storage(1024, 1024).unwrap().ends_with("MAIN"));
        assert_eq!(storage(1536, 384), None);
    }
}
