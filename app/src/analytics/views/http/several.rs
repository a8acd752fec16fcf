//! Several portfolios of the user's, in one currency.

use chrono::NaiveDate;
use entity::ids::PortfolioId;
use garde::Validate;
use sea_orm::prelude::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::analytics::views::concentration::values;
use crate::analytics::views::load::{PORTFOLIOS_MAX, View, views};
use crate::auth::CurrentUser;
use crate::error::{Error, Result};
use crate::state::AppState;

/// Which portfolios, in which currency.
#[derive(Clone, Debug, Deserialize, Serialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AggregateQuery {
    /// Up to 50 ids, separated by commas; without it all of yours, at most 50.
    #[garde(length(chars, max = 2000))]
    #[param(max_length = 2000)]
    pub portfolio_ids: Option<String>,
    /// ISO 4217 code of the sums; without it the currency of the oldest portfolio.
    #[garde(inner(pattern(r"^[A-Z]{3}$")))]
    #[param(pattern = "^[A-Z]{3}$")]
    pub currency: Option<String>,
    /// The end of this day; without it of the last trading day.
    #[garde(skip)]
    pub as_of_date: Option<NaiveDate>,
}

/// Which portfolios, in which currency, beside which benchmark.
#[derive(Clone, Debug, Deserialize, Serialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AggregateSectorQuery {
    /// Up to 50 ids, separated by commas; without it all of yours, at most 50.
    #[garde(length(chars, max = 2000))]
    #[param(max_length = 2000)]
    pub portfolio_ids: Option<String>,
    /// ISO 4217 code of the sums; without it the currency of the oldest portfolio.
    #[garde(inner(pattern(r"^[A-Z]{3}$")))]
    #[param(pattern = "^[A-Z]{3}$")]
    pub currency: Option<String>,
    /// The end of this day; without it of the last trading day.
    #[garde(skip)]
    pub as_of_date: Option<NaiveDate>,
    /// A benchmark whose sector weights were imported; `SP500` without it.
    #[garde(length(chars, min = 1, max = 32))]
    #[param(max_length = 32)]
    pub benchmark: Option<String>,
}

impl From<AggregateSectorQuery> for AggregateQuery {
    fn from(query: AggregateSectorQuery) -> Self {
        let AggregateSectorQuery { portfolio_ids, currency, as_of_date, .. } = query;
        Self { portfolio_ids, currency, as_of_date }
    }
}

/// Several portfolios as one.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Aggregate<T> {
    /// Of the sums.
    currency: Option<String>,
    /// The day they are of.
    calculation_date: Option<NaiveDate>,
    /// Portfolios in the sums.
    portfolios: usize,
    /// The sums, and what follows from them.
    data: T,
    /// Portfolios that are not in them: a rate of exchange is missing.
    missing: Vec<Uuid>,
}

/// Portfolios, and what their currencies are worth in a common one.
#[derive(Debug)]
pub(super) struct Several {
    /// The common currency; none without a portfolio.
    pub(super) currency: Option<String>,
    /// The day.
    pub(super) day: Option<NaiveDate>,
    /// The portfolios with their rates, oldest first.
    pub(super) views: Vec<(View, Decimal)>,
    /// Those of whose currency there is no rate.
    pub(super) missing: Vec<Uuid>,
}

impl Several {
    /// Symbols of all open lots, and their values in the common currency.
    pub(super) fn values(&self) -> impl Iterator<Item = (String, Option<Decimal>)> {
        self.views.iter().flat_map(|(view, rate)| values(view, *rate))
    }

    /// The answer about all of them.
    pub(super) fn into_one<T>(self, data: T) -> Aggregate<T> {
        let portfolios = self.views.len();
        Aggregate {
            currency: self.currency,
            calculation_date: self.day,
            portfolios,
            data,
            missing: self.missing,
        }
    }
}

/// The portfolios that are asked for.
pub(super) async fn several(state: &AppState, user: &CurrentUser, query: &AggregateQuery) -> Result<Several> {
    let only = query.portfolio_ids.as_deref().map(ids).transpose()?;
    let read = views(&state.core, user.id, only.as_deref(), query.as_of_date).await?;
    let own = read.first().map(|view| view.row.currency.clone());
    let (currency, day) = (query.currency.clone().or(own), read.first().map(|view| view.book.day));
    let (mut views, mut missing) = (Vec::new(), Vec::new());
    for view in read {
        let to = currency.as_deref().unwrap_or(&view.row.currency);
        match view.market.fx(&view.row.currency, to, view.book.day) {
            Some(rate) => views.push((view, rate)),
            None => missing.push(view.row.id.0),
        }
    }
    Ok(Several { currency, day, views, missing })
}

fn ids(list: &str) -> Result<Vec<PortfolioId>> {
    let wrong = |message: String| Error::field("portfolio_ids", message);
    let mut ids = Vec::new();
    for text in list.split(',').map(str::trim).filter(|text| !text.is_empty()) {
        let id = text.parse().map_err(|_| wrong(format!("`{text}` is not an id")))?;
        ids.push(PortfolioId(id));
    }
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() || ids.len() > PORTFOLIOS_MAX {
        return Err(wrong(format!("must name 1 to {PORTFOLIOS_MAX} portfolios")));
    }
    Ok(ids)
}
