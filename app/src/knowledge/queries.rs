//! The statements of the knowledge base.
//!
//! What runs for a user takes the user's audience; what runs for a job takes
//! items, and touches a source only at the generation the job is about.

use std::time::Duration;

use entity::ai::kb_document::{self, Column as DocumentColumn};
use entity::ai::kb_source::{self, Column as SourceColumn, Status};
use entity::core::citation;
use entity::ids::{JobId, SourceId, TenantId, UserId};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict, Query};
use sea_orm::{
    ColumnTrait, DbBackend, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait, Statement, Value,
};

use super::chunk::Passage;
use super::ids;
use super::jobs::Item;
use crate::auth::Audience;
use crate::db::{AiConn, AiDb, CoreDb};
use crate::error::Result;
use crate::web::Cursor;

/// Rows a statement: 14 parameters each, and Postgres takes 65,535.
const INSERT_ROWS: usize = 1000;

/// Sources a sweep looks at.
const SWEEP_MAX: u64 = 500;

/// What is known of a source that is offered again.
#[derive(Debug, FromQueryResult)]
pub(super) struct Known {
    pub(super) id: SourceId,
    pub(super) content_hash: Vec<u8>,
    pub(super) status: Status,
    pub(super) job_id: Option<JobId>,
}

/// Locks the sources that exist, in the order of their ids, so that two
/// batches cannot wait for each other.
pub(super) async fn lock_known(ai: &impl AiConn, ids: &[SourceId]) -> Result<Vec<Known>> {
    Ok(kb_source::Entity::find()
        .select_only()
        .columns([
            SourceColumn::Id,
            SourceColumn::ContentHash,
            SourceColumn::Status,
            SourceColumn::JobId,
        ])
        .filter(SourceColumn::Id.is_in(ids.iter().copied()))
        .order_by_asc(SourceColumn::Id)
        .lock_exclusive()
        .into_model::<Known>()
        .all(ai)
        .await?)
}

/// Inserts or replaces. What another batch has just stored with the same text
/// is left alone and not returned.
pub(super) async fn upsert(
    ai: &impl AiConn,
    mut rows: Vec<kb_source::ActiveModel>,
) -> Result<Vec<Item>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    rows.sort_unstable_by_key(|row| row.id.try_as_ref().copied());
    let replace = OnConflict::column(SourceColumn::Id)
        .update_columns([
            SourceColumn::OwnerId,
            SourceColumn::TenantId,
            SourceColumn::ExternalId,
            SourceColumn::Scope,
            SourceColumn::Title,
            SourceColumn::MediaType,
            SourceColumn::Content,
            SourceColumn::ContentHash,
            SourceColumn::Metadata,
            SourceColumn::Status,
        ])
        .value(SourceColumn::Generation, Expr::cust("ai_kb_sources.generation + 1"))
        .value(SourceColumn::JobId, Expr::cust("NULL"))
        .value(SourceColumn::Error, Expr::cust("NULL"))
        .value(SourceColumn::UpdatedAt, Expr::cust("now()"))
        .action_and_where(Expr::cust("ai_kb_sources.content_hash <> excluded.content_hash OR ai_kb_sources.status = 'failed'"))
        .to_owned();
    let mut insert = kb_source::Entity::insert_many(rows)
        .on_conflict(replace)
        .into_query();
    insert.returning(Query::returning().columns([SourceColumn::Id, SourceColumn::Generation]));
    items(ai.query_all(&insert).await?)
}

fn items(rows: Vec<sea_orm::QueryResult>) -> Result<Vec<Item>> {
    rows.iter()
        .map(|row| {
            Ok(Item {
                id: row.try_get("", "id")?,
                generation: row.try_get("", "generation")?,
            })
        })
        .collect()
}

/// A source that is still to be ingested.
#[derive(Debug, FromQueryResult)]
pub(super) struct Pending {
    pub(super) id: SourceId,
    pub(super) generation: i64,
    pub(super) bytes: i64,
}

