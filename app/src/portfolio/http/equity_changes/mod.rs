//! `/portfolios/{id}/equity-changes`

mod shape;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::NaiveDate;
use entity::core::equity_change::EquityChangeType;
use entity::ids::{EquityChangeId, PortfolioId};
use sea_orm::prelude::Decimal;
use serde::Deserialize;
use uuid::Uuid;

pub use shape::{
    CreateEquityChange, EditEquityChange, EquityChange, EquityChangeQuery, EquitySummary, EquityTotals,
    ExportQuery,
};

use crate::auth::CurrentUser;
use crate::error::{Error, Result};
use crate::idempotency::Attempt;
use crate::portfolio::equity_changes::{self, Edit, Filter, NewChange};
use crate::state::AppState;
use crate::web::csv::{Cell, Csv};
use crate::web::{Json, Page, PageQuery, Path, Problems, Query};

/// Where one is.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Place {
    id: Uuid,
    change_id: Uuid,
}

impl Place {
    fn ids(self) -> (PortfolioId, EquityChangeId) {
        (PortfolioId(self.id), EquityChangeId(self.change_id))
    }
}

/// Enter a contribution or withdrawal.
///
/// Capital that came in or went out; what positions cost or brought is not among it.
#[utoipa::path(post, path = "/portfolios/{id}/equity-changes", tag = "portfolios",
    params(("id" = Uuid, Path, description = "The portfolio")), request_body = CreateEquityChange,
    responses((status = 201, body = EquityChange), Problems))]
pub async fn create(
    State(state): State<AppState>,
    user: CurrentUser,
    attempt: Attempt,
    Path(id): Path<Uuid>,
    Json(request): Json<CreateEquityChange>,
) -> Result<(StatusCode, Json<EquityChange>)> {
    let new = NewChange {
        change_type: request.change_type,
        amount: request.amount.0,
        change_date: request.change_date,
        notes: request.notes,
    };
    let row = equity_changes::make(&state.core, attempt, user.id, PortfolioId(id), new).await?;
    Ok((StatusCode::CREATED, Json(row.into())))
}

/// List contributions and withdrawals.
///
/// The latest day first.
#[utoipa::path(get, path = "/portfolios/{id}/equity-changes", tag = "portfolios",
    params(("id" = Uuid, Path, description = "The portfolio"), EquityChangeQuery),
    responses((status = 200, body = Page<EquityChange>), Problems))]
pub async fn list(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
    Query(query): Query<EquityChangeQuery>,
) -> Result<Json<Page<EquityChange>>> {
    let filter = span(query.start_date, query.end_date)?;
    let page = PageQuery { limit: query.limit, cursor: query.cursor };
    let Page { items, next_cursor } =
        equity_changes::list(&state.core, user.id, PortfolioId(id), filter, &page).await?;
    Ok(Json(Page { items: items.into_iter().map(EquityChange::from).collect(), next_cursor }))
}

/// Sum contributions and withdrawals.
#[utoipa::path(get, path = "/portfolios/{id}/equity-changes/summary", tag = "portfolios",
    params(("id" = Uuid, Path, description = "The portfolio")),
    responses((status = 200, body = EquitySummary), Problems))]
pub async fn summary(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
) -> Result<Json<EquitySummary>> {
    let summary = equity_changes::summary(&state.core, user.id, PortfolioId(id)).await?;
    Ok(Json(EquitySummary::new(id, summary)))
}

/// Export contributions and withdrawals.
///
/// As CSV, the latest day first. A note that a spreadsheet would take for a formula begins with an apostrophe.
#[utoipa::path(get, path = "/portfolios/{id}/equity-changes/export", tag = "portfolios",
    params(("id" = Uuid, Path, description = "The portfolio"), ExportQuery),
    responses((status = 200, content_type = "text/csv", body = String), Problems))]
pub async fn export(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
    Query(query): Query<ExportQuery>,
) -> Result<Response> {
    let filter = span(query.start_date, query.end_date)?;
    let (portfolio, rows) = equity_changes::all(&state.core, user.id, PortfolioId(id), filter).await?;
    let mut csv = Csv::new(&["change_date", "change_type", "amount", "currency", "notes", "created_at"]);
    for row in rows {
        let kind = match row.change_type {
            EquityChangeType::Contribution => "CONTRIBUTION",
            EquityChangeType::Withdrawal => "WITHDRAWAL",
        };
        csv.row(&[
            row.change_date.into(),
            kind.into(),
            row.amount.into(),
            portfolio.currency.as_str().into(),
            Cell::text(row.notes.as_deref()),
            row.created_at.into(),
        ]);
    }
    Ok(csv.attached("equity-changes.csv"))
}

/// Read a contribution or withdrawal.
#[utoipa::path(get, path = "/portfolios/{id}/equity-changes/{change_id}", tag = "portfolios",
    params(("id" = Uuid, Path, description = "The portfolio"), ("change_id" = Uuid, Path, description = "Which")),
    responses((status = 200, body = EquityChange), Problems))]
pub async fn read(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(place): Path<Place>,
) -> Result<Json<EquityChange>> {
    let (portfolio, id) = place.ids();
    Ok(Json(equity_changes::find(&state.core, user.id, portfolio, id).await?.into()))
}

/// Correct a contribution or withdrawal.
///
/// Within 7 days after it was entered; 409 `equity_change_fixed` later.
#[utoipa::path(put, path = "/portfolios/{id}/equity-changes/{change_id}", tag = "portfolios",
    params(("id" = Uuid, Path, description = "The portfolio"), ("change_id" = Uuid, Path, description = "Which")),
    request_body = EditEquityChange, responses((status = 200, body = EquityChange), Problems))]
pub async fn change(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(place): Path<Place>,
    Json(request): Json<EditEquityChange>,
) -> Result<Json<EquityChange>> {
    let (portfolio, id) = place.ids();
    let edit = Edit {
        change_type: request.change_type,
        amount: request.amount.map(Decimal::from),
        change_date: request.change_date,
        notes: request.notes,
    };
    Ok(Json(equity_changes::change(&state.core, user.id, portfolio, id, edit).await?.into()))
}

/// Delete a contribution or withdrawal.
///
/// Within 30 days after it was entered; 409 `equity_change_fixed` later.
#[utoipa::path(delete, path = "/portfolios/{id}/equity-changes/{change_id}", tag = "portfolios",
    params(("id" = Uuid, Path, description = "The portfolio"), ("change_id" = Uuid, Path, description = "Which")),
    responses((status = 204), Problems))]
pub async fn delete(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(place): Path<Place>,
) -> Result<StatusCode> {
    let (portfolio, id) = place.ids();
    equity_changes::delete(&state.core, user.id, portfolio, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn span(from: Option<NaiveDate>, to: Option<NaiveDate>) -> Result<Filter> {
    if let (Some(from), Some(to)) = (from, to)
        && from > to
    {
        return Err(Error::field("end_date", "is before start_date"));
    }
    Ok(Filter { from, to })
}
