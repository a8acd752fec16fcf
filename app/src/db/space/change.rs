//! Begin, switch, switch back, end. Each is one short transaction that has both
//! tables for itself alone; it gives way at once when it would keep others waiting.

use std::time::Duration;

use entity::ai::embedding_space::{self, Status};
use entity::ids::SpaceId;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend,
    EntityTrait, QueryFilter, Statement, TransactionTrait,
};

use super::column::{self, Place, TABLES};
use super::{find_active, find_beside, insert, named, spec_of};
use crate::db::handle::AiDb;
use crate::error::{Error, Result};
use crate::llm::SpaceSpec;

/// The ai chain's own lock: no migration runs meanwhile.
const CHAIN_LOCK: &str = "tandem:migrate:ai";

/// Searches that come meanwhile wait no longer than this.
const LOCK_TIMEOUT: &str = "150ms";
const TRIES: u32 = 60;
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// Makes a space the next one, with an empty column. What was begun with the same before goes on.
pub async fn begin(ai: &AiDb, spec: &SpaceSpec) -> Result<SpaceId> {
    let connection = ai.migration_connection(CHAIN_LOCK);
    let transaction = exclusive(&connection).await?;
    let active = find_active(&transaction).await?.ok_or(Error::NotFound("active embedding space"))?;
    if spec_of(&active) == *spec {
        return Err(Error::conflict("space_active", format!("{} is the active space already", named(spec))));
    }
    if let Some(beside) = find_beside(&transaction).await? {
        let is_same = spec_of(&beside) == *spec && beside.status != Status::Previous;
        if is_same {
            return Ok(beside.id);
        }
        let what = if beside.status == Status::Previous { "the previous space" } else { "the next space" };
        return Err(Error::Conflict {
            code: "change_under_way",
            detail: format!(
                "{} is still there as {what}: abort or retire it first",
                named(&spec_of(&beside))
            ),
            id: Some(beside.id.0),
        });
    }
    let id = match find_retired(&transaction, spec).await? {
        Some(id) => {
            revive(&transaction, id).await?;
            id
        }
        None => insert(&transaction, spec, Status::Filling).await?,
    };
    let others = spec_of(&active).dimensions;
    for table in TABLES {
        for statement in column::added(table, Place::Next, spec.dimensions, others) {
            transaction.execute_unprepared(&statement).await?;
        }
        transaction.execute_unprepared(&column::guarded(table, Place::Next)).await?;
    }
    transaction.commit().await?;
    connection.close().await?;
    Ok(id)
}

async fn find_retired(connection: &impl ConnectionTrait, spec: &SpaceSpec) -> Result<Option<SpaceId>> {
    let rows = embedding_space::Entity::find()
        .filter(embedding_space::Column::Status.eq(Status::Retired))
        .filter(embedding_space::Column::Model.eq(spec.model.as_str()))
        .all(connection)
        .await?;
    Ok(rows.into_iter().find(|row| spec_of(row) == *spec).map(|row| row.id))
}

async fn revive(connection: &impl ConnectionTrait, id: SpaceId) -> Result<()> {
    let again = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "UPDATE ai_embedding_spaces SET status = 'filling', tokens = 0, recall = '[]', error = NULL, lease_owner = NULL, lease_expires_at = NULL, updated_at = now() WHERE id = $1",
        [id.0.into()],
    );
    connection.execute_raw(again).await?;
    Ok(())
}

/// Makes the space beside the active one the active one, and that the one beside it.
/// False: rows lack their vector; fill them and try again. Nothing has changed then.
pub async fn swap(ai: &AiDb, id: SpaceId) -> Result<bool> {
    let connection = ai.migration_connection(CHAIN_LOCK);
    let transaction = exclusive(&connection).await?;
    let beside = find_beside(&transaction).await?.filter(|space| space.id == id);
    let status = beside.map(|space| space.status);
    let (Some(Status::Ready | Status::Previous), Some(status)) = (status, status) else {
        return Err(Error::conflict("space_not_ready", "this space cannot become the active one now"));
    };
    let active = find_active(&transaction).await?.ok_or(Error::NotFound("active embedding space"))?;
    let (from, to) = match Place::of(status) {
        Place::Previous => (Place::Previous, Place::Next),
        _ => (Place::Next, Place::Previous),
    };
    for table in TABLES {
        if lacks(&transaction, table, from).await? {
            return Ok(false);
        }
    }
    for table in TABLES {
        for statement in renamed(table, from, to) {
            transaction.execute_unprepared(&statement).await?;
        }
        transaction.execute_unprepared(&column::guarded(table, to)).await?;
    }
    let left = if to == Place::Previous { Status::Previous } else { Status::Ready };
    // In this order there are never two of a kind.
    for (id, status) in [(id, Status::Retired), (active.id, left), (id, Status::Active)] {
        put_status(&transaction, id, status).await?;
    }
    let free = "UPDATE ai_embedding_spaces SET lease_owner = NULL, lease_expires_at = NULL";
    transaction.execute_unprepared(free).await?;
    transaction.commit().await?;
    connection.close().await?;
    Ok(true)
}

/// The active column goes to `to`, and `from` becomes the active one.
fn renamed(table: &str, from: Place, to: Place) -> Vec<String> {
    let mut statements = vec![format!("DROP TRIGGER IF EXISTS tg_{table}_void ON {table}")];
    for (old, new) in [(Place::Active, to), (from, Place::Active)] {
        statements.push(format!("ALTER TABLE {table} RENAME COLUMN {} TO {}", old.column(), new.column()));
        for name in [column::hnsw, column::missing] {
            statements.push(format!(
                "ALTER INDEX IF EXISTS {} RENAME TO {}",
                name(table, old),
                name(table, new)
            ));
        }
    }
    statements
}

