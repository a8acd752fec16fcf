//! `/portfolios`: make, list, read, change, delete.

use std::collections::HashMap;

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, NaiveDate, Utc};
use entity::core::portfolio;
use entity::ids::PortfolioId;
use garde::Validate;
use sea_orm::prelude::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::{Change, CurrentUser};
use crate::error::Result;
use crate::idempotency::Attempt;
use crate::portfolio::accounts::{self, ACCOUNT_TYPES, Edit, NewPortfolio};
use crate::portfolio::{find_owned, positions};
use crate::state::AppState;
use crate::web::{Json, Money, Page, PageQuery, Path, Problems, Query, decimal, text};

const DESCRIPTION_CHARACTERS: usize = 1000;

/// A portfolio to be.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreatePortfolio {
    /// 1 to 255 characters.
    #[garde(length(chars, max = 255), custom(text::not_blank))]
    #[schema(min_length = 1, max_length = 255)]
    pub name: String,
    /// The account it stands for, 1 to 100 characters, another for each of your portfolios; null: as
    /// the name begins.
    #[garde(length(chars, max = 100), inner(custom(text::not_blank)))]
    #[schema(min_length = 1, max_length = 100)]
    pub account_name: Option<String>,
    /// `taxable`, `ira`, `roth_ira`, `401k`, `403b`, `529`, `hsa`, `trust` or `other`.
    #[garde(custom(is_account_type))]
    #[serde(default = "taxable")]
    #[schema(default = "taxable")]
    pub account_type: String,
    /// ISO 4217 code of every sum in its figures.
    #[garde(custom(is_currency))]
    #[serde(default = "dollars")]
    #[schema(default = "USD", pattern = "^[A-Z]{3}$")]
    pub currency: String,
    /// Your words, at most 1,000 characters.
    #[garde(length(chars, max = 1000), inner(custom(text::no_nul)))]
    #[schema(max_length = 1000)]
    pub description: Option<String>,
    /// Capital at the beginning, to the cent. Null: each purchase brings its own, and each sale takes it out.
    #[garde(inner(custom(decimal::not_negative), custom(decimal::in_cents)))]
    pub equity_balance: Option<Money>,
}

/// What to change in a portfolio; what is absent stays.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangePortfolio {
    /// 1 to 255 characters.
    #[garde(length(chars, max = 255), inner(custom(text::not_blank)))]
    #[schema(min_length = 1, max_length = 255)]
    pub name: Option<String>,
    /// 1 to 100 characters, another for each of your portfolios.
    #[garde(length(chars, max = 100), inner(custom(text::not_blank)))]
    #[schema(min_length = 1, max_length = 100)]
    pub account_name: Option<String>,
    /// As when it is made.
    #[garde(inner(custom(is_account_type)))]
    pub account_type: Option<String>,
    /// ISO 4217. Its figures are computed again, from the first day on.
    #[garde(inner(custom(is_currency)))]
    #[schema(pattern = "^[A-Z]{3}$")]
    pub currency: Option<String>,
    /// At most 1,000 characters; null takes it away.
    #[garde(custom(is_description))]
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 1000)]
    pub description: Change<String>,
    /// Capital at the beginning; null takes it away. Its figures are computed again.
    #[garde(custom(is_equity))]
    #[serde(default)]
    #[schema(value_type = Option<f64>)]
    pub equity_balance: Change<Money>,
}

/// A portfolio.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Portfolio {
    /// Key.
    id: Uuid,
    /// What it is called.
    name: String,
    /// The account it stands for.
    account_name: String,
    /// What kind of account that is.
    account_type: String,
    /// Of every sum in its figures.
    currency: String,
    /// Your words.
    description: Option<String>,
    /// Capital at the beginning.
    equity_balance: Option<Money>,
    /// Positions of which something is open.
    open_positions: i64,
    /// The day of the figures on its positions; null: none were computed.
    valued_on: Option<NaiveDate>,
    /// Its figures from this day on are to be computed again; null: they are not.
    stale_from: Option<NaiveDate>,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// When it last changed.
    updated_at: DateTime<Utc>,
}

impl Portfolio {
    fn new(row: portfolio::Model, open_positions: i64) -> Self {
        Self {
            id: row.id.0,
            name: row.name,
            account_name: row.account_name,
            account_type: row.account_type,
            currency: row.currency,
            description: row.description,
            equity_balance: row.equity_balance.map(Money),
            open_positions,
            valued_on: row.valued_on,
            stale_from: row.stale_from,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// Make a portfolio.
///
/// 403 `portfolio_limit_reached` when you have as many as your tier comprises (see `/auth/me`);
/// 409 `account_name_taken`.
#[utoipa::path(post, path = "/portfolios", tag = "portfolios", request_body = CreatePortfolio,
    responses((status = 201, body = Portfolio), Problems))]
pub async fn create(
    State(state): State<AppState>,
    user: CurrentUser,
    attempt: Attempt,
    Json(request): Json<CreatePortfolio>,
) -> Result<(StatusCode, Json<Portfolio>)> {
    let new = NewPortfolio {
        name: request.name,
        account_name: request.account_name,
        account_type: request.account_type,
        currency: request.currency,
        description: request.description,
        equity_balance: request.equity_balance.map(Decimal::from),
    };
    let row = accounts::make(&state.core, attempt, user.id, &state.settings.portfolio, new).await?;
    Ok((StatusCode::CREATED, Json(Portfolio::new(row, 0))))
}

/// List portfolios.
///
/// Yours, the newest first.
#[utoipa::path(get, path = "/portfolios", tag = "portfolios", params(PageQuery),
    responses((status = 200, body = Page<Portfolio>), Problems))]
