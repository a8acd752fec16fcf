//! Portfolios, lots and prices, put into core as its own modules write them.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use entity::ids::{BatchRunId, PortfolioId, UserId};
use sea_orm::{ConnectionTrait, DbBackend, Statement, Value};
use tandem::analytics::{self, NewRun, Requested};
use tandem::db::CoreDb;
use tandem::market::{self, Watched};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::figures::golden::{Golden, GoldenLot, number};
use crate::support::TestApp;

pub(super) fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

pub(super) async fn execute<const N: usize>(core: &CoreDb, sql: &str, values: [Value; N]) -> u64 {
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    core.execute_raw(statement).await.unwrap().rows_affected()
}

/// The first column of the first row, as text.
pub(super) async fn text<const N: usize>(core: &CoreDb, sql: &str, values: [Value; N]) -> Option<String> {
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    core.query_one_raw(statement).await.unwrap().and_then(|row| row.try_get_by_index(0).unwrap())
}

pub(super) async fn number_of<const N: usize>(core: &CoreDb, sql: &str, values: [Value; N]) -> i64 {
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    core.query_one_raw(statement).await.unwrap().unwrap().try_get_by_index(0).unwrap()
}

pub(super) async fn portfolio(core: &CoreDb, user: Uuid, equity_balance: Option<&str>) -> PortfolioId {
    let id = Uuid::now_v7();
    execute(
        core,
        "INSERT INTO portfolios (id, user_id, name, account_name, equity_balance) VALUES ($1, $2, 'Book', $3, $4)",
        [id.into(), UserId(user).0.into(), id.to_string().into(), equity_balance.map(number).into()],
    )
    .await;
    PortfolioId(id)
}

/// A plain long lot.
pub(super) async fn buy(
    core: &CoreDb,
    portfolio: PortfolioId,
    symbol: &str,
    quantity: &str,
    price: &str,
    on: &str,
) {
    execute(
        core,
        "INSERT INTO positions (id, portfolio_id, symbol, position_type, investment_class, opened_quantity, quantity,
                                currency, entry_price, entry_date)
         VALUES ($1, $2, $3, 'LONG', 'PUBLIC', $4, $4, 'USD', $5, $6)",
        [
            Uuid::now_v7().into(),
            portfolio.0.into(),
            symbol.into(),
            number(quantity).into(),
            number(price).into(),
            day(on).into(),
        ],
    )
    .await;
    stale(core, portfolio, on).await;
}

/// As everybody says who changes a lot.
pub(super) async fn stale(core: &CoreDb, portfolio: PortfolioId, from: &str) {
    let tx = core.begin().await.unwrap();
    tandem::portfolio::changed(&tx, portfolio, day(from)).await.unwrap();
    tx.commit().await.unwrap();
}

/// Closes, as an import stores them.
pub(super) async fn closes(core: &CoreDb, symbol: &str, closes: &[(&str, &str)]) {
    for (date, price) in closes {
        execute(
            core,
            "INSERT INTO market_data_cache (symbol, date, close, data_source) VALUES ($1, $2, $3, 'test')
             ON CONFLICT ON CONSTRAINT pk_market_data_cache DO UPDATE SET close = excluded.close",
            [symbol.into(), day(date).into(), number(price).into()],
        )
        .await;
    }
    let first = closes.iter().map(|(date, _)| day(date)).min();
    let watched = Watched { symbol: symbol.to_owned(), asset_type: "equity", currency: None };
    market::watch(core, &[watched], first).await.unwrap();
}

pub(super) fn new_run(portfolio: Option<PortfolioId>, to: &str) -> NewRun {
    NewRun {
        id: BatchRunId(Uuid::now_v7()),
        portfolio,
        from: None,
        to: Some(day(to)),
        force: false,
        prices_only: false,
        triggered_by: "cli".to_owned(),
    }
}

/// Runs the batch to its end in this process; how it ended.
pub(super) async fn run(app: &TestApp, new: NewRun) -> String {
    let Requested::Started(run) = analytics::request(app.core(), new).await.unwrap() else {
        panic!("a run is open");
    };
    let done = analytics::run_one(&app.state, Some(run.id), &CancellationToken::new()).await.unwrap();
    assert_eq!(done, Some(run.id));
    text(app.core(), "SELECT status FROM batch_run_history WHERE id = $1", [run.id.0.into()]).await.unwrap()
}

/// A snapshot as text by column.
pub(super) async fn snapshot(
    core: &CoreDb,
    portfolio: PortfolioId,
    on: &str,
) -> BTreeMap<String, Option<String>> {
    row(
        core,
        "SELECT key, value FROM portfolio_snapshots AS kept, jsonb_each_text(to_jsonb(kept))
          WHERE portfolio_id = $1 AND snapshot_date = $2",
        [portfolio.0.into(), day(on).into()],
    )
    .await
}

