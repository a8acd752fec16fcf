//! `/setup`: the first administrator.

use axum::extract::State;
use axum::http::StatusCode;
use entity::core::user::Role;
use garde::Validate;
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{TooManyAttempts, UserView};
use crate::auth::register::{self, NewUser};
use crate::auth::{email, password, setup};
use crate::error::Result;
use crate::state::AppState;
use crate::web::{Client, Json, Problem, Problems};

/// The first administrator.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetupRequest {
    /// As the server printed it in its log when it started.
    #[garde(skip)]
    #[schema(value_type = String)]
    pub token: SecretString,
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
}

/// Make the first administrator.
///
/// With the token that the server prints in its log while it never had one. 401
/// `invalid_setup_token` or `setup_token_expired`; 410 `setup_closed` once there
/// is an administrator, and for ever after; 429 `too_many_attempts`.
#[utoipa::path(post, path = "/setup", tag = "auth", security(()), request_body = SetupRequest,
    responses((status = 201, body = UserView),
        (status = 410, body = Problem, content_type = "application/problem+json"), TooManyAttempts, Problems))]
pub async fn set_up(
    State(state): State<AppState>,
    client: Client,
    Json(request): Json<SetupRequest>,
) -> Result<(StatusCode, Json<UserView>)> {
    let new = NewUser {
        email: request.email,
        password: request.password,
        full_name: request.full_name,
        role: Role::Admin,
    };
    let user = setup::set_up(&state, client, &request.token, new).await?;
    Ok((StatusCode::CREATED, Json(user.into())))
}