/// Ends the change: the space beside the active one loses its column.
pub async fn abort(ai: &AiDb, id: SpaceId) -> Result<()> {
    let connection = ai.migration_connection(CHAIN_LOCK);
    stop_work(ai, id).await?;
    let transaction = exclusive(&connection).await?;
    let beside = find_beside(&transaction).await?.filter(|space| space.id == id);
    let Some(beside) = beside else {
        return Err(Error::conflict(
            "space_not_beside",
            "only the next or the previous space can be given up",
        ));
    };
    let place = Place::of(beside.status);
    for table in TABLES {
        transaction.execute_unprepared(&format!("DROP TRIGGER IF EXISTS tg_{table}_void ON {table}")).await?;
        let drop = format!("ALTER TABLE {table} DROP COLUMN IF EXISTS {}", place.column());
        transaction.execute_unprepared(&drop).await?;
        let missing = format!("DROP INDEX IF EXISTS {}", column::missing(table, Place::Active));
        transaction.execute_unprepared(&missing).await?;
    }
    put_status(&transaction, id, Status::Retired).await?;
    transaction.commit().await?;
    connection.close().await?;
    Ok(())
}

/// Takes the lease away from whoever works on the space, and ends a build that is under way.
async fn stop_work(ai: &AiDb, id: SpaceId) -> Result<()> {
    let take = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "UPDATE ai_embedding_spaces SET lease_owner = gen_random_uuid(), lease_expires_at = now() + interval '1 minute'
          WHERE id = $1 AND status NOT IN ('active', 'retired')",
        [id.0.into()],
    );
    let cancel = Statement::from_string(
        DbBackend::Postgres,
        "SELECT pg_cancel_backend(pid) FROM pg_stat_progress_create_index
          WHERE datname = current_database() AND relid IN ('ai_kb_documents'::regclass, 'ai_memories'::regclass)",
    );
    let transaction = ai.begin_plain().await?;
    transaction.execute_raw(take).await?;
    transaction.query_all_raw(cancel).await?;
    transaction.commit().await
}

/// Where a change stands, if nobody else has moved it on since.
pub async fn set_status(
    ai: &AiDb,
    id: SpaceId,
    from: Status,
    to: Status,
    error: Option<&str>,
) -> Result<bool> {
    let row = embedding_space::ActiveModel {
        status: Set(to),
        error: Set(error.map(str::to_owned)),
        ..Default::default()
    };
    let transaction = ai.begin_worker().await?;
    let updated = embedding_space::Entity::update_many()
        .set(row)
        .col_expr(embedding_space::Column::UpdatedAt, sea_orm::sea_query::Expr::cust("now()"))
        .filter(embedding_space::Column::Id.eq(id))
        .filter(embedding_space::Column::Status.eq(from))
        .exec(&transaction)
        .await?;
    transaction.commit().await?;
    Ok(updated.rows_affected == 1)
}

/// Rows of both tables, and how many of them lack their vector at this place.
pub async fn progress(ai: &AiDb, place: Place) -> Result<(i64, i64)> {
    let transaction = ai.begin_worker().await?;
    let (mut rows, mut missing) = (0, 0);
    for table in TABLES {
        let statement = Statement::from_string(
            DbBackend::Postgres,
            format!(
                "SELECT (SELECT count(*) FROM {table}) AS rows, (SELECT count(*) FROM {table} WHERE {} IS NULL) AS missing",
                place.column()
            ),
        );
        if let Some(row) = transaction.query_one_raw(statement).await? {
            rows += row.try_get::<i64>("", "rows")?;
            missing += row.try_get::<i64>("", "missing")?;
        }
    }
    Ok((rows, missing))
}

async fn put_status(connection: &impl ConnectionTrait, id: SpaceId, status: Status) -> Result<()> {
    embedding_space::Entity::update_many()
        .col_expr(embedding_space::Column::Status, sea_orm::sea_query::Expr::val(status))
        .col_expr(embedding_space::Column::UpdatedAt, sea_orm::sea_query::Expr::cust("now()"))
        .filter(embedding_space::Column::Id.eq(id))
        .exec(connection)
        .await?;
    Ok(())
}

/// Whether a row lacks its vector; answered by an index, however many rows there are.
async fn lacks(connection: &impl ConnectionTrait, table: &str, place: Place) -> Result<bool> {
    connection.execute_unprepared("SET LOCAL enable_seqscan = off").await?;
    let statement = Statement::from_string(
        DbBackend::Postgres,
        format!("SELECT 1 FROM {table} WHERE {} IS NULL LIMIT 1", place.column()),
    );
    Ok(connection.query_one_raw(statement).await?.is_some())
}

/// A transaction that has both tables for itself. While it cannot have them, it keeps nobody waiting for long.
pub(super) async fn exclusive(connection: &DatabaseConnection) -> Result<DatabaseTransaction> {
    let mut pause = PAUSE;
    for _ in 0..TRIES {
        let transaction = connection.begin().await?;
        let lock = format!(
            "SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'; LOCK TABLE ai_kb_documents, ai_memories IN ACCESS EXCLUSIVE MODE"
        );
        match transaction.execute_unprepared(&lock).await {
            Ok(_) => return Ok(transaction),
            Err(error) => {
                let error = Error::from(error);
                if !error.is_given_up() {
                    return Err(error);
                }
            }
        }
        transaction.rollback().await?;
        tokio::time::sleep(pause).await;
        pause = (pause * 3 / 2).min(PAUSE_MAX);
    }
    Err(Error::conflict(
        "tables_busy",
        "long transactions hold the tables; end them (pg_stat_activity) and try again",
    ))
}
