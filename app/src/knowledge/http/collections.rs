//! `/knowledge/collections`: make, list, read, change, delete.

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use entity::core::collection;
use entity::ids::CollectionId;
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::auth::CurrentUser;
use crate::error::Result;
use crate::idempotency::Attempt;
use crate::jobs::outbox;
use crate::knowledge::collections::{self, Edit};
use crate::knowledge::{moving, queries};
use crate::state::AppState;
use crate::web::text::{no_nul, not_blank};
use crate::web::{self, Json, Page, PageQuery, Path, Problems, Query};

/// A collection to be.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateCollection {
    /// What it is called, 1 to 100 characters; each of your collections is called something else.
    #[garde(length(chars, max = 100), custom(not_blank))]
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    /// What it is for, at most 2,000 characters.
    #[serde(default)]
    #[garde(length(chars, max = 2000), custom(no_nul))]
    #[schema(max_length = 2000)]
    pub description: String,
}

/// What to change in a collection; what is absent stays.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeCollection {
    /// What it is called.
    #[garde(length(chars, max = 100), inner(custom(not_blank)))]
    #[schema(min_length = 1, max_length = 100)]
    pub name: Option<String>,
    /// What it is for.
    #[garde(length(chars, max = 2000), inner(custom(no_nul)))]
    #[schema(max_length = 2000)]
    pub description: Option<String>,
    /// With everybody in your tenant, to read. Only administrators set it; its owner may take it back.
    #[garde(skip)]
    pub shared_with_tenant: Option<bool>,
}

/// What becomes of the sources of a collection that is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OfSources {
    /// They stay, for their owner alone.
    #[default]
    Keep,
    /// They are deleted too.
    Delete,
}

/// How to delete a collection.
#[derive(Clone, Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeleteQuery {
    /// `keep`: its sources stay, for you alone. `delete`: they are deleted with it, at most 1,000.
    #[serde(default)]
    #[garde(skip)]
    #[param(inline)]
    pub sources: OfSources,
}

/// A collection of sources.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Collection {
    /// Key.
    id: Uuid,
    /// What it is called.
    name: String,
    /// What it is for.
    description: String,
    /// Whether it is yours; others' you only read.
    own: bool,
    /// Whether everybody in the tenant reads it.
    shared_with_tenant: bool,
    /// How many sources are in it; null when the ai database is away.
    #[schema(required)]
    sources: Option<i64>,
    /// With whom it is shared by name; only of your own, and only where one is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    readers: Option<Vec<CollectionReader>>,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// When it last changed.
    updated_at: DateTime<Utc>,
}

/// A user with whom a collection is shared by name.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CollectionReader {
    /// Key.
    user_id: Uuid,
    /// Address.
    email: String,
}

/// Make a collection.
///
/// A named set of your sources, which can be shared. 409 `name_taken`.
#[utoipa::path(post, path = "/knowledge/collections", tag = "knowledge", request_body = CreateCollection,
    responses((status = 201, description = "The collection.", body = Collection), Problems))]
pub async fn create_collection(
    State(state): State<AppState>,
    user: CurrentUser,
    attempt: Attempt,
    Json(request): Json<CreateCollection>,
) -> Result<(StatusCode, Json<Collection>)> {
    let row = collections::make(&state.core, attempt, &user, request.name, request.description).await?;
    Ok((StatusCode::CREATED, Json(shown(&user, row, Some(0)))))
}

/// List collections.
///
/// Yours and those shared with you, newest first.
#[utoipa::path(get, path = "/knowledge/collections", tag = "knowledge", params(PageQuery),
    responses((status = 200, description = "A page of collections.", body = Page<Collection>), Problems))]
