//! The demo's portfolios: real prices of 2021 and 2022, made-up holdings.

use chrono::NaiveDate;
use entity::core::portfolio;
use entity::ids::{BatchRunId, PortfolioId, UserId};
use sea_orm::prelude::Decimal;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::output;
use crate::analytics::{self, NewRun, Requested};
use crate::auth;
use crate::error::{Error, Result};
use crate::market::{self, provider};
use crate::portfolio::figures::needs;
use crate::portfolio::import::{self, Mode, Options, Target};
use crate::portfolio::{NewPortfolio, lots};
use crate::state::AppState;

/// Whose it is, what it is called, its account, what it began with, and its positions.
struct Demo {
    email: &'static str,
    name: &'static str,
    account: &'static str,
    capital: i64,
    positions: &'static str,
}

const PORTFOLIOS: [Demo; 3] = [
    Demo {
        email: "individual@demo.example",
        name: "Balanced individual portfolio",
        account: "Brokerage",
        capital: 485_000,
        positions: include_str!("../../demo-portfolios/individual.csv"),
    },
    Demo {
        email: "advisor@demo.example",
        name: "High net worth portfolio",
        account: "Family account",
        capital: 2_850_000,
        positions: include_str!("../../demo-portfolios/high-net-worth.csv"),
    },
    Demo {
        email: "fund@demo.example",
        name: "Long/short portfolio",
        account: "Prime brokerage",
        capital: 3_200_000,
        positions: include_str!("../../demo-portfolios/long-short.csv"),
    },
];

/// The first day whose prices are read.
const FIRST_DAY: (i32, u32, u32) = (2020, 12, 1);

/// Portfolios with their positions and snapshots. Running it again changes nothing.
pub(super) async fn portfolios(state: &AppState) -> Result<()> {
    let mut ids = Vec::new();
    for demo in &PORTFOLIOS {
        let Some(user) = auth::find_user_by_email(&state.core, demo.email).await? else { continue };
        ids.push(made(state, user.id, demo).await?);
    }
    let Some(last) = prices(state, &ids).await? else {
        return output::line(
            "the demo's portfolios have no prices: `make setup` fetches them; then run `tandem seed --demo` again",
        );
    };
    for id in ids {
        compute(state, id, last).await?;
    }
    Ok(())
}

async fn known(state: &AppState, user: UserId, account: &str) -> Result<Option<PortfolioId>> {
    let known = portfolio::Entity::find()
        .filter(portfolio::Column::UserId.eq(user))
        .filter(portfolio::Column::AccountName.eq(account))
        .filter(portfolio::Column::DeletedAt.is_null())
        .one(&state.core)
        .await?;
    Ok(known.map(|known| known.id))
}

/// The portfolio with its positions; what is there already stays.
async fn made(state: &AppState, user: UserId, demo: &Demo) -> Result<PortfolioId> {
    let known = known(state, user, demo.account).await?;
    let id = known.unwrap_or_else(|| PortfolioId(Uuid::now_v7()));
    let target = if known.is_some() {
        Target::Known(id)
    } else {
        Target::New(id, state.settings.portfolio.clone(), Box::new(demo.portfolio()))
    };
    let today = import::today(&state.core).await?;
    let options = Options { format: None, mapping: Vec::new(), order: None, entry_date: None, today };
    let mode = Mode { is_preview: false, is_partial: false, revives: false };
    let report = import::import(&state.core, user, target, demo.positions.into(), options, mode).await?;
    match report.errors.first() {
        Some(error) => Err(Error::internal("reading the demo's positions", error.message.clone())),
        None => Ok(id),
    }
}

/// Fetches the shipped prices of these portfolios; the newest day of them, if they are there.
async fn prices(state: &AppState, ids: &[PortfolioId]) -> Result<Option<NaiveDate>> {
    let Ok(provider) = provider::shipped(&state.settings) else { return Ok(None) };
    let today = import::today(&state.core).await?;
    let accounts = lots::load(&state.core, ids).await?;
    let symbols = needs(&accounts, today).symbols;
    let (year, month, day) = FIRST_DAY;
    let first = NaiveDate::from_ymd_opt(year, month, day).ok_or(Error::NotFound("first day"))?;
    market::fetch_from(&state.core, provider.as_ref(), &symbols, first, today).await?;
    let newest = market::quotes::latest(&state.core, &symbols, None).await?;
    Ok(newest.values().map(|close| close.date).max())
}

/// The snapshots up to the last day that has prices.
async fn compute(state: &AppState, id: PortfolioId, last: NaiveDate) -> Result<()> {
    let new = NewRun {
        id: BatchRunId(Uuid::now_v7()),
        portfolio: Some(id),
        from: None,
        to: Some(last),
        force: false,
        prices_only: false,
        triggered_by: "cli".to_owned(),
    };
    let (Requested::Started(run) | Requested::Open(run)) = analytics::request(&state.core, new).await?;
    analytics::run_one(state, Some(run.id), &CancellationToken::new()).await?;
    Ok(())
}

impl Demo {
    fn portfolio(&self) -> NewPortfolio {
        NewPortfolio {
            name: self.name.to_owned(),
            account_name: Some(self.account.to_owned()),
            account_type: "taxable".to_owned(),
            currency: "USD".to_owned(),
            description: Some("Made up, with real prices up to the end of 2022.".to_owned()),
            equity_balance: Some(Decimal::from(self.capital)),
        }
    }
}
