//! Characters. Whoever makes or changes one holds its owner's row: so slugs
//! stay apart, and there are not too many.

use entity::core::character::{self, Column, Entity, Model};
use entity::core::{tenant, user};
use entity::ids::{CharacterId, TenantId, UserId};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Condition, Expr, ExprTrait, LockType};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Select};

use crate::auth::{Change, CurrentUser};
use crate::db::{CoreConn, CoreDb, CoreTx};
use crate::error::{Error, Result};
use crate::idempotency::Attempt;
use crate::web::{Cursor, Page, PageQuery};

/// Characters of a user, and shared ones of a tenant.
const CHARACTERS_MAX: u64 = 1000;

/// A character to be.
#[derive(Clone, Debug)]
pub(super) struct NewCharacter {
    pub(super) slug: String,
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) system_prompt: String,
    pub(super) model: Option<String>,
    /// With everybody in the tenant.
    pub(super) is_shared: bool,
}

/// What to change in one; none stays.
#[derive(Clone, Debug)]
pub(super) struct Edit {
    pub(super) slug: Option<String>,
    pub(super) name: Option<String>,
    pub(super) description: Change<String>,
    pub(super) system_prompt: Option<String>,
    pub(super) model: Change<String>,
}

/// Whose a character is: a user's, or a tenant's.
#[derive(Clone, Copy, Debug)]
struct Owner {
    user_id: Option<UserId>,
    tenant_id: TenantId,
}

impl Owner {
    fn of(row: &Model) -> Self {
        Self { user_id: row.user_id, tenant_id: row.tenant_id }
    }

    fn characters(self) -> Condition {
        match self.user_id {
            Some(user) => Condition::all().add(Column::UserId.eq(user)),
            None => Condition::all().add(Column::UserId.is_null()).add(Column::TenantId.eq(self.tenant_id)),
        }
    }

    async fn lock(self, tx: &CoreTx) -> Result<()> {
        let found = if let Some(id) = self.user_id {
            user::Entity::find_by_id(id).lock(LockType::NoKeyUpdate).one(tx).await?.is_some()
        } else {
            let tenant = tenant::Entity::find_by_id(self.tenant_id).lock(LockType::NoKeyUpdate);
            tenant.one(tx).await?.is_some()
        };
        if found { Ok(()) } else { Err(Error::NotFound("owner")) }
    }
}

/// The character `attempt` is to make: made now, or by an earlier try. 403 for
/// a shared one by no administrator, 409 `slug_taken`, `too_many_characters`.
pub(super) async fn make(
    core: &CoreDb,
    attempt: Attempt,
    user: &CurrentUser,
    new: NewCharacter,
) -> Result<Model> {
    let id = CharacterId(attempt.id);
    if !attempt.is_first {
        match find(core, user, id).await {
            Err(Error::NotFound(_)) => {}
            found => return found,
        }
    }
    if new.is_shared && !user.is_admin() {
        return Err(Error::forbidden("shared_character", "only administrators share characters"));
    }
    let owner = Owner { user_id: (!new.is_shared).then_some(user.id), tenant_id: user.tenant_id };
    let tx = core.begin().await?;
    owner.lock(&tx).await?;
    if Entity::find().filter(owner.characters()).count(&tx).await? >= CHARACTERS_MAX {
        let detail = format!("there can be {CHARACTERS_MAX} characters; delete some");
        return Err(Error::conflict("too_many_characters", detail));
    }
    refuse_taken(&tx, owner, &new.slug, id).await?;
    let row = character::ActiveModel {
        id: Set(id),
        user_id: Set(owner.user_id),
        tenant_id: Set(owner.tenant_id),
        slug: Set(new.slug),
        name: Set(new.name),
        description: Set(new.description),
        system_prompt: Set(new.system_prompt),
        model: Set(new.model),
        ..Default::default()
    };
    let made = Entity::insert(row).exec_with_returning(&tx).await?;
    tx.commit().await?;
    Ok(made)
}

/// A character the user may talk to.
pub(super) async fn find(core: &impl CoreConn, user: &CurrentUser, id: CharacterId) -> Result<Model> {
    visible(user).filter(Column::Id.eq(id)).one(core).await?.ok_or(Error::NotFound("character"))
}

/// The same, and it stays until the transaction ends.
pub(super) async fn hold(tx: &CoreTx, user: &CurrentUser, id: CharacterId) -> Result<()> {
    let held = visible(user).filter(Column::Id.eq(id)).lock(LockType::KeyShare).one(tx).await?;
    held.map(drop).ok_or(Error::NotFound("character"))
}

