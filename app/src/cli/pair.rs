//! `tandem pair`

use clap::Args;

use super::output;
use crate::config::Settings;
use crate::db::pair::{self, Made, Side};
use crate::db::{Databases, Purpose, migrate};
use crate::error::Result;
use crate::jobs::outbox;

/// Pair.
#[derive(Debug, Args)]
pub(super) struct Pair {
    /// Show both sides and what differs; change nothing
    #[arg(long)]
    dry_run: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

impl Pair {
    pub(super) async fn run(self, settings: Settings) -> Result<()> {
        let databases = Databases::open(&settings, Purpose::Command).await?;
        let result = self.work(&databases).await;
        databases.close().await?;
        result
    }

    async fn work(&self, databases: &Databases) -> Result<()> {
        let (made, again) = if self.dry_run {
            (pair::inspect(databases).await?, 0)
        } else {
            let again = deliver_again(databases).await?;
            (pair::make(databases).await?, again)
        };
        if self.json {
            return output::json(&serde_json::json!({
                "changed": made.after.is_some(),
                "delivered_again": again,
                "finding": made.finding,
                "before": made.before,
                "after": made.after,
            }));
        }
        self.show(&made)?;
        if again == 0 {
            return Ok(());
        }
        output::line(&format!(
            "{again} events that the ai database may not know of are delivered again by the next start"
        ))
    }

    fn show(&self, made: &Made) -> Result<()> {
        show(&made.before.core, "core")?;
        show(&made.before.ai, "ai")?;
        match &made.finding {
            Some(finding) => output::line(&format!("they are no pair: {}", finding.problem))?,
            None if made.before.core.record.is_some() => output::line("they are a pair")?,
            None => output::line("they belong to nobody yet")?,
        }
        match (&made.after, &made.before.core.record) {
            (Some(after), _) => {
                output::line("now:")?;
                show(&after.core, "core")?;
                show(&after.ai, "ai")?;
                if after.core.record.is_some() != after.ai.record.is_some() || after.core.record.is_none() {
                    output::line("the next start migrates the new database and completes the pair")?;
                }
                Ok(())
            }
            (None, None) => output::line("the first `tandem serve` or `tandem migrate` makes them a pair"),
            (None, Some(_)) if made.finding.is_some() && self.dry_run => {
                output::line("nothing was changed; without --dry-run they become a pair")
            }
            (None, Some(_)) => output::line("nothing was changed"),
        }
    }
}

/// Before the pair is made, so that a crash in between leaves nothing out: what
/// core told ai since the backup that ai was restored from is told again.
async fn deliver_again(databases: &Databases) -> Result<u64> {
    let Some(since) = pair::inspect(databases).await?.ai_lacks_since() else {
        return Ok(0);
    };
    // Older schemas have no events.
    let steps = migrate::core_status(&databases.core).await?;
    if !steps.iter().any(|step| step.applied && step.name.ends_with("outbox")) {
        return Ok(0);
    }
    outbox::requeue_delivered(&databases.core, Some(since)).await
}

fn show(side: &Side, name: &str) -> Result<()> {
    let database = &side.database;
    let (Some(record), Some(changed_at)) = (side.record, side.changed_at) else {
        let why = if side.migrated { "no pair" } else { "not migrated" };
        return output::line(&format!("{name:<5} \"{database}\" {why}"));
    };
    output::line(&format!(
        "{name:<5} \"{database}\" pair {} ({}), epoch {}, {}",
        record.id,
        match record.mode {
            pair::PairMode::Dual => "two databases",
            pair::PairMode::Single => "one database",
        },
        record.epoch,
        changed_at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
    ))
}
