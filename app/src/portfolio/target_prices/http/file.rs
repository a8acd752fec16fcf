//! Target prices as files.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use entity::ids::PortfolioId;
use uuid::Uuid;

use crate::auth::CurrentUser;
use crate::error::Result;
use crate::portfolio::find_owned;
use crate::portfolio::import::{PortfolioFile, Sent};
use crate::portfolio::target_prices::file::{self, TargetPriceImport};
use crate::portfolio::target_prices::outlook::Today;
use crate::portfolio::target_prices::queries;
use crate::state::AppState;
use crate::web::problem::{MEDIA_TYPE, REQUEST_ID};
use crate::web::{Json, Path, Problem, Problems};

/// A refused file: the problem, and what is wrong with each row.
#[derive(Clone, Debug, serde::Serialize, utoipa::ToSchema)]
pub struct TargetPriceRefusal {
    /// As of every other refusal.
    #[serde(flatten)]
    problem: Problem,
    /// What is wrong.
    import: TargetPriceImport,
}

/// Import target prices.
///
/// A CSV file with the columns symbol, position_type, target_price_eoy, target_price_next_year,
/// downside_target_price, current_price, analyst_notes, data_source, in any order; an export can
/// come back. Those of a symbol and type that are there are replaced. All or nothing: with wrong
/// rows the answer is 422 and `import.errors` says what is wrong.
#[utoipa::path(post, path = "/target-prices/{id}/import-csv", tag = "target-prices",
    params(("id" = Uuid, Path, description = "The portfolio")),
    request_body(content((String = "text/csv"), (PortfolioFile = "multipart/form-data"))),
    responses((status = 200, body = TargetPriceImport), Problems,
        (status = 422, description = "Something is wrong with the file.", content_type = "application/problem+json", body = TargetPriceRefusal)))]
pub async fn import_csv(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
    sent: Sent,
) -> Result<Response> {
    let done = file::read(&state.core, user.id, PortfolioId(id), sent.bytes).await?;
    drop(sent.slot);
    if done.error_count == 0 {
        return Ok(Json(done).into_response());
    }
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    let problem = Problem {
        kind: "about:blank",
        title: status.canonical_reason().unwrap_or("Error").to_owned(),
        status: status.as_u16(),
        detail: format!("nothing was stored: the file has errors ({})", done.error_count),
        code: "import_refused".to_owned(),
        errors: Vec::new(),
        id: None,
        quota: None,
        request_id: REQUEST_ID.try_with(Clone::clone).unwrap_or_default(),
    };
    let body = Json(TargetPriceRefusal { problem, import: done });
    Ok((status, [(header::CONTENT_TYPE, MEDIA_TYPE)], body).into_response())
}

/// Export target prices.
///
/// As CSV, with what they mean today.
#[utoipa::path(get, path = "/target-prices/{id}/export", tag = "target-prices",
    params(("id" = Uuid, Path, description = "The portfolio")),
    responses((status = 200, content_type = "text/csv", body = String), Problems))]
pub async fn export(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
) -> Result<Response> {
    let id = PortfolioId(id);
    find_owned(&state.core, user.id, id).await?;
    let rows = queries::all(&state.core, id).await?;
    let today = Today::load(&state.core, id, &rows).await?;
    Ok(file::export(&rows, &today.book()).attached("target-prices.csv"))
}
