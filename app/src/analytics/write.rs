//! What was computed goes into temporary tables by COPY, and from there only where it differs.

use entity::ids::{BatchRunId, PortfolioId};
use sea_orm::ConnectionTrait;
use uuid::Uuid;

use super::compute::{BEGINNING, Computed};
use super::sql;
use crate::db::CoreTx;
use crate::db::copy_text::Row;
use crate::error::{Context, Result};
use crate::portfolio::figures::Snapshot;

/// Writes values on positions, and what closes brought.
pub(super) async fn valuations(tx: &CoreTx, computed: &[Computed]) -> Result<u64> {
    let mut rows = Vec::new();
    for mark in computed.iter().flat_map(|one| &one.marks) {
        Row::on(&mut rows)
            .put(mark.id.0)
            .put(mark.last_price)
            .put(mark.last_price_date)
            .put(mark.market_value)
            .put(mark.cost_basis)
            .put(mark.unrealized_pnl)
            .put(mark.realized_pnl)
            .end();
    }
    let mut changed = 0;
    if !rows.is_empty() {
        tx.execute_unprepared(MARKS).await?;
        tx.copy_in("COPY batch_marks FROM STDIN", &rows).await?;
        changed += tx.execute_unprepared(UPDATE_MARKS).await?.rows_affected();
    }
    let mut rows = Vec::new();
    for (id, realized) in computed.iter().flat_map(|one| &one.realized) {
        Row::on(&mut rows).put(id.0).put(*realized).end();
    }
    if !rows.is_empty() {
        tx.execute_unprepared(REALIZED).await?;
        tx.copy_in("COPY batch_realized FROM STDIN", &rows).await?;
        changed += tx.execute_unprepared(UPDATE_REALIZED).await?.rows_affected();
    }
    Ok(changed)
}

const MARKS: &str = "
CREATE TEMP TABLE batch_marks ON COMMIT DROP AS
SELECT id, last_price, last_price_date, market_value, cost_basis, unrealized_pnl, realized_pnl FROM positions WHERE false";

const UPDATE_MARKS: &str = "
UPDATE positions AS kept
   SET last_price = new.last_price, last_price_date = new.last_price_date, market_value = new.market_value,
       cost_basis = new.cost_basis, unrealized_pnl = new.unrealized_pnl, realized_pnl = new.realized_pnl
  FROM batch_marks AS new
 WHERE kept.id = new.id
   AND (kept.last_price, kept.last_price_date, kept.market_value, kept.cost_basis, kept.unrealized_pnl, kept.realized_pnl)
       IS DISTINCT FROM
       (new.last_price, new.last_price_date, new.market_value, new.cost_basis, new.unrealized_pnl, new.realized_pnl)";

const REALIZED: &str = "
CREATE TEMP TABLE batch_realized ON COMMIT DROP AS
SELECT id, realized_pnl FROM position_realized_events WHERE false";

const UPDATE_REALIZED: &str = "
UPDATE position_realized_events AS kept SET realized_pnl = new.realized_pnl
  FROM batch_realized AS new
 WHERE kept.id = new.id AND kept.realized_pnl IS DISTINCT FROM new.realized_pnl";

/// Writes snapshots, and deletes those of days that are no more.
pub(super) async fn snapshots(tx: &CoreTx, run: BatchRunId, computed: &[Computed]) -> Result<u64> {
    let due: Vec<&Computed> = computed.iter().filter(|one| one.from.is_some()).collect();
    if due.is_empty() {
        return Ok(0);
    }
    let mut rows = Vec::new();
    for one in &due {
        for snapshot in &one.snapshots {
            put(&mut rows, one.id, run, snapshot)?;
        }
    }
    tx.execute_unprepared(SNAPSHOTS).await?;
    tx.copy_in(COPY_SNAPSHOTS, &rows).await?;
    let gone = sql(
        "DELETE FROM portfolio_snapshots AS kept
          USING unnest($1::uuid[], $2::date[]) AS due (portfolio_id, since)
          WHERE kept.portfolio_id = due.portfolio_id AND kept.snapshot_date >= due.since
            AND NOT EXISTS (SELECT 1 FROM batch_snapshots AS new
                             WHERE new.portfolio_id = kept.portfolio_id AND new.snapshot_date = kept.snapshot_date)",
        [
            due.iter().map(|one| one.id.0).collect::<Vec<_>>().into(),
            due.iter().filter_map(|one| one.from).collect::<Vec<_>>().into(),
        ],
    );
    let deleted = tx.execute_raw(gone).await?.rows_affected();
    let written = tx.execute_unprepared(UPSERT_SNAPSHOTS).await?.rows_affected();
    Ok(deleted + written)
}

fn put(rows: &mut Vec<u8>, portfolio: PortfolioId, run: BatchRunId, snapshot: &Snapshot) -> Result<()> {
    let Snapshot { exposures, daily, cumulative, quality, .. } = snapshot;
    Row::on(rows)
        .put(portfolio.0)
        .put(snapshot.day)
        .put(run.0)
        .put(snapshot.total_value)
        .put(snapshot.cash_value)
        .put(exposures.long)
        .put(exposures.short)
        .put(exposures.gross())
        .put(exposures.net())
        .put(exposures.cost_basis)
        .put(exposures.unrealized_pnl)
        .put(snapshot.daily_pnl)
        .put(daily.realized)
        .put(daily.income)
        .put(daily.flow)
        .put(snapshot.daily_return)
        .put(snapshot.cumulative_pnl)
        .put(cumulative.realized)
        .put(cumulative.income)
        .put(cumulative.flow)
        .put(snapshot.cumulative_return)
        .put(exposures.positions())
        .put(exposures.long_positions)
        .put(exposures.short_positions)
        .put(serde_json::to_string(quality).context("writing a snapshot's quality")?)
        .put(quality.is_complete())
        .end();
    Ok(())
}

