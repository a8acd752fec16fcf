//! Embedding spaces: the typed vector columns, their indexes, and the rule
//! that vectors of two models never meet.
//!
//! `embedding` is the column of the active space, always. While the model
//! changes, and as long as there is a way back, there is a second column beside
//! it. The switch renames both in one transaction; whoever has a vector says in
//! its own transaction which space it was made for ([`pin`]).

mod change;
mod column;
pub mod fill;
mod index;
mod lease;
mod live;
pub mod parity;
mod pin;

use entity::ai::embedding_space::{self, Status};
use entity::ids::SpaceId;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseConnection, DbBackend, EntityTrait, QueryFilter,
    QueryOrder, Statement, TransactionTrait,
};
use uuid::Uuid;

pub use change::{abort, begin, progress, set_status, swap};
pub use column::{Place, TABLES, VECTOR_COLUMNS};
pub(crate) use index::Tuning;
pub use index::{build_next, change_engine};
pub use lease::{Lease, take};
pub use live::{Active, Space, Spaces};
pub use pin::{is_moved, pin_beside, write_beside};

use super::handle::AiDb;
use crate::config::{Settings, VectorEngine};
use crate::error::{Error, Result};
use crate::llm::SpaceSpec;

/// Longest vector that can be indexed, as halves.
pub const DIMENSIONS_MAX: u32 = 4000;

/// Every space, the newest first.
pub async fn all(ai: &AiDb) -> Result<Vec<embedding_space::Model>> {
    let transaction = ai.begin_worker().await?;
    let order = embedding_space::Entity::find().order_by_desc(embedding_space::Column::CreatedAt);
    Ok(order.order_by_desc(embedding_space::Column::Id).all(&transaction).await?)
}

/// One space.
pub async fn find(ai: &AiDb, id: SpaceId) -> Result<embedding_space::Model> {
    let transaction = ai.begin_worker().await?;
    let found = embedding_space::Entity::find_by_id(id).one(&transaction).await?;
    found.ok_or(Error::NotFound("embedding space"))
}

/// The space beside the active one, if there is one.
pub async fn beside(ai: &AiDb) -> Result<Option<embedding_space::Model>> {
    let transaction = ai.begin_worker().await?;
    find_beside(&transaction).await
}

/// Provider, model and dimensions of the active space, and of the one beside it with what
/// it is for; asked of any version of the schema, before there is any role to act as.
pub async fn names(ai: &AiDb) -> Result<(Option<String>, Option<String>)> {
    let statement = Statement::from_string(
        DbBackend::Postgres,
        "SELECT provider || '/' || model || '/' || dimensions AS name, status FROM ai_embedding_spaces WHERE status <> 'retired'",
    );
    let (mut active, mut beside) = (None, None);
    for row in ai.begin_plain().await?.query_all_raw(statement).await? {
        let (name, status): (String, String) = (row.try_get("", "name")?, row.try_get("", "status")?);
        match status.as_str() {
            "active" => active = Some(name),
            status => beside = Some(format!("{name} {status}")),
        }
    }
    Ok((active, beside))
}

/// What a row says of its vectors.
pub fn spec_of(row: &embedding_space::Model) -> SpaceSpec {
    SpaceSpec {
        provider: row.provider.clone(),
        model: row.model.clone(),
        dimensions: u32::try_from(row.dimensions).unwrap_or_default(),
        query_prefix: row.query_prefix.clone(),
        passage_prefix: row.passage_prefix.clone(),
    }
}

/// Makes the configured space the database's own the first time, and refuses
/// another one from then on. Runs under the ai chain's lock; safe to repeat.
pub(super) async fn ensure(
    connection: &DatabaseConnection,
    spec: &SpaceSpec,
    settings: &Settings,
) -> Result<()> {
    fits(spec, settings)?;
    let transaction = connection.begin().await?;
    let dimensions = if let Some(space) = find_active(&transaction).await? {
        let active = spec_of(&space);
        refuse_another(&transaction, &active, spec).await?;
        active.dimensions
    } else {
        insert(&transaction, spec, Status::Active).await?;
        spec.dimensions
    };
    for table in TABLES {
        column::ensure(&transaction, table, dimensions).await?;
    }
    transaction.commit().await?;
    for table in TABLES {
        let wanted = index::Wanted::of(table, Place::Active, dimensions, settings);
        index::ensure_some(connection, &wanted, Tuning::of(settings)).await?;
    }
    Ok(())
}

