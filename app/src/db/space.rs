//! The embedding space: the typed vector columns, their indexes, and the rule
//! that vectors of two models never meet.

use entity::ai::embedding_space::{self, Status};
use entity::ids::SpaceId;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseConnection, EntityTrait, QueryFilter,
    TransactionTrait,
};
use uuid::Uuid;

use super::handle::AiDb;
use crate::config::Settings;
use crate::error::{Error, Result};
use crate::llm::SpaceSpec;

/// Tables with a vector column, and the name of its index.
pub const VECTOR_COLUMNS: [(&str, &str); 2] = [
    ("ai_kb_documents", "ix_ai_kb_documents_embedding_hnsw"),
    ("ai_memories", "ix_ai_memories_embedding_hnsw"),
];

/// pgvector's limit for an index over the type `vector`.
const DIMENSIONS_MAX: u32 = 2000;

/// Up to here a vector stays in its row, which makes exact search over a few
/// thousand rows about three times as fast; longer ones would not fit a page.
const INLINE_DIMENSIONS_MAX: u32 = 1024;

/// The active space, if there is one yet.
pub async fn active(ai: &AiDb) -> Result<Option<embedding_space::Model>> {
    // Spaces are nobody's, and this is asked before there is any role to act as.
    find_active(&ai.begin_plain().await?).await
}

/// Makes the configured space the database's own the first time, and refuses
/// another one from then on. Runs under the ai chain's lock; safe to repeat.
pub(super) async fn ensure(
    connection: &DatabaseConnection,
    spec: &SpaceSpec,
    settings: &Settings,
) -> Result<()> {
    if spec.dimensions > DIMENSIONS_MAX {
        return Err(Error::startup(
            format!(
                "{} has {} dimensions, at most {DIMENSIONS_MAX} can be indexed",
                spec.model, spec.dimensions
            ),
            "choose another EMBEDDING_MODEL, or shorten its vectors with EMBEDDING_DIMENSIONS",
        ));
    }
    let transaction = connection.begin().await?;
    match find_active(&transaction).await? {
        Some(space) => refuse_another(&space, spec)?,
        None => insert(&transaction, spec).await?,
    }
    for (table, index) in VECTOR_COLUMNS {
        for statement in column_and_index(table, index, spec.dimensions, graph(table, settings)) {
            transaction.execute_unprepared(&statement).await?;
        }
    }
    Ok(transaction.commit().await?)
}

async fn find_active(connection: &impl ConnectionTrait) -> Result<Option<embedding_space::Model>> {
    Ok(embedding_space::Entity::find()
        .filter(embedding_space::Column::Status.eq(Status::Active))
        .one(connection)
        .await?)
}

fn refuse_another(space: &embedding_space::Model, spec: &SpaceSpec) -> Result<()> {
    let same = space.provider == spec.provider
        && space.model == spec.model
        && i64::from(space.dimensions) == i64::from(spec.dimensions)
        && space.query_prefix == spec.query_prefix
        && space.passage_prefix == spec.passage_prefix;
    if same {
        return Ok(());
    }
    Err(Error::startup(
        format!(
            "the ai database holds vectors of {}/{} with {} dimensions, the configuration asks for {}/{} with {}",
            space.provider, space.model, space.dimensions, spec.provider, spec.model, spec.dimensions
        ),
        format!(
            "set EMBEDDING_PROVIDER={} and EMBEDDING_MODEL={} again; changing the model of a filled database is the work of `tandem reembed`, which this version does not have yet",
            space.provider, space.model
        ),
    ))
}

async fn insert(connection: &impl ConnectionTrait, spec: &SpaceSpec) -> Result<()> {
    let row = embedding_space::ActiveModel {
        id: Set(SpaceId(Uuid::now_v7())),
        provider: Set(spec.provider.clone()),
        model: Set(spec.model.clone()),
        dimensions: Set(i32::try_from(spec.dimensions).unwrap_or(i32::MAX)),
        query_prefix: Set(spec.query_prefix.clone()),
        passage_prefix: Set(spec.passage_prefix.clone()),
        status: Set(Status::Active),
        ..Default::default()
    };
    embedding_space::Entity::insert(row).exec_without_returning(connection).await?;
    Ok(())
}

/// Degree and build width configured for a table's index.
pub(super) fn graph(table: &str, settings: &Settings) -> (u32, u32) {
    let width = match table {
        "ai_memories" => settings.memory.hnsw_ef_construction,
        _ => settings.knowledge.hnsw_ef_construction,
    };
    (settings.knowledge.hnsw_m, width)
}

fn column_and_index(table: &str, index: &str, dimensions: u32, (m, width): (u32, u32)) -> Vec<String> {
    let mut statements =
        vec![format!("ALTER TABLE {table} ADD COLUMN IF NOT EXISTS embedding vector({dimensions})")];
    if dimensions <= INLINE_DIMENSIONS_MAX {
        statements.push(format!("ALTER TABLE {table} ALTER COLUMN embedding SET STORAGE PLAIN"));
    }
    statements.push(format!(
        "CREATE INDEX IF NOT EXISTS {index} ON {table} USING hnsw (embedding vector_cosine_ops) \
         WITH (m = {m}, ef_construction = {width})"
    ));
    statements
}
