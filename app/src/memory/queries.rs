//! Every statement on `ai_memories` but the nearest-neighbour search. Whom the
//! rows are for is an argument of each.

use entity::ai::memory::{self, Column, Entity, Model};
use entity::ids::{MemoryId, UserId};
use pgvector::Vector;
use sea_orm::sea_query::{Condition, Expr, ExprTrait, OnConflict};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, DbBackend, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait, Select, Statement,
};
use uuid::Uuid;

use super::ids::content_hash;
use crate::auth::{Audience, Deletion, Ownership};
use crate::db::{AiConn, AiDb, Reach};
use crate::error::{Error, Result};
use crate::web::Cursor;

/// Narrows a list.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    pub(super) scope: Option<String>,
    pub(super) persona_id: Option<Uuid>,
    pub(super) character_id: Option<Uuid>,
}

/// What to look for among the rows of some audiences; any of it matches.
#[derive(Clone, Debug, Default)]
pub(super) struct Like {
    pub(super) ids: Vec<MemoryId>,
    pub(super) content_hashes: Vec<Vec<u8>>,
    pub(super) external_ids: Vec<String>,
}

/// What an update changes; none leaves a column as it is.
#[derive(Clone, Debug, Default)]
pub(super) struct Changes {
    /// New text with its vector: one never changes without the other.
    pub(super) content: Option<(String, Vec<f32>)>,
    pub(super) scope: Option<String>,
    pub(super) metadata: Option<serde_json::Value>,
    /// Stated anew, as opposed to edited: a deletion that was asked for before
    /// leaves it alone.
    pub(super) is_said_again: bool,
}

impl Changes {
    pub(super) fn is_empty(&self) -> bool {
        self.content.is_none() && self.scope.is_none() && self.metadata.is_none()
    }
}

/// A row the audience may read, without its vector.
pub(super) async fn find(ai: &AiDb, audience: &Audience, id: MemoryId) -> Result<Model> {
    let ai = ai.begin_for(&audience.reach()).await?;
    rows()
        .filter(audience.condition())
        .filter(Column::Id.eq(id))
        .one(&ai)
        .await?
        .ok_or(Error::NotFound("memory"))
}

/// A row of exactly one audience, without its vector.
pub(super) async fn find_of(ai: &AiDb, ownership: Ownership, id: MemoryId) -> Result<Model> {
    let ai = ai.begin_for(&ownership.reach()).await?;
    rows()
        .filter(is_for([ownership.audience()]))
        .filter(Column::Id.eq(id))
        .one(&ai)
        .await?
        .ok_or(Error::NotFound("memory"))
}

/// Rows of the audiences that carry one of the ids, texts or external ids.
pub(super) async fn find_like(ai: &AiDb, audiences: Vec<Uuid>, like: Like) -> Result<Vec<Model>> {
    let ai = ai.begin_for(&Reach::reading(audiences.iter().copied())).await?;
    let any = Condition::any()
        .add(Column::Id.is_in(like.ids))
        .add(Column::ContentHash.is_in(like.content_hashes))
        .add(Column::ExternalId.is_in(like.external_ids));
    Ok(rows()
        .filter(is_for(audiences))
        .filter(any)
        .order_by_asc(Column::CreatedAt)
        .order_by_asc(Column::Id)
        .all(&ai)
        .await?)
}

/// The user's own rows, newest first, one more than `limit`.
pub(super) async fn list_own(
    ai: &AiDb,
    owner: UserId,
    filter: Filter,
    limit: u64,
    after: Option<Cursor>,
) -> Result<Vec<Model>> {
    let mut select = rows().filter(Column::OwnerId.eq(owner));
    if let Some(scope) = filter.scope {
        select = select.filter(Column::Scope.eq(scope));
    }
    if let Some(persona_id) = filter.persona_id {
        select = select.filter(Column::PersonaId.eq(persona_id));
    }
    if let Some(character_id) = filter.character_id {
        select = select.filter(Column::CharacterId.eq(character_id));
    }
    if let Some(Cursor { at, id }) = after {
        let position = Expr::tuple([Expr::col(Column::CreatedAt), Expr::col(Column::Id)]);
        select = select.filter(position.lt(Expr::tuple([Expr::val(at), Expr::val(id)])));
    }
    let ai = ai.begin_for(&Reach::reading([owner.0])).await?;
    Ok(select
        .order_by_desc(Column::CreatedAt)
        .order_by_desc(Column::Id)
        .limit(limit.saturating_add(1))
        .all(&ai)
        .await?)
}

