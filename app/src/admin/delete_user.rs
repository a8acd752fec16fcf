//! `DELETE /admin/users/{id}`

use axum::extract::State;
use axum::http::StatusCode;
use entity::ids::UserId;
use uuid::Uuid;

use crate::auth::{self, AdminUser};
use crate::error::Result;
use crate::state::AppState;
use crate::web::{self, Path, Problems};

/// Delete an account.
///
/// With everything in it, in both databases. 409 `last_admin` for the last
/// active administrator. 202 when the ai database is away: it does its part
/// when it is back.
#[utoipa::path(
    delete,
    path = "/admin/users/{id}",
    tag = "admin",
    params(("id" = Uuid, Path, description = "Key of the user")),
    responses((status = 204, description = "Gone"), (status = 202, description = "Gone; ai follows"), Problems)
)]
pub async fn delete_user(
    State(state): State<AppState>,
    _: AdminUser,
    Path(id): Path<Uuid>,
) -> Result<StatusCode> {
    Ok(web::gone(auth::delete_account(&state, UserId(id)).await?))
}
