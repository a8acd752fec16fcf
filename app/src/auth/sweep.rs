//! Housekeeping: what has expired is deleted in batches that stand in nobody's way.

use sea_orm::{ConnectionTrait, DbBackend, Statement};

use crate::db::CoreDb;
use crate::error::Result;

/// Rows a statement.
const BATCH: i64 = 1_000;
/// Statements a table and run; the next run goes on.
const BATCHES_MAX: u32 = 100;

/// Each deletes at most `$1` rows and skips what somebody else has locked.
const EXPIRED: [&str; 4] = [
    "DELETE FROM refresh_tokens WHERE id IN (
         SELECT id FROM refresh_tokens WHERE expires_at <= now()
          ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)",
    "DELETE FROM login_failures WHERE key IN (
         SELECT key FROM login_failures WHERE window_ends_at <= now()
          ORDER BY window_ends_at LIMIT $1 FOR UPDATE SKIP LOCKED)",
    "DELETE FROM stream_tickets WHERE ticket_hash IN (
         SELECT ticket_hash FROM stream_tickets WHERE expires_at <= now()
          ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)",
    // Administrators can look back for a month.
    "DELETE FROM invitations WHERE id IN (
         SELECT id FROM invitations WHERE expires_at <= now() - interval '30 days'
          ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)",
];

/// Deletes expired refresh tokens, counts of failed log-ins, tickets and, a month
/// later, invitations: at most 100,000 of each a call. Answers how many; any
/// number of replicas may call it at once.
pub async fn delete_expired(core: &CoreDb) -> Result<u64> {
    let mut deleted = 0;
    for sql in EXPIRED {
        for _ in 0..BATCHES_MAX {
            let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [BATCH.into()]);
            let batch = core.execute_raw(statement).await?.rows_affected();
            deleted += batch;
            if batch < BATCH.unsigned_abs() {
                break;
            }
        }
    }
    Ok(deleted)
}
