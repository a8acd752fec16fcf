//! Ingesting sources.

use std::time::Duration;

use entity::ai::kb_document::{self, Column as DocumentColumn};
use entity::ids::{CollectionId, JobId, SourceId, TenantId, UserId};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, FromQueryResult, QueryFilter, QueryResult,
    Statement,
};
use uuid::Uuid;

use super::{Item, items, over};
use crate::db::AiDb;
use crate::db::space::{self, Active};
use crate::db::word_index::{Entry, PASSAGES};
use crate::error::Result;
use crate::knowledge::chunk::Passage;
use crate::knowledge::{ids, words};

/// Rows a statement: 15 parameters each, and Postgres takes 65,535.
const INSERT_ROWS: usize = 1000;

/// Sources a sweep looks at.
const SWEEP_MAX: u64 = 500;

/// A source that is still to be ingested.
#[derive(Debug, FromQueryResult)]
pub(in crate::knowledge) struct Pending {
    pub(in crate::knowledge) id: SourceId,
    pub(in crate::knowledge) generation: i64,
    pub(in crate::knowledge) bytes: i64,
}

/// Takes the items that are still to be done for this run: from now on no
/// earlier run of the job writes them.
pub(in crate::knowledge) async fn claim(ai: &AiDb, run: Uuid, items: &[Item]) -> Result<()> {
    let sql = "UPDATE ai_kb_sources s SET lease_owner = $3
                 FROM unnest($1::uuid[], $2::bigint[]) AS item(id, generation)
                WHERE s.id = item.id AND s.generation = item.generation AND s.status IN ('queued', 'processing')";
    let ai = ai.begin_worker().await?;
    ai.execute_raw(over(sql, items, [run.into()])).await?;
    ai.commit().await
}

/// Which of the items are still to be done by this run, and how long their
/// texts are. What still waits for its text is not among them.
pub(in crate::knowledge) async fn pending(ai: &AiDb, run: Uuid, items: &[Item]) -> Result<Vec<Pending>> {
    let sql = "SELECT s.id, s.generation, octet_length(s.content)::bigint AS bytes
                 FROM unnest($1::uuid[], $2::bigint[]) WITH ORDINALITY AS item(id, generation, n)
                 JOIN ai_kb_sources s ON s.id = item.id AND s.generation = item.generation
                WHERE s.status IN ('queued', 'processing') AND s.lease_owner = $3
                  AND NOT EXISTS (SELECT FROM ai_kb_files f WHERE f.source_id = s.id AND f.generation = s.generation)
                ORDER BY item.n";
    let ai = ai.begin_worker().await?;
    Ok(Pending::find_by_statement(over(sql, items, [run.into()])).all(&ai).await?)
}

/// What an ingestion needs of a source.
#[derive(Debug, FromQueryResult)]
pub(in crate::knowledge) struct Started {
    pub(in crate::knowledge) id: SourceId,
    pub(in crate::knowledge) generation: i64,
    pub(in crate::knowledge) owner_id: Option<UserId>,
    pub(in crate::knowledge) tenant_id: Option<TenantId>,
    pub(in crate::knowledge) collection_id: Option<CollectionId>,
    pub(in crate::knowledge) external_id: Option<String>,
    pub(in crate::knowledge) scope: String,
    pub(in crate::knowledge) title: String,
    pub(in crate::knowledge) media_type: String,
    pub(in crate::knowledge) content: String,
    pub(in crate::knowledge) metadata: serde_json::Value,
    pub(in crate::knowledge) pages: Option<serde_json::Value>,
}

/// Marks sources as being worked on and loads them.
pub(in crate::knowledge) async fn start(ai: &AiDb, run: Uuid, items: &[Item]) -> Result<Vec<Started>> {
    let sql = "UPDATE ai_kb_sources s SET status = 'processing', updated_at = now()
                 FROM unnest($1::uuid[], $2::bigint[]) AS item(id, generation)
                WHERE s.id = item.id AND s.generation = item.generation AND s.status IN ('queued', 'processing')
                  AND s.lease_owner = $3
            RETURNING s.id, s.generation, s.owner_id, s.tenant_id, s.collection_id, s.external_id, s.scope, s.title, s.media_type, s.content, s.metadata, s.pages";
    let ai = ai.begin_worker().await?;
    let started = Started::find_by_statement(over(sql, items, [run.into()])).all(&ai).await?;
    ai.commit().await?;
    Ok(started)
}

