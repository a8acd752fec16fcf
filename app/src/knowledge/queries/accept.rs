//! Taking sources in.

use entity::ai::kb_source::{self, Column as SourceColumn, Status};
use entity::ids::{JobId, SourceId};
use sea_orm::sea_query::{Expr, OnConflict, Query};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait,
};

use super::{Item, items, over};
use crate::db::{AiConn, AiDb};
use crate::error::Result;

/// What is known of a source that is offered again.
#[derive(Debug, FromQueryResult)]
pub(in crate::knowledge) struct Known {
    pub(in crate::knowledge) id: SourceId,
    pub(in crate::knowledge) content_hash: Vec<u8>,
    pub(in crate::knowledge) status: Status,
    pub(in crate::knowledge) job_id: Option<JobId>,
}

/// Locks the sources that exist, in the order of their ids, so that two
/// batches cannot wait for each other.
pub(in crate::knowledge) async fn lock_known(ai: &impl AiConn, ids: &[SourceId]) -> Result<Vec<Known>> {
    Ok(kb_source::Entity::find()
        .select_only()
        .columns([SourceColumn::Id, SourceColumn::ContentHash, SourceColumn::Status, SourceColumn::JobId])
        .filter(SourceColumn::Id.is_in(ids.iter().copied()))
        .order_by_asc(SourceColumn::Id)
        .lock_exclusive()
        .into_model::<Known>()
        .all(ai)
        .await?)
}

/// Inserts or replaces. What another batch has just stored with the same text
/// is left alone and not returned.
pub(in crate::knowledge) async fn upsert(
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
            SourceColumn::Url,
            SourceColumn::Status,
        ])
        .value(SourceColumn::Pages, Expr::cust("NULL"))
        .value(SourceColumn::Generation, Expr::cust("nextval('ai_generation_seq')"))
        .value(SourceColumn::JobId, Expr::cust("NULL"))
        .value(SourceColumn::LeaseOwner, Expr::cust("NULL"))
        .value(SourceColumn::Error, Expr::cust("NULL"))
        .value(SourceColumn::UpdatedAt, Expr::cust("now()"))
        .action_and_where(Expr::cust(
            "ai_kb_sources.content_hash <> excluded.content_hash OR ai_kb_sources.status = 'failed'",
        ))
        .to_owned();
    let mut insert = kb_source::Entity::insert_many(rows).on_conflict(replace).into_query();
    insert.returning(Query::returning().columns([SourceColumn::Id, SourceColumn::Generation]));
    items(&ai.query_all(&insert).await?)
}

/// Notes which job ingests the items.
pub(in crate::knowledge) async fn set_job(ai: &AiDb, items: &[Item], job_id: JobId) -> Result<()> {
    let sql = "UPDATE ai_kb_sources s SET job_id = $3
                 FROM unnest($1::uuid[], $2::bigint[]) AS item(id, generation)
                WHERE s.id = item.id AND s.generation = item.generation";
    // The sweep's sources belong to many users.
    let ai = ai.begin_worker().await?;
    ai.execute_raw(over(sql, items, [job_id.0.into()])).await?;
    ai.commit().await
}
