//! Tools over the user's portfolios. They compute what the routes compute, for
//! the user of the turn and nobody else.

mod figures;
mod list;
mod prices;

use std::future::Future;

use entity::core::portfolio;
use entity::ids::PortfolioId;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde_json::{Value, json};
use uuid::Uuid;

pub use figures::{
    GetAnalyticsOverview, GetConcentrationMetrics, GetDailyMovers, GetPortfolioComplete,
    GetPortfolioDataQuality, GetPositionTags, GetSectorExposure, GetTargetPrices,
};
pub use list::ListUserPortfolios;
pub use prices::{GetCompanyProfile, GetCurrentQuotes, GetFactorEtfPrices, GetPricesHistorical};

use super::report::{FiguresOf, Found};
use super::{Caller, ToolError};
use crate::analytics::views::{PORTFOLIOS_MAX, View, view};
use crate::error::Error;

const SCOPES: &[&str] = &["portfolio:read"];
const WHICH: &str = "the user has several portfolios: name one by its id";

/// The portfolio that is meant: this one, or the user's only one.
async fn meant(caller: &Caller, id: Option<Uuid>) -> Result<PortfolioId, ToolError> {
    if let Some(id) = id {
        return Ok(PortfolioId(id));
    }
    let rows = portfolio::Entity::find()
        .filter(portfolio::Column::UserId.eq(caller.user.id))
        .filter(portfolio::Column::DeletedAt.is_null())
        .order_by_asc(portfolio::Column::CreatedAt)
        .limit(PORTFOLIOS_MAX as u64)
        .all(&caller.state.core)
        .await
        .map_err(Error::from)?;
    match rows.as_slice() {
        [] => Err(ToolError::new("not_found", "the user has no portfolio")),
        [only] => Ok(only.id),
        several => {
            let names: Vec<String> = several.iter().map(|row| format!("{} ({})", row.name, row.id)).collect();
            Err(ToolError::new("ambiguous", format!("{WHICH}: {}", names.join(", "))))
        }
    }
}

/// The portfolio that is meant, on the last trading day.
async fn of(caller: &Caller, id: Option<Uuid>) -> Result<View, ToolError> {
    let id = meant(caller, id).await?;
    Ok(view(&caller.state.core, caller.user.id, id, None).await?)
}

/// What was found of portfolios. It is kept with the answer as ids only: names and figures are
/// read anew when they are wanted, and go with the portfolio.
fn found(data: Value, applied: Value, record: Value, figures: Vec<FiguresOf>) -> Found {
    Found { data, figures, applied, record, ..Found::default() }
}

/// What figures of a portfolio are of.
fn of_portfolio(view: &View) -> FiguresOf {
    FiguresOf {
        portfolio_id: Some(view.row.id.0),
        title: view.row.name.clone(),
        as_of: Some(view.priced_on.unwrap_or(view.book.day)),
    }
}

fn shown(value: &impl serde::Serialize) -> Result<Value, ToolError> {
    serde_json::to_value(value).map_err(|error| Error::internal("showing figures", error).into())
}

/// What a tool that asks for one portfolio does.
async fn answered<F, T>(
    caller: &Caller,
    id: Option<Uuid>,
    answer: impl FnOnce(View) -> F,
) -> Result<Found, ToolError>
where
    F: Future<Output = Result<T, ToolError>>,
    T: serde::Serialize,
{
    let view = of(caller, id).await?;
    let applied = json!({
        "portfolio_id": view.row.id, "portfolio": view.row.name, "currency": view.row.currency,
        "as_of": view.book.day, "prices_as_of": view.priced_on,
    });
    let record = json!({ "portfolio_id": view.row.id, "as_of": view.book.day });
    let figures = vec![of_portfolio(&view)];
    Ok(found(shown(&answer(view).await?)?, applied, record, figures))
}