/// Which of the items are still to be done, and how long their texts are.
pub(super) async fn pending(ai: &AiDb, items: &[Item]) -> Result<Vec<Pending>> {
    let sql = "SELECT s.id, s.generation, octet_length(s.content)::bigint AS bytes
                 FROM unnest($1::uuid[], $2::bigint[]) WITH ORDINALITY AS item(id, generation, n)
                 JOIN ai_kb_sources s ON s.id = item.id AND s.generation = item.generation
                WHERE s.status IN ('queued', 'processing')
                ORDER BY item.n";
    Ok(Pending::find_by_statement(over(sql, items, []))
        .all(ai)
        .await?)
}

/// What an ingestion needs of a source.
#[derive(Debug, FromQueryResult)]
pub(super) struct Started {
    pub(super) id: SourceId,
    pub(super) generation: i64,
    pub(super) owner_id: Option<UserId>,
    pub(super) tenant_id: Option<TenantId>,
    pub(super) external_id: Option<String>,
    pub(super) scope: String,
    pub(super) title: String,
    pub(super) media_type: String,
    pub(super) content: String,
    pub(super) metadata: serde_json::Value,
}

/// Marks sources as being worked on and loads them.
pub(super) async fn start(ai: &AiDb, items: &[Item]) -> Result<Vec<Started>> {
    let sql = "UPDATE ai_kb_sources s SET status = 'processing', updated_at = now()
                 FROM unnest($1::uuid[], $2::bigint[]) AS item(id, generation)
                WHERE s.id = item.id AND s.generation = item.generation AND s.status IN ('queued', 'processing')
            RETURNING s.id, s.generation, s.owner_id, s.tenant_id, s.external_id, s.scope, s.title, s.media_type, s.content, s.metadata";
    Ok(Started::find_by_statement(over(sql, items, []))
        .all(ai)
        .await?)
}

/// A source with its passages and their vectors.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) source: Started,
    pub(super) passages: Vec<Passage>,
    /// As many as passages, once it is complete.
    pub(super) vectors: Vec<Vec<f32>>,
}

/// Swaps the passages of complete sources, all in one transaction: a source
/// has its old passages or its new ones. What has moved on since is left alone.
pub(super) async fn write(ai: &AiDb, sources: &[Prepared]) -> Result<()> {
    if sources.is_empty() {
        return Ok(());
    }
    let all: Vec<Item> = sources
        .iter()
        .map(|prepared| Item {
            id: prepared.source.id,
            generation: prepared.source.generation,
        })
        .collect();
    let transaction = ai.begin().await?;
    let lock = "SELECT s.id, s.generation FROM ai_kb_sources s
                  JOIN unnest($1::uuid[], $2::bigint[]) AS item(id, generation) ON s.id = item.id AND s.generation = item.generation
                 WHERE s.status IN ('queued', 'processing') ORDER BY s.id FOR UPDATE OF s";
    let current =
        items(sea_orm::ConnectionTrait::query_all_raw(&transaction, over(lock, &all, [])).await?)?;
    let current: Vec<&Prepared> = sources
        .iter()
        .filter(|prepared| current.iter().any(|item| item.id == prepared.source.id))
        .collect();
    kb_document::Entity::delete_many()
        .filter(DocumentColumn::SourceId.is_in(current.iter().map(|prepared| prepared.source.id)))
        .exec(&transaction)
        .await?;
    let mut rows = current
        .iter()
        .flat_map(|prepared| rows(prepared))
        .peekable();
    while rows.peek().is_some() {
        let some: Vec<_> = rows.by_ref().take(INSERT_ROWS).collect();
        kb_document::Entity::insert_many(some)
            .exec_without_returning(&transaction)
            .await?;
    }
    drop(rows);
    let done: Vec<Item> = current
        .iter()
        .map(|prepared| Item {
            id: prepared.source.id,
            generation: i64::try_from(prepared.passages.len()).unwrap_or(i64::MAX),
        })
        .collect();
    // The second array carries the number of passages here.
    let ready = "UPDATE ai_kb_sources s SET status = 'ready', documents = item.documents, error = NULL, updated_at = now()
                   FROM unnest($1::uuid[], $2::bigint[]) AS item(id, documents) WHERE s.id = item.id";
    sea_orm::ConnectionTrait::execute_raw(&transaction, over(ready, &done, [])).await?;
    transaction.commit().await
}