/// A source with its passages and their vectors.
#[derive(Debug)]
pub(in crate::knowledge) struct Prepared {
    pub(in crate::knowledge) source: Started,
    pub(in crate::knowledge) passages: Vec<Passage>,
    /// The page on which each passage begins; none for sources without pages.
    pub(in crate::knowledge) pages: Vec<Option<i32>>,
    /// The words of each passage.
    pub(in crate::knowledge) words: Vec<Entry>,
    /// As many as passages, once it is complete.
    pub(in crate::knowledge) vectors: Vec<Vec<f32>>,
    /// Vectors for the space beside the active one; as many as passages, or they are made later.
    pub(in crate::knowledge) beside: Vec<Vec<f32>>,
}

/// Swaps the passages of complete sources, all in one transaction: a source
/// has its old passages or its new ones. What has moved on since, or is
/// another run's by now, is left alone.
pub(in crate::knowledge) async fn write(
    ai: &AiDb,
    run: Uuid,
    active: &Active,
    mut sources: Vec<Prepared>,
) -> Result<()> {
    if sources.is_empty() {
        return Ok(());
    }
    let transaction = ai.begin_worker_in(active.space.id).await?;
    let lock = "SELECT s.id, s.generation, s.collection_id FROM ai_kb_sources s
                  JOIN unnest($1::uuid[], $2::bigint[]) AS item(id, generation) ON s.id = item.id AND s.generation = item.generation
                 WHERE s.status IN ('queued', 'processing') AND s.lease_owner = $3 ORDER BY s.id FOR UPDATE OF s";
    let locked = transaction.query_all_raw(over(lock, &named(&sources), [run.into()])).await?;
    follow(&mut sources, &locked)?;
    let Swap { ids, counts, inserts, words, beside } = swap(&sources, &items(&locked)?);
    kb_document::Entity::delete_many().filter(DocumentColumn::SourceId.is_in(ids)).exec(&transaction).await?;
    for rows in inserts {
        kb_document::Entity::insert_many(rows).exec_without_returning(&transaction).await?;
    }
    PASSAGES.insert(&transaction, &words).await?;
    space::write_beside(&transaction, "ai_kb_documents", active, beside).await?;
    let ready = "UPDATE ai_kb_sources s SET status = 'ready', documents = item.documents, error = NULL, lease_owner = NULL, updated_at = now()
                   FROM unnest($1::uuid[], $2::bigint[]) AS item(id, documents) WHERE s.id = item.id";
    transaction.execute_raw(over(ready, &counts, [])).await?;
    transaction.commit().await
}

/// A source may have been moved since it was loaded. It stays where it is now, and its words are for
/// who reads it there.
fn follow(sources: &mut [Prepared], locked: &[QueryResult]) -> Result<()> {
    for row in locked {
        let (id, collection): (SourceId, Option<CollectionId>) =
            (row.try_get("", "id")?, row.try_get("", "collection_id")?);
        let moved = |prepared: &&mut Prepared| {
            prepared.source.id == id && prepared.source.collection_id != collection
        };
        if let Some(prepared) = sources.iter_mut().find(moved) {
            prepared.source.collection_id = collection;
            prepared.words = words::entries(&prepared.source, &prepared.passages);
        }
    }
    Ok(())
}

/// What [`write`] changes.
struct Swap {
    ids: Vec<SourceId>,
    /// Sources with the number of their passages.
    counts: Vec<Item>,
    inserts: Vec<Vec<kb_document::ActiveModel>>,
    words: Vec<Entry>,
    /// Passages with their vectors for the space beside the active one.
    beside: Vec<(Uuid, Vec<f32>)>,
}