/// Refuses a space whose vectors could not be indexed.
pub fn fits(spec: &SpaceSpec, settings: &Settings) -> Result<()> {
    if settings.engines.vector == VectorEngine::Diskann && column::type_of(spec.dimensions) != "vector" {
        return Err(Error::startup(
            format!(
                "{} has {} dimensions, which are kept as halves, and DiskANN has no index over halves",
                spec.model, spec.dimensions
            ),
            "set VECTOR_ENGINE=hnsw (engines.vector), or choose a model of up to 2000 dimensions",
        ));
    }
    if spec.dimensions <= DIMENSIONS_MAX {
        return Ok(());
    }
    Err(Error::startup(
        format!("{} has {} dimensions, at most {DIMENSIONS_MAX} can be indexed", spec.model, spec.dimensions),
        "choose another model, or shorten its vectors (EMBEDDING_DIMENSIONS, --dimensions)",
    ))
}

async fn find_active(connection: &impl ConnectionTrait) -> Result<Option<embedding_space::Model>> {
    Ok(embedding_space::Entity::find()
        .filter(embedding_space::Column::Status.eq(Status::Active))
        .one(connection)
        .await?)
}

async fn find_beside(connection: &impl ConnectionTrait) -> Result<Option<embedding_space::Model>> {
    Ok(embedding_space::Entity::find()
        .filter(embedding_space::Column::Status.is_not_in([Status::Active, Status::Retired]))
        .one(connection)
        .await?)
}

/// The configuration may name the active space, or the one beside it: so a process
/// can be started before and after a switch, and back. Searches use the active one.
async fn refuse_another(
    connection: &impl ConnectionTrait,
    active: &SpaceSpec,
    spec: &SpaceSpec,
) -> Result<()> {
    if active == spec {
        return Ok(());
    }
    let settings = variables(active);
    if find_beside(connection).await?.is_some_and(|beside| spec_of(&beside) == *spec) {
        tracing::warn!(
            active = %named(active), configured = %named(spec), remedy = %format!("set {settings}"),
            "another embedding space than the configured one is active, and used"
        );
        return Ok(());
    }
    Err(Error::startup(
        format!(
            "the ai database holds vectors of {}/{} with {} dimensions, the configuration asks for {}/{} with {}",
            active.provider, active.model, active.dimensions, spec.provider, spec.model, spec.dimensions
        ),
        format!(
            "set {settings}; changing the model of a filled database is the work of `tandem reembed --provider {} --model {} --dimensions {}`",
            spec.provider, spec.model, spec.dimensions
        ),
    ))
}

/// `provider/model/dimensions`.
pub fn named(spec: &SpaceSpec) -> String {
    format!("{}/{}/{}", spec.provider, spec.model, spec.dimensions)
}

/// What to set so that the configuration names this space.
pub fn variables(spec: &SpaceSpec) -> String {
    let length = if spec.provider == "local" {
        String::new()
    } else {
        format!(" and EMBEDDING_DIMENSIONS={}", spec.dimensions)
    };
    format!("EMBEDDING_PROVIDER={} and EMBEDDING_MODEL={}{length}", spec.provider, spec.model)
}

async fn insert(connection: &impl ConnectionTrait, spec: &SpaceSpec, status: Status) -> Result<SpaceId> {
    let id = SpaceId(Uuid::now_v7());
    let row = embedding_space::ActiveModel {
        id: Set(id),
        provider: Set(spec.provider.clone()),
        model: Set(spec.model.clone()),
        dimensions: Set(i32::try_from(spec.dimensions).unwrap_or(i32::MAX)),
        query_prefix: Set(spec.query_prefix.clone()),
        passage_prefix: Set(spec.passage_prefix.clone()),
        status: Set(status),
        ..Default::default()
    };
    embedding_space::Entity::insert(row).exec_without_returning(connection).await?;
    Ok(id)
}

/// Degree and build width configured for a table's index.
pub(super) fn graph(table: &str, settings: &Settings) -> (u32, u32) {
    let width = match table {
        "ai_memories" => settings.memory.hnsw_ef_construction,
        _ => settings.knowledge.hnsw_ef_construction,
    };
    (settings.knowledge.hnsw_m, width)
}

/// Width of searches over a table.
pub fn ef_search(table: &str, settings: &Settings) -> u32 {
    match table {
        "ai_memories" => settings.memory.hnsw_ef_search,
        _ => settings.knowledge.hnsw_ef_search,
    }
}
