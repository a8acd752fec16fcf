//! `/personas`: make, list, find by an id of another system, read, change, delete.

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use entity::ids::PersonaId;
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::auth::CurrentUser;
use crate::error::{Error, Result};
use crate::idempotency::Attempt;
use crate::persona::delete;
use crate::persona::personas::{self, Edit, Identity, Known};
use crate::state::AppState;
use crate::web::{self, Cursor, Json, Page, PageQuery, Path, Problems, Query, page, text};

const PROVIDER_CHARACTERS: usize = 50;

/// Somebody in another system.
#[derive(Clone, Debug, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PersonaIdentity {
    /// The system, for example `discord`: 1 to 50 lower-case letters, digits, `-` and `_`.
    #[garde(custom(is_provider))]
    #[schema(min_length = 1, max_length = 50, pattern = "^[a-z0-9][a-z0-9_-]{0,49}$")]
    pub provider: String,
    /// The id there, 1 to 200 characters, compared exactly.
    #[garde(length(chars, max = 200), custom(text::not_blank))]
    #[schema(min_length = 1, max_length = 200)]
    pub external_id: String,
}

/// A persona to be.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreatePersona {
    /// 1 to 100 characters; each of your personas has another.
    #[garde(length(chars, max = 100), custom(text::not_blank))]
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    /// What characters are told of you, at most 2,000 characters.
    #[garde(length(chars, max = 2000), custom(text::no_nul))]
    #[serde(default)]
    #[schema(max_length = 2000)]
    pub description: String,
    /// Who this is in other systems, at most 20. One that is another persona of yours is refused.
    #[garde(length(max = 20), dive)]
    #[serde(default)]
    #[schema(max_items = 20)]
    pub identities: Vec<PersonaIdentity>,
}

/// What to change in a persona; what is absent stays.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangePersona {
    /// 1 to 100 characters.
    #[garde(length(chars, max = 100), inner(custom(text::not_blank)))]
    #[schema(min_length = 1, max_length = 100)]
    pub name: Option<String>,
    /// What characters are told of you, at most 2,000 characters.
    #[garde(length(chars, max = 2000), inner(custom(text::no_nul)))]
    #[schema(max_length = 2000)]
    pub description: Option<String>,
    /// All its identities: those that are not among them go.
    #[garde(length(max = 20), dive)]
    #[schema(max_items = 20)]
    pub identities: Option<Vec<PersonaIdentity>>,
}

/// Which personas to list.
#[derive(Clone, Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PersonaQuery {
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
    /// With `external_id`: the persona that somebody in this system is, or none.
    #[garde(inner(custom(is_provider)))]
    pub provider: Option<String>,
    /// With `provider`.
    #[garde(length(chars, max = 200), inner(custom(text::not_blank)))]
    #[param(max_length = 200)]
    pub external_id: Option<String>,
}

/// A persona.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Persona {
    /// Key.
    id: Uuid,
    /// Who you are to characters.
    name: String,
    /// What they are told of you.
    description: String,
    /// Who this is in other systems.
    identities: Vec<PersonaIdentity>,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// When it last changed.
    updated_at: DateTime<Utc>,
}

impl From<Known> for Persona {
    fn from(known: Known) -> Self {
        let Known { row, identities } = known;
        let shown = |Identity { provider, external_id }| PersonaIdentity { provider, external_id };
        Self {
            id: row.id.0,
            name: row.name,
            description: row.description,
            identities: identities.into_iter().map(shown).collect(),
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// Make a persona.
///
/// Who you are to characters. 409 `name_taken`; 409 `identity_taken` when
/// somebody in another system is another of your personas.
#[utoipa::path(post, path = "/personas", tag = "characters", request_body = CreatePersona,
    responses((status = 201, body = Persona), Problems))]
pub async fn create(
    State(state): State<AppState>,
    user: CurrentUser,
    attempt: Attempt,
    Json(request): Json<CreatePersona>,
) -> Result<(StatusCode, Json<Persona>)> {
    let new = Edit {
        name: None,
        description: Some(request.description),
        identities: Some(given(request.identities)),
    };
    let known = personas::make(&state.core, attempt, &user, request.name, new).await?;
    Ok((StatusCode::CREATED, Json(known.into())))
}

/// List personas.
///
/// Yours, newest first; with `provider` and `external_id` the one that this is.
#[utoipa::path(get, path = "/personas", tag = "characters", params(PersonaQuery),
    responses((status = 200, body = Page<Persona>), Problems))]
pub async fn list(
    State(state): State<AppState>,
    user: CurrentUser,
    Query(query): Query<PersonaQuery>,
) -> Result<Json<Page<Persona>>> {
    let identity = match (query.provider, query.external_id) {
        (Some(provider), Some(external_id)) => Some(Identity { provider, external_id }),
        (None, None) => None,
        (Some(_), None) => return Err(Error::field("external_id", "goes with provider")),
        (None, Some(_)) => return Err(Error::field("provider", "goes with external_id")),
    };
    let page = PageQuery { limit: query.limit, cursor: query.cursor };
    let Page { items, next_cursor } = personas::list(&state.core, user.id, identity.as_ref(), &page).await?;
    Ok(Json(Page { items: items.into_iter().map(Persona::from).collect(), next_cursor }))
}

/// Read a persona.
#[utoipa::path(get, path = "/personas/{id}", tag = "characters", params(("id" = Uuid, Path, description = "The persona")),
    responses((status = 200, body = Persona), Problems))]
pub async fn read(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
) -> Result<Json<Persona>> {
    let row = personas::find(&state.core, user.id, PersonaId(id)).await?;
    Ok(Json(personas::with_identities(&state.core, row).await?.into()))
}

/// Change a persona.
///
/// Its conversations go on with what it is now.
#[utoipa::path(patch, path = "/personas/{id}", tag = "characters", params(("id" = Uuid, Path, description = "The persona")),
    request_body = ChangePersona, responses((status = 200, body = Persona), Problems))]
pub async fn change(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
    Json(request): Json<ChangePersona>,
) -> Result<Json<Persona>> {
    let edit = Edit {
        name: request.name,
        description: request.description,
        identities: request.identities.map(given),
    };
    Ok(Json(personas::change(&state.core, user.id, PersonaId(id), edit).await?.into()))
}

/// Delete a persona.
///
/// With every memory that is bound to it; its conversations stay, as with
/// nobody. 202 when the ai database is away: it does its part when it is back.
#[utoipa::path(delete, path = "/personas/{id}", tag = "characters", params(("id" = Uuid, Path, description = "The persona")),
    responses((status = 204), (status = 202), Problems))]
pub async fn delete(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
) -> Result<StatusCode> {
    Ok(web::gone(delete::delete_persona(&state, &user, PersonaId(id)).await?))
}

fn given(identities: Vec<PersonaIdentity>) -> Vec<Identity> {
    let known = |PersonaIdentity { provider, external_id }| Identity { provider, external_id };
    identities.into_iter().map(known).collect()
}

fn is_provider<T: AsRef<str>, C>(provider: &T, _: &C) -> garde::Result {
    super::is_label(provider.as_ref(), PROVIDER_CHARACTERS)
}
