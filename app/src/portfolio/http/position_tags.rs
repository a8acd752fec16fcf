//! `/positions/{id}/tags`, `/positions/tags-for-symbol`

use axum::extract::State;
use chrono::{DateTime, Utc};
use entity::core::tag;
use entity::ids::{PortfolioId, PositionId, TagId};
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::auth::CurrentUser;
use crate::error::{Error, Result};
use crate::market;
use crate::portfolio::tags::{self, Assigned};
use crate::state::AppState;
use crate::web::{Json, Path, Problems, Query};

/// Tags of a request at most.
const TAGS_MAX: usize = 50;

/// Tags by their ids.
#[derive(Clone, Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TagIds {
    /// At most 50.
    #[garde(length(max = TAGS_MAX))]
    #[schema(max_items = 50)]
    pub tag_ids: Vec<Uuid>,
}

/// Which tags to take off.
#[derive(Clone, Debug, Default, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RemoveQuery {
    /// Ids, separated by commas, at most 50; without it all of them.
    #[garde(skip)]
    pub tag_ids: Option<String>,
}

/// Which symbol, and where.
#[derive(Clone, Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TagsForSymbolQuery {
    /// Ticker, or the contract's symbol.
    #[garde(length(chars, max = 200))]
    pub symbol: String,
    /// In this portfolio only.
    #[garde(skip)]
    pub portfolio_id: Option<Uuid>,
}

/// The tags of a position.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PositionTags {
    /// Which.
    position_id: Uuid,
    /// In the order of display; archived ones are out of sight.
    tags: Vec<PositionTag>,
}

/// The tags that go with a symbol.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SymbolTags {
    /// As it is stored.
    symbol: String,
    /// Of open positions with it, in the order of display.
    tags: Vec<PositionTag>,
}

/// A tag, as a position has it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PositionTag {
    /// Key.
    id: Uuid,
    /// What it says.
    name: String,
    /// `#` and six hexadecimal digits.
    color: String,
    /// What it means.
    description: Option<String>,
    /// Since when the position has it; absent where it is of several positions.
    #[serde(skip_serializing_if = "Option::is_none")]
    assigned_at: Option<DateTime<Utc>>,
}

impl PositionTag {
    fn new(row: tag::Model, assigned_at: Option<DateTime<Utc>>) -> Self {
        Self { id: row.id.0, name: row.name, color: row.color, description: row.description, assigned_at }
    }
}

fn shown(id: Uuid, assigned: Vec<Assigned>) -> Json<PositionTags> {
    let tags =
        assigned.into_iter().map(|Assigned { tag, assigned_at }| PositionTag::new(tag, Some(assigned_at)));
    Json(PositionTags { position_id: id, tags: tags.collect() })
}

fn named(ids: Vec<Uuid>) -> Vec<TagId> {
    ids.into_iter().map(TagId).collect()
}

/// List a position's tags.
#[utoipa::path(get, path = "/positions/{id}/tags", tag = "tags",
    params(("id" = Uuid, Path, description = "The position")), responses((status = 200, body = PositionTags), Problems))]
pub async fn list(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
) -> Result<Json<PositionTags>> {
    Ok(shown(id, tags::of_position(&state.core, user.id, PositionId(id)).await?))
}

/// Tag a position.
///
/// With these tags too. Again changes nothing. 409 `tag_archived`, `too_many_tags`.
#[utoipa::path(post, path = "/positions/{id}/tags", tag = "tags",
    params(("id" = Uuid, Path, description = "The position")), request_body = TagIds,
    responses((status = 200, body = PositionTags), Problems))]
pub async fn add(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
    Json(request): Json<TagIds>,
) -> Result<Json<PositionTags>> {
    let wanted = named(request.tag_ids);
    Ok(shown(id, tags::assign(&state.core, user.id, PositionId(id), &wanted).await?))
}

/// Replace a position's tags.
///
/// With these, and no others. 409 `tag_archived`, `too_many_tags`.
#[utoipa::path(patch, path = "/positions/{id}/tags", tag = "tags",
    params(("id" = Uuid, Path, description = "The position")), request_body = TagIds,
    responses((status = 200, body = PositionTags), Problems))]
pub async fn replace(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
    Json(request): Json<TagIds>,
) -> Result<Json<PositionTags>> {
    let wanted = named(request.tag_ids);
    Ok(shown(id, tags::replace(&state.core, user.id, PositionId(id), &wanted).await?))
}

/// Take tags off a position.
///
/// Those that are named, or all. One that it has not is passed over.
#[utoipa::path(delete, path = "/positions/{id}/tags", tag = "tags",
    params(("id" = Uuid, Path, description = "The position"), RemoveQuery),
    responses((status = 200, body = PositionTags), Problems))]
pub async fn remove(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
    Query(query): Query<RemoveQuery>,
) -> Result<Json<PositionTags>> {
    let wanted = match query.tag_ids {
        Some(list) => Some(read(&list)?),
        None => None,
    };
    Ok(shown(id, tags::remove(&state.core, user.id, PositionId(id), wanted.as_deref()).await?))
}

/// Take tags off a position, by POST.
///
/// For clients that send no query with DELETE.
#[utoipa::path(post, path = "/positions/{id}/tags/remove", tag = "tags",
    params(("id" = Uuid, Path, description = "The position")), request_body = TagIds,
    responses((status = 200, body = PositionTags), Problems))]
pub async fn remove_by_post(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
    Json(request): Json<TagIds>,
) -> Result<Json<PositionTags>> {
    let wanted = named(request.tag_ids);
    Ok(shown(id, tags::remove(&state.core, user.id, PositionId(id), Some(&wanted)).await?))
}

/// List the tags that go with a symbol.
///
/// Those that your open positions with it have: for another lot of it.
#[utoipa::path(get, path = "/positions/tags-for-symbol", tag = "tags", params(TagsForSymbolQuery),
    responses((status = 200, body = SymbolTags), Problems))]
pub async fn for_symbol(
    State(state): State<AppState>,
    user: CurrentUser,
    Query(query): Query<TagsForSymbolQuery>,
) -> Result<Json<SymbolTags>> {
    let symbol = market::normalised(&query.symbol).ok_or_else(|| Error::field("symbol", "is no symbol"))?;
    let portfolio = query.portfolio_id.map(PortfolioId);
    let found = tags::of_symbol(&state.core, user.id, portfolio, &symbol).await?;
    let tags = found.into_iter().map(|row| PositionTag::new(row, None)).collect();
    Ok(Json(SymbolTags { symbol, tags }))
}

fn read(list: &str) -> Result<Vec<TagId>> {
    let wrong = || Error::field("tag_ids", format!("must be at most {TAGS_MAX} ids, separated by commas"));
    let ids: Vec<&str> = list.split(',').map(str::trim).collect();
    if ids.len() > TAGS_MAX {
        return Err(wrong());
    }
    ids.into_iter().map(|id| id.parse().map(TagId).map_err(|_| wrong())).collect()
}
