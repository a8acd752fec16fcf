//! `GET /positions`, `GET /positions/{id}`

use axum::extract::State;
use entity::ids::{PortfolioId, PositionId};
use garde::Validate;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::PositionView;
use crate::auth::CurrentUser;
use crate::error::{Error, Result};
use crate::market;
use crate::portfolio::find_owned;
use crate::portfolio::positions::{self, Filter};
use crate::state::AppState;
use crate::web::{Cursor, Json, Page, PageQuery, Path, Problems, Query, page};

/// Open or closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Something is open.
    Open,
    /// Nothing is.
    Closed,
    /// Both.
    #[default]
    All,
}

/// Which positions to list.
#[derive(Clone, Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PositionQuery {
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
    /// Of this portfolio only.
    #[garde(skip)]
    pub portfolio_id: Option<Uuid>,
    /// With this symbol only.
    #[garde(skip)]
    pub symbol: Option<String>,
    /// `open`, `closed` or `all`.
    #[garde(skip)]
    #[serde(default)]
    #[param(inline, default = "all")]
    pub status: Status,
}

/// List positions.
///
/// Of all your portfolios or of one, the newest first.
#[utoipa::path(get, path = "/positions", tag = "positions", params(PositionQuery),
    responses((status = 200, body = Page<PositionView>), Problems))]
pub async fn list(
    State(state): State<AppState>,
    user: CurrentUser,
    Query(query): Query<PositionQuery>,
) -> Result<Json<Page<PositionView>>> {
    let symbol = match query.symbol.as_deref() {
        Some(given) => Some(market::normalised(given).ok_or_else(|| Error::field("symbol", "is no symbol"))?),
        None => None,
    };
    let portfolio = query.portfolio_id.map(PortfolioId);
    if let Some(id) = portfolio {
        find_owned(&state.core, user.id, id).await?;
    }
    let is_open = match query.status {
        Status::Open => Some(true),
        Status::Closed => Some(false),
        Status::All => None,
    };
    let page = PageQuery { limit: query.limit, cursor: query.cursor };
    let filter = Filter { portfolio, symbol, is_open };
    let Page { items, next_cursor } = positions::list(&state.core, user.id, &filter, &page).await?;
    Ok(Json(Page { items: items.into_iter().map(PositionView::from).collect(), next_cursor }))
}

/// Read a position.
///
/// With its closes.
#[utoipa::path(get, path = "/positions/{id}", tag = "positions",
    params(("id" = Uuid, Path, description = "The position")), responses((status = 200, body = PositionView), Problems))]
pub async fn read(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
) -> Result<Json<PositionView>> {
    Ok(Json(positions::find(&state.core, user.id, PositionId(id)).await?.into()))
}
