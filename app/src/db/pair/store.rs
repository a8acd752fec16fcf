//! The records, in SQL. Plain connections: a start is not yet anybody's request.

use chrono::{DateTime, Utc};
use sea_orm::sqlx::postgres::PgConnection;
use sea_orm::sqlx::{AssertSqlSafe, query, query_as, query_scalar};
use uuid::Uuid;

use super::{LOCK, PairMode, Record, Side, Sides};
use crate::db::lock;
use crate::error::{Context, Error, Result};

/// Where a side keeps its record.
pub(super) struct Place {
    table: &'static str,
    /// A table of this name that another application made is not ours.
    history: &'static str,
}

pub(super) const CORE: Place = Place { table: "settings", history: "core_migrations" };
pub(super) const AI: Place = Place { table: "ai_settings", history: "ai_migrations" };

/// Both sides: core's note first, ai, then core. Without an ai connection ai is in core's database.
pub(super) async fn read(
    core: &mut PgConnection,
    ai: Option<&mut PgConnection>,
    configured: PairMode,
) -> Result<Sides> {
    let first = side(core, &CORE).await?;
    let ai = match ai {
        Some(ai) => side(ai, &AI).await?,
        None => side(core, &AI).await?,
    };
    let core = side(core, &CORE).await?;
    let same = first.record.filter(|record| core.record.is_some_and(|core| core.id == record.id));
    Ok(Sides { configured, acked: same.map_or(0, |record| record.acked), core, ai })
}

/// What one database knows.
pub(super) async fn side(connection: &mut PgConnection, place: &Place) -> Result<Side> {
    let (database, migrated): (String, bool) = query_as(
        "SELECT current_database()::text, to_regclass($1) IS NOT NULL AND to_regclass($2) IS NOT NULL",
    )
    .bind(place.table)
    .bind(place.history)
    .fetch_one(&mut *connection)
    .await
    .context("looking for the pair")?;
    let mut side = Side { database, migrated, record: None, changed_at: None };
    if !migrated {
        return Ok(side);
    }
    let statement = format!("SELECT value::text, updated_at FROM {} WHERE key = 'pair'", place.table);
    let row: Option<(String, DateTime<Utc>)> =
        query_as(AssertSqlSafe(statement)).fetch_optional(connection).await.context("reading the pair")?;
    if let Some((value, changed_at)) = row {
        side.record = Some(serde_json::from_str(&value).map_err(|_| damaged(&side.database, place))?);
        side.changed_at = Some(changed_at);
    }
    Ok(side)
}

fn damaged(database: &str, place: &Place) -> Error {
    Error::startup(
        format!("the row \"pair\" of table {} in database \"{database}\" cannot be read", place.table),
        format!(
            "restore that row from a backup, or delete it and run `tandem pair`: DELETE FROM {} WHERE key = 'pair';",
            place.table
        ),
    )
}

/// Held until the connection ends.
pub(super) async fn lock(core: &mut PgConnection) -> Result<()> {
    lock::acquire(core, LOCK).await
}

/// Makes the records that are missing. The caller holds the lock.
pub(super) async fn join(
    core: &mut PgConnection,
    ai: Option<&mut PgConnection>,
    mode: PairMode,
) -> Result<()> {
    let proposed = Record { id: Uuid::now_v7(), mode, epoch: 1, acked: 0 };
    insert(core, &CORE, &proposed).await?;
    let Some(record) = side(core, &CORE).await?.record else {
        return Err(Error::NotFound("the pair's record"));
    };
    // Only while core waits for its ai: a record that went missing is not made again.
    if record.acked > 0 {
        return Ok(());
    }
    let joined = Record { epoch: 0, ..record };
    match ai {
        Some(ai) => insert(ai, &AI, &joined).await,
        None => insert(core, &AI, &joined).await,
    }
}

async fn insert(connection: &mut PgConnection, place: &Place, record: &Record) -> Result<()> {
    let statement = format!(
        "INSERT INTO {} (key, value) VALUES ('pair', $1::jsonb) ON CONFLICT (key) DO NOTHING",
        place.table
    );
    run(connection, statement, record).await
}

/// Writes a record whatever was there.
pub(super) async fn put(connection: &mut PgConnection, place: &Place, record: &Record) -> Result<()> {
    let statement = format!(
        "INSERT INTO {} (key, value) VALUES ('pair', $1::jsonb)
         ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = now()",
        place.table
    );
    run(connection, statement, record).await
}

async fn run(connection: &mut PgConnection, statement: String, record: &Record) -> Result<()> {
    let value = serde_json::to_string(record).context("writing the pair")?;
    query(AssertSqlSafe(statement)).bind(value).execute(connection).await.context("writing the pair")?;
    Ok(())
}

/// Core counts, ai is told, core notes it. Ai is not told if it went back in
/// time meanwhile, so that no trace of a restored half is ever covered up.
pub(super) async fn count(core: &mut PgConnection, ai: Option<&mut PgConnection>) -> Result<()> {
    let (id, epoch, acked): (String, i64, i64) = query_as(
        "UPDATE settings
            SET value = jsonb_set(value, '{epoch}', to_jsonb((value->>'epoch')::bigint + 1)), updated_at = now()
          WHERE key = 'pair'
         RETURNING value->>'id', (value->>'epoch')::bigint, (value->>'acked')::bigint",
    )
    .fetch_one(&mut *core)
    .await
    .context("counting the pair's epoch")?;
    let told = query_scalar::<_, i64>(
        "UPDATE ai_settings
            SET value = jsonb_set(value, '{epoch}', to_jsonb(greatest((value->>'epoch')::bigint, $1))), updated_at = now()
          WHERE key = 'pair' AND value->>'id' = $2 AND (value->>'epoch')::bigint >= $3
         RETURNING (value->>'epoch')::bigint",
    )
    .bind(epoch)
    .bind(id)
    .bind(acked);
    let told = match ai {
        Some(ai) => told.fetch_optional(ai).await,
        None => told.fetch_optional(&mut *core).await,
    };
    if told.context("telling ai the pair's epoch")?.is_none() {
        return Err(Error::startup(
            "the ai database was exchanged or restored while tandem runs",
            "stop every tandem; `tandem doctor` says what is wrong, `tandem pair` makes a pair again",
        ));
    }
    query(
        "UPDATE settings
            SET value = jsonb_set(value, '{acked}', to_jsonb(greatest((value->>'acked')::bigint, $1))), updated_at = now()
          WHERE key = 'pair'",
    )
    .bind(epoch)
    .execute(core)
    .await
    .context("noting the pair's epoch")?;
    Ok(())
}

/// Core waits for an ai database to join.
pub(super) async fn forget_ai(core: &mut PgConnection) -> Result<()> {
    query(
        "UPDATE settings SET value = jsonb_set(value, '{acked}', '0'), updated_at = now() WHERE key = 'pair'",
    )
    .execute(core)
    .await
    .context("noting that ai has to join again")?;
    Ok(())
}

/// Ai belongs to nobody.
pub(super) async fn release_ai(connection: &mut PgConnection) -> Result<()> {
    query("DELETE FROM ai_settings WHERE key = 'pair'")
        .execute(connection)
        .await
        .context("releasing ai from its pair")?;
    Ok(())
}
