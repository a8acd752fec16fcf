//! Building vector indexes without locking anybody out.
//!
//! What memory and how many workers a build takes is said before it, because
//! the server's own values are made for neither; a host with little shared
//! memory gets a second try without workers.

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, RuntimeErr, Statement};

use super::change::exclusive;
use super::column::{self, Place, TABLES};
use super::{find_active, graph, spec_of};
use crate::config::{Settings, VectorEngine};
use crate::db::doctor::parse_hnsw;
use crate::db::handle::AiDb;
use crate::error::{Error, Result};

/// Held by the connection that builds: a killed process's build may still be under way.
const BUILD_LOCK: &str = "tandem:space:build";

/// What a build may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tuning {
    memory_mb: u32,
    workers: u32,
}

impl Tuning {
    /// As configured.
    pub(crate) fn of(settings: &Settings) -> Self {
        Self { memory_mb: settings.spaces.index_memory_mb, workers: settings.spaces.index_workers }
    }
}

/// An index as it should be.
#[derive(Debug)]
pub(super) struct Wanted {
    table: &'static str,
    name: String,
    /// What stands behind `ON table`.
    rest: String,
    method: &'static str,
    column: &'static str,
}

impl Wanted {
    /// The vector index of a column. Its name does not say its method.
    pub(super) fn of(table: &'static str, place: Place, dimensions: u32, settings: &Settings) -> Self {
        let (column, kind) = (place.column(), column::type_of(dimensions));
        let engine = settings.engines.vector;
        let (m, width) = graph(table, settings);
        let options = match engine {
            VectorEngine::Hnsw => format!(" WITH (m = {m}, ef_construction = {width})"),
            VectorEngine::Diskann => String::new(),
        };
        Self {
            table,
            name: column::hnsw(table, place),
            rest: format!("USING {} ({column} {kind}_cosine_ops){options}", engine.method()),
            method: engine.method(),
            column,
        }
    }

    /// The index over rows without a vector in this column.
    pub(super) fn missing(table: &'static str, place: Place) -> Self {
        Self {
            table,
            name: column::missing(table, place),
            rest: format!("USING btree (id) WHERE {} IS NULL", place.column()),
            method: "btree",
            column: "id",
        }
    }
}

/// Builds what the next space needs: with `vectors` its vector indexes, and in any case
/// those that find rows without a vector. What a killed build left is dropped.
pub async fn build_next(ai: &AiDb, dimensions: u32, settings: &Settings, vectors: bool) -> Result<()> {
    let connection = ai.migration_connection(BUILD_LOCK);
    // A statement whose process is gone ends soon.
    connection.execute_unprepared("SET client_connection_check_interval = '1s'").await.ok();
    let tuning = Tuning::of(settings);
    for table in TABLES {
        if vectors {
            let wanted = Wanted::of(table, Place::Next, dimensions, settings);
            ensure(&connection, &wanted, tuning).await?;
            ensure(&connection, &Wanted::missing(table, Place::Active), tuning).await?;
        } else {
            ensure(&connection, &Wanted::missing(table, Place::Next), tuning).await?;
        }
    }
    Ok(connection.close().await?)
}

/// What is there under an index's name.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    /// A build that was cut off.
    Invalid,
    /// Not what is wanted under this name.
    Other,
    /// A vector index of another engine, which can be searched.
    OfAnotherEngine,
    AsWanted,
}

/// As [`ensure`], but an index of another engine stays: a start does not wait for its successor,
/// which [`change_engine`] builds.
pub(super) async fn ensure_some(
    connection: &DatabaseConnection,
    wanted: &Wanted,
    tuning: Tuning,
) -> Result<()> {
    if look(connection, wanted, &wanted.name).await? == Found::OfAnotherEngine {
        return Ok(());
    }
    ensure(connection, wanted, tuning).await
}

/// Gives the active space indexes of the configured engine, one after the other, while the old
/// ones are searched; whether anything was built. Safe to repeat, from any number of processes.
pub async fn change_engine(ai: &AiDb, settings: &Settings) -> Result<bool> {
    let dimensions = dimensions_of_active(ai).await?;
    let mut is_changed = false;
    for table in TABLES {
        let wanted = Wanted::of(table, Place::Active, dimensions, settings);
        if look(&ai.begin_worker().await?, &wanted, &wanted.name).await? != Found::OfAnotherEngine {
            continue;
        }
        let connection = ai.migration_connection(BUILD_LOCK);
        connection.execute_unprepared("SET client_connection_check_interval = '1s'").await.ok();
        tracing::info!(index = wanted.name, engine = wanted.method, "the engine changes");
        let outcome = ensure(&connection, &wanted, Tuning::of(settings)).await;
        connection.close().await?;
        outcome?;
        is_changed = true;
    }
    Ok(is_changed)
}

async fn dimensions_of_active(ai: &AiDb) -> Result<u32> {
    let transaction = ai.begin_worker().await?;
    let active = find_active(&transaction).await?.ok_or(Error::NotFound("active embedding space"))?;
    Ok(spec_of(&active).dimensions)
}

