//! Deleting sources.

use chrono::{DateTime, Utc};
use entity::ai::kb_source::{self, Column};
use entity::ids::{SourceId, UserId};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QuerySelect, QueryTrait, Statement,
};
use serde::Serialize;

use crate::auth::Deletion;
use crate::db::{AiTx, CoreTx};
use crate::error::Result;

/// What became of a source that was to be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::knowledge) enum Fate {
    /// It is gone, with its passages.
    Deleted,
    /// There was none.
    Absent,
    /// It was made again since, and stays.
    Newer,
    /// It is not for whoever asked to delete.
    Refused,
}

/// Deletes the source that a deletion saw, if whoever asked may; and whether it was in a collection.
pub(in crate::knowledge) async fn delete_seen(
    ai: &AiTx,
    id: SourceId,
    deletion: &Deletion,
) -> Result<(Fate, bool)> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT coalesce(owner_id, tenant_id, '00000000-0000-0000-0000-000000000000') = ANY($2) AS allowed,
                generation, collection_id IS NOT NULL AS shown FROM ai_kb_sources WHERE id = $1 FOR UPDATE",
        [id.0.into(), deletion.audiences.clone().into()],
    );
    let Some(row) = ai.query_one_raw(statement).await? else {
        return Ok((Fate::Absent, false));
    };
    if !row.try_get::<bool>("", "allowed")? {
        return Ok((Fate::Refused, false));
    }
    let shown = row.try_get("", "shown")?;
    if !deletion.saw(row.try_get("", "generation")?) {
        return Ok((Fate::Newer, shown));
    }
    kb_source::Entity::delete_by_id(id).exec(ai).await?;
    Ok((Fate::Deleted, shown))
}

/// Deletes a user's sources in collections, with their passages; which they were.
pub(in crate::knowledge) async fn delete_shown_of_owner(ai: &AiTx, owner: UserId) -> Result<Vec<SourceId>> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "DELETE FROM ai_kb_sources WHERE owner_id = $1 AND collection_id IS NOT NULL RETURNING id",
        [owner.0.into()],
    );
    let rows = ai.query_all_raw(statement).await?;
    rows.iter().map(|row| Ok(row.try_get("", "id")?)).collect()
}

/// Deletes at most `limit` sources of a user, with their passages.
pub(in crate::knowledge) async fn delete_of_owner(ai: &AiTx, owner: UserId, limit: u64) -> Result<u64> {
    let some = kb_source::Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::OwnerId.eq(owner))
        .limit(limit)
        .into_query();
    let deleted = kb_source::Entity::delete_many().filter(Column::Id.in_subquery(some)).exec(ai).await?;
    Ok(deleted.rows_affected)
}

/// Takes a deleted source's words out of the citations of answers that were
/// begun before then; the answers stay.
pub(in crate::knowledge) async fn empty_citations(
    core: &CoreTx,
    id: SourceId,
    before: DateTime<Utc>,
) -> Result<()> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "UPDATE citations AS c SET title = '', quote = '', deleted = true
           FROM messages AS m
          WHERE m.id = c.message_id AND c.source_id = $1 AND NOT c.deleted AND m.created_at <= $2",
        [id.0.into(), before.into()],
    );
    core.execute_raw(statement).await?;
    Ok(())
}
