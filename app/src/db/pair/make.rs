//! `tandem pair`: the operator says that these two belong together.

use chrono::{DateTime, Duration, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::{Code, Finding, Pairing, Record, Sides, judge, store};
use crate::db::connect::Databases;
use crate::db::session;
use crate::error::{Error, Result};

/// The two clocks may differ, and what was under way at a backup is in neither.
const RESTORE_MARGIN: Duration = Duration::hours(1);

/// What was found and done.
#[derive(Clone, Debug, Serialize)]
pub struct Made {
    /// Both sides as they were.
    pub before: Sides,
    /// What was wrong.
    pub finding: Option<Finding>,
    /// Both sides as they are now, if anything was changed.
    pub after: Option<Sides>,
}

impl Made {
    /// From when on ai may lack what core had told it, if it may.
    pub fn ai_lacks_since(&self) -> Option<DateTime<Utc>> {
        let finding = self.finding.as_ref()?;
        let known = self.before.ai.changed_at.map(|at| at - RESTORE_MARGIN);
        match finding.code {
            Code::AiRestored | Code::AnotherPair | Code::ModeChanged => {
                Some(known.unwrap_or(DateTime::UNIX_EPOCH))
            }
            Code::NewAi | Code::NewCore | Code::CoreRestored => None,
        }
    }
}

/// Looks at both sides and changes nothing.
pub async fn inspect(databases: &Databases) -> Result<Made> {
    let mut pairing = both(databases).await?;
    let before = sides(&mut pairing).await?;
    pairing.close().await;
    Ok(Made { finding: judge(&before), before, after: None })
}

/// Makes the two a pair, as configured, whatever they were. A new id: another
/// core or ai that belonged to one of them notices at its next start.
pub async fn make(databases: &Databases) -> Result<Made> {
    let mut pairing = both(databases).await?;
    store::lock(&mut pairing.core).await?;
    let before = sides(&mut pairing).await?;
    let finding = judge(&before);
    let is_pair = before.core.record.is_some_and(|record| record.acked > 0);
    let after = if finding.is_none() && (is_pair || !before.core.migrated) {
        None
    } else {
        write(&mut pairing, &before).await?;
        Some(sides(&mut pairing).await?)
    };
    pairing.close().await;
    Ok(Made { before, finding, after })
}

async fn both(databases: &Databases) -> Result<Pairing> {
    let pairing = Pairing::open(databases).await?;
    match pairing.ai_away().map(str::to_owned) {
        Some(reason) => Err(session::unreachable("AI_DATABASE_URL", databases.ai.pool(), &reason)),
        None => Ok(pairing),
    }
}

async fn sides(pairing: &mut Pairing) -> Result<Sides> {
    pairing.sides().await?.ok_or(Error::NotFound("the ai database"))
}

/// Core first, and waiting for ai: killed in between, it is still no pair.
async fn write(pairing: &mut Pairing, before: &Sides) -> Result<()> {
    let seen = [before.core.record, before.ai.record].into_iter().flatten();
    let epoch = seen.map(|record| record.epoch.max(record.acked)).max().unwrap_or(0) + 1;
    let record = Record { id: Uuid::now_v7(), mode: pairing.mode, epoch, acked: 0 };
    if before.core.migrated {
        store::put(&mut pairing.core, &store::CORE, &record).await?;
    }
    let core_migrated = before.core.migrated;
    let (core, mut ai) = pairing.connections();
    let ai_connection = match &mut ai {
        Some(ai) => &mut **ai,
        None => &mut *core,
    };
    match (core_migrated, before.ai.migrated) {
        (true, true) => {
            store::put(ai_connection, &store::AI, &record).await?;
            store::count(core, ai).await
        }
        // The next start migrates the new side and lets it join.
        (false, true) => store::release_ai(ai_connection).await,
        (_, false) => Ok(()),
    }
}
