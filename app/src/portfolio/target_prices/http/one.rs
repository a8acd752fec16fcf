//! Target prices one by one: list, make, read, change, delete.

use axum::extract::State;
use axum::http::StatusCode;
use entity::core::target_price;
use entity::ids::{PortfolioId, TargetPriceId};
use garde::Validate;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::shape::{ChangeTargetPrice, CreateTargetPrice, TargetPriceRow};
use crate::auth::CurrentUser;
use crate::db::CoreDb;
use crate::error::{Error, Result};
use crate::idempotency::Attempt;
use crate::portfolio::find_owned;
use crate::portfolio::target_prices::outlook::Today;
use crate::portfolio::target_prices::{queries, write};
use crate::state::AppState;
use crate::web::{Cursor, Json, Page, PageQuery, Path, Problems, Query, page};

/// Which target prices to list.
#[derive(Clone, Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TargetPriceQuery {
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
    /// Of this symbol.
    #[garde(length(max = 32))]
    pub symbol: Option<String>,
}

/// List target prices.
///
/// Of a portfolio, newest first, with what they mean today.
#[utoipa::path(get, path = "/target-prices/{id}", tag = "target-prices",
    params(("id" = Uuid, Path, description = "The portfolio"), TargetPriceQuery),
    responses((status = 200, body = Page<TargetPriceRow>), Problems))]
pub async fn list(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
    Query(query): Query<TargetPriceQuery>,
) -> Result<Json<Page<TargetPriceRow>>> {
    let id = PortfolioId(id);
    find_owned(&state.core, user.id, id).await?;
    let page = PageQuery { limit: query.limit, cursor: query.cursor };
    let symbol = query.symbol.map(|symbol| symbol.trim().to_uppercase());
    let Page { items, next_cursor } = queries::list(&state.core, id, symbol.as_deref(), &page).await?;
    Ok(Json(Page { items: shown(&state, id, items).await?, next_cursor }))
}

/// Make a target price.
///
/// 409 `target_price_exists`: a portfolio has one for each symbol and type.
#[utoipa::path(post, path = "/target-prices/{id}", tag = "target-prices",
    params(("id" = Uuid, Path, description = "The portfolio")), request_body = CreateTargetPrice,
    responses((status = 201, body = TargetPriceRow), Problems))]
pub async fn create(
    State(state): State<AppState>,
    user: CurrentUser,
    attempt: Attempt,
    Path(id): Path<Uuid>,
    Json(request): Json<CreateTargetPrice>,
) -> Result<(StatusCode, Json<TargetPriceRow>)> {
    let id = PortfolioId(id);
    find_owned(&state.core, user.id, id).await?;
    let new = request.checked(attempt.id, "").map_err(|wrong| Error::Invalid(vec![wrong]))?;
    let rows = write::make(&state.core, user.id, id, vec![new], |_| String::new()).await?;
    Ok((StatusCode::CREATED, Json(only(shown(&state, id, rows).await?)?)))
}

/// Read a target price.
#[utoipa::path(get, path = "/target-prices/target/{id}", tag = "target-prices",
    params(("id" = Uuid, Path, description = "The target price")), responses((status = 200, body = TargetPriceRow), Problems))]
pub async fn read(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
) -> Result<Json<TargetPriceRow>> {
    let row = queries::find(&state.core, user.id, TargetPriceId(id)).await?;
    let portfolio = row.portfolio_id;
    Ok(Json(only(shown(&state, portfolio, vec![row]).await?)?))
}

/// Change a target price.
///
/// What is absent stays. One of the three prices must stay.
#[utoipa::path(put, path = "/target-prices/target/{id}", tag = "target-prices",
    params(("id" = Uuid, Path, description = "The target price")), request_body = ChangeTargetPrice,
    responses((status = 200, body = TargetPriceRow), Problems))]
pub async fn change(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
    Json(request): Json<ChangeTargetPrice>,
) -> Result<Json<TargetPriceRow>> {
    let edits = vec![(TargetPriceId(id), request.into())];
    let rows = write::change(&state.core, user.id, None, edits, |_| String::new()).await?;
    let portfolio = rows.first().map(|row| row.portfolio_id).ok_or(Error::NotFound("target price"))?;
    Ok(Json(only(shown(&state, portfolio, rows).await?)?))
}

/// Delete a target price.
#[utoipa::path(delete, path = "/target-prices/target/{id}", tag = "target-prices",
    params(("id" = Uuid, Path, description = "The target price")), responses((status = 204), Problems))]
pub async fn delete(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
) -> Result<StatusCode> {
    write::delete(&state.core, user.id, TargetPriceId(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Rows of one portfolio with what they mean today.
pub(super) async fn shown(
    state: &AppState,
    portfolio: PortfolioId,
    rows: Vec<target_price::Model>,
) -> Result<Vec<TargetPriceRow>> {
    rows_of(&state.core, portfolio, rows).await
}

async fn rows_of(
    core: &CoreDb,
    portfolio: PortfolioId,
    rows: Vec<target_price::Model>,
) -> Result<Vec<TargetPriceRow>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let today = Today::load(core, portfolio, &rows).await?;
    let book = today.book();
    let shown = rows.into_iter().map(|row| {
        let outlook = book.outlook(&row);
        TargetPriceRow::new(row, &outlook)
    });
    Ok(shown.collect())
}

/// The first target prices of a portfolio by symbol, and how many more there are. The
/// caller has made sure that it may be read.
pub async fn first(core: &CoreDb, id: PortfolioId, limit: usize) -> Result<(Vec<TargetPriceRow>, usize)> {
    let mut rows = queries::all(core, id).await?;
    let left_out = rows.len().saturating_sub(limit);
    rows.truncate(limit);
    Ok((rows_of(core, id, rows).await?, left_out))
}

fn only(rows: Vec<TargetPriceRow>) -> Result<TargetPriceRow> {
    rows.into_iter().next().ok_or(Error::NotFound("target price"))
}
