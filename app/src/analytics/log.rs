//! What a run says of itself.

use entity::ids::BatchRunId;
use sea_orm::ConnectionTrait;

use super::sql;
use crate::db::CoreDb;
use crate::error::Result;

/// Lines a run; what it says after that is only in the process's own log.
const LINES_MAX: i32 = 5_000;
const CHARACTERS_MAX: usize = 1_000;

/// How much a line matters.
#[derive(Clone, Copy, Debug)]
pub(super) enum Level {
    Info,
    Warning,
}

/// Adds a line.
pub(super) async fn say(core: &CoreDb, run: BatchRunId, level: Level, message: &str) -> Result<()> {
    let level = match level {
        Level::Info => {
            tracing::info!(%run, "{message}");
            "info"
        }
        Level::Warning => {
            tracing::warn!(%run, "{message}");
            "warning"
        }
    };
    let message: String =
        message.chars().filter(|character| *character != '\0').take(CHARACTERS_MAX).collect();
    // Portfolios of one run can fail at the same time; one of the lines gives way then.
    core.execute_raw(sql(
        "INSERT INTO batch_run_logs (run_id, seq, level, message)
         SELECT $1, coalesce(max(seq), 0) + 1, $2, $3 FROM batch_run_logs WHERE run_id = $1
         HAVING coalesce(max(seq), 0) < $4
         ON CONFLICT DO NOTHING",
        [run.0.into(), level.into(), message.into(), LINES_MAX.into()],
    ))
    .await?;
    Ok(())
}
