//! `/admin/invitations`: give, list, take back.

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use entity::core::invitation;
use entity::core::user::Role;
use entity::ids::InvitationId;
use garde::Validate;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::{self, AdminUser, NewInvitation};
use crate::error::Result;
use crate::state::AppState;
use crate::web::{Json, Page, PageQuery, Path, Problems, Query, text};

const WEEK_S: u64 = 7 * 24 * 60 * 60;
const MONTH_S: u64 = 30 * 24 * 60 * 60;

/// An invitation to be.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateInvitation {
    /// The only address it is for; any, if absent.
    #[garde(length(chars, max = 254), inner(custom(text::no_nul)))]
    #[schema(max_length = 254, format = Email)]
    pub email: Option<String>,
    /// What the new account may do: `user`, or `admin` if that is said.
    #[garde(skip)]
    #[schema(value_type = Option<String>)]
    pub role: Option<Role>,
    /// Life in seconds, 60 to 2,592,000; a week if absent.
    #[garde(inner(range(min = 60, max = MONTH_S)))]
    #[schema(minimum = 60, maximum = 2_592_000, default = 604_800)]
    pub expires_in_s: Option<u64>,
}

/// An invitation, without its token.
#[derive(Debug, Serialize, ToSchema)]
pub struct InvitationView {
    /// Its id.
    id: Uuid,
    /// The only address it is for.
    email: Option<String>,
    /// What the new account may do.
    #[schema(value_type = String)]
    role: Role,
    /// The administrator who gave it.
    invited_by: Uuid,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// When it stops being accepted.
    expires_at: DateTime<Utc>,
    /// When it was used.
    accepted_at: Option<DateTime<Utc>>,
    /// The account it made.
    accepted_by: Option<Uuid>,
}

/// A new invitation. Not printable: its token is a secret.
#[derive(Serialize, ToSchema)]
pub struct NewInvitationView {
    /// For `invitation` in `/auth/register`, once. It is never shown again.
    token: String,
    #[serde(flatten)]
    view: InvitationView,
}

impl From<invitation::Model> for InvitationView {
    fn from(row: invitation::Model) -> Self {
        Self {
            id: row.id.0,
            email: row.email,
            role: row.role,
            invited_by: row.invited_by.0,
            created_at: row.created_at,
            expires_at: row.expires_at,
            accepted_at: row.accepted_at,
            accepted_by: row.accepted_by.map(|id| id.0),
        }
    }
}

/// Invite somebody.
///
/// Whoever has the token registers once. It ends when its giver no longer
/// administers. 409 `registration_closed` when no one may register,
/// `too_many_invitations` when 1,000 wait.
#[utoipa::path(post, path = "/admin/invitations", tag = "admin", request_body = CreateInvitation,
    responses((status = 201, body = NewInvitationView), Problems))]
pub async fn create(
    State(state): State<AppState>,
    AdminUser(admin): AdminUser,
    Json(request): Json<CreateInvitation>,
) -> Result<(StatusCode, Json<NewInvitationView>)> {
    let new = NewInvitation {
        email: request.email,
        role: request.role.unwrap_or(Role::User),
        expires_in_s: request.expires_in_s.unwrap_or(WEEK_S),
    };
    let (row, token) = auth::invite(&state, &admin, new).await?;
    let view = NewInvitationView { token: token.expose_secret().to_owned(), view: row.into() };
    Ok((StatusCode::CREATED, Json(view)))
}

/// List invitations.
///
/// Everybody's, newest first, used and expired ones too.
#[utoipa::path(get, path = "/admin/invitations", tag = "admin", params(PageQuery),
    responses((status = 200, body = Page<InvitationView>), Problems))]
pub async fn list(
    State(state): State<AppState>,
    _: AdminUser,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<InvitationView>>> {
    let Page { items, next_cursor } = auth::list_invitations(&state.core, &page).await?;
    Ok(Json(Page { items: items.into_iter().map(InvitationView::from).collect(), next_cursor }))
}

/// Take an invitation back.
#[utoipa::path(delete, path = "/admin/invitations/{id}", tag = "admin",
    params(("id" = Uuid, Path, description = "The invitation")), responses((status = 204), Problems))]
pub async fn delete(State(state): State<AppState>, _: AdminUser, Path(id): Path<Uuid>) -> Result<StatusCode> {
    auth::delete_invitation(&state.core, InvitationId(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}
