//! Personas with their identities. Whoever makes or changes one holds the
//! user's row: so names and identities stay apart, and there are not too many.

use std::collections::HashMap;

use entity::core::persona::{self, Column, Entity, Model};
use entity::core::persona_identity as identity;
use entity::core::user;
use entity::ids::{PersonaId, UserId};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Condition, Expr, ExprTrait, LockType, Query};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Select};

use crate::auth::CurrentUser;
use crate::db::{CoreConn, CoreDb, CoreTx};
use crate::error::{Error, Result};
use crate::idempotency::Attempt;
use crate::web::{Cursor, Page, PageQuery};

/// Personas of a user.
const PERSONAS_MAX: u64 = 1000;

/// Somebody in another system.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Identity {
    pub(super) provider: String,
    pub(super) external_id: String,
}

/// What a persona is, or becomes; none stays.
#[derive(Clone, Debug)]
pub(super) struct Edit {
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    /// All of them.
    pub(super) identities: Option<Vec<Identity>>,
}

/// A persona with whom it is elsewhere, in order.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) row: Model,
    pub(super) identities: Vec<Identity>,
}

/// The persona `attempt` is to make: made now, or by an earlier try. 409
/// `name_taken`, `identity_taken`, `too_many_personas`.
pub(super) async fn make(
    core: &CoreDb,
    attempt: Attempt,
    user: &CurrentUser,
    name: String,
    new: Edit,
) -> Result<Known> {
    let id = PersonaId(attempt.id);
    if !attempt.is_first {
        match find(core, user.id, id).await {
            Err(Error::NotFound(_)) => {}
            found => return with_identities(core, found?).await,
        }
    }
    let tx = core.begin().await?;
    lock_user(&tx, user.id).await?;
    if own(user.id).count(&tx).await? >= PERSONAS_MAX {
        let detail = format!("a user has at most {PERSONAS_MAX} personas; delete some");
        return Err(Error::conflict("too_many_personas", detail));
    }
    refuse_taken(&tx, user.id, &name, id).await?;
    let row = persona::ActiveModel {
        id: Set(id),
        user_id: Set(user.id),
        name: Set(name),
        description: Set(new.description.unwrap_or_default()),
        ..Default::default()
    };
    let row = Entity::insert(row).exec_with_returning(&tx).await?;
    let known = put_identities(&tx, row, new.identities.unwrap_or_default()).await?;
    tx.commit().await?;
    Ok(known)
}

/// A persona of the user.
pub(super) async fn find(core: &impl CoreConn, user: UserId, id: PersonaId) -> Result<Model> {
    own(user).filter(Column::Id.eq(id)).one(core).await?.ok_or(Error::NotFound("persona"))
}

/// The same, and it stays until the transaction ends.
pub(super) async fn hold(tx: &CoreTx, user: UserId, id: PersonaId) -> Result<()> {
    let held = own(user).filter(Column::Id.eq(id)).lock(LockType::KeyShare).one(tx).await?;
    held.map(drop).ok_or(Error::NotFound("persona"))
}

/// A page of the user's personas, newest first; of those, the one that somebody
/// in another system is.
pub(super) async fn list(
    core: &impl CoreConn,
    user: UserId,
    identity: Option<&Identity>,
    page: &PageQuery,
) -> Result<Page<Known>> {
    let mut query =
        own(user).order_by_desc(Column::CreatedAt).order_by_desc(Column::Id).limit(page.limit + 1);
    if let Some(identity) = identity {
        let mut mapped = Query::select();
        mapped.column(identity::Column::PersonaId).from(identity::Entity).cond_where(is(user, identity));
        query = query.filter(Column::Id.in_subquery(mapped));
    }
    if let Some(cursor) = page.cursor {
        let row = Expr::tuple([Expr::col(Column::CreatedAt), Expr::col(Column::Id)]);
        query = query.filter(row.lt(Expr::tuple([Expr::val(cursor.at), Expr::val(cursor.id)])));
    }
    let rows = query.all(core).await?;
    let mut identities = identities_of(core, rows.iter().map(|row| row.id).collect()).await?;
    let rows = rows.into_iter().map(|row| {
        let identities = identities.remove(&row.id).unwrap_or_default();
        Known { row, identities }
    });
    let position = |known: &Known| Cursor { at: known.row.created_at, id: known.row.id.0 };
    Ok(Page::of(rows.collect(), page.limit, position, |known| known))
}