const SNAPSHOTS: &str =
    "CREATE TEMP TABLE batch_snapshots (LIKE portfolio_snapshots INCLUDING DEFAULTS) ON COMMIT DROP";

const COPY_SNAPSHOTS: &str = "COPY batch_snapshots (portfolio_id, snapshot_date, run_id, total_value, cash_value, \
    long_value, short_value, gross_exposure, net_exposure, cost_basis, unrealized_pnl, daily_pnl, daily_realized_pnl, \
    daily_income, daily_capital_flow, daily_return, cumulative_pnl, cumulative_realized_pnl, cumulative_income, \
    cumulative_capital_flow, cumulative_return, num_positions, num_long_positions, num_short_positions, data_quality, \
    is_complete) FROM STDIN";

const UPSERT_SNAPSHOTS: &str = "
INSERT INTO portfolio_snapshots AS kept SELECT * FROM batch_snapshots
    ON CONFLICT ON CONSTRAINT pk_portfolio_snapshots DO UPDATE
   SET run_id = excluded.run_id, total_value = excluded.total_value, cash_value = excluded.cash_value,
       long_value = excluded.long_value, short_value = excluded.short_value, gross_exposure = excluded.gross_exposure,
       net_exposure = excluded.net_exposure, cost_basis = excluded.cost_basis,
       unrealized_pnl = excluded.unrealized_pnl, daily_pnl = excluded.daily_pnl,
       daily_realized_pnl = excluded.daily_realized_pnl, daily_income = excluded.daily_income,
       daily_capital_flow = excluded.daily_capital_flow, daily_return = excluded.daily_return,
       cumulative_pnl = excluded.cumulative_pnl, cumulative_realized_pnl = excluded.cumulative_realized_pnl,
       cumulative_income = excluded.cumulative_income, cumulative_capital_flow = excluded.cumulative_capital_flow,
       cumulative_return = excluded.cumulative_return, num_positions = excluded.num_positions,
       num_long_positions = excluded.num_long_positions, num_short_positions = excluded.num_short_positions,
       data_quality = excluded.data_quality, is_complete = excluded.is_complete, updated_at = now()
 WHERE (kept.total_value, kept.cash_value, kept.long_value, kept.short_value, kept.cost_basis, kept.unrealized_pnl,
        kept.daily_pnl, kept.daily_realized_pnl, kept.daily_income, kept.daily_capital_flow, kept.daily_return,
        kept.cumulative_pnl, kept.cumulative_realized_pnl, kept.cumulative_income, kept.cumulative_capital_flow,
        kept.cumulative_return, kept.num_positions, kept.num_long_positions, kept.num_short_positions,
        kept.data_quality, kept.is_complete)
       IS DISTINCT FROM
       (excluded.total_value, excluded.cash_value, excluded.long_value, excluded.short_value, excluded.cost_basis,
        excluded.unrealized_pnl, excluded.daily_pnl, excluded.daily_realized_pnl, excluded.daily_income,
        excluded.daily_capital_flow, excluded.daily_return, excluded.cumulative_pnl, excluded.cumulative_realized_pnl,
        excluded.cumulative_income, excluded.cumulative_capital_flow, excluded.cumulative_return,
        excluded.num_positions, excluded.num_long_positions, excluded.num_short_positions, excluded.data_quality,
        excluded.is_complete)";

/// Portfolios are no longer stale, and the run is done with them.
pub(super) async fn settle(tx: &CoreTx, run: BatchRunId, computed: &[Computed]) -> Result<()> {
    let due: Vec<&Computed> = computed.iter().filter(|one| one.from.is_some()).collect();
    tx.execute_raw(sql(
        "UPDATE portfolios AS kept SET stale_from = NULL, valued_on = nullif(due.valued_on, '0001-01-01')
           FROM unnest($1::uuid[], $2::date[]) AS due (id, valued_on)
          WHERE kept.id = due.id",
        [
            due.iter().map(|one| one.id.0).collect::<Vec<_>>().into(),
            due.iter().map(|one| one.valued_on.unwrap_or(BEGINNING)).collect::<Vec<_>>().into(),
        ],
    ))
    .await?;
    let done: Vec<_> = computed.iter().map(|one| (one.id, one.error)).collect();
    self::done(tx, run, &done).await
}

/// Notes what the run is done with, and what it could not do.
pub(super) async fn done(
    tx: &CoreTx,
    run: BatchRunId,
    portfolios: &[(PortfolioId, Option<&str>)],
) -> Result<()> {
    tx.execute_raw(sql(
        "INSERT INTO batch_run_portfolios (run_id, portfolio_id, error)
         SELECT $1, done.id, nullif(done.error, '') FROM unnest($2::uuid[], $3::text[]) AS done (id, error)
           JOIN portfolios ON portfolios.id = done.id",
        [
            run.0.into(),
            portfolios.iter().map(|(id, _)| id.0).collect::<Vec<Uuid>>().into(),
            portfolios
                .iter()
                .map(|(_, error)| error.unwrap_or_default().to_owned())
                .collect::<Vec<_>>()
                .into(),
        ],
    ))
    .await?;
    Ok(())
}