/// Inserts rows that carry their owner; answers the ids of those that were not there.
pub(super) async fn insert_new(ai: &impl AiConn, rows: Vec<memory::ActiveModel>) -> Result<Vec<MemoryId>> {
    Ok(Entity::insert_many(rows)
        .on_conflict(OnConflict::column(Column::Id).do_nothing().to_owned())
        .exec_with_returning_keys(ai)
        .await?)
}

/// Changes a row; the id and whom it is for stay.
pub(super) async fn update(ai: &impl AiConn, audience: Uuid, id: MemoryId, changes: Changes) -> Result<()> {
    let mut row = memory::ActiveModel::default();
    if let Some((content, vector)) = changes.content {
        row.content_hash = Set(content_hash(&content));
        row.content = Set(content);
        row.embedding = Set(Some(Vector::from(vector)));
    }
    if let Some(scope) = changes.scope {
        row.scope = Set(scope);
    }
    if let Some(metadata) = changes.metadata {
        row.metadata = Set(metadata);
    }
    let mut update = Entity::update_many().set(row).col_expr(Column::UpdatedAt, Expr::current_timestamp());
    if changes.is_said_again {
        update = update.col_expr(Column::Generation, Expr::cust("nextval('ai_generation_seq')"));
    }
    update.filter(is_for([audience])).filter(Column::Id.eq(id)).exec(ai).await?;
    Ok(())
}

/// Deletes the row that a deletion saw, if whoever asked may. How many rows that is.
pub(super) async fn delete_seen(ai: &impl AiConn, id: MemoryId, deletion: &Deletion) -> Result<u64> {
    let mut delete =
        Entity::delete_many().filter(is_for(deletion.audiences.iter().copied())).filter(Column::Id.eq(id));
    if let Some(seen) = deletion.generation {
        delete = delete.filter(Column::Generation.lte(seen));
    }
    Ok(delete.exec(ai).await?.rows_affected)
}

/// Deletes at most `limit` of the user's own rows, of those up to a generation if there is one.
pub(super) async fn delete_own(
    ai: &impl AiConn,
    owner: UserId,
    seen: Option<i64>,
    limit: u64,
) -> Result<u64> {
    let mut some = Entity::find().select_only().column(Column::Id).filter(Column::OwnerId.eq(owner));
    if let Some(seen) = seen {
        some = some.filter(Column::Generation.lte(seen));
    }
    let some = some.limit(limit).into_query();
    Ok(Entity::delete_many().filter(Column::Id.in_subquery(some)).exec(ai).await?.rows_affected)
}

/// Deletes at most `limit` rows that are bound to this persona or character: the
/// owner's, or everybody's.
pub(super) async fn delete_bound(
    ai: &impl AiConn,
    end: Column,
    id: Uuid,
    owner: Option<UserId>,
    limit: u64,
) -> Result<u64> {
    let mut some = Entity::find().select_only().column(Column::Id).filter(end.eq(id));
    if let Some(owner) = owner {
        some = some.filter(Column::OwnerId.eq(owner));
    }
    let some = some.limit(limit).into_query();
    Ok(Entity::delete_many().filter(Column::Id.in_subquery(some)).exec(ai).await?.rows_affected)
}

/// How many rows the user has.
pub(super) async fn count_own(ai: &impl AiConn, owner: UserId) -> Result<u64> {
    Ok(Entity::find().filter(Column::OwnerId.eq(owner)).count(ai).await?)
}

/// The highest generation given so far.
pub(super) async fn last_generation(ai: &impl AiConn) -> Result<i64> {
    let statement = Statement::from_string(DbBackend::Postgres, "SELECT last_value FROM ai_generation_seq");
    let row = ai.query_one_raw(statement).await?.ok_or(Error::NotFound("sequence"))?;
    Ok(row.try_get("", "last_value")?)
}

/// Takes the messages they came from off rows; what was said stays.
pub(super) async fn unlink(ai: &impl AiConn, messages: Vec<Uuid>) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::SourceMessageId, Expr::val(None::<Uuid>))
        .filter(Column::SourceMessageId.is_in(messages))
        .exec(ai)
        .await?;
    Ok(())
}

/// Lists and look-ups leave the vectors where they are.
fn rows() -> Select<Entity> {
    Entity::find().select_except([Column::Embedding])
}

fn is_for(audiences: impl IntoIterator<Item = Uuid>) -> Expr {
    Expr::col("audience").is_in(audiences.into_iter().map(Expr::val))
}
