//! Lots and capital of many portfolios at once: four queries, however many there are.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use entity::core::equity_change::EquityChangeType;
use entity::core::position::{InvestmentClass, PositionType};
use entity::ids::{PortfolioId, PositionId, RealizedEventId};
use sea_orm::prelude::Decimal;
use sea_orm::{DbBackend, FromQueryResult, Statement};
use uuid::Uuid;

use super::figures::{Account, Contract, Flow, Lot, LotClose, Needs, Valuation};
use crate::db::CoreConn;
use crate::error::Result;
use crate::market::{self, Market};

/// Portfolios that are not deleted, with their lots, closes, valuations and
/// capital; by id. The caller has made sure that they may be read.
pub async fn load(core: &impl CoreConn, ids: &[PortfolioId]) -> Result<Vec<Account>> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let mut accounts: Vec<Account> = rows::<PortfolioRow>(core, PORTFOLIOS, &ids)
        .await?
        .into_iter()
        .map(|row| Account {
            id: row.id,
            currency: row.currency,
            equity_balance: row.equity_balance.map(|balance| balance.normalize()),
            created_on: row.created_at.date_naive(),
            lots: Vec::new(),
            flows: Vec::new(),
        })
        .collect();
    let places: HashMap<PortfolioId, usize> =
        accounts.iter().enumerate().map(|(place, account)| (account.id, place)).collect();
    let mut lots: HashMap<PositionId, (usize, usize)> = HashMap::new();
    for row in rows::<LotRow>(core, LOTS, &ids).await? {
        let Some(place) = places.get(&row.portfolio_id) else { continue };
        let of_account = &mut accounts[*place].lots;
        lots.insert(row.id, (*place, of_account.len()));
        of_account.push(row.into());
    }
    for row in rows::<MarkRow>(core, CLOSES_AND_VALUATIONS, &ids).await? {
        let Some((account, lot)) = lots.get(&row.position_id) else { continue };
        let lot = &mut accounts[*account].lots[*lot];
        let price = row.price.normalize();
        match (row.event_id, row.quantity) {
            (Some(id), Some(quantity)) => {
                lot.closes.push(LotClose { id, day: row.day, quantity: quantity.normalize(), price });
            }
            _ => lot.valuations.push(Valuation { day: row.day, price }),
        }
    }
    for row in rows::<FlowRow>(core, FLOWS, &ids).await? {
        let Some(place) = places.get(&row.portfolio_id) else { continue };
        let amount = match row.change_type {
            EquityChangeType::Contribution => row.amount,
            EquityChangeType::Withdrawal => -row.amount,
        };
        accounts[*place].flows.push(Flow { day: row.change_date, amount: amount.normalize() });
    }
    Ok(accounts)
}

/// The prices that figures need, up to a day; with the rates of the currencies in which symbols are quoted.
pub async fn prices(core: &impl CoreConn, needs: &Needs, to: NaiveDate) -> Result<Market> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT DISTINCT currency FROM symbol_universe WHERE symbol = ANY ($1) AND currency IS NOT NULL",
        [needs.symbols.clone().into()],
    );
    let mut currencies = needs.currencies.clone();
    for row in core.query_all_raw(statement).await? {
        let currency: String = row.try_get("", "currency")?;
        if !currencies.contains(&currency) {
            currencies.push(currency);
        }
    }
    market::load_in(core, &needs.symbols, &currencies, needs.from, to).await
}

async fn rows<T: FromQueryResult>(core: &impl CoreConn, sql: &str, ids: &[Uuid]) -> Result<Vec<T>> {
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [ids.to_vec().into()]);
    Ok(T::find_by_statement(statement).all(core).await?)
}

const PORTFOLIOS: &str = "
SELECT id, currency, equity_balance, created_at FROM portfolios
 WHERE id = ANY ($1) AND deleted_at IS NULL ORDER BY id";

#[derive(FromQueryResult)]
struct PortfolioRow {
    id: PortfolioId,
    currency: String,
    equity_balance: Option<Decimal>,
    created_at: DateTime<Utc>,
}

const LOTS: &str = "
SELECT id, portfolio_id, symbol, position_type, investment_class, opened_quantity, multiplier, currency, entry_price,
       entry_date, underlying_symbol, strike_price, expiration_date
  FROM positions WHERE portfolio_id = ANY ($1) AND deleted_at IS NULL ORDER BY entry_date, id";

#[derive(FromQueryResult)]
struct LotRow {
    id: PositionId,
    portfolio_id: PortfolioId,
    symbol: String,
    position_type: PositionType,
    investment_class: InvestmentClass,
    opened_quantity: Decimal,
    multiplier: Decimal,
    currency: String,
    entry_price: Decimal,
    entry_date: NaiveDate,
    underlying_symbol: Option<String>,
    strike_price: Option<Decimal>,
    expiration_date: Option<NaiveDate>,
}

impl From<LotRow> for Lot {
    fn from(row: LotRow) -> Self {
        let contract = match (row.underlying_symbol, row.strike_price, row.expiration_date) {
            (Some(underlying), Some(strike), Some(expires_on)) => {
                Some(Contract { underlying, strike: strike.normalize(), expires_on })
            }
            _ => None,
        };
        Self {
            id: row.id,
            symbol: row.symbol,
            kind: row.position_type,
            class: row.investment_class,
            opened: row.opened_quantity.normalize(),
            multiplier: row.multiplier.normalize(),
            currency: row.currency,
            entry_price: row.entry_price.normalize(),
            entry_date: row.entry_date,
            contract,
            closes: Vec::new(),
            valuations: Vec::new(),
        }
    }
}

// A close has an id and a quantity, a valuation has neither.
const CLOSES_AND_VALUATIONS: &str = "
SELECT event.id AS event_id, event.position_id, event.trade_date AS day, event.quantity_closed AS quantity, event.price
  FROM position_realized_events AS event WHERE event.portfolio_id = ANY ($1)
 UNION ALL
SELECT NULL, valuation.position_id, valuation.valuation_date, NULL, valuation.price
  FROM position_valuations AS valuation JOIN positions AS lot ON lot.id = valuation.position_id
 WHERE lot.portfolio_id = ANY ($1) AND lot.deleted_at IS NULL
 ORDER BY day, event_id";

#[derive(FromQueryResult)]
struct MarkRow {
    event_id: Option<RealizedEventId>,
    position_id: PositionId,
    day: NaiveDate,
    quantity: Option<Decimal>,
    price: Decimal,
}

const FLOWS: &str = "
SELECT portfolio_id, change_type, amount, change_date FROM equity_changes
 WHERE portfolio_id = ANY ($1) AND deleted_at IS NULL ORDER BY change_date, id";

#[derive(FromQueryResult)]
struct FlowRow {
    portfolio_id: PortfolioId,
    change_type: EquityChangeType,
    amount: Decimal,
    change_date: NaiveDate,
}
