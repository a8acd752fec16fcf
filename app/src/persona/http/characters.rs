//! `/characters`: make, list, find by slug, read, change, delete.

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use entity::core::character;
use entity::ids::CharacterId;
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::auth::{Change, CurrentUser};
use crate::error::Result;
use crate::idempotency::Attempt;
use crate::llm::catalogue;
use crate::persona::characters::{self, Edit, NewCharacter};
use crate::persona::delete;
use crate::state::AppState;
use crate::web::{self, Cursor, Json, Page, PageQuery, Path, Problems, Query, page, text};

const SLUG_CHARACTERS: usize = 100;
const DESCRIPTION_CHARACTERS: usize = 2000;
const MODEL_CHARACTERS: usize = 200;

/// A character to be.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateCharacter {
    /// By what programs name it: 1 to 100 lower-case letters, digits, `-` and `_`, beginning with a
    /// letter or digit. Each of your characters has another, and so has each shared one.
    #[garde(custom(is_slug))]
    #[schema(min_length = 1, max_length = 100, pattern = "^[a-z0-9][a-z0-9_-]{0,99}$")]
    pub slug: String,
    /// By what people name it, 1 to 100 characters.
    #[garde(length(chars, max = 100), custom(text::not_blank))]
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    /// What it is for, for people to read; at most 2,000 characters.
    #[garde(inner(custom(is_description)))]
    #[schema(max_length = 2000)]
    pub description: Option<String>,
    /// What the model is told of it, below Tandem's own rules; 1 to 8,000 characters.
    #[garde(length(chars, max = 8000), custom(text::not_blank))]
    #[schema(min_length = 1, max_length = 8000)]
    pub system_prompt: String,
    /// The model that speaks for it where the conversation names none, one of `/chat/models`;
    /// null: the configured one.
    #[garde(inner(custom(is_model)))]
    #[schema(min_length = 1, max_length = 200)]
    pub model: Option<String>,
    /// With everybody in your tenant; for administrators.
    #[garde(skip)]
    #[serde(default)]
    #[schema(default = false)]
    pub shared: bool,
}

/// What to change in a character; what is absent stays.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeCharacter {
    /// By what programs name it.
    #[garde(inner(custom(is_slug)))]
    #[schema(min_length = 1, max_length = 100, pattern = "^[a-z0-9][a-z0-9_-]{0,99}$")]
    pub slug: Option<String>,
    /// By what people name it, 1 to 100 characters.
    #[garde(length(chars, max = 100), inner(custom(text::not_blank)))]
    #[schema(min_length = 1, max_length = 100)]
    pub name: Option<String>,
    /// What it is for, at most 2,000 characters; null takes it away.
    #[garde(custom(is_set_to(is_description)))]
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 2000)]
    pub description: Change<String>,
    /// What the model is told of it, 1 to 8,000 characters.
    #[garde(length(chars, max = 8000), inner(custom(text::not_blank)))]
    #[schema(min_length = 1, max_length = 8000)]
    pub system_prompt: Option<String>,
    /// The model that speaks for it; null: the configured one.
    #[garde(custom(is_set_to(is_model)))]
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 200)]
    pub model: Change<String>,
}

/// Which characters to list.
#[derive(Clone, Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CharacterQuery {
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
    /// The character that this slug names, or none: yours before a shared one.
    #[garde(inner(custom(is_slug)))]
    pub slug: Option<String>,
}

/// A character.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Character {
    /// Key.
    id: Uuid,
    /// By what programs name it.
    slug: String,
    /// By what people name it.
    name: String,
    /// What it is for.
    description: Option<String>,
    /// What the model is told of it.
    system_prompt: String,
    /// The model that speaks for it; null: the configured one.
    model: Option<String>,
    /// Whether everybody in the tenant may talk to it.
    shared: bool,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// When it last changed.
    updated_at: DateTime<Utc>,
}

