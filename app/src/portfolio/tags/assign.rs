//! Which position has which tags. Archived tags stay on their positions, out of sight.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use entity::core::position_tag::{self, Column, Entity};
use entity::core::{position, tag};
use entity::ids::{PortfolioId, PositionId, TagId, UserId};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{LockType, OnConflict, SelectStatement};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait};

use super::read::own;
use crate::db::{CoreConn, CoreDb, CoreTx};
use crate::error::{Error, Result};
use crate::portfolio::{find_owned, positions};

/// Tags of a position.
pub(super) const TAGS_OF_POSITION_MAX: u64 = 50;

/// A tag of a position, and since when.
#[derive(Clone, Debug)]
pub(crate) struct Assigned {
    pub(crate) tag: tag::Model,
    pub(crate) assigned_at: DateTime<Utc>,
}

/// The tags of a position of the user's, in the order of display.
pub(crate) async fn of_position(core: &impl CoreConn, user: UserId, id: PositionId) -> Result<Vec<Assigned>> {
    positions::require(core, user, id).await?;
    assigned(core, user, id).await
}

/// The tags that open positions with a symbol have, of all portfolios of the user's or of one.
pub(crate) async fn of_symbol(
    core: &impl CoreConn,
    user: UserId,
    portfolio: Option<PortfolioId>,
    symbol: &str,
) -> Result<Vec<tag::Model>> {
    let mut lots = positions::owned(user)
        .filter(position::Column::Symbol.eq(symbol))
        .filter(position::Column::ExitDate.is_null());
    if let Some(id) = portfolio {
        find_owned(core, user, id).await?;
        lots = lots.filter(position::Column::PortfolioId.eq(id));
    }
    let lots = lots.select_only().column(position::Column::Id).into_query();
    let theirs = Entity::find().filter(Column::PositionId.in_subquery(lots));
    in_use(core, user, theirs.select_only().column(Column::TagId).into_query()).await
}

/// Gives a position of the user's these tags too; answers all it has. 404 for a tag that is not there, 409
/// `tag_archived`, `too_many_tags`.
pub(crate) async fn assign(
    core: &CoreDb,
    user: UserId,
    id: PositionId,
    tags: &[TagId],
) -> Result<Vec<Assigned>> {
    let tx = core.begin().await?;
    lock(&tx, user, id).await?;
    put(&tx, user, id, tags).await?;
    let assigned = assigned(&tx, user, id).await?;
    tx.commit().await?;
    Ok(assigned)
}

/// Gives a position of the user's these tags and no others. As [`assign`].
pub(crate) async fn replace(
    core: &CoreDb,
    user: UserId,
    id: PositionId,
    tags: &[TagId],
) -> Result<Vec<Assigned>> {
    let tx = core.begin().await?;
    lock(&tx, user, id).await?;
    let others = own(user)
        .filter(tag::Column::ArchivedAt.is_null())
        .filter(tag::Column::Id.is_not_in(tags.iter().copied()))
        .select_only()
        .column(tag::Column::Id)
        .into_query();
    take(&tx, id, others).await?;
    put(&tx, user, id, tags).await?;
    let assigned = assigned(&tx, user, id).await?;
    tx.commit().await?;
    Ok(assigned)
}

/// Takes tags off a position of the user's, or all of them; answers what it still has.
pub(crate) async fn remove(
    core: &CoreDb,
    user: UserId,
    id: PositionId,
    tags: Option<&[TagId]>,
) -> Result<Vec<Assigned>> {
    let tx = core.begin().await?;
    lock(&tx, user, id).await?;
    let mut named = own(user).filter(tag::Column::ArchivedAt.is_null());
    if let Some(tags) = tags {
        named = named.filter(tag::Column::Id.is_in(tags.iter().copied()));
    }
    take(&tx, id, named.select_only().column(tag::Column::Id).into_query()).await?;
    let assigned = assigned(&tx, user, id).await?;
    tx.commit().await?;
    Ok(assigned)
}

async fn lock(tx: &CoreTx, user: UserId, id: PositionId) -> Result<()> {
    let found = positions::owned(user)
        .filter(position::Column::Id.eq(id))
        .lock(LockType::NoKeyUpdate)
        .one(tx)
        .await?;
    found.map(drop).ok_or(Error::NotFound("position"))
}

async fn put(tx: &CoreTx, user: UserId, id: PositionId, tags: &[TagId]) -> Result<()> {
    let wanted: BTreeSet<TagId> = tags.iter().copied().collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let found = own(user).filter(tag::Column::Id.is_in(wanted.iter().copied())).all(tx).await?;
    if found.len() < wanted.len() {
        return Err(Error::NotFound("tag"));
    }
    if let Some(archived) = found.iter().find(|tag| tag.archived_at.is_some()) {
        let detail = format!("{} is archived; restore it first", archived.name);
        return Err(Error::Conflict { code: "tag_archived", detail, id: Some(archived.id.0) });
    }
    let rows = wanted.into_iter().map(|tag| position_tag::ActiveModel {
        position_id: Set(id),
        tag_id: Set(tag),
        ..Default::default()
    });
    let there = OnConflict::columns([Column::PositionId, Column::TagId]).do_nothing().to_owned();
    Entity::insert_many(rows).on_conflict(there).exec_without_returning(tx).await?;
    if Entity::find().filter(Column::PositionId.eq(id)).count(tx).await? > TAGS_OF_POSITION_MAX {
        let detail = format!("a position has at most {TAGS_OF_POSITION_MAX} tags");
        return Err(Error::conflict("too_many_tags", detail));
    }
    Ok(())
}

async fn take(tx: &CoreTx, id: PositionId, tags: SelectStatement) -> Result<()> {
    Entity::delete_many()
        .filter(Column::PositionId.eq(id))
        .filter(Column::TagId.in_subquery(tags))
        .exec(tx)
        .await?;
    Ok(())
}

/// Two queries, however many there are.
async fn assigned(core: &impl CoreConn, user: UserId, id: PositionId) -> Result<Vec<Assigned>> {
    let links = Entity::find().filter(Column::PositionId.eq(id)).all(core).await?;
    let theirs = Entity::find().filter(Column::PositionId.eq(id));
    let tags = in_use(core, user, theirs.select_only().column(Column::TagId).into_query()).await?;
    let since =
        |tag: &tag::Model| links.iter().find(|link| link.tag_id == tag.id).map(|link| link.assigned_at);
    Ok(tags.into_iter().filter_map(|tag| Some(Assigned { assigned_at: since(&tag)?, tag })).collect())
}

/// Those of these tags that are not archived, in the order of display.
async fn in_use(core: &impl CoreConn, user: UserId, ids: SelectStatement) -> Result<Vec<tag::Model>> {
    Ok(own(user)
        .filter(tag::Column::ArchivedAt.is_null())
        .filter(tag::Column::Id.in_subquery(ids))
        .order_by_asc(tag::Column::DisplayOrder)
        .order_by_asc(tag::Column::Id)
        .all(core)
        .await?)
}
