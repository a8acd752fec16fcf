//! Made, changed, archived, restored, deleted. Whoever does so holds the owner's row: so the
//! names of tags in use stay apart, whatever their case.

use entity::core::tag::{self, Column, Entity, Model};
use entity::core::user;
use entity::ids::{TagId, UserId};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait, Func, LockType, SimpleExpr};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::read::{self, Known, own, with_counts};
use crate::auth::Change;
use crate::db::{CoreDb, CoreTx};
use crate::error::{Error, Result};
use crate::idempotency::{self, Attempt};

/// Tags of a user, archived ones too.
const TAGS_MAX: u64 = 1000;

/// What most people begin with, and a colour for each.
const DEFAULTS: [(&str, &str, &str); 10] = [
    ("income", "#2E7D32", "Held for dividends or interest"),
    ("growth", "#1565C0", "Held for growth"),
    ("defensive", "#546E7A", "Falls less than the market"),
    ("speculative", "#C62828", "May be lost"),
    ("tech", "#6A1B9A", "Technology"),
    ("finance", "#00838F", "Banks, insurers, exchanges"),
    ("healthcare", "#AD1457", "Medicine and care"),
    ("energy", "#EF6C00", "Oil, gas, power"),
    ("options", "#4E342E", "Calls and puts"),
    ("long-term", "#283593", "Held for years"),
];

/// A tag to be; its fields were checked.
#[derive(Clone, Debug)]
pub(crate) struct NewTag {
    pub(crate) name: String,
    pub(crate) color: String,
    pub(crate) description: Option<String>,
    pub(crate) display_order: i32,
}

/// What to change; what is none stays.
#[derive(Clone, Debug, Default)]
pub(crate) struct Edit {
    pub(crate) name: Option<String>,
    pub(crate) color: Option<String>,
    pub(crate) description: Change<String>,
    pub(crate) display_order: Option<i32>,
}

/// The tag `attempt` is to make: made now, or by an earlier try. 409 `name_taken`, `too_many_tags`.
pub(crate) async fn make(core: &CoreDb, attempt: Attempt, user: UserId, new: NewTag) -> Result<Known> {
    let id = TagId(attempt.id);
    if !attempt.is_first {
        match read::find(core, user, id).await {
            Err(Error::NotFound(_)) => {}
            found => return found,
        }
    }
    let tx = core.begin().await?;
    lock_user(&tx, user).await?;
    require_room(&tx, user, 1).await?;
    refuse_taken(&tx, user, &new.name, id).await?;
    let row = Entity::insert(row(id, user, new)).exec_with_returning(&tx).await?;
    tx.commit().await?;
    Ok(Known { row, positions: 0 })
}

/// Makes the usual tags that the user has not, and answers those in use. One that was archived is not made
/// again: the user did not want it. Again changes nothing.
pub(crate) async fn make_defaults(core: &CoreDb, user: UserId) -> Result<Vec<Known>> {
    let tx = core.begin().await?;
    lock_user(&tx, user).await?;
    let is_default = lower_name().is_in(DEFAULTS.map(|(name, ..)| name));
    let there = own(user).filter(is_default.clone()).all(&tx).await?;
    let new: Vec<tag::ActiveModel> = DEFAULTS
        .iter()
        .zip(0..)
        .filter(|((name, ..), _)| !there.iter().any(|row| row.name.to_lowercase() == *name))
        .map(|((name, color, description), display_order)| {
            let new = NewTag {
                name: (*name).to_owned(),
                color: (*color).to_owned(),
                description: Some((*description).to_owned()),
                display_order,
            };
            row(TagId(Uuid::now_v7()), user, new)
        })
        .collect();
    if !new.is_empty() {
        require_room(&tx, user, new.len() as u64).await?;
        Entity::insert_many(new).exec_without_returning(&tx).await?;
    }
    let rows = own(user)
        .filter(is_default)
        .filter(Column::ArchivedAt.is_null())
        .order_by_asc(Column::DisplayOrder)
        .order_by_asc(Column::Id)
        .all(&tx)
        .await?;
    let known = with_counts(&tx, rows).await?;
    tx.commit().await?;
    Ok(known)
}