fn rows(prepared: &Prepared) -> impl Iterator<Item = kb_document::ActiveModel> {
    let source = &prepared.source;
    prepared
        .passages
        .iter()
        .zip(&prepared.vectors)
        .zip(0_i32..)
        .map(
            move |((passage, vector), position)| kb_document::ActiveModel {
                id: Set(ids::passage(source.id, position, &passage.content)),
                source_id: Set(source.id),
                owner_id: Set(source.owner_id),
                tenant_id: Set(source.tenant_id),
                scope: Set(source.scope.clone()),
                title: Set(source.title.clone()),
                heading_path: Set(passage.heading_path.clone()),
                content: Set(passage.content.clone()),
                position: Set(position),
                char_start: Set(int(passage.char_start)),
                char_end: Set(int(passage.char_end)),
                tokens: Set(int(passage.tokens)),
                metadata: Set(source.metadata.clone()),
                embedding: Set(Some(vector.clone().into())),
                ..Default::default()
            },
        )
}

/// Gives sources up that are still to be ingested.
pub(super) async fn mark_failed(ai: &AiDb, items: &[Item], error: &str) -> Result<()> {
    let sql = "UPDATE ai_kb_sources s SET status = 'failed', error = $3, updated_at = now()
                 FROM unnest($1::uuid[], $2::bigint[]) AS item(id, generation)
                WHERE s.id = item.id AND s.generation = item.generation AND s.status IN ('queued', 'processing')";
    sea_orm::ConnectionTrait::execute_raw(ai, over(sql, items, [error.into()])).await?;
    Ok(())
}

/// Notes which job ingests the items.
pub(super) async fn set_job(ai: &AiDb, items: &[Item], job_id: JobId) -> Result<()> {
    let sql = "UPDATE ai_kb_sources s SET job_id = $3
                 FROM unnest($1::uuid[], $2::bigint[]) AS item(id, generation)
                WHERE s.id = item.id AND s.generation = item.generation";
    sea_orm::ConnectionTrait::execute_raw(ai, over(sql, items, [job_id.0.into()])).await?;
    Ok(())
}

/// A source that has waited for long.
#[derive(Debug, FromQueryResult)]
pub(super) struct Waiting {
    pub(super) id: SourceId,
    pub(super) generation: i64,
    pub(super) job_id: Option<JobId>,
}

/// Takes the sources that have waited longest; nobody else gets them for as long again.
pub(super) async fn take_waiting(ai: &AiDb, waited: Duration) -> Result<Vec<Waiting>> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "UPDATE ai_kb_sources SET updated_at = now()
          WHERE id IN (SELECT id FROM ai_kb_sources
                        WHERE status IN ('queued', 'processing') AND updated_at <= now() - make_interval(secs => $1)
                        ORDER BY updated_at LIMIT $2 FOR UPDATE SKIP LOCKED)
      RETURNING id, generation, job_id",
        [waited.as_secs_f64().into(), i64::try_from(SWEEP_MAX).unwrap_or(i64::MAX).into()],
    );
    Ok(Waiting::find_by_statement(statement).all(ai).await?)
}

