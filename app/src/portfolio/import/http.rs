//! `/portfolios/import` and `/portfolios/{id}/import`

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::NaiveDate;
use entity::ids::PortfolioId;
use garde::Validate;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::date::Order;
use super::field::Field;
use super::format::Format;
use super::reading::Options;
use super::receive::{PortfolioFile, Sent};
use super::report::{Refusal, Report};
use super::run::{self, Mode, Target};
use super::{MAPPING_MAX, TEMPLATE, mapping};
use crate::auth::CurrentUser;
use crate::error::{Error, Result};
use crate::idempotency::Attempt;
use crate::portfolio::accounts::{ACCOUNT_TYPES, NewPortfolio};
use crate::portfolio::find_owned;
use crate::portfolio::positions::is_currency;
use crate::state::AppState;
use crate::web::problem::{MEDIA_TYPE, REQUEST_ID};
use crate::web::{Json, Money, Path, Problem, Problems, Query, text};

/// How a file is to be read and stored.
#[derive(Clone, Debug, Default, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ImportQuery {
    /// Only say what would be done.
    #[garde(skip)]
    #[serde(default)]
    pub preview: bool,
    /// Store the right rows although others are wrong.
    #[garde(skip)]
    #[serde(default)]
    pub partial: bool,
    /// Take in again what you deleted.
    #[garde(skip)]
    #[serde(default)]
    pub revive: bool,
    /// How the file is written; without it its heading tells.
    #[garde(skip)]
    pub format: Option<Format>,
    /// What its columns mean, a JSON object: `{"My column": "symbol"}`.
    #[garde(length(max = MAPPING_MAX))]
    pub mapping: Option<String>,
    /// `mdy` or `dmy`: what comes first in dates such as 03/04/2024; without it the file decides.
    #[garde(skip)]
    #[param(value_type = Option<String>)]
    pub date_order: Option<Order>,
    /// When lots without a date were opened; without it the file's own day, else today.
    #[garde(skip)]
    pub entry_date: Option<NaiveDate>,
}

/// The same, and the portfolio to be.
#[derive(Clone, Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ImportNewQuery {
    /// The portfolio's name, 1 to 255 characters.
    #[garde(length(chars, max = 255), custom(text::not_blank))]
    #[param(min_length = 1, max_length = 255)]
    pub name: String,
    /// The account it stands for, 1 to 100 characters; without it as the name begins.
    #[garde(length(chars, max = 100), inner(custom(text::not_blank)))]
    #[param(min_length = 1, max_length = 100)]
    pub account_name: Option<String>,
    /// `taxable`, `ira`, `roth_ira`, `401k`, `403b`, `529`, `hsa`, `trust` or `other`.
    #[garde(custom(is_account_type))]
    #[serde(default = "taxable")]
    #[param(default = "taxable")]
    pub account_type: String,
    /// ISO 4217 code of its sums.
    #[garde(custom(is_code))]
    #[serde(default = "dollars")]
    #[param(default = "USD")]
    pub currency: String,
    /// Capital at the beginning, in cents.
    #[garde(inner(custom(is_capital)))]
    pub equity_balance: Option<String>,
    /// Only say what would be done.
    #[garde(skip)]
    #[serde(default)]
    pub preview: bool,
    /// Store the right rows although others are wrong.
    #[garde(skip)]
    #[serde(default)]
    pub partial: bool,
    /// How the file is written; without it its heading tells.
    #[garde(skip)]
    pub format: Option<Format>,
    /// What its columns mean, a JSON object: `{"My column": "symbol"}`.
    #[garde(length(max = MAPPING_MAX))]
    pub mapping: Option<String>,
    /// `mdy` or `dmy`: what comes first in dates such as 03/04/2024; without it the file decides.
    #[garde(skip)]
    #[param(value_type = Option<String>)]
    pub date_order: Option<Order>,
    /// When lots without a date were opened; without it the file's own day, else today.
    #[garde(skip)]
    pub entry_date: Option<NaiveDate>,
}

/// Import holdings or activities.
///
/// A CSV file, or activities in JSON, of at most 10 MB and 20,000 rows: Tandem's template
/// of twelve columns, positions of Schwab, Fidelity, Vanguard, Interactive Brokers or E*TRADE,
/// activities of Robinhood, Ghostfolio or Wealthfolio, or any columns with a `mapping`. All or
/// nothing: with wrong rows the answer is 422 and `import.errors` says of each what is wrong.
/// The same file twice is there once.
#[utoipa::path(post, path = "/portfolios/{id}/import", tag = "portfolios",
    params(("id" = Uuid, Path, description = "The portfolio"), ImportQuery),
    request_body(content((String = "text/csv"), (PortfolioFile = "multipart/form-data"))),
    responses((status = 200, body = Report), Problems,
        (status = 422, description = "Something is wrong with the file, or with a parameter.", content_type = "application/problem+json", body = Refusal)))]