/// Changes a tag of the user's. 409 `name_taken`.
pub(crate) async fn change(core: &CoreDb, user: UserId, id: TagId, edit: Edit) -> Result<Known> {
    let tx = core.begin().await?;
    lock_user(&tx, user).await?;
    let known = read::find(&tx, user, id).await?;
    if let Some(name) = &edit.name
        && known.row.archived_at.is_none()
    {
        refuse_taken(&tx, user, name, id).await?;
    }
    let set = tag::ActiveModel {
        name: Set(edit.name.unwrap_or(known.row.name)),
        color: Set(edit.color.unwrap_or(known.row.color)),
        description: Set(edit.description.apply(known.row.description)),
        display_order: Set(edit.display_order.unwrap_or(known.row.display_order)),
        ..Default::default()
    };
    let row = write(&tx, id, set, None).await?;
    tx.commit().await?;
    Ok(Known { row, ..known })
}

/// Archives a tag of the user's: its name is free, and positions keep it out of sight. Again changes nothing.
pub(crate) async fn archive(core: &CoreDb, user: UserId, id: TagId) -> Result<Known> {
    let tx = core.begin().await?;
    lock_user(&tx, user).await?;
    let known = read::find(&tx, user, id).await?;
    if known.row.archived_at.is_some() {
        return Ok(known);
    }
    let row = write(&tx, id, tag::ActiveModel::default(), Some(Expr::current_timestamp())).await?;
    tx.commit().await?;
    Ok(Known { row, ..known })
}

/// Takes a tag of the user's out of the archive. Again changes nothing. 409 `name_taken` when another has its
/// name by now.
pub(crate) async fn restore(core: &CoreDb, user: UserId, id: TagId) -> Result<Known> {
    let tx = core.begin().await?;
    lock_user(&tx, user).await?;
    let known = read::find(&tx, user, id).await?;
    if known.row.archived_at.is_none() {
        return Ok(known);
    }
    refuse_taken(&tx, user, &known.row.name, id).await?;
    let set = tag::ActiveModel { archived_at: Set(None), ..Default::default() };
    let row = write(&tx, id, set, None).await?;
    tx.commit().await?;
    Ok(Known { row, ..known })
}

/// Deletes a tag of the user's, from its positions too.
pub(crate) async fn delete(core: &CoreDb, user: UserId, id: TagId) -> Result<()> {
    let tx = core.begin().await?;
    let gone = Entity::delete_many()
        .filter(Column::Id.eq(id))
        .filter(Column::UserId.eq(user))
        .exec(&tx)
        .await?
        .rows_affected;
    if gone == 0 {
        return Err(Error::NotFound("tag"));
    }
    idempotency::forget(&tx, user, id.0).await?;
    tx.commit().await
}

pub(super) fn row(id: TagId, user: UserId, new: NewTag) -> tag::ActiveModel {
    tag::ActiveModel {
        id: Set(id),
        user_id: Set(user),
        name: Set(new.name),
        color: Set(new.color),
        description: Set(new.description),
        display_order: Set(new.display_order),
        ..Default::default()
    }
}

async fn write(
    tx: &CoreTx,
    id: TagId,
    set: tag::ActiveModel,
    archived_at: Option<SimpleExpr>,
) -> Result<Model> {
    let mut update = Entity::update_many().set(set);
    if let Some(archived_at) = archived_at {
        update = update.col_expr(Column::ArchivedAt, archived_at);
    }
    update
        .col_expr(Column::UpdatedAt, Expr::current_timestamp())
        .filter(Column::Id.eq(id))
        .exec_with_returning(tx)
        .await?
        .pop()
        .ok_or(Error::NotFound("tag"))
}

pub(super) async fn lock_user(tx: &CoreTx, id: UserId) -> Result<()> {
    let found = user::Entity::find_by_id(id).lock(LockType::NoKeyUpdate).one(tx).await?;
    found.map(drop).ok_or(Error::NotFound("user"))
}

pub(super) async fn require_room(tx: &CoreTx, user: UserId, more: u64) -> Result<()> {
    if own(user).count(tx).await? + more <= TAGS_MAX {
        return Ok(());
    }
    let detail = format!("a user has at most {TAGS_MAX} tags; delete some");
    Err(Error::conflict("too_many_tags", detail))
}

pub(super) fn lower_name() -> SimpleExpr {
    Func::lower(Expr::col(Column::Name)).into()
}

async fn refuse_taken(tx: &CoreTx, user: UserId, name: &str, but: TagId) -> Result<()> {
    let same = lower_name().eq(Func::lower(Expr::val(name)));
    let other = own(user).filter(same).filter(Column::ArchivedAt.is_null()).one(tx).await?;
    match other.filter(|other| other.id != but) {
        None => Ok(()),
        Some(other) => Err(Error::Conflict {
            code: "name_taken",
            detail: "another of your tags has this name".to_owned(),
            id: Some(other.id.0),
        }),
    }
}