/// A source as it is shown: without its text.
#[derive(Clone, Debug, FromQueryResult)]
pub(super) struct Shown {
    pub(super) id: SourceId,
    pub(super) owner_id: Option<UserId>,
    pub(super) external_id: Option<String>,
    pub(super) scope: String,
    pub(super) title: String,
    pub(super) media_type: String,
    pub(super) metadata: serde_json::Value,
    pub(super) status: Status,
    pub(super) documents: i32,
    pub(super) job_id: Option<JobId>,
    pub(super) error: Option<String>,
    pub(super) created_at: chrono::DateTime<chrono::Utc>,
    pub(super) updated_at: chrono::DateTime<chrono::Utc>,
}

/// A page of what an audience sees, newest first, and one row more if there is one.
pub(super) async fn list(
    ai: &AiDb,
    audience: &Audience,
    status: Option<Status>,
    after: Option<Cursor>,
    limit: u64,
) -> Result<Vec<Shown>> {
    let mut query = seen_by(audience);
    if let Some(status) = status {
        query = query.filter(SourceColumn::Status.eq(status));
    }
    if let Some(Cursor { at, id }) = after {
        let place = Expr::tuple([Expr::col("created_at"), Expr::col("id")]);
        query = query.filter(place.lt(Expr::tuple([Expr::val(at), Expr::val(id)])));
    }
    Ok(query
        .order_by_desc(SourceColumn::CreatedAt)
        .order_by_desc(SourceColumn::Id)
        .limit(limit + 1)
        .into_model::<Shown>()
        .all(ai)
        .await?)
}

/// One source, if the audience sees it.
pub(super) async fn find(ai: &AiDb, audience: &Audience, id: SourceId) -> Result<Option<Shown>> {
    Ok(seen_by(audience)
        .filter(SourceColumn::Id.eq(id))
        .into_model::<Shown>()
        .one(ai)
        .await?)
}

fn seen_by(audience: &Audience) -> sea_orm::Select<kb_source::Entity> {
    kb_source::Entity::find()
        .select_except([SourceColumn::Content, SourceColumn::ContentHash])
        .filter(audience.condition())
}

/// Deletes a source with its passages. False: it is not there for this audience.
pub(super) async fn delete(ai: &AiDb, audience: &Audience, id: SourceId) -> Result<bool> {
    let deleted = kb_source::Entity::delete_many()
        .filter(audience.condition())
        .filter(SourceColumn::Id.eq(id))
        .exec(ai)
        .await?;
    Ok(deleted.rows_affected > 0)
}

/// Takes a deleted source's words out of the citations; the answers stay.
pub(super) async fn empty_citations(core: &CoreDb, id: SourceId) -> Result<()> {
    citation::Entity::update_many()
        .col_expr(citation::Column::Title, Expr::val(""))
        .col_expr(citation::Column::Quote, Expr::val(""))
        .col_expr(citation::Column::Deleted, Expr::val(true))
        .filter(citation::Column::SourceId.eq(id))
        .exec(core)
        .await?;
    Ok(())
}

/// The callers' own ids of sources.
pub(super) async fn external_ids(
    ai: &AiDb,
    audience: &Audience,
    ids: impl IntoIterator<Item = SourceId>,
) -> Result<Vec<(SourceId, Option<String>)>> {
    Ok(kb_source::Entity::find()
        .select_only()
        .columns([SourceColumn::Id, SourceColumn::ExternalId])
        .filter(audience.condition())
        .filter(SourceColumn::Id.is_in(ids))
        .into_tuple()
        .all(ai)
        .await?)
}

fn over(sql: &'static str, items: &[Item], more: impl IntoIterator<Item = Value>) -> Statement {
    let ids: Vec<uuid::Uuid> = items.iter().map(|item| item.id.0).collect();
    let numbers: Vec<i64> = items.iter().map(|item| item.generation).collect();
    let values = [Value::from(ids), Value::from(numbers)]
        .into_iter()
        .chain(more);
    Statement::from_sql_and_values(DbBackend::Postgres, sql, values)
}

fn int(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