/// Changes a persona of the user. 409 `name_taken`, `identity_taken`.
pub(super) async fn change(core: &CoreDb, user: UserId, id: PersonaId, edit: Edit) -> Result<Known> {
    let tx = core.begin().await?;
    lock_user(&tx, user).await?;
    find(&tx, user, id).await?;
    if let Some(name) = &edit.name {
        refuse_taken(&tx, user, name, id).await?;
    }
    let mut row = persona::ActiveModel::default();
    if let Some(name) = edit.name {
        row.name = Set(name);
    }
    if let Some(description) = edit.description {
        row.description = Set(description);
    }
    let row = Entity::update_many()
        .set(row)
        .col_expr(Column::UpdatedAt, Expr::current_timestamp())
        .filter(Column::Id.eq(id))
        .filter(Column::UserId.eq(user))
        .exec_with_returning(&tx)
        .await?
        .pop()
        .ok_or(Error::NotFound("persona"))?;
    let known = match edit.identities {
        Some(identities) => put_identities(&tx, row, identities).await?,
        None => with_identities(&tx, row).await?,
    };
    tx.commit().await?;
    Ok(known)
}

/// A persona the user may delete, locked for that.
pub(super) async fn lock(tx: &CoreTx, user: UserId, id: PersonaId) -> Result<()> {
    let found = own(user).filter(Column::Id.eq(id)).lock_exclusive().one(tx).await?;
    found.map(drop).ok_or(Error::NotFound("persona"))
}

pub(super) async fn delete(tx: &CoreTx, id: PersonaId) -> Result<()> {
    Entity::delete_by_id(id).exec(tx).await?;
    Ok(())
}

/// A persona with its identities.
pub(super) async fn with_identities(core: &impl CoreConn, row: Model) -> Result<Known> {
    let identities = identities_of(core, vec![row.id]).await?.remove(&row.id).unwrap_or_default();
    Ok(Known { row, identities })
}

async fn identities_of(
    core: &impl CoreConn,
    personas: Vec<PersonaId>,
) -> Result<HashMap<PersonaId, Vec<Identity>>> {
    let mut found: HashMap<PersonaId, Vec<Identity>> = HashMap::new();
    if personas.is_empty() {
        return Ok(found);
    }
    let rows = identity::Entity::find()
        .filter(identity::Column::PersonaId.is_in(personas))
        .order_by_asc(identity::Column::Provider)
        .order_by_asc(identity::Column::ExternalId)
        .all(core)
        .await?;
    for row in rows {
        let identity = Identity { provider: row.provider, external_id: row.external_id };
        found.entry(row.persona_id).or_default().push(identity);
    }
    Ok(found)
}

/// Makes these the persona's identities, and no others.
async fn put_identities(tx: &CoreTx, row: Model, mut identities: Vec<Identity>) -> Result<Known> {
    identities.sort();
    identities.dedup();
    identity::Entity::delete_many().filter(identity::Column::PersonaId.eq(row.id)).exec(tx).await?;
    for wanted in &identities {
        let other = identity::Entity::find().filter(is(row.user_id, wanted)).one(tx).await?;
        if let Some(other) = other {
            return Err(Error::Conflict {
                code: "identity_taken",
                detail: format!("{} {} is another persona", wanted.provider, wanted.external_id),
                id: Some(other.persona_id.0),
            });
        }
    }
    let rows = identities.iter().map(|wanted| identity::ActiveModel {
        user_id: Set(row.user_id),
        provider: Set(wanted.provider.clone()),
        external_id: Set(wanted.external_id.clone()),
        persona_id: Set(row.id),
        ..Default::default()
    });
    if !identities.is_empty() {
        identity::Entity::insert_many(rows).exec_without_returning(tx).await?;
    }
    Ok(Known { row, identities })
}

fn own(user: UserId) -> Select<Entity> {
    Entity::find().filter(Column::UserId.eq(user))
}

fn is(user: UserId, identity: &Identity) -> Condition {
    Condition::all()
        .add(identity::Column::UserId.eq(user))
        .add(identity::Column::Provider.eq(identity.provider.as_str()))
        .add(identity::Column::ExternalId.eq(identity.external_id.as_str()))
}

async fn lock_user(tx: &CoreTx, id: UserId) -> Result<()> {
    let found = user::Entity::find_by_id(id).lock(LockType::NoKeyUpdate).one(tx).await?;
    found.map(drop).ok_or(Error::NotFound("user"))
}

async fn refuse_taken(tx: &CoreTx, user: UserId, name: &str, but: PersonaId) -> Result<()> {
    let other = own(user).filter(Column::Name.eq(name)).one(tx).await?;
    match other.filter(|other| other.id != but) {
        None => Ok(()),
        Some(other) => Err(Error::Conflict {
            code: "name_taken",
            detail: "another of your personas has this name".to_owned(),
            id: Some(other.id.0),
        }),
    }
}
