//! `/admin/users`: list, read, change.

use axum::extract::State;
use chrono::{DateTime, Utc};
use entity::core::user::{self, Role};
use entity::ids::UserId;
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::auth::{self, AccountChange, AdminUser, Change};
use crate::error::Result;
use crate::state::AppState;
use crate::web::{Cursor, Json, Page, PageQuery, Path, Problems, Query, page, text};

/// Which accounts to list.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListUsers {
    /// Only addresses that begin so; case does not matter.
    #[garde(length(chars, max = 254), inner(custom(text::no_nul)))]
    #[serde(default)]
    #[param(max_length = 254)]
    pub q: Option<String>,
    /// Rows a page, 1 to 200.
    #[garde(range(min = 1, max = page::LIMIT_MAX))]
    #[serde(default = "page::limit_default")]
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: u64,
    /// `next_cursor` of the page before.
    #[garde(skip)]
    #[serde(default)]
    #[param(value_type = Option<String>)]
    pub cursor: Option<Cursor>,
}

/// What to change in an account; what is absent stays.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeUser {
    /// False shuts the account out from the next request on: its sessions end,
    /// its API keys rest. An answer that is being written is finished.
    #[garde(skip)]
    pub is_active: Option<bool>,
    /// `user` or `admin`.
    #[garde(skip)]
    #[schema(value_type = Option<String>)]
    pub role: Option<Role>,
    /// Display name, 1 to 200 characters; null removes it.
    #[garde(skip)]
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200)]
    pub full_name: Change<String>,
}

/// An account as administrators see it.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccountView {
    /// Key.
    id: Uuid,
    /// Address, in lower case.
    email: String,
    /// Display name.
    full_name: Option<String>,
    /// `user` or `admin`.
    #[schema(value_type = String)]
    role: Role,
    /// Whether it may log in.
    is_active: bool,
    /// The tenant it belongs to.
    tenant_id: Uuid,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// When it last changed.
    updated_at: DateTime<Utc>,
}

impl From<user::Model> for AccountView {
    fn from(row: user::Model) -> Self {
        Self {
            id: row.id.0,
            email: row.email,
            full_name: row.full_name,
            role: row.role,
            is_active: row.is_active,
            tenant_id: row.tenant_id.0,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// List accounts.
///
/// Oldest first.
#[utoipa::path(get, path = "/admin/users", tag = "admin", params(ListUsers),
    responses((status = 200, body = Page<AccountView>), Problems))]
pub async fn list(
    State(state): State<AppState>,
    _: AdminUser,
    Query(query): Query<ListUsers>,
) -> Result<Json<Page<AccountView>>> {
    let page = PageQuery { limit: query.limit, cursor: query.cursor };
    let Page { items, next_cursor } = auth::list_accounts(&state.core, query.q.as_deref(), &page).await?;
    Ok(Json(Page { items: items.into_iter().map(AccountView::from).collect(), next_cursor }))
}

/// Read an account.
#[utoipa::path(get, path = "/admin/users/{id}", tag = "admin", params(("id" = Uuid, Path, description = "The user")),
    responses((status = 200, body = AccountView), Problems))]
pub async fn read(
    State(state): State<AppState>,
    _: AdminUser,
    Path(id): Path<Uuid>,
) -> Result<Json<AccountView>> {
    Ok(Json(auth::find_account(&state.core, UserId(id)).await?.into()))
}

/// Change an account.
///
/// 409 `last_admin` rather than leave nobody who administers.
#[utoipa::path(patch, path = "/admin/users/{id}", tag = "admin", params(("id" = Uuid, Path, description = "The user")),
    request_body = ChangeUser, responses((status = 200, body = AccountView), Problems))]
pub async fn change(
    State(state): State<AppState>,
    _: AdminUser,
    Path(id): Path<Uuid>,
    Json(request): Json<ChangeUser>,
) -> Result<Json<AccountView>> {
    let change =
        AccountChange { is_active: request.is_active, role: request.role, full_name: request.full_name };
    Ok(Json(auth::change_account(&state.core, UserId(id), change).await?.into()))
}
