//! Asking a provider for what is missing, and storing it.

use std::collections::HashMap;

use chrono::NaiveDate;
use entity::core::corporate_action::CorporateActionKind;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde::Serialize;

use super::Calendar;
use super::import::Kind;
use super::import::stage::{self, Stage, Written};
use super::provider::{self, Action, Bar, Daily, Failed, Provider, Wanted};
use crate::db::copy_text::Row;
use crate::db::{CoreDb, CoreTx};
use crate::error::Result;
use crate::state::AppState;

/// What a fetch did.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Fetched {
    /// Who was asked; none if nobody is configured.
    pub provider: Option<&'static str>,
    /// Symbols of which something was missing.
    pub asked: u64,
    /// Closes that were not known.
    pub new: u64,
    /// Closes that were known otherwise.
    pub changed: u64,
    /// Splits and dividends that were not known or known otherwise.
    pub events: u64,
    /// Symbols without an answer.
    pub failed: Vec<Failed>,
}

/// Asks the configured provider for what is missing of these symbols from `from` to `to`, and stores it.
///
/// No connection is held while it is asked. What is stored stays, also if this fails in the middle.
pub async fn fetch(state: &AppState, symbols: &[String], from: NaiveDate, to: NaiveDate) -> Result<Fetched> {
    match provider::configured(&state.settings)? {
        Some(provider) => fetch_from(&state.core, provider.as_ref(), symbols, from, to).await,
        None => Ok(Fetched::default()),
    }
}

/// The same of this provider.
pub async fn fetch_from(
    core: &CoreDb,
    provider: &dyn Provider,
    symbols: &[String],
    from: NaiveDate,
    to: NaiveDate,
) -> Result<Fetched> {
    let wanted = missing(core, symbols, from, to).await?;
    let mut fetched =
        Fetched { provider: Some(provider.name()), asked: wanted.len() as u64, ..Fetched::default() };
    let mut is_exhausted = false;
    for some in wanted.chunks(provider.symbols_max().max(1)) {
        if is_exhausted {
            fetched.failed.extend(some.iter().map(|wanted| Failed::of(wanted, "not asked any more")));
            continue;
        }
        let mut daily = provider.daily(some, to).await?;
        store(core, provider.name(), &daily, &mut fetched).await?;
        fetched.failed.append(&mut daily.failed);
        is_exhausted = daily.is_exhausted;
    }
    Ok(fetched)
}

/// From where on each symbol lacks closes; those that lack none are left out.
async fn missing(core: &CoreDb, symbols: &[String], from: NaiveDate, to: NaiveDate) -> Result<Vec<Wanted>> {
    let calendar = Calendar::load(core).await?;
    let (Some(first), Some(last)) = (calendar.on_or_after(from), calendar.on_or_before(to)) else {
        return Ok(Vec::new());
    };
    let mut symbols = symbols.to_vec();
    symbols.sort_unstable();
    symbols.dedup();
    if first > last || symbols.is_empty() {
        return Ok(Vec::new());
    }
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT symbol, min(date), max(date) FROM market_data_cache
          WHERE symbol = ANY ($1) AND date BETWEEN $2 AND $3 AND close > 0 GROUP BY symbol",
        [symbols.clone().into(), first.into(), last.into()],
    );
    let mut known: HashMap<String, (NaiveDate, NaiveDate)> = HashMap::new();
    for row in core.query_all_raw(statement).await? {
        known.insert(row.try_get_by_index(0)?, (row.try_get_by_index(1)?, row.try_get_by_index(2)?));
    }
    let lacks = |symbol: String| {
        let from = match known.get(&symbol) {
            Some((begins, ends)) if *begins <= first => (*ends < last).then(|| ends.succ_opt()).flatten()?,
            _ => first,
        };
        Some(Wanted { symbol, from })
    };
    Ok(symbols.into_iter().filter_map(lacks).collect())
}

async fn store(core: &CoreDb, source: &str, daily: &Daily, fetched: &mut Fetched) -> Result<()> {
    if daily.bars.is_empty() && daily.actions.is_empty() {
        return Ok(());
    }
    let tx = core.begin().await?;
    stage::prepare(&tx).await?;
    let prices = write(&tx, Kind::Prices, source, &daily.bars, bar).await?;
    let events = write(&tx, Kind::Actions, source, &daily.actions, action).await?;
    tx.commit().await?;
    fetched.new += prices.new;
    fetched.changed += prices.changed;
    fetched.events += events.new + events.changed;
    Ok(())
}

async fn write<T: Sync>(
    tx: &CoreTx,
    kind: Kind,
    source: &str,
    items: &[T],
    row: fn(&T, Row<'_>),
) -> Result<Written> {
    let table = kind.table();
    let columns: Vec<_> = table.columns.iter().collect();
    let stage = Stage::begin(tx, &table, &columns).await?;
    let mut rows = Vec::new();
    for (line, item) in (0_i64..).zip(items) {
        row(item, Row::on(&mut rows).put(line));
    }
    stage.add(&rows).await?;
    stage.write(source).await
}

/// In the order of the entity's columns.
fn bar(bar: &Bar, row: Row<'_>) {
    let row = row.put(&bar.symbol).put(bar.date).put(bar.open).put(bar.high).put(bar.low);
    row.put(bar.close).put(bar.volume).end();
}

fn action(action: &Action, row: Row<'_>) {
    let kind = match action.kind {
        CorporateActionKind::Split => "split",
        CorporateActionKind::Dividend => "dividend",
    };
    row.put(&action.symbol).put(action.ex_date).put(kind).put(action.value).end();
}