pub(super) async fn row<const N: usize>(
    core: &CoreDb,
    sql: &str,
    values: [Value; N],
) -> BTreeMap<String, Option<String>> {
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    let rows = core.query_all_raw(statement).await.unwrap();
    rows.iter().map(|row| (row.try_get_by_index(0).unwrap(), row.try_get_by_index(1).unwrap())).collect()
}

/// Every snapshot and every value on positions, with when it was written.
pub(super) async fn everything(core: &CoreDb) -> String {
    text(
        core,
        "SELECT concat((SELECT jsonb_agg(to_jsonb(kept) ORDER BY portfolio_id, snapshot_date) FROM portfolio_snapshots AS kept),
                       (SELECT jsonb_agg(to_jsonb(kept) ORDER BY id) FROM positions AS kept),
                       (SELECT jsonb_agg(to_jsonb(kept) ORDER BY id) FROM position_realized_events AS kept))",
        [],
    )
    .await
    .unwrap()
}

/// A golden book, in core.
pub(super) async fn store(
    core: &CoreDb,
    user: Uuid,
    golden: &Golden,
) -> (PortfolioId, BTreeMap<String, Uuid>) {
    let id = portfolio(core, user, golden.equity_balance.as_deref()).await;
    let mut lots = BTreeMap::new();
    for lot in &golden.lots {
        lots.insert(lot.id.clone(), store_lot(core, id, lot).await);
    }
    for flow in &golden.flows {
        let amount = number(&flow.amount);
        let kind = if amount.is_sign_negative() { "WITHDRAWAL" } else { "CONTRIBUTION" };
        execute(
            core,
            "INSERT INTO equity_changes (id, portfolio_id, change_type, amount, change_date, created_by_user_id)
             VALUES ($1, $2, $3, $4, $5, $6)",
            [Uuid::now_v7().into(), id.0.into(), kind.into(), amount.abs().into(), flow.day.into(), user.into()],
        )
        .await;
    }
    for (symbol, prices) in &golden.prices {
        let of: Vec<(String, &str)> =
            prices.closes.iter().map(|(date, price)| (date.to_string(), price.as_str())).collect();
        let of: Vec<(&str, &str)> = of.iter().map(|(date, price)| (date.as_str(), *price)).collect();
        closes(core, symbol, &of).await;
        execute(
            core,
            "UPDATE symbol_universe SET currency = $2 WHERE symbol = $1",
            [symbol.as_str().into(), prices.currency.clone().into()],
        )
        .await;
        for (kind, events) in [("split", &prices.splits), ("dividend", &prices.dividends)] {
            for (date, value) in events {
                execute(
                    core,
                    "INSERT INTO corporate_actions (symbol, ex_date, kind, value, data_source) VALUES ($1, $2, $3, $4, 'test')",
                    [symbol.as_str().into(), (*date).into(), kind.into(), number(value).into()],
                )
                .await;
            }
        }
    }
    (id, lots)
}

async fn store_lot(core: &CoreDb, portfolio: PortfolioId, lot: &GoldenLot) -> Uuid {
    let id = Uuid::now_v7();
    let opened = number(&lot.quantity);
    let closed: sea_orm::prelude::Decimal = lot.closes.iter().map(|close| number(&close.quantity)).sum();
    let left = if opened.is_sign_negative() { opened + closed } else { opened - closed };
    let exit = lot.closes.last().filter(|_| left.is_zero());
    execute(
        core,
        "INSERT INTO positions (id, portfolio_id, symbol, position_type, investment_class, opened_quantity, quantity,
                multiplier, currency, entry_price, entry_date, exit_price, exit_date, underlying_symbol, strike_price,
                expiration_date)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
        [
            id.into(),
            portfolio.0.into(),
            lot.symbol.as_str().into(),
            lot.kind.into(),
            lot.class.into(),
            opened.into(),
            left.into(),
            number(&lot.multiplier).into(),
            lot.currency.as_str().into(),
            number(&lot.price).into(),
            lot.day.into(),
            exit.map(|close| number(&close.price)).into(),
            exit.map(|close| close.day).into(),
            lot.underlying.clone().into(),
            lot.strike.as_deref().map(number).into(),
            lot.expires.into(),
        ],
    )
    .await;
    for close in &lot.closes {
        execute(
            core,
            "INSERT INTO position_realized_events (id, position_id, portfolio_id, trade_date, quantity_closed, price)
             VALUES ($1, $2, $3, $4, $5, $6)",
            [
                Uuid::now_v7().into(),
                id.into(),
                portfolio.0.into(),
                close.day.into(),
                number(&close.quantity).into(),
                number(&close.price).into(),
            ],
        )
        .await;
    }
    for (date, price) in &lot.valuations {
        execute(
            core,
            "INSERT INTO position_valuations (position_id, valuation_date, price) VALUES ($1, $2, $3)",
            [id.into(), (*date).into(), number(price).into()],
        )
        .await;
    }
    id
}
