//! `/auth/api-keys`: make, list, read, rename, delete.

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use entity::core::api_key;
use entity::ids::ApiKeyId;
use garde::Validate;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::{CurrentUser, api_keys};
use crate::error::Result;
use crate::state::AppState;
use crate::web::{Json, Page, PageQuery, Path, Problems, Query, text};

/// A key to be.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateApiKey {
    /// What it is for, 1 to 100 characters.
    #[garde(length(chars, max = 100), custom(text::not_blank))]
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    /// What it may do: `area:read` or `area:write`, areas `chat`, `knowledge`, `memory` and, for
    /// administrators, `admin`. Searching is reading; writing does not include it.
    #[garde(length(min = 1, max = 20))]
    #[schema(min_items = 1, max_items = 20)]
    pub scopes: Vec<String>,
    /// When it stops being accepted; never, if absent.
    #[garde(skip)]
    pub expires_at: Option<DateTime<Utc>>,
}

/// What to change in a key.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RenameApiKey {
    /// What it is for, 1 to 100 characters.
    #[garde(length(chars, max = 100), custom(text::not_blank))]
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
}

/// A key, without the key.
#[derive(Debug, Serialize, ToSchema)]
pub struct ApiKeyView {
    /// Its id.
    id: Uuid,
    /// What it is for.
    name: String,
    /// How it begins, to recognise it by.
    prefix: String,
    /// What it may do.
    scopes: Vec<String>,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// When it stops being accepted.
    expires_at: Option<DateTime<Utc>>,
    /// Its last use, to the minute.
    last_used_at: Option<DateTime<Utc>>,
}

/// A new key. Not printable: it is a secret.
#[derive(Serialize, ToSchema)]
pub struct NewApiKeyView {
    /// The key itself, for `Authorization: Bearer`. It is never shown again.
    key: String,
    #[serde(flatten)]
    view: ApiKeyView,
}

impl From<api_key::Model> for ApiKeyView {
    fn from(row: api_key::Model) -> Self {
        Self {
            id: row.id.0,
            name: row.name,
            prefix: row.prefix,
            scopes: row.scopes,
            created_at: row.created_at,
            expires_at: row.expires_at,
            last_used_at: row.last_used_at,
        }
    }
}

/// Make an API key.
///
/// It acts as the user, with the user's role at the time, within its scopes. It
/// cannot manage keys or sessions. 403 `admin_scope` for scopes the user has not got,
/// 409 `too_many_keys` beyond 100.
#[utoipa::path(post, path = "/auth/api-keys", tag = "auth", request_body = CreateApiKey,
    responses((status = 201, body = NewApiKeyView), Problems))]
pub async fn create(
    State(state): State<AppState>,
    user: CurrentUser,
    Json(request): Json<CreateApiKey>,
) -> Result<(StatusCode, Json<NewApiKeyView>)> {
    let (row, key) =
        api_keys::create(&state.core, &user, request.name, &request.scopes, request.expires_at).await?;
    let view = NewApiKeyView { key: key.expose_secret().to_owned(), view: row.into() };
    Ok((StatusCode::CREATED, Json(view)))
}

/// List API keys.
///
/// The user's own, newest first, expired ones too.
#[utoipa::path(get, path = "/auth/api-keys", tag = "auth", params(PageQuery),
    responses((status = 200, body = Page<ApiKeyView>), Problems))]
pub async fn list(
    State(state): State<AppState>,
    user: CurrentUser,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<ApiKeyView>>> {
    let Page { items, next_cursor } = api_keys::list(&state.core, user.id, &page).await?;
    Ok(Json(Page { items: items.into_iter().map(ApiKeyView::from).collect(), next_cursor }))
}

/// Read an API key's record.
#[utoipa::path(get, path = "/auth/api-keys/{id}", tag = "auth", params(("id" = Uuid, Path, description = "The key's id")),
    responses((status = 200, body = ApiKeyView), Problems))]
pub async fn read(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
) -> Result<Json<ApiKeyView>> {
    Ok(Json(api_keys::find(&state.core, user.id, ApiKeyId(id)).await?.into()))
}

/// Rename an API key.
#[utoipa::path(patch, path = "/auth/api-keys/{id}", tag = "auth", params(("id" = Uuid, Path, description = "The key's id")),
    request_body = RenameApiKey, responses((status = 200, body = ApiKeyView), Problems))]
pub async fn rename(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
    Json(request): Json<RenameApiKey>,
) -> Result<Json<ApiKeyView>> {
    Ok(Json(api_keys::rename(&state.core, user.id, ApiKeyId(id), request.name).await?.into()))
}

/// Delete an API key.
///
/// Its next request is refused.
#[utoipa::path(delete, path = "/auth/api-keys/{id}", tag = "auth", params(("id" = Uuid, Path, description = "The key's id")),
    responses((status = 204), Problems))]
pub async fn delete(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
) -> Result<StatusCode> {
    api_keys::delete(&state.core, user.id, ApiKeyId(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}
