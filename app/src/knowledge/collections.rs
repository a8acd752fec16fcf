//! Named collections: who made them, and with whom they are shared, in core.
//!
//! A source in a collection has the collection as its audience; who may read that
//! is asked with the account on every request ([`CurrentUser::collections`]). So
//! sharing and withdrawing touch one row of core and none of ai, and hold from the
//! next request on. Readers change nothing: rows are written by whom they belong to.

use entity::core::collection::{self, Column, Entity, Model};
use entity::core::collection_reader::{self, Column as ReaderColumn};
use entity::core::user;
use entity::ids::{CollectionId, UserId};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait, LockType, OnConflict};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::auth::CurrentUser;
use crate::db::{CoreConn, CoreDb, CoreTx};
use crate::error::{Error, Result};
use crate::idempotency::Attempt;
use crate::web::{Cursor, Page, PageQuery};

/// Collections of a user, and those that others share with one by name. Each is one
/// more audience of every search.
const OWN_MAX: u64 = 30;
/// See `OWN_MAX`.
const SHARED_MAX: u64 = 30;
/// Collections that are shared with a whole tenant.
const OF_TENANT_MAX: u64 = 10;
/// Users with whom a collection is shared by name.
pub(super) const READERS_MAX: u64 = 100;

/// What to change in a collection; none stays.
#[derive(Clone, Debug)]
pub(super) struct Edit {
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    /// With everybody in the tenant.
    pub(super) is_shared: Option<bool>,
}

/// The collection `attempt` is to make: made now, or by an earlier try. 409 `name_taken`,
/// `too_many_collections`.
pub(super) async fn make(
    core: &CoreDb,
    attempt: Attempt,
    user: &CurrentUser,
    name: String,
    description: String,
) -> Result<Model> {
    let id = CollectionId(attempt.id);
    let tx = core.begin().await?;
    lock_user(&tx, user.id).await?;
    if !attempt.is_first
        && let Some(made) = Entity::find_by_id(id).filter(Column::OwnerId.eq(user.id)).one(&tx).await?
    {
        return Ok(made);
    }
    if Entity::find().filter(Column::OwnerId.eq(user.id)).count(&tx).await? >= OWN_MAX {
        let detail = format!("there can be {OWN_MAX} collections; delete some");
        return Err(Error::conflict("too_many_collections", detail));
    }
    refuse_taken(&tx, user.id, &name, id).await?;
    let row = collection::ActiveModel {
        id: Set(id),
        owner_id: Set(user.id),
        tenant_id: Set(user.tenant_id),
        name: Set(name),
        description: Set(description),
        ..Default::default()
    };
    let made = Entity::insert(row).exec_with_returning(&tx).await?;
    tx.commit().await?;
    Ok(made)
}

/// A collection the user may read. Asked anew: who made it just now may read it.
pub(super) async fn find(core: &impl CoreConn, user: &CurrentUser, id: CollectionId) -> Result<Model> {
    let row = Entity::find_by_id(id).one(core).await?.ok_or(Error::NotFound("collection"))?;
    let is_read = row.owner_id == user.id || user.collections.contains(&id);
    if is_read { Ok(row) } else { Err(Error::NotFound("collection")) }
}

/// One the user may change. 403 for a reader.
pub(super) async fn find_own(core: &impl CoreConn, user: &CurrentUser, id: CollectionId) -> Result<Model> {
    let row = find(core, user, id).await?;
    if row.owner_id == user.id {
        return Ok(row);
    }
    Err(Error::forbidden("shared_collection", "only its owner changes or deletes a collection"))
}

/// A page of the collections a user may read, newest first.
pub(super) async fn list(core: &impl CoreConn, user: &CurrentUser, page: &PageQuery) -> Result<Page<Model>> {
    let mut query = Entity::find()
        .filter(Column::Id.is_in(user.collections.iter().copied()))
        .order_by_desc(Column::CreatedAt)
        .order_by_desc(Column::Id)
        .limit(page.limit + 1);
    if let Some(cursor) = page.cursor {
        let row = Expr::tuple([Expr::col(Column::CreatedAt), Expr::col(Column::Id)]);
        query = query.filter(row.lt(Expr::tuple([Expr::val(cursor.at), Expr::val(cursor.id)])));
    }
    let position = |row: &Model| Cursor { at: row.created_at, id: row.id.0 };
    Ok(Page::of(query.all(core).await?, page.limit, position, |row| row))
}

/// Changes a collection. 409 `name_taken`; 403 `shared_scope` for sharing with the tenant by no
/// administrator: as with single sources, what everybody finds is for administrators.
pub(super) async fn change(core: &CoreDb, user: &CurrentUser, id: CollectionId, edit: Edit) -> Result<Model> {
    let tx = core.begin().await?;
    lock_user(&tx, user.id).await?;
    let now = find_own(&tx, user, id).await?;
    if let Some(name) = &edit.name {
        refuse_taken(&tx, user.id, name, id).await?;
    }
    if edit.is_shared == Some(true) && !now.is_shared {
        if !user.is_admin() {
            return Err(Error::forbidden("shared_scope", "only administrators share with the whole tenant"));
        }
        let shared =
            Entity::find().filter(Column::TenantId.eq(user.tenant_id)).filter(Column::IsShared.eq(true));
        if shared.count(&tx).await? >= OF_TENANT_MAX {
            let detail = format!("{OF_TENANT_MAX} collections are shared with the tenant; withdraw one");
            return Err(Error::conflict("too_many_collections", detail));
        }
    }
    let row = collection::ActiveModel {
        name: Set(edit.name.unwrap_or(now.name)),
        description: Set(edit.description.unwrap_or(now.description)),
        is_shared: Set(edit.is_shared.unwrap_or(now.is_shared)),
        ..Default::default()
    };
    let changed = Entity::update_many()
        .set(row)
        .col_expr(Column::UpdatedAt, Expr::current_timestamp())
        .filter(Column::Id.eq(id))
        .exec_with_returning(&tx)
        .await?
        .pop()
        .ok_or(Error::NotFound("collection"))?;
    tx.commit().await?;
    Ok(changed)
}