impl From<character::Model> for Character {
    fn from(row: character::Model) -> Self {
        Self {
            id: row.id.0,
            slug: row.slug,
            name: row.name,
            description: row.description,
            system_prompt: row.system_prompt,
            model: row.model,
            shared: row.user_id.is_none(),
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// Make a character.
///
/// Whom one talks to. 409 `slug_taken`; 403 `shared_character` for a shared
/// one, unless you administer.
#[utoipa::path(post, path = "/characters", tag = "characters", request_body = CreateCharacter,
    responses((status = 201, body = Character), Problems))]
pub async fn create(
    State(state): State<AppState>,
    user: CurrentUser,
    attempt: Attempt,
    Json(request): Json<CreateCharacter>,
) -> Result<(StatusCode, Json<Character>)> {
    if let Some(model) = &request.model {
        catalogue::require(&state.models, &state.settings.models, model).await?;
    }
    let new = NewCharacter {
        slug: request.slug,
        name: request.name,
        description: request.description,
        system_prompt: request.system_prompt,
        model: request.model,
        is_shared: request.shared,
    };
    let row = characters::make(&state.core, attempt, &user, new).await?;
    Ok((StatusCode::CREATED, Json(row.into())))
}

/// List characters.
///
/// Yours and those that are shared, newest first.
#[utoipa::path(get, path = "/characters", tag = "characters", params(CharacterQuery),
    responses((status = 200, body = Page<Character>), Problems))]
pub async fn list(
    State(state): State<AppState>,
    user: CurrentUser,
    Query(query): Query<CharacterQuery>,
) -> Result<Json<Page<Character>>> {
    let page = PageQuery { limit: query.limit, cursor: query.cursor };
    let Page { items, next_cursor } =
        characters::list(&state.core, &user, query.slug.as_deref(), &page).await?;
    Ok(Json(Page { items: items.into_iter().map(Character::from).collect(), next_cursor }))
}

/// Read a character.
#[utoipa::path(get, path = "/characters/{id}", tag = "characters", params(("id" = Uuid, Path, description = "The character")),
    responses((status = 200, body = Character), Problems))]
pub async fn read(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
) -> Result<Json<Character>> {
    Ok(Json(characters::find(&state.core, &user, CharacterId(id)).await?.into()))
}

/// Change a character.
///
/// Its conversations go on with what it is now. Shared ones are changed by
/// administrators.
#[utoipa::path(patch, path = "/characters/{id}", tag = "characters", params(("id" = Uuid, Path, description = "The character")),
    request_body = ChangeCharacter, responses((status = 200, body = Character), Problems))]
pub async fn change(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
    Json(request): Json<ChangeCharacter>,
) -> Result<Json<Character>> {
    if let Change::Set(model) = &request.model {
        catalogue::require(&state.models, &state.settings.models, model).await?;
    }
    let edit = Edit {
        slug: request.slug,
        name: request.name,
        description: request.description,
        system_prompt: request.system_prompt,
        model: request.model,
    };
    Ok(Json(characters::change(&state.core, &user, CharacterId(id), edit).await?.into()))
}

/// Delete a character.
///
/// With every memory that is bound to it; its conversations stay, as with
/// nobody. 202 when the ai database is away: it does its part when it is back.
#[utoipa::path(delete, path = "/characters/{id}", tag = "characters", params(("id" = Uuid, Path, description = "The character")),
    responses((status = 204), (status = 202), Problems))]
pub async fn delete(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
) -> Result<StatusCode> {
    Ok(web::gone(delete::delete_character(&state, &user, CharacterId(id)).await?))
}

fn is_slug<T: AsRef<str>, C>(slug: &T, _: &C) -> garde::Result {
    super::is_label(slug.as_ref(), SLUG_CHARACTERS)
}

fn is_description<T: AsRef<str>, C>(text: &T, _: &C) -> garde::Result {
    at_most(text.as_ref(), DESCRIPTION_CHARACTERS)?;
    text::no_nul(text, &())
}

fn is_model<T: AsRef<str>, C>(name: &T, _: &C) -> garde::Result {
    at_most(name.as_ref(), MODEL_CHARACTERS)?;
    text::not_blank(name, &())
}

fn at_most(text: &str, characters: usize) -> garde::Result {
    let length = text.chars().count();
    if length <= characters {
        return Ok(());
    }
    Err(garde::Error::new(format!("has {length} characters, at most {characters} are allowed")))
}

/// The check of a value, for a change to it.
fn is_set_to(check: fn(&String, &()) -> garde::Result) -> impl Fn(&Change<String>, &()) -> garde::Result {
    move |change, context| match change {
        Change::Set(value) => check(value, context),
        Change::Keep | Change::Remove => Ok(()),
    }
}
