//! Invitations: a token that lets one person register.

use std::time::Duration;

use entity::core::invitation;
use entity::core::user::Role;
use entity::ids::{InvitationId, UserId};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ColumnTrait, DbBackend, EntityTrait, FromQueryResult, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, Statement,
};
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use super::{CurrentUser, email, keys};
use crate::config::Registration;
use crate::db::{CoreConn, CoreDb, CoreTx};
use crate::error::{Error, Result};
use crate::state::AppState;
use crate::web::{Cursor, Page, PageQuery};

/// Invitations that may wait to be accepted.
const WAITING_MAX: u64 = 1_000;

/// An invitation to be.
#[derive(Clone, Debug)]
pub struct NewInvitation {
    /// The only address it is for; none means any.
    pub email: Option<String>,
    /// What the new account may do.
    pub role: Role,
    /// Life in seconds.
    pub expires_in_s: u64,
}

/// Where an invitation is in its life.
const STATE: &str = "CASE WHEN i.accepted_at IS NOT NULL THEN 'used'
     WHEN i.expires_at <= clock_timestamp() THEN 'expired'
     WHEN u.role <> 'admin' OR NOT u.is_active THEN 'withdrawn'
     ELSE 'open' END";

#[derive(Debug, FromQueryResult)]
pub(super) struct Found {
    pub(super) id: InvitationId,
    pub(super) role: Role,
    email: Option<String>,
    state: String,
}

/// Makes an invitation; the token is not kept and cannot be shown again. 409
/// when invitations are not accepted here, or too many wait.
pub async fn invite(
    state: &AppState,
    by: &CurrentUser,
    new: NewInvitation,
) -> Result<(invitation::Model, SecretString)> {
    if state.settings.registration() == Registration::Closed {
        return Err(Error::conflict(
            "registration_closed",
            "invitations are not accepted while REGISTRATION is closed; set it to invite",
        ));
    }
    if waiting(&state.core).await? >= WAITING_MAX {
        return Err(Error::conflict(
            "too_many_invitations",
            format!("{WAITING_MAX} invitations are waiting; delete some"),
        ));
    }
    let email = new.email.as_deref().map(email::parse).transpose()?;
    let token = SecretString::from(keys::random_token());
    // The ORM has no expressions in an insert, and expiry is the database's clock.
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "INSERT INTO invitations (id, token_hash, email, role, invited_by, expires_at)
         VALUES ($1, $2, $3, $4, $5, now() + make_interval(secs => $6)) RETURNING *",
        [
            Uuid::now_v7().into(),
            keys::sha256(token.expose_secret()).into(),
            email.into(),
            new.role.into(),
            by.id.0.into(),
            Duration::from_secs(new.expires_in_s).as_secs_f64().into(),
        ],
    );
    let row = invitation::Model::find_by_statement(statement).one(&state.core).await?;
    Ok((row.ok_or(Error::NotFound("invitation"))?, token))
}

async fn waiting(core: &CoreDb) -> Result<u64> {
    Ok(invitation::Entity::find()
        .filter(invitation::Column::AcceptedAt.is_null())
        .filter(Expr::col(invitation::Column::ExpiresAt).gt(Expr::cust("now()")))
        .count(core)
        .await?)
}

/// A page of all invitations, newest first.
pub async fn list_invitations(core: &impl CoreConn, page: &PageQuery) -> Result<Page<invitation::Model>> {
    let mut query = invitation::Entity::find()
        .order_by_desc(invitation::Column::CreatedAt)
        .order_by_desc(invitation::Column::Id)
        .limit(page.limit + 1);
    if let Some(cursor) = page.cursor {
        let row = Expr::tuple([Expr::col(invitation::Column::CreatedAt), Expr::col(invitation::Column::Id)]);
        query = query.filter(row.lt(Expr::tuple([Expr::val(cursor.at), Expr::val(cursor.id)])));
    }
    let rows = query.all(core).await?;
    let cursor = |row: &invitation::Model| Cursor { at: row.created_at, id: row.id.0 };
    Ok(Page::of(rows, page.limit, cursor, |row| row))
}

/// Takes an invitation back, or forgets a used one.
pub async fn delete_invitation(core: &impl CoreConn, id: InvitationId) -> Result<()> {
    let deleted = invitation::Entity::delete_by_id(id).exec(core).await?;
    if deleted.rows_affected == 0 { Err(Error::NotFound("invitation")) } else { Ok(()) }
}

/// The invitation of a token, if this address may use it now; 403 otherwise.
pub(super) async fn find(core: &CoreDb, token: &SecretString, email: &str) -> Result<Found> {
    usable(core, token, email, "").await
}

/// The same; nobody else uses it until the transaction ends.
pub(super) async fn lock(tx: &CoreTx, token: &SecretString, email: &str) -> Result<Found> {
    usable(tx, token, email, "FOR NO KEY UPDATE OF i").await
}

async fn usable(core: &impl CoreConn, token: &SecretString, address: &str, lock: &str) -> Result<Found> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        format!(
            "SELECT i.id, i.role, i.email, {STATE} AS state
               FROM invitations AS i JOIN users AS u ON u.id = i.invited_by
              WHERE i.token_hash = $1 {lock}"
        ),
        [keys::sha256(token.expose_secret()).into()],
    );
    let found = Found::find_by_statement(statement).one(core).await?;
    let refused = |code, detail| Err(Error::forbidden(code, detail));
    let Some(found) = found else {
        return refused("invitation_invalid", "there is no such invitation");
    };
    match found.state.as_str() {
        "open" => {}
        "used" => return refused("invitation_used", "this invitation was used before"),
        "expired" => return refused("invitation_expired", "this invitation has expired; ask for another"),
        _ => return refused("invitation_invalid", "this invitation no longer holds"),
    }
    if found.email.as_ref().is_some_and(|email| *email != email::normalise(address)) {
        return refused("invitation_for_another_email", "this invitation is for another address");
    }
    Ok(found)
}

/// Uses an invitation up.
pub(super) async fn accept(tx: &CoreTx, id: InvitationId, by: UserId) -> Result<()> {
    invitation::Entity::update_many()
        .col_expr(invitation::Column::AcceptedAt, Expr::cust("clock_timestamp()"))
        .col_expr(invitation::Column::AcceptedBy, Expr::val(by.0))
        .filter(invitation::Column::Id.eq(id))
        .exec(tx)
        .await?;
    Ok(())
}