/// A page of the characters the user may talk to, newest first. With a slug the
/// one that it names: the user's own before the tenant's.
pub(super) async fn list(
    core: &impl CoreConn,
    user: &CurrentUser,
    slug: Option<&str>,
    page: &PageQuery,
) -> Result<Page<Model>> {
    let position = |row: &Model| Cursor { at: row.created_at, id: row.id.0 };
    if let Some(slug) = slug {
        let named = visible(user).filter(Column::Slug.eq(slug));
        let named = named.order_by_asc(Expr::col(Column::UserId).is_null()).one(core).await?;
        return Ok(Page::of(named.into_iter().collect(), page.limit, position, |row| row));
    }
    let mut query =
        visible(user).order_by_desc(Column::CreatedAt).order_by_desc(Column::Id).limit(page.limit + 1);
    if let Some(cursor) = page.cursor {
        let row = Expr::tuple([Expr::col(Column::CreatedAt), Expr::col(Column::Id)]);
        query = query.filter(row.lt(Expr::tuple([Expr::val(cursor.at), Expr::val(cursor.id)])));
    }
    Ok(Page::of(query.all(core).await?, page.limit, position, |row| row))
}

/// Changes a character. 409 `slug_taken`.
pub(super) async fn change(core: &CoreDb, user: &CurrentUser, id: CharacterId, edit: Edit) -> Result<Model> {
    let tx = core.begin().await?;
    let owner = Owner::of(&writable(user, find(&tx, user, id).await?)?);
    owner.lock(&tx).await?;
    if let Some(slug) = &edit.slug {
        refuse_taken(&tx, owner, slug, id).await?;
    }
    let mut row = character::ActiveModel::default();
    if let Some(slug) = edit.slug {
        row.slug = Set(slug);
    }
    if let Some(name) = edit.name {
        row.name = Set(name);
    }
    if let Some(system_prompt) = edit.system_prompt {
        row.system_prompt = Set(system_prompt);
    }
    for (change, column) in [(edit.description, &mut row.description), (edit.model, &mut row.model)] {
        match change {
            Change::Keep => {}
            Change::Remove => *column = Set(None),
            Change::Set(text) => *column = Set(Some(text)),
        }
    }
    let changed = Entity::update_many()
        .set(row)
        .col_expr(Column::UpdatedAt, Expr::current_timestamp())
        .filter(Column::Id.eq(id))
        .exec_with_returning(&tx)
        .await?
        .pop()
        .ok_or(Error::NotFound("character"))?;
    tx.commit().await?;
    Ok(changed)
}

/// A character the user may delete, locked for that.
pub(super) async fn lock(tx: &CoreTx, user: &CurrentUser, id: CharacterId) -> Result<Model> {
    let row = visible(user).filter(Column::Id.eq(id)).lock_exclusive().one(tx).await?;
    writable(user, row.ok_or(Error::NotFound("character"))?)
}

pub(super) async fn delete(tx: &CoreTx, id: CharacterId) -> Result<()> {
    Entity::delete_by_id(id).exec(tx).await?;
    Ok(())
}

/// Own characters, and those of the tenant.
fn visible(user: &CurrentUser) -> Select<Entity> {
    let own = Owner { user_id: Some(user.id), tenant_id: user.tenant_id };
    let shared = Owner { user_id: None, tenant_id: user.tenant_id };
    Entity::find().filter(Condition::any().add(own.characters()).add(shared.characters()))
}

/// Everybody who may talk to a shared character knows that it exists, so this is no 404.
fn writable(user: &CurrentUser, row: Model) -> Result<Model> {
    if row.user_id.is_some() || user.is_admin() {
        return Ok(row);
    }
    Err(Error::forbidden("shared_character", "only administrators change shared characters"))
}

async fn refuse_taken(tx: &CoreTx, owner: Owner, slug: &str, but: CharacterId) -> Result<()> {
    let other = Entity::find().filter(owner.characters()).filter(Column::Slug.eq(slug)).one(tx).await?;
    match other.filter(|other| other.id != but) {
        None => Ok(()),
        Some(other) => Err(Error::Conflict {
            code: "slug_taken",
            detail: format!("another character has the slug {slug}"),
            id: Some(other.id.0),
        }),
    }
}