pub async fn list_collections(
    State(state): State<AppState>,
    user: CurrentUser,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<Collection>>> {
    let Page { items, next_cursor } = collections::list(&state.core, &user, &page).await?;
    let ids = items.iter().map(|row| row.id.0).collect();
    let counts = counts(&state, &user, ids).await?;
    let sources = |id: CollectionId| counts.as_ref().map(|counts| counts.get(&id.0).copied().unwrap_or(0));
    let items = items.into_iter().map(|row| {
        let sources = sources(row.id);
        shown(&user, row, sources)
    });
    Ok(Json(Page { items: items.collect(), next_cursor }))
}

/// Read a collection.
#[utoipa::path(get, path = "/knowledge/collections/{id}", tag = "knowledge",
    params(("id" = Uuid, Path, description = "The collection.")),
    responses((status = 200, description = "The collection.", body = Collection), Problems))]
pub async fn get_collection(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
) -> Result<Json<Collection>> {
    let row = collections::find(&state.core, &user, CollectionId(id)).await?;
    whole(&state, &user, row).await
}

/// Change a collection.
///
/// Its name, its description, and whether everybody in the tenant reads it. 409 `name_taken`.
#[utoipa::path(patch, path = "/knowledge/collections/{id}", tag = "knowledge",
    params(("id" = Uuid, Path, description = "The collection.")), request_body = ChangeCollection,
    responses((status = 200, description = "The collection as it is now.", body = Collection), Problems))]
pub async fn change_collection(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
    Json(request): Json<ChangeCollection>,
) -> Result<Json<Collection>> {
    let ChangeCollection { name, description, shared_with_tenant } = request;
    let edit = Edit { name, description, is_shared: shared_with_tenant };
    let row = collections::change(&state.core, &user, CollectionId(id), edit).await?;
    whole(&state, &user, row).await
}

/// Delete a collection.
///
/// Nobody reads it any more. Its sources stay, for you alone, or are deleted with it: `?sources=` says
/// which. 202 when the ai database is away or there is much to do: it goes on by itself.
#[utoipa::path(delete, path = "/knowledge/collections/{id}", tag = "knowledge",
    params(("id" = Uuid, Path, description = "The collection."), DeleteQuery),
    responses(
        (status = 204, description = "It is gone."),
        (status = 202, description = "It is gone; its sources follow."),
        Problems
    ))]
pub async fn delete_collection(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
    Query(query): Query<DeleteQuery>,
) -> Result<StatusCode> {
    let with_sources = query.sources == OfSources::Delete;
    Ok(web::gone(moving::delete_collection(&state, &user, CollectionId(id), with_sources).await?))
}

/// With everything that is known of it.
pub(super) async fn whole(
    state: &AppState,
    user: &CurrentUser,
    row: collection::Model,
) -> Result<Json<Collection>> {
    let counts = counts(state, user, vec![row.id.0]).await?;
    let sources = counts.map(|counts| counts.get(&row.id.0).copied().unwrap_or(0));
    let (id, own) = (row.id, row.owner_id == user.id);
    let mut shown = shown(user, row, sources);
    if own {
        let readers = collections::readers(&state.core, id).await?;
        let reader =
            |user: entity::core::user::Model| CollectionReader { user_id: user.id.0, email: user.email };
        shown.readers = Some(readers.into_iter().map(reader).collect());
    }
    Ok(Json(shown))
}

/// None while ai is away: collections themselves are core's.
async fn counts(
    state: &AppState,
    user: &CurrentUser,
    ids: Vec<Uuid>,
) -> Result<Option<std::collections::HashMap<Uuid, i64>>> {
    // What was made or shared just now counts too.
    let ids_read: Vec<CollectionId> = ids.iter().copied().map(CollectionId).collect();
    let audience = user.audience().and_collections(&ids_read);
    match queries::count_by_collection(&state.ai, &audience, ids).await {
        Ok(counts) => Ok(Some(counts)),
        Err(error) if outbox::is_away(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn shown(user: &CurrentUser, row: collection::Model, sources: Option<i64>) -> Collection {
    Collection {
        id: row.id.0,
        name: row.name,
        description: row.description,
        own: row.owner_id == user.id,
        shared_with_tenant: row.is_shared,
        sources,
        readers: None,
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}
