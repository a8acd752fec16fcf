//! The check that nobody has to think of.

use sea_orm::{ConnectionTrait, DbBackend, Statement};

use super::{Options, Verdict, check};
use crate::error::Result;
use crate::state::AppState;

/// Claims the night. A night begins at three o'clock UTC. The very first time
/// only the night is noted: a new installation has nothing to check.
const CLAIM: &str = "INSERT INTO settings (key, value)
    VALUES ('links.nightly', to_jsonb(to_char((now() AT TIME ZONE 'UTC') - interval '3 hours', 'YYYY-MM-DD')))
    ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = now()
     WHERE settings.value <> excluded.value
 RETURNING (xmax <> 0) AS due";

/// Checks and repairs, once a night whatever the number of replicas. Returns
/// how many rows were repaired. May be called at any time.
pub async fn nightly(state: &AppState) -> Result<u64> {
    if !claim(state).await? {
        return Ok(0);
    }
    let report = check(state, Options { repair: true, limit: None }).await?;
    if let Some(why) = &report.stopped {
        tracing::error!(why, "the nightly check of links stopped");
    } else if report.verdict == Verdict::Orphans {
        tracing::warn!("the nightly check of links found orphans; see `tandem doctor links`");
    }
    Ok(report.links.iter().map(|link| link.repaired).sum())
}

async fn claim(state: &AppState) -> Result<bool> {
    let statement = Statement::from_string(DbBackend::Postgres, CLAIM);
    let row = state.core.query_one_raw(statement).await?;
    Ok(row.map(|row| row.try_get("", "due")).transpose()?.unwrap_or(false))
}
