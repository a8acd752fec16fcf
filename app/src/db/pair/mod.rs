//! Which core and which ai belong together.
//!
//! Both databases hold a record with one id: core in `settings`, ai in
//! `ai_settings`. Before a start changes anything it compares them. The epoch
//! tells a restored half: core counts it up, then tells ai, then notes that ai
//! was told (`acked`). So ai is never ahead of core, and never behind what core
//! noted, unless one of them went back in time. Whoever compares reads in the
//! order acked, ai, core, so that a replica counting meanwhile is no mismatch.

mod judge;
mod make;
mod store;

use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::sqlx::postgres::PgConnection;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use judge::{Code, Finding, judge};
pub use make::{Made, inspect, make};

use super::adopt::Chain;
use super::connect::{Databases, Mode};
use super::handle::{AiDb, CoreDb};
use super::session;
use crate::error::{Error, Result};

/// Serialises writers of the pair, in core.
const LOCK: &str = "tandem:pair";

/// The clock's other work must not wait for this.
const BEAT_WAIT_MAX: Duration = Duration::from_secs(3);

/// How the two schemas are laid out, as a pair remembers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PairMode {
    /// Two databases, also those of the embedded Postgres.
    Dual,
    /// One database for both schemas.
    Single,
}

impl From<Mode> for PairMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Embedded | Mode::Dual => Self::Dual,
            Mode::Single => Self::Single,
        }
    }
}

/// What one database knows of its pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The same on both sides.
    pub id: Uuid,
    /// The same on both sides.
    pub mode: PairMode,
    /// Counts starts and minutes.
    pub epoch: i64,
    /// Core only: the epoch that ai is known to have; 0 until ai joined.
    #[serde(default)]
    pub acked: i64,
}

/// One of the two databases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Side {
    /// The database's name.
    pub database: String,
    /// Whether its chain made the table that holds the record.
    pub migrated: bool,
    /// What it knows.
    pub record: Option<Record>,
    /// When that last changed, by its own clock.
    pub changed_at: Option<DateTime<Utc>>,
}

/// Both databases, read in an order in which a running replica is no mismatch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sides {
    /// How this process is configured.
    pub configured: PairMode,
    /// Core.
    pub core: Side,
    /// Ai.
    pub ai: Side,
    /// Core's `acked` before ai was read.
    #[serde(skip)]
    pub acked: i64,
}

/// The connections of a start, after the comparison said that it may go on.
#[derive(Debug)]
pub struct Pairing {
    core: PgConnection,
    ai: AiSide,
    mode: PairMode,
}

#[derive(Debug)]
enum AiSide {
    /// In core's database.
    Same,
    /// In a database of its own.
    Own(PgConnection),
    /// Nobody answers, and why.
    Away(String),
}

impl Pairing {
    /// Compares both sides before anything is changed, and refuses a mismatch.
    /// An ai database that does not answer is accepted if core has a pair.
    pub async fn check(databases: &Databases) -> Result<Self> {
        let mut pairing = Self::open(databases).await?;
        match pairing.sides().await? {
            Some(sides) => judge(&sides).map_or(Ok(pairing), |finding| Err(finding.into())),
            None => pairing.accept_ai_away(databases).await,
        }
    }

    /// As [`Pairing::check`], for taking steps back: a side without a record has nothing to protect.
    pub async fn check_for_down(databases: &Databases) -> Result<Self> {
        let mut pairing = Self::open(databases).await?;
        match pairing.sides().await? {
            Some(sides) if sides.core.record.is_some() && sides.ai.record.is_some() => {
                judge(&sides).map_or(Ok(pairing), |finding| Err(finding.into()))
            }
            Some(_) => Ok(pairing),
            None => pairing.accept_ai_away(databases).await,
        }
    }

    async fn open(databases: &Databases) -> Result<Self> {
        let mode = PairMode::from(databases.mode);
        let core = session::open(databases.core.pool())
            .await
            .map_err(|reason| session::unreachable("DATABASE_URL", databases.core.pool(), &reason))?;
        let ai = match mode {
            PairMode::Single => AiSide::Same,
            PairMode::Dual => match session::open(databases.ai.pool()).await {
                Ok(connection) => AiSide::Own(connection),
                Err(reason) => AiSide::Away(reason),
            },
        };
        Ok(Self { core, ai, mode })
    }

    /// `None` when ai is away.
    async fn sides(&mut self) -> Result<Option<Sides>> {
        let ai = match &mut self.ai {
            AiSide::Same => None,
            AiSide::Own(ai) => Some(ai),
            AiSide::Away(_) => return Ok(None),
        };
        store::read(&mut self.core, ai, self.mode).await.map(Some)
    }

