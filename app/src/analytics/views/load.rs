//! Portfolios with what it takes to value them: a fixed number of queries, however
//! many portfolios and positions there are.

use std::sync::Arc;

use chrono::{Days, NaiveDate};
use entity::core::portfolio;
use entity::ids::{PortfolioId, UserId};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::analytics::last_session;
use crate::db::CoreDb;
use crate::error::{Error, Result};
use crate::market::{Calendar, Market};
use crate::portfolio::figures::{Account, Book, Ledger, Priced, Snapshot, Valued, book, needs, roll};
use crate::portfolio::lots;

/// Portfolios that are read at once.
pub const PORTFOLIOS_MAX: usize = 50;
/// How far back the close before the newest one is looked for.
const CLOSES_DAYS: u64 = 14;

/// A portfolio on a day.
#[derive(Debug)]
pub struct View {
    /// Its row.
    pub row: portfolio::Model,
    /// Its lots and capital.
    pub account: Account,
    /// The prices, shared with whatever was read with it.
    pub market: Arc<Market>,
    /// Its open lots on the day.
    pub book: Book,
    /// What it comes to, and came to since its beginning.
    pub standing: Snapshot,
    /// The day of its newest close.
    pub priced_on: Option<NaiveDate>,
    /// The same lots on the day of the close before.
    before: Vec<Valued>,
}

impl View {
    /// Unrealised P&L of a lot since the close before the newest one; of a lot that was opened since then, all of it.
    pub fn day_pnl(&self, valued: &Valued) -> Option<sea_orm::prelude::Decimal> {
        let now = valued.worth?.unrealized_pnl;
        match self.before.iter().find(|before| before.lot == valued.lot) {
            Some(before) => Some(now - before.worth?.unrealized_pnl),
            None => Some(now),
        }
    }
}

/// A portfolio of the user's on a day; without one on the last trading day.
pub async fn view(core: &CoreDb, user: UserId, id: PortfolioId, day: Option<NaiveDate>) -> Result<View> {
    let read = views(core, user, Some(&[id]), day).await?;
    read.into_iter().next().ok_or(Error::NotFound("portfolio"))
}

/// Portfolios of the user's, oldest first: these, or all of them. 404 if one of these is not the user's.
pub async fn views(
    core: &CoreDb,
    user: UserId,
    only: Option<&[PortfolioId]>,
    day: Option<NaiveDate>,
) -> Result<Vec<View>> {
    let rows = rows(core, user, only).await?;
    let day = match day {
        Some(day) => day,
        None => last_session(core, &Calendar::load(core).await?).await?,
    };
    let ids: Vec<PortfolioId> = rows.iter().map(|row| row.id).collect();
    let mut accounts = lots::load(core, &ids).await?;
    let market = Arc::new(prices(core, &accounts, day).await?);
    let mut read = Vec::with_capacity(rows.len());
    for row in rows {
        // Deleted in between: it is not there any more.
        let Some(place) = accounts.iter().position(|account| account.id == row.id) else { continue };
        read.push(valued(row, accounts.swap_remove(place), &market, day));
    }
    Ok(read)
}

async fn rows(core: &CoreDb, user: UserId, only: Option<&[PortfolioId]>) -> Result<Vec<portfolio::Model>> {
    let mut query = portfolio::Entity::find()
        .filter(portfolio::Column::UserId.eq(user))
        .filter(portfolio::Column::DeletedAt.is_null());
    if let Some(ids) = only {
        query = query.filter(portfolio::Column::Id.is_in(ids.iter().copied()));
    }
    let query = query.order_by_asc(portfolio::Column::CreatedAt).order_by_asc(portfolio::Column::Id);
    let rows = query.limit(PORTFOLIOS_MAX as u64).all(core).await?;
    let is_there = |id: &PortfolioId| rows.iter().any(|row| row.id == *id);
    if only.is_some_and(|ids| !ids.iter().all(is_there)) {
        return Err(Error::NotFound("portfolio"));
    }
    Ok(rows)
}

/// The prices of the day, and of the trading day before it. Where the newest
/// closes are old they are read again from the days before those.
async fn prices(core: &CoreDb, accounts: &[Account], day: NaiveDate) -> Result<Market> {
    let earlier = |day: NaiveDate| day.checked_sub_days(Days::new(CLOSES_DAYS)).unwrap_or(day);
    let from = earlier(day);
    let market = lots::prices(core, &needs(accounts, from), day).await?;
    let newest = accounts.iter().filter_map(|account| newest_closes(account, &market, day).0).max();
    match newest.filter(|newest| *newest < from) {
        Some(newest) => lots::prices(core, &needs(accounts, earlier(newest)), day).await,
        None => Ok(market),
    }
}

fn valued(row: portfolio::Model, account: Account, market: &Arc<Market>, day: NaiveDate) -> View {
    let priced = Priced::new(&account, market);
    let (priced_on, previous) = newest_closes(&account, market, day);
    let before = previous.map(|previous| priced.on(previous).collect()).unwrap_or_default();
    let standing = roll(&priced, &Ledger::new(&priced), &[day], None).swap_remove(0);
    let book = book(&account, market, day);
    View { row, account, market: Arc::clone(market), book, standing, priced_on, before }
}

/// The newest day up to this one on which one of its symbols has a close, and the one before.
fn newest_closes(
    account: &Account,
    market: &Market,
    day: NaiveDate,
) -> (Option<NaiveDate>, Option<NaiveDate>) {
    let open = account.lots.iter().filter(|lot| !lot.open_on(day).is_zero());
    let mut days: Vec<NaiveDate> = Vec::new();
    for lot in open {
        let underlying = lot.contract.as_ref().map(|contract| contract.underlying.as_str());
        for symbol in [Some(lot.symbol.as_str()), underlying].into_iter().flatten() {
            let Some(series) = market.find(symbol) else { continue };
            let newest = series.close_on_or_before(day);
            days.extend(newest.map(|close| close.date));
            days.extend(newest.and_then(|close| series.close_before(close.date)).map(|close| close.date));
        }
    }
    days.sort_unstable();
    days.dedup();
    (days.pop(), days.pop())
}