pub async fn list(
    State(state): State<AppState>,
    user: CurrentUser,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<Portfolio>>> {
    let Page { items, next_cursor } = accounts::list(&state.core, user.id, &page).await?;
    let open = accounts::open_lots(&state.core, items.iter().map(|row| row.id).collect()).await?;
    let items = items.into_iter().map(|row| shown(row, &open)).collect();
    Ok(Json(Page { items, next_cursor }))
}

/// Read a portfolio.
#[utoipa::path(get, path = "/portfolios/{id}", tag = "portfolios",
    params(("id" = Uuid, Path, description = "The portfolio")), responses((status = 200, body = Portfolio), Problems))]
pub async fn read(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
) -> Result<Json<Portfolio>> {
    let row = find_owned(&state.core, user.id, PortfolioId(id)).await?;
    view(&state, row).await
}

/// Change a portfolio.
///
/// 409 `account_name_taken`.
#[utoipa::path(patch, path = "/portfolios/{id}", tag = "portfolios",
    params(("id" = Uuid, Path, description = "The portfolio")), request_body = ChangePortfolio,
    responses((status = 200, body = Portfolio), Problems))]
pub async fn change(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
    Json(request): Json<ChangePortfolio>,
) -> Result<Json<Portfolio>> {
    let edit = Edit {
        name: request.name,
        account_name: request.account_name,
        account_type: request.account_type,
        currency: request.currency,
        description: request.description,
        equity_balance: request.equity_balance.map(Decimal::from),
    };
    let row = accounts::change(&state.core, user.id, PortfolioId(id), edit).await?;
    view(&state, row).await
}

/// Change a portfolio, by PUT.
///
/// The same: what is absent stays.
#[utoipa::path(put, path = "/portfolios/{id}", tag = "portfolios",
    params(("id" = Uuid, Path, description = "The portfolio")), request_body = ChangePortfolio,
    responses((status = 200, body = Portfolio), Problems))]
pub async fn change_by_put(
    state: State<AppState>,
    user: CurrentUser,
    id: Path<Uuid>,
    request: Json<ChangePortfolio>,
) -> Result<Json<Portfolio>> {
    change(state, user, id, request).await
}

/// Delete a portfolio.
///
/// With everything in it; its account's name is free again.
#[utoipa::path(delete, path = "/portfolios/{id}", tag = "portfolios",
    params(("id" = Uuid, Path, description = "The portfolio")), responses((status = 204), Problems))]
pub async fn delete(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
) -> Result<StatusCode> {
    accounts::delete(&state.core, user.id, PortfolioId(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn view(state: &AppState, row: portfolio::Model) -> Result<Json<Portfolio>> {
    let open = accounts::open_lots(&state.core, vec![row.id]).await?;
    Ok(Json(shown(row, &open)))
}

fn shown(row: portfolio::Model, open: &HashMap<PortfolioId, i64>) -> Portfolio {
    let lots = open.get(&row.id).copied().unwrap_or_default();
    Portfolio::new(row, lots)
}

fn taxable() -> String {
    "taxable".to_owned()
}

fn dollars() -> String {
    "USD".to_owned()
}

fn is_account_type<T: AsRef<str>, C>(given: &T, _: &C) -> garde::Result {
    if ACCOUNT_TYPES.contains(&given.as_ref()) {
        return Ok(());
    }
    Err(garde::Error::new(format!("must be one of {}", ACCOUNT_TYPES.join(", "))))
}

fn is_currency<T: AsRef<str>, C>(given: &T, _: &C) -> garde::Result {
    if positions::is_currency(given.as_ref()) {
        return Ok(());
    }
    Err(garde::Error::new("must be an ISO 4217 code of three capital letters"))
}

fn is_description<C>(change: &Change<String>, _: &C) -> garde::Result {
    let Change::Set(text) = change else { return Ok(()) };
    if text.chars().count() > DESCRIPTION_CHARACTERS {
        return Err(garde::Error::new(format!("must have at most {DESCRIPTION_CHARACTERS} characters")));
    }
    text::no_nul(text, &())
}

fn is_equity<C>(change: &Change<Money>, _: &C) -> garde::Result {
    let Change::Set(amount) = change else { return Ok(()) };
    decimal::not_negative(amount, &())?;
    decimal::in_cents(amount, &())
}
