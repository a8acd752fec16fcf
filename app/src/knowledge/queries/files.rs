//! Uploaded files: stored with their source, gone once they are parsed.

use std::collections::HashMap;

use entity::ai::kb_file;
use entity::ids::SourceId;
use sea_orm::ActiveValue::Set;
use sea_orm::{ConnectionTrait, DbBackend, EntityTrait, Statement, Value};
use uuid::Uuid;

use super::{Item, items, over};
use crate::db::{AiConn, AiDb, AiTx};
use crate::error::Result;
use crate::knowledge::source::FileContent;
use crate::parse::{Document, FileType};

/// Puts the files of sources that have just been stored beside them, and
/// takes away those of their earlier generations. `files` also says whose each is.
pub(in crate::knowledge) async fn replace_files(
    ai: &impl AiConn,
    stored: &[Item],
    mut files: HashMap<SourceId, (Uuid, FileContent)>,
) -> Result<()> {
    if stored.is_empty() {
        return Ok(());
    }
    let earlier = "DELETE FROM ai_kb_files f USING unnest($1::uuid[], $2::bigint[]) AS item(id, generation)
                    WHERE f.source_id = item.id";
    ai.execute_raw(over(earlier, stored, [])).await?;
    // One at a time: they are large.
    for item in stored {
        let Some((audience, file)) = files.remove(&item.id) else { continue };
        let row = kb_file::ActiveModel {
            source_id: Set(item.id),
            generation: Set(item.generation),
            audience: Set(audience),
            media_type: Set(file.kind.as_str().to_owned()),
            filename: Set(file.filename),
            titled: Set(file.titled),
            bytes: Set(file.bytes.into()),
            url: Set(file.url),
            ..Default::default()
        };
        kb_file::Entity::insert(row).exec_without_returning(ai).await?;
    }
    Ok(())
}

/// Which of the items wait for a parser. They count as being worked on from now on.
pub(in crate::knowledge) async fn start_files(ai: &AiDb, run: Uuid, wanted: &[Item]) -> Result<Vec<Item>> {
    let sql = "UPDATE ai_kb_sources s SET status = 'processing', updated_at = now()
                 FROM unnest($1::uuid[], $2::bigint[]) AS item(id, generation)
                 JOIN ai_kb_files f ON f.source_id = item.id AND f.generation = item.generation
                WHERE s.id = item.id AND s.generation = item.generation AND s.status IN ('queued', 'processing')
                  AND s.lease_owner = $3
            RETURNING s.id, s.generation";
    let ai = ai.begin_worker().await?;
    let started = items(&ai.query_all_raw(over(sql, wanted, [run.into()])).await?)?;
    ai.commit().await?;
    Ok(started)
}

/// A file, if it is still to be parsed.
pub(in crate::knowledge) async fn file(ai: &AiDb, item: Item) -> Result<Option<kb_file::Model>> {
    let ai = ai.begin_worker().await?;
    let file = kb_file::Entity::find_by_id(item.id).one(&ai).await?;
    // The connection goes back before the parser starts.
    ai.commit().await?;
    Ok(file.filter(|file| file.generation == item.generation))
}

/// Puts a file's text in its place. Whoever takes the file away writes: a
/// parser that comes late finds none and changes nothing.
pub(in crate::knowledge) async fn store_parsed(
    ai: &AiDb,
    run: Uuid,
    item: Item,
    kind: FileType,
    document: Document,
    title: Option<String>,
) -> Result<()> {
    let Some(ai) = take_file(ai, run, item).await? else { return Ok(()) };
    let pages = document.pages.map(serde_json::Value::from);
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "UPDATE ai_kb_sources SET content = $3, pages = $4, title = coalesce($5, title), media_type = $6, updated_at = now()
          WHERE id = $1 AND generation = $2 AND status IN ('queued', 'processing')",
        [
            item.id.0.into(),
            item.generation.into(),
            document.text.into(),
            Value::Json(pages.map(Box::new)),
            title.into(),
            kind.as_str().into(),
        ],
    );
    ai.execute_raw(statement).await?;
    ai.commit().await
}

/// Says why a file cannot be read and takes it away.
pub(in crate::knowledge) async fn refuse_file(ai: &AiDb, run: Uuid, item: Item, why: &str) -> Result<()> {
    let Some(ai) = take_file(ai, run, item).await? else { return Ok(()) };
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "UPDATE ai_kb_sources SET status = 'failed', error = $3, updated_at = now()
          WHERE id = $1 AND generation = $2 AND status IN ('queued', 'processing')",
        [item.id.0.into(), item.generation.into(), why.into()],
    );
    ai.execute_raw(statement).await?;
    ai.commit().await
}

/// A transaction in which this file goes; none if it is gone already, or
/// another run's by now.
async fn take_file(ai: &AiDb, run: Uuid, item: Item) -> Result<Option<AiTx>> {
    let ai = ai.begin_worker().await?;
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "DELETE FROM ai_kb_files f USING ai_kb_sources s
          WHERE f.source_id = $1 AND f.generation = $2 AND s.id = f.source_id AND s.lease_owner = $3",
        [item.id.0.into(), item.generation.into(), run.into()],
    );
    let taken = ai.execute_raw(statement).await?.rows_affected() == 1;
    Ok(taken.then_some(ai))
}

/// Takes away files that nobody will parse: their source was given up.
pub(in crate::knowledge) async fn drop_stray_files(ai: &AiDb) -> Result<()> {
    let ai = ai.begin_worker().await?;
    ai.execute_unprepared(
        "DELETE FROM ai_kb_files f USING ai_kb_sources s
          WHERE s.id = f.source_id AND (s.generation <> f.generation OR s.status IN ('ready', 'failed'))",
    )
    .await?;
    ai.commit().await
}
