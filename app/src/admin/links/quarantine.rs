//! A week for somebody to notice.

use sea_orm::{ConnectionTrait, DbBackend, Statement, Value};

use super::RowId;
use super::scan::{Found, Link, Remedy, Side};
use crate::error::Result;
use crate::state::AppState;

/// Days in quarantine before a row is repaired.
const DAYS: i32 = 7;

/// Rows repaired at once.
const BATCH: usize = 500;

/// Notes orphans, lets go of rows that are none any more, and repairs those
/// whose time is up if it may. How many were repaired.
pub(super) async fn keep(state: &AppState, found: &Found, repair: bool) -> Result<u64> {
    note(state, found).await?;
    if !repair {
        return Ok(0);
    }
    let due = due(state, found).await?;
    let mut repaired = 0;
    for rows in due.chunks(BATCH) {
        repaired += mend(state, found.link, rows).await?;
        release(state, found.link, rows).await?;
    }
    Ok(repaired)
}

async fn note(state: &AppState, found: &Found) -> Result<()> {
    let ai = state.ai.begin_worker().await?;
    let insert = "INSERT INTO ai_quarantine (table_name, reason, row_id)
                  SELECT $1, $2, id FROM unnest($3::uuid[]) AS id ON CONFLICT DO NOTHING";
    ai.execute_raw(statement(insert, found.link, &found.ids)).await?;
    let recovered = "DELETE FROM ai_quarantine WHERE table_name = $1 AND reason = $2 AND row_id <> ALL($3)";
    ai.execute_raw(statement(recovered, found.link, &found.ids)).await?;
    ai.commit().await
}

async fn due(state: &AppState, found: &Found) -> Result<Vec<RowId>> {
    let sql = format!(
        "SELECT row_id FROM ai_quarantine
          WHERE table_name = $1 AND reason = $2 AND row_id = ANY($3)
            AND first_seen_at <= now() - interval '{DAYS} days'"
    );
    let ai = state.ai.begin_worker().await?;
    let rows = ai.query_all_raw(statement(&sql, found.link, &found.ids)).await?;
    rows.iter().map(|row| Ok(row.try_get("", "row_id")?)).collect()
}

async fn mend(state: &AppState, link: &Link, rows: &[RowId]) -> Result<u64> {
    let Link { table, column, .. } = link;
    let sql = match link.remedy {
        Remedy::Delete => format!("DELETE FROM {table} WHERE id = ANY($1)"),
        Remedy::Unset => format!("UPDATE {table} SET {column} = NULL WHERE id = ANY($1)"),
        Remedy::Empty => {
            format!("UPDATE {table} SET title = '', quote = '', deleted = true WHERE id = ANY($1)")
        }
    };
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [rows.to_vec().into()]);
    Ok(match link.side {
        Side::Core => state.core.execute_raw(statement).await?.rows_affected(),
        Side::Ai => {
            let ai = state.ai.begin_worker().await?;
            let mended = ai.execute_raw(statement).await?.rows_affected();
            ai.commit().await?;
            mended
        }
    })
}

async fn release(state: &AppState, link: &Link, rows: &[RowId]) -> Result<()> {
    let ai = state.ai.begin_worker().await?;
    let sql = "DELETE FROM ai_quarantine WHERE table_name = $1 AND reason = $2 AND row_id = ANY($3)";
    ai.execute_raw(statement(sql, link, rows)).await?;
    ai.commit().await
}

fn statement(sql: &str, link: &Link, rows: &[RowId]) -> Statement {
    let values: [Value; 3] = [link.table.into(), link.reason.into(), rows.to_vec().into()];
    Statement::from_sql_and_values(DbBackend::Postgres, sql, values)
}