    async fn accept_ai_away(mut self, databases: &Databases) -> Result<Self> {
        let core = store::side(&mut self.core, &store::CORE).await?;
        let reason = self.ai_away().unwrap_or_default().to_owned();
        match core.record {
            Some(record) if record.mode != PairMode::Dual => {
                Err(judge::mode_changed(&core.database, record.mode).into())
            }
            Some(record) if record.acked > 0 => Ok(self),
            _ => Err(session::unreachable("AI_DATABASE_URL", databases.ai.pool(), &reason)),
        }
    }

    /// Why ai cannot be reached, if it cannot.
    pub fn ai_away(&self) -> Option<&str> {
        match &self.ai {
            AiSide::Away(reason) => Some(reason),
            AiSide::Same | AiSide::Own(_) => None,
        }
    }

    /// The connections, for what else is to be looked at: core's, and ai's if it has one of its own.
    pub(super) fn connections(&mut self) -> (&mut PgConnection, Option<&mut PgConnection>) {
        match &mut self.ai {
            AiSide::Own(ai) => (&mut self.core, Some(ai)),
            AiSide::Same | AiSide::Away(_) => (&mut self.core, None),
        }
    }

    /// The connection for a chain's lock. There is none to an ai that is away; asking then is a defect.
    pub(super) fn connection(&mut self, chain: Chain) -> &mut PgConnection {
        match (chain, self.connections()) {
            (Chain::Core, (core, _)) | (Chain::Ai, (core, None)) => core,
            (Chain::Ai, (_, Some(ai))) => ai,
        }
    }

    /// After migrating: makes the pair if there is none, or looks once more
    /// whether it still is one. Replicas that start at once agree on one pair.
    /// With `count` the epoch grows. Does nothing while a side is not migrated or away.
    pub async fn confirm(mut self, count: bool) -> Result<()> {
        let result = self.confirm_locked(count).await;
        self.close().await;
        result
    }

    async fn confirm_locked(&mut self, count: bool) -> Result<()> {
        let Some(sides) = self.sides().await? else {
            return Ok(());
        };
        if !sides.core.migrated || !sides.ai.migrated {
            return Ok(());
        }
        let is_made = sides.core.record.is_some_and(|record| record.acked > 0) && judge(&sides).is_none();
        if is_made && !count {
            return Ok(());
        }
        store::lock(&mut self.core).await?;
        let (mode, (core, mut ai)) = (self.mode, self.connections());
        store::join(core, ai.as_deref_mut(), mode).await?;
        let sides = store::read(core, ai.as_deref_mut(), mode).await?;
        if let Some(finding) = judge(&sides) {
            return Err(finding.into());
        }
        // With one database nothing can be restored without the other.
        if mode == PairMode::Dual || sides.acked == 0 {
            store::count(core, ai).await?;
        }
        Ok(())
    }

    /// After ai's chain was taken back to where it holds no record: core waits for ai to join again.
    pub async fn expect_ai_again(mut self) -> Result<()> {
        let sides = self.sides().await?;
        if let Some(Sides { core: Side { record: Some(_), .. }, ai: Side { record: None, .. }, .. }) = sides {
            store::forget_ai(&mut self.core).await?;
        }
        self.close().await;
        Ok(())
    }

    /// Closes its connections.
    pub async fn close(self) {
        session::close(self.core).await;
        if let AiSide::Own(ai) = self.ai {
            session::close(ai).await;
        }
    }
}

/// Counts the epoch up, by the clock. A mismatch is an error and changes
/// nothing; a database that is away, or a pool that is busy, is none.
pub async fn beat(core: &CoreDb, ai: &AiDb, mode: Mode) -> Result<()> {
    if PairMode::from(mode) == PairMode::Single {
        return Ok(());
    }
    let core = tokio::time::timeout(BEAT_WAIT_MAX, core.pool().acquire());
    let ai = tokio::time::timeout(BEAT_WAIT_MAX, ai.pool().acquire());
    match tokio::join!(core, ai) {
        (Ok(Ok(mut core)), Ok(Ok(mut ai))) => beat_both(&mut core, &mut ai).await,
        // Health says who is away; the epoch waits.
        _ => Ok(()),
    }
}

async fn beat_both(core: &mut PgConnection, ai: &mut PgConnection) -> Result<()> {
    let sides = store::read(core, Some(ai), PairMode::Dual).await?;
    match judge(&sides) {
        Some(finding) => Err(Error::from(finding)),
        None if sides.core.record.is_none() => Ok(()),
        None => store::count(core, Some(ai)).await,
    }
}
