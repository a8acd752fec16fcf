//! `/auth`: register, log in, refresh, log out; API keys; the setup. Who one is, is told by `usage::me`.

pub mod api_keys;
pub mod setup;

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use entity::core::user::{self, Role};
use garde::Validate;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::{IntoResponses, ToSchema};
use uuid::Uuid;

use super::register::NewUser;
use super::{CurrentUser, access, account, email, login, password, refresh, register};
use crate::error::Result;
use crate::state::AppState;
use crate::web::{self, Client, Json, Problem, Problems, text};

/// A new account.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterRequest {
    /// Address, at most 254 characters; case does not matter.
    #[garde(custom(email::is_address))]
    #[schema(max_length = 254, format = Email)]
    pub email: String,
    /// 8 to 128 characters.
    #[garde(custom(password::is_acceptable))]
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 128)]
    pub password: SecretString,
    /// Display name, 1 to 200 characters.
    #[garde(inner(custom(register::is_name)))]
    #[schema(min_length = 1, max_length = 200)]
    pub full_name: Option<String>,
    /// The token of an invitation; needed when the server asks for one.
    #[garde(skip)]
    #[schema(value_type = Option<String>)]
    pub invitation: Option<SecretString>,
}

/// Address and password.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    /// Address; case does not matter.
    #[garde(length(chars, max = 1000), custom(text::no_nul))]
    pub email: String,
    /// At most 128 characters.
    #[garde(custom(password::is_bounded))]
    #[schema(value_type = String, format = Password, max_length = 128)]
    pub password: SecretString,
}

/// What shows that it is really you.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteAccountRequest {
    /// Your password, at most 128 characters.
    #[garde(custom(password::is_bounded))]
    #[schema(value_type = String, format = Password, max_length = 128)]
    pub password: SecretString,
}

/// A refresh token.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefreshRequest {
    /// As the last log-in or refresh gave it.
    #[garde(skip)]
    #[schema(value_type = String)]
    pub refresh_token: SecretString,
}

/// A session. Not printable: both tokens are secrets.
#[derive(Serialize, ToSchema)]
pub struct TokenView {
    /// For the header `Authorization: Bearer`.
    access_token: String,
    /// For `/auth/refresh`, once.
    refresh_token: String,
    /// Always `bearer`.
    token_type: &'static str,
    /// Life of the access token, in seconds.
    expires_in: u64,
}

/// Too many attempts failed; the header `Retry-After` says for how long.
#[derive(Debug, IntoResponses)]
#[response(status = 429, content_type = "application/problem+json")]
#[expect(dead_code, reason = "describes the answer in the document")]
pub struct TooManyAttempts(Problem);

/// An account.
#[derive(Debug, Serialize, ToSchema)]
pub struct UserView {
    /// Key.
    id: Uuid,
    /// Address, in lower case.
    email: String,
    /// Display name.
    full_name: Option<String>,
    /// `user` or `admin`.
    #[schema(value_type = String)]
    role: Role,
    /// The tenant it belongs to.
    tenant_id: Uuid,
    /// When it was made.
    created_at: DateTime<Utc>,
}

impl TokenView {
    fn new(state: &AppState, user: &CurrentUser, refresh_token: &SecretString) -> Result<Self> {
        Ok(Self {
            access_token: access::access_token(state, user)?,
            refresh_token: refresh_token.expose_secret().to_owned(),
            token_type: "bearer",
            expires_in: state.settings.auth.access_token_ttl_s,
        })
    }
}

impl From<user::Model> for UserView {
    fn from(user: user::Model) -> Self {
        Self {
            id: user.id.0,
            email: user.email,
            full_name: user.full_name,
            role: user.role,
            tenant_id: user.tenant_id.0,
            created_at: user.created_at,
        }
    }
}

/// Register.
///
/// Makes an account in the tenant `default`. 403 `registration_closed` when
/// the operator makes the accounts, `invitation_required` when one is needed,
/// `invitation_invalid`, `invitation_expired`, `invitation_used` or
/// `invitation_for_another_email` when the given one does not do; 409
/// `email_taken` when there is an account.
#[utoipa::path(post, path = "/auth/register", tag = "auth", security(()), request_body = RegisterRequest,
    responses((status = 201, body = UserView), Problems))]
pub async fn register(
    State(state): State<AppState>,
    Json(request): Json<RegisterRequest>,
) -> Result<(StatusCode, Json<UserView>)> {
    state.core.promptly(state.core.ping()).await?;
    let new = NewUser {
        email: request.email,
        password: request.password,
        full_name: request.full_name,
        role: Role::User,
    };
    let user = register::register(&state, new, request.invitation.as_ref()).await?;
    Ok((StatusCode::CREATED, Json(user.into())))
}

/// Log in.
///
/// 401 `invalid_credentials` for an unknown address as for a wrong password,
/// `account_disabled` for a disabled account; 429 `too_many_attempts`, with
/// `Retry-After`, after too many failures for this account from this address.
#[utoipa::path(post, path = "/auth/login", tag = "auth", security(()), request_body = LoginRequest,
    responses((status = 200, body = TokenView), TooManyAttempts, Problems))]
pub async fn login(
    State(state): State<AppState>,
    client: Client,
    Json(request): Json<LoginRequest>,
) -> Result<Json<TokenView>> {
    state.core.promptly(state.core.ping()).await?;
    let (user, refresh_token) = login::log_in(&state, client, &request.email, &request.password).await?;
    Ok(Json(TokenView::new(&state, &user, &refresh_token)?))
}

/// Refresh.
///
/// A refresh token is used once and gives a successor. Used again within ten
/// seconds it gives the same successor; later it is taken for stolen and its
/// whole family ends: 401 `refresh_token_reused`. Other 401 codes:
/// `invalid_refresh_token`, `refresh_token_expired`, `refresh_token_revoked`,
/// `account_disabled`.
#[utoipa::path(post, path = "/auth/refresh", tag = "auth", security(()), request_body = RefreshRequest,
    responses((status = 200, body = TokenView), Problems))]
pub async fn refresh(
    State(state): State<AppState>,
    Json(request): Json<RefreshRequest>,
) -> Result<Json<TokenView>> {
    let (user, successor) = refresh::rotate(&state, &request.refresh_token).await?;
    Ok(Json(TokenView::new(&state, &user, &successor)?))
}

/// Log out.
///
/// Ends the session of a refresh token, whatever its state; 204 for unknown
/// tokens too. Access tokens already given run out by themselves.
#[utoipa::path(post, path = "/auth/logout", tag = "auth", security(()), request_body = RefreshRequest,
    responses((status = 204), Problems))]
pub async fn logout(
    State(state): State<AppState>,
    Json(request): Json<RefreshRequest>,
) -> Result<StatusCode> {
    refresh::end(&state.core, &request.refresh_token).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Delete my account.
///
/// With everything in it, in both databases. 403 `wrong_password`; 409
/// `last_admin` for the last active administrator. 202 when the ai database is
/// away: it does its part when it is back.
#[utoipa::path(delete, path = "/auth/me", tag = "auth", request_body = DeleteAccountRequest,
    responses((status = 204), (status = 202), Problems))]
pub async fn delete_me(
    State(state): State<AppState>,
    user: CurrentUser,
    Json(request): Json<DeleteAccountRequest>,
) -> Result<StatusCode> {
    Ok(web::gone(account::delete_own(&state, user.id, &request.password).await?))
}