/// Somebody with whom a collection is shared by name.
pub(super) async fn readers(core: &impl CoreConn, id: CollectionId) -> Result<Vec<user::Model>> {
    let ids = collection_reader::Entity::find()
        .filter(ReaderColumn::CollectionId.eq(id))
        .order_by_asc(ReaderColumn::CreatedAt)
        .order_by_asc(ReaderColumn::UserId)
        .limit(READERS_MAX)
        .all(core)
        .await?;
    let ids: Vec<UserId> = ids.into_iter().map(|reader| reader.user_id).collect();
    let users = user::Entity::find().filter(user::Column::Id.is_in(ids)).order_by_asc(user::Column::Email);
    Ok(users.all(core).await?)
}

/// Whom to share with.
#[derive(Clone, Debug)]
pub(super) enum Reader {
    /// By address, in any spelling.
    Email(String),
    /// By id.
    Id(UserId),
}

/// Shares a collection with a user of the same tenant; who reads it already goes on. 404 for
/// somebody of another tenant as for nobody, 409 `too_many_readers`, `too_many_collections`.
pub(super) async fn share(core: &CoreDb, user: &CurrentUser, id: CollectionId, with: Reader) -> Result<()> {
    let tx = core.begin().await?;
    find_own(&tx, user, id).await?;
    let found = user::Entity::find().filter(user::Column::TenantId.eq(user.tenant_id));
    let found = match with {
        Reader::Email(email) => found.filter(user::Column::Email.eq(email.trim().to_lowercase())),
        Reader::Id(id) => found.filter(user::Column::Id.eq(id)),
    };
    let reader = found.filter(user::Column::IsActive.eq(true)).one(&tx).await?;
    // The collection's owner first, then the reader: in the order of their ids nobody waits in a circle.
    let reader = reader.ok_or(Error::NotFound("user"))?.id;
    let mut locked = [user.id, reader];
    locked.sort_unstable();
    for id in locked {
        lock_user(&tx, id).await?;
    }
    find_own(&tx, user, id).await?;
    if reader == user.id {
        return Err(Error::conflict("own_collection", "a collection is not shared with its owner"));
    }
    let row =
        collection_reader::ActiveModel { collection_id: Set(id), user_id: Set(reader), ..Default::default() };
    let known = OnConflict::new().do_nothing().to_owned();
    let added = collection_reader::Entity::insert(row).on_conflict(known).exec_without_returning(&tx).await?;
    if added == 0 {
        return Ok(());
    }
    let all = collection_reader::Entity::find();
    if all.clone().filter(ReaderColumn::CollectionId.eq(id)).count(&tx).await? > READERS_MAX {
        let detail = format!("a collection is shared with {READERS_MAX} users by name at most");
        return Err(Error::conflict("too_many_readers", detail));
    }
    if all.filter(ReaderColumn::UserId.eq(reader)).count(&tx).await? > SHARED_MAX {
        let detail = format!("{SHARED_MAX} collections are shared with this user already");
        return Err(Error::conflict("too_many_collections", detail));
    }
    tx.commit().await
}

/// Withdraws a share by name, or gives it up: a reader may do that too. 404 when there is none.
pub(super) async fn withdraw(
    core: &CoreDb,
    user: &CurrentUser,
    id: CollectionId,
    reader: UserId,
) -> Result<()> {
    if reader == user.id {
        find(core, user, id).await?;
    } else {
        find_own(core, user, id).await?;
    }
    let deleted = collection_reader::Entity::delete_by_id((id, reader)).exec(core).await?;
    if deleted.rows_affected == 0 { Err(Error::NotFound("reader")) } else { Ok(()) }
}

/// A collection that is about to be deleted, locked for that.
pub(super) async fn take(tx: &CoreTx, user: &CurrentUser, id: CollectionId) -> Result<()> {
    find_own(tx, user, id).await?;
    let deleted = Entity::delete_by_id(id).exec(tx).await?;
    if deleted.rows_affected == 0 { Err(Error::NotFound("collection")) } else { Ok(()) }
}

/// Whoever counts a user's collections holds the user's row.
async fn lock_user(tx: &CoreTx, id: UserId) -> Result<()> {
    let user = user::Entity::find_by_id(id).lock(LockType::NoKeyUpdate).one(tx).await?;
    user.map(drop).ok_or(Error::NotFound("user"))
}

async fn refuse_taken(tx: &CoreTx, owner: UserId, name: &str, but: CollectionId) -> Result<()> {
    let named = Entity::find().filter(Column::OwnerId.eq(owner)).filter(Column::Name.eq(name));
    match named.one(tx).await?.filter(|other| other.id != but) {
        None => Ok(()),
        Some(other) => Err(Error::Conflict {
            code: "name_taken",
            detail: "another of your collections has this name".to_owned(),
            id: Some(other.id.0),
        }),
    }
}