pub async fn import(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
    Query(query): Query<ImportQuery>,
    sent: Sent,
) -> Result<Response> {
    let options = options(&state, &query).await?;
    let mode = Mode { is_preview: query.preview, is_partial: query.partial, revives: query.revive };
    let target = Target::Known(PortfolioId(id));
    let report = run::import(&state.core, user.id, target, sent.bytes, options, mode).await?;
    drop(sent.slot);
    Ok(answer(report, StatusCode::OK))
}

/// Import into a new portfolio.
///
/// As an import into one that is there. With wrong rows no portfolio is made. 403
/// `portfolio_limit_reached`, 409 `account_name_taken`.
#[utoipa::path(post, path = "/portfolios/import", tag = "portfolios", params(ImportNewQuery),
    request_body(content((String = "text/csv"), (PortfolioFile = "multipart/form-data"))),
    responses((status = 201, body = Report), (status = 200, description = "A preview.", body = Report), Problems,
        (status = 422, description = "Something is wrong with the file, or with a parameter.", content_type = "application/problem+json", body = Refusal)))]
pub async fn import_new(
    State(state): State<AppState>,
    user: CurrentUser,
    attempt: Attempt,
    Query(query): Query<ImportNewQuery>,
    sent: Sent,
) -> Result<Response> {
    let mode = Mode { is_preview: query.preview, is_partial: query.partial, revives: false };
    let how = ImportQuery {
        format: query.format,
        mapping: query.mapping,
        date_order: query.date_order,
        entry_date: query.entry_date,
        ..ImportQuery::default()
    };
    let options = options(&state, &how).await?;
    let id = PortfolioId(attempt.id);
    let capital = query.equity_balance.as_deref().and_then(|text| text.parse::<Money>().ok());
    let new = NewPortfolio {
        name: query.name,
        account_name: query.account_name,
        account_type: query.account_type,
        currency: query.currency,
        description: None,
        equity_balance: capital.map(|capital| capital.0),
    };
    // An earlier try may have made it.
    let is_made = !attempt.is_first && find_owned(&state.core, user.id, id).await.is_ok();
    let target = if is_made {
        Target::Known(id)
    } else {
        Target::New(id, state.settings.portfolio.clone(), Box::new(new))
    };
    let report = run::import(&state.core, user.id, target, sent.bytes, options, mode).await?;
    drop(sent.slot);
    Ok(answer(report, StatusCode::CREATED))
}

/// The template of an import.
///
/// Twelve columns, with a row for each kind of position.
#[utoipa::path(get, path = "/portfolios/import/template", tag = "portfolios",
    responses((status = 200, content_type = "text/csv", body = String), Problems))]
pub async fn template(_: CurrentUser) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"portfolio-template.csv\""),
    ];
    (headers, TEMPLATE).into_response()
}

async fn options(state: &AppState, query: &ImportQuery) -> Result<Options> {
    let today = run::today(&state.core).await?;
    if query.entry_date.is_some_and(|day| day > today || !crate::portfolio::day::is_plausible(day)) {
        return Err(Error::field("entry_date", "must be a day since 1900 that is not in the future"));
    }
    if query.format == Some(Format::Mapped) && query.mapping.is_none() {
        return Err(Error::field("mapping", "is missing: the format mapped is told by it"));
    }
    let mapping: Vec<(String, Field)> =
        query.mapping.as_deref().map(mapping).transpose()?.unwrap_or_default();
    let order = query.date_order;
    Ok(Options { format: query.format, mapping, order, entry_date: query.entry_date, today })
}

/// 422 when nothing was stored because of what is wrong.
fn answer(report: Report, done: StatusCode) -> Response {
    if report.preview {
        return Json(report).into_response();
    }
    if report.stored {
        return (done, Json(report)).into_response();
    }
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    let problem = Problem {
        kind: "about:blank",
        title: status.canonical_reason().unwrap_or("Error").to_owned(),
        status: status.as_u16(),
        detail: format!("nothing was stored: the file has errors ({})", report.error_count),
        code: "import_refused".to_owned(),
        errors: Vec::new(),
        id: None,
        quota: None,
        request_id: REQUEST_ID.try_with(Clone::clone).unwrap_or_default(),
    };
    (status, [(header::CONTENT_TYPE, MEDIA_TYPE)], Json(Refusal { problem, import: report })).into_response()
}

fn taxable() -> String {
    "taxable".to_owned()
}

fn dollars() -> String {
    "USD".to_owned()
}

fn is_account_type<C>(given: &str, _: &C) -> garde::Result {
    if ACCOUNT_TYPES.contains(&given) {
        return Ok(());
    }
    Err(garde::Error::new(format!("must be one of {}", ACCOUNT_TYPES.join(", "))))
}

fn is_code<C>(given: &str, _: &C) -> garde::Result {
    if is_currency(given) { Ok(()) } else { Err(garde::Error::new("must be three capital letters")) }
}

fn is_capital<C>(given: &str, _: &C) -> garde::Result {
    let amount: Money = given.parse().map_err(garde::Error::new)?;
    crate::web::decimal::not_negative(&amount, &())?;
    crate::web::decimal::in_cents(&amount, &())
}
