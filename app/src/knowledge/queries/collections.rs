//! Sources and their collections.

use std::collections::HashMap;

use entity::ai::kb_source::{self, Column};
use entity::ids::{CollectionId, SourceId, UserId};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
    QuerySelect, Statement,
};

use super::{Item, items};
use crate::auth::Audience;
use crate::db::{AiDb, AiTx, Reach};
use crate::error::Result;

/// A source that is about to be moved.
#[derive(Debug, FromQueryResult)]
pub(in crate::knowledge) struct Placed {
    pub(in crate::knowledge) id: SourceId,
    pub(in crate::knowledge) collection_id: Option<CollectionId>,
    pub(in crate::knowledge) documents: i32,
}

/// Locks those of a user's sources that exist, in the order of their ids.
pub(in crate::knowledge) async fn lock_own(
    ai: &AiTx,
    owner: UserId,
    ids: &[SourceId],
) -> Result<Vec<Placed>> {
    Ok(kb_source::Entity::find()
        .select_only()
        .columns([Column::Id, Column::CollectionId, Column::Documents])
        .filter(Column::Id.is_in(ids.iter().copied()))
        .filter(Column::OwnerId.eq(owner))
        .order_by_asc(Column::Id)
        .lock_exclusive()
        .into_model::<Placed>()
        .all(ai)
        .await?)
}

/// Moves a source; a trigger moves its passages, and takes their words away.
pub(in crate::knowledge) async fn set_collection(
    ai: &AiTx,
    id: SourceId,
    collection: Option<CollectionId>,
) -> Result<()> {
    kb_source::Entity::update_many()
        .col_expr(Column::CollectionId, Expr::val(collection.map(|collection| collection.0)))
        .col_expr(Column::UpdatedAt, Expr::cust("now()"))
        .filter(Column::Id.eq(id))
        .exec(ai)
        .await?;
    Ok(())
}

/// The sources of a user's collection as they are now, at most `limit`.
pub(in crate::knowledge) async fn of_collection(
    ai: &AiDb,
    owner: UserId,
    id: CollectionId,
    limit: u64,
) -> Result<Vec<Item>> {
    let ai = ai.begin_for(&Reach::reading([owner.0, id.0])).await?;
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT id, generation FROM ai_kb_sources WHERE collection_id = $1 ORDER BY id LIMIT $2",
        [id.0.into(), i64::try_from(limit).unwrap_or(i64::MAX).into()],
    );
    items(&ai.query_all_raw(statement).await?)
}

/// Locks some sources of a collection.
pub(in crate::knowledge) async fn lock_of_collection(
    ai: &AiTx,
    id: CollectionId,
    limit: u64,
) -> Result<Vec<SourceId>> {
    let some = kb_source::Entity::find()
        .select_only()
        .columns([Column::Id, Column::CollectionId, Column::Documents])
        .filter(Column::CollectionId.eq(id))
        .order_by_asc(Column::Id)
        .limit(limit)
        .lock_exclusive()
        .into_model::<Placed>()
        .all(ai)
        .await?;
    Ok(some.into_iter().map(|source| source.id).collect())
}

pub(in crate::knowledge) async fn delete_all(ai: &AiTx, ids: &[SourceId]) -> Result<()> {
    kb_source::Entity::delete_many().filter(Column::Id.is_in(ids.iter().copied())).exec(ai).await?;
    Ok(())
}

/// How many sources each of these collections has.
pub(in crate::knowledge) async fn count_by_collection(
    ai: &AiDb,
    audience: &Audience,
    ids: Vec<uuid::Uuid>,
) -> Result<HashMap<uuid::Uuid, i64>> {
    let ai = ai.begin_for(&audience.reach()).await?;
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT collection_id, count(*) AS sources FROM ai_kb_sources WHERE collection_id = ANY ($1) GROUP BY collection_id",
        [ids.into()],
    );
    let rows = ai.query_all_raw(statement).await?;
    rows.iter().map(|row| Ok((row.try_get("", "collection_id")?, row.try_get("", "sources")?))).collect()
}