/// Makes an index, or makes it again. One of another kind stays in use until its successor is complete.
pub(super) async fn ensure(connection: &DatabaseConnection, wanted: &Wanted, tuning: Tuning) -> Result<()> {
    match look(connection, wanted, &wanted.name).await? {
        Found::AsWanted => Ok(()),
        Found::Nothing => build(connection, wanted, &wanted.name, tuning).await,
        Found::Invalid => {
            drop_index(connection, &wanted.name).await?;
            build(connection, wanted, &wanted.name, tuning).await
        }
        Found::Other | Found::OfAnotherEngine => replace(connection, wanted, tuning).await,
    }
}

async fn replace(connection: &DatabaseConnection, wanted: &Wanted, tuning: Tuning) -> Result<()> {
    let successor = format!("{}_new", wanted.name);
    if look(connection, wanted, &successor).await? != Found::AsWanted {
        drop_index(connection, &successor).await?;
        build(connection, wanted, &successor, tuning).await?;
    }
    tracing::info!(index = wanted.name, "an index of another kind is replaced");
    let transaction = exclusive(connection).await?;
    transaction.execute_unprepared(&format!("DROP INDEX {}", wanted.name)).await?;
    transaction.execute_unprepared(&format!("ALTER INDEX {successor} RENAME TO {}", wanted.name)).await?;
    Ok(transaction.commit().await?)
}

async fn look(connection: &impl ConnectionTrait, wanted: &Wanted, name: &str) -> Result<Found> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT pg_get_indexdef(indexrelid) AS definition, indisvalid AND indisready AS valid
           FROM pg_index WHERE indexrelid = to_regclass($1)",
        [name.into()],
    );
    let Some(row) = connection.query_one_raw(statement).await? else { return Ok(Found::Nothing) };
    if !row.try_get::<bool>("", "valid")? {
        return Ok(Found::Invalid);
    }
    let Some(found) = parse_hnsw(&row.try_get::<String>("", "definition")?) else { return Ok(Found::Other) };
    // A successor that was left half way may be over a column that has another name since.
    if found.column != wanted.column {
        return Ok(Found::Other);
    }
    if wanted.method == "btree" {
        return Ok(if found.method == "btree" { Found::AsWanted } else { Found::Other });
    }
    Ok(match found.is_searchable() {
        true if found.method == wanted.method => Found::AsWanted,
        true => Found::OfAnotherEngine,
        false => Found::Other,
    })
}

async fn drop_index(connection: &DatabaseConnection, name: &str) -> Result<()> {
    connection.execute_unprepared(&format!("DROP INDEX CONCURRENTLY IF EXISTS {name}")).await?;
    Ok(())
}

async fn build(connection: &DatabaseConnection, wanted: &Wanted, name: &str, tuning: Tuning) -> Result<()> {
    let empty = Statement::from_string(
        DbBackend::Postgres,
        format!("SELECT NOT EXISTS (SELECT FROM {}) AS empty", wanted.table),
    );
    let is_empty =
        connection.query_one_raw(empty).await?.is_some_and(|row| row.try_get("", "empty") == Ok(true));
    // Over nothing there is nothing to wait for.
    let how = if is_empty { "" } else { "CONCURRENTLY" };
    let statement = format!("CREATE INDEX {how} {name} ON {} {}", wanted.table, wanted.rest);
    set(connection, tuning).await?;
    let Err(error) = connection.execute_unprepared(&statement).await else { return Ok(()) };
    if tuning.workers == 0 || !is_out_of_memory(&error) {
        return Err(failed(name, &error));
    }
    tracing::warn!(index = name, %error, "there is too little shared memory for parallel workers; once more without");
    drop_index(connection, name).await?;
    set(connection, Tuning { workers: 0, ..tuning }).await?;
    connection.execute_unprepared(&statement).await.map_err(|error| failed(name, &error))?;
    Ok(())
}

fn failed(name: &str, error: &DbErr) -> Error {
    if is_out_of_memory(error) {
        return Error::startup(
            format!("the index {name} cannot be built: {error}"),
            "lower spaces.index_memory_mb, or give the database server more memory (in a container: shm_size)",
        );
    }
    Error::internal("building an index", error.to_string())
}

async fn set(connection: &DatabaseConnection, tuning: Tuning) -> Result<()> {
    let settings = format!(
        "SET maintenance_work_mem = '{}MB'; SET max_parallel_maintenance_workers = {}",
        tuning.memory_mb, tuning.workers
    );
    connection.execute_unprepared(&settings).await?;
    Ok(())
}

/// 53100: no room in shared memory (or on the disk); 53200: no memory.
fn is_out_of_memory(error: &DbErr) -> bool {
    let (DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error))) = error
    else {
        return false;
    };
    let code = error.as_database_error().and_then(|error| error.code().map(std::borrow::Cow::into_owned));
    code.is_some_and(|code| code == "53100" || code == "53200")
}
