//! `/tags`: make, list, read, change, archive, restore, delete; the usual ones; their positions.

mod shape;

use axum::extract::State;
use axum::http::StatusCode;
use entity::ids::TagId;
use uuid::Uuid;

pub use shape::{ChangeTag, CreateTag, DefaultTags, Tag, TagQuery, TagStatus};

use super::positions::PositionView;
use crate::auth::CurrentUser;
use crate::error::Result;
use crate::idempotency::Attempt;
use crate::portfolio::tags::{self, Edit, Filter, NewTag};
use crate::state::AppState;
use crate::web::{Json, Page, PageQuery, Path, Problems, Query};

/// Make a tag.
///
/// 409 `name_taken`, `too_many_tags`.
#[utoipa::path(post, path = "/tags", tag = "tags", request_body = CreateTag,
    responses((status = 201, body = Tag), Problems))]
pub async fn create(
    State(state): State<AppState>,
    user: CurrentUser,
    attempt: Attempt,
    Json(request): Json<CreateTag>,
) -> Result<(StatusCode, Json<Tag>)> {
    let new = NewTag {
        name: request.name,
        color: request.color,
        description: request.description,
        display_order: request.display_order,
    };
    let known = tags::make(&state.core, attempt, user.id, new).await?;
    Ok((StatusCode::CREATED, Json(known.into())))
}

/// List tags.
///
/// Yours, the newest first.
#[utoipa::path(get, path = "/tags", tag = "tags", params(TagQuery), responses((status = 200, body = Page<Tag>), Problems))]
pub async fn list(
    State(state): State<AppState>,
    user: CurrentUser,
    Query(query): Query<TagQuery>,
) -> Result<Json<Page<Tag>>> {
    let is_archived = match query.status {
        TagStatus::Active => Some(false),
        TagStatus::Archived => Some(true),
        TagStatus::All => None,
    };
    let page = PageQuery { limit: query.limit, cursor: query.cursor };
    let Page { items, next_cursor } = tags::list(&state.core, user.id, Filter { is_archived }, &page).await?;
    Ok(Json(Page { items: items.into_iter().map(Tag::from).collect(), next_cursor }))
}

/// Make the usual tags.
///
/// `income`, `growth`, `defensive`, `speculative`, `tech`, `finance`, `healthcare`, `energy`, `options`,
/// `long-term`. Those you have are left alone; one that you archived is not made again.
#[utoipa::path(post, path = "/tags/defaults", tag = "tags", responses((status = 200, body = DefaultTags), Problems))]
pub async fn create_defaults(State(state): State<AppState>, user: CurrentUser) -> Result<Json<DefaultTags>> {
    let known = tags::make_defaults(&state.core, user.id).await?;
    Ok(Json(DefaultTags::from(known)))
}

/// Read a tag.
#[utoipa::path(get, path = "/tags/{id}", tag = "tags", params(("id" = Uuid, Path, description = "The tag")),
    responses((status = 200, body = Tag), Problems))]
pub async fn read(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
) -> Result<Json<Tag>> {
    Ok(Json(tags::find(&state.core, user.id, TagId(id)).await?.into()))
}

/// Change a tag.
///
/// 409 `name_taken`.
#[utoipa::path(patch, path = "/tags/{id}", tag = "tags", params(("id" = Uuid, Path, description = "The tag")),
    request_body = ChangeTag, responses((status = 200, body = Tag), Problems))]
pub async fn change(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
    Json(request): Json<ChangeTag>,
) -> Result<Json<Tag>> {
    let edit = Edit {
        name: request.name,
        color: request.color,
        description: request.description,
        display_order: request.display_order,
    };
    Ok(Json(tags::change(&state.core, user.id, TagId(id), edit).await?.into()))
}

/// Archive a tag.
///
/// Its positions keep it, out of sight; its name is free. Again changes nothing.
#[utoipa::path(post, path = "/tags/{id}/archive", tag = "tags", params(("id" = Uuid, Path, description = "The tag")),
    responses((status = 200, body = Tag), Problems))]
pub async fn archive(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
) -> Result<Json<Tag>> {
    Ok(Json(tags::archive(&state.core, user.id, TagId(id)).await?.into()))
}

/// Restore a tag.
///
/// Out of the archive, with its positions. Again changes nothing. 409 `name_taken` when another one has its name by now.
#[utoipa::path(post, path = "/tags/{id}/restore", tag = "tags", params(("id" = Uuid, Path, description = "The tag")),
    responses((status = 200, body = Tag), Problems))]
pub async fn restore(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
) -> Result<Json<Tag>> {
    Ok(Json(tags::restore(&state.core, user.id, TagId(id)).await?.into()))
}

/// Delete a tag.
///
/// Off its positions too; to keep it for later, archive it.
#[utoipa::path(delete, path = "/tags/{id}", tag = "tags", params(("id" = Uuid, Path, description = "The tag")),
    responses((status = 204), Problems))]
pub async fn delete(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
) -> Result<StatusCode> {
    tags::delete(&state.core, user.id, TagId(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List a tag's positions.
///
/// The newest first.
#[utoipa::path(get, path = "/tags/{id}/positions", tag = "tags",
    params(("id" = Uuid, Path, description = "The tag"), PageQuery),
    responses((status = 200, body = Page<PositionView>), Problems))]
pub async fn positions(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<PositionView>>> {
    let Page { items, next_cursor } = tags::positions(&state.core, user.id, TagId(id), &page).await?;
    Ok(Json(Page { items: items.into_iter().map(PositionView::from).collect(), next_cursor }))
}