fn swap(sources: &[Prepared], current: &[Item]) -> Swap {
    let mut swap = Swap {
        ids: Vec::new(),
        counts: Vec::new(),
        inserts: Vec::new(),
        words: Vec::new(),
        beside: Vec::new(),
    };
    for prepared in sources {
        let id = prepared.source.id;
        if current.iter().all(|item| item.id != id) {
            continue;
        }
        swap.ids.push(id);
        swap.counts.push(Item { id, generation: i64::try_from(prepared.passages.len()).unwrap_or(i64::MAX) });
        swap.words.extend_from_slice(&prepared.words);
        if prepared.beside.len() == prepared.passages.len() {
            let ids = prepared.passages.iter().zip(0_i32..);
            let ids = ids.map(|(passage, position)| ids::passage(id, position, &passage.content).0);
            swap.beside.extend(ids.zip(prepared.beside.iter().cloned()));
        }
        for row in rows(prepared) {
            match swap.inserts.last_mut() {
                Some(rows) if rows.len() < INSERT_ROWS => rows.push(row),
                _ => swap.inserts.push(vec![row]),
            }
        }
    }
    swap
}

fn named(sources: &[Prepared]) -> Vec<Item> {
    sources
        .iter()
        .map(|prepared| Item { id: prepared.source.id, generation: prepared.source.generation })
        .collect()
}

fn rows(prepared: &Prepared) -> impl Iterator<Item = kb_document::ActiveModel> {
    let source = &prepared.source;
    let passages = prepared.passages.iter().zip(&prepared.vectors).zip(&prepared.pages).zip(0_i32..);
    passages.map(move |(((passage, vector), page), position)| kb_document::ActiveModel {
        id: Set(ids::passage(source.id, position, &passage.content)),
        source_id: Set(source.id),
        owner_id: Set(source.owner_id),
        tenant_id: Set(source.tenant_id),
        collection_id: Set(source.collection_id),
        scope: Set(source.scope.clone()),
        title: Set(source.title.clone()),
        heading_path: Set(passage.heading_path.clone()),
        content: Set(passage.content.clone()),
        position: Set(position),
        char_start: Set(int(passage.char_start)),
        char_end: Set(int(passage.char_end)),
        page: Set(*page),
        tokens: Set(int(passage.tokens)),
        metadata: Set(source.metadata.clone()),
        embedding: Set(Some(vector.clone().into())),
        ..Default::default()
    })
}

/// Gives sources up that are still to be ingested; those of a run, or if there
/// is none whosever they are.
pub(in crate::knowledge) async fn mark_failed(
    ai: &AiDb,
    run: Option<Uuid>,
    items: &[Item],
    error: &str,
) -> Result<()> {
    let sql = "UPDATE ai_kb_sources s SET status = 'failed', error = $3, lease_owner = NULL, updated_at = now()
                 FROM unnest($1::uuid[], $2::bigint[]) AS item(id, generation)
                WHERE s.id = item.id AND s.generation = item.generation AND s.status IN ('queued', 'processing')
                  AND ($4::uuid IS NULL OR s.lease_owner = $4)";
    let ai = ai.begin_worker().await?;
    ai.execute_raw(over(sql, items, [error.into(), run.into()])).await?;
    ai.commit().await
}

/// A source that has waited for long.
#[derive(Debug, FromQueryResult)]
pub(in crate::knowledge) struct Waiting {
    pub(in crate::knowledge) id: SourceId,
    pub(in crate::knowledge) generation: i64,
    pub(in crate::knowledge) job_id: Option<JobId>,
}

/// Takes the sources that have waited longest; nobody else gets them for as long again.
pub(in crate::knowledge) async fn take_waiting(ai: &AiDb, waited: Duration) -> Result<Vec<Waiting>> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "UPDATE ai_kb_sources SET updated_at = now()
          WHERE id IN (SELECT id FROM ai_kb_sources
                        WHERE status IN ('queued', 'processing') AND updated_at <= now() - make_interval(secs => $1)
                        ORDER BY updated_at LIMIT $2 FOR UPDATE SKIP LOCKED)
      RETURNING id, generation, job_id",
        [waited.as_secs_f64().into(), i64::try_from(SWEEP_MAX).unwrap_or(i64::MAX).into()],
    );
    let ai = ai.begin_worker().await?;
    let waiting = Waiting::find_by_statement(statement).all(&ai).await?;
    ai.commit().await?;
    Ok(waiting)
}

fn int(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
