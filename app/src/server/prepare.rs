//! Before anything is served: do the two databases belong together, and do
//! both have the schema of this version?

use std::time::Duration;

use crate::config::Settings;
use crate::db::pair::Pairing;
use crate::db::{Databases, Purpose, migrate};
use crate::error::{Error, Result};
use crate::llm::LanguageModels;
use crate::state::AppState;

/// How often an ai database that was away at start is asked for.
const AI_ASKED_EVERY: Duration = Duration::from_secs(2);

/// Compares the databases, brings both schemas up to date and ensures the
/// embedding space.
pub async fn prepare(databases: &Databases, models: &LanguageModels, settings: &Settings) -> Result<()> {
    schemas(databases, models, settings, Purpose::Command, true).await
}

/// As [`prepare`]; without `migrate_pending` pending steps are refused. An ai
/// database that is away stays closed if core is known to have one.
pub(super) async fn schemas(
    databases: &Databases,
    models: &LanguageModels,
    settings: &Settings,
    purpose: Purpose,
    migrate_pending: bool,
) -> Result<()> {
    let is_serving = purpose == Purpose::Serve;
    let mut pairing = Pairing::check(databases).await?;
    if is_serving {
        databases.warn_of_tight_pools(settings, &mut pairing).await?;
    }
    if migrate_pending {
        migrate::core_up(&mut pairing, &databases.core, settings).await?;
    } else {
        refuse(migrate::core_status(&databases.core).await?)?;
    }
    if let Some(reason) = pairing.ai_away() {
        tracing::warn!(
            reason,
            database = databases.ai.describe(),
            "the ai database does not answer; starting without knowledge and memories"
        );
        databases.close_ai_for_now();
        return Ok(());
    }
    ai_schema(&mut pairing, databases, models, settings, migrate_pending).await?;
    pairing.confirm(is_serving).await
}

async fn ai_schema(
    pairing: &mut Pairing,
    databases: &Databases,
    models: &LanguageModels,
    settings: &Settings,
    migrate_pending: bool,
) -> Result<()> {
    if migrate_pending {
        migrate::ai_up(pairing, &databases.ai, models.embedder.space(), settings).await
    } else {
        refuse(migrate::ai_status(&databases.ai).await?)?;
        migrate::ai_engine(pairing, settings).await
    }
}

fn refuse(steps: Vec<migrate::Step>) -> Result<()> {
    let pending: Vec<String> = steps.into_iter().filter(|step| !step.applied).map(|step| step.name).collect();
    if pending.is_empty() {
        return Ok(());
    }
    Err(Error::startup(
        format!("migrations are pending: {}", pending.join(", ")),
        "run `tandem migrate`, or start without --no-migrate",
    ))
}

/// Waits for an ai database that was away at start: it is compared and
/// migrated like at any start before anybody can use it.
pub(super) async fn ai_when_it_is_back(state: AppState, databases: Databases, migrate_pending: bool) {
    let mut complained = String::new();
    while state.shutdown.run_until_cancelled(tokio::time::sleep(AI_ASKED_EVERY)).await.is_some() {
        match ai_now(&state, &databases, migrate_pending).await {
            Ok(false) => {}
            Ok(true) => {
                databases.open_ai_again();
                tracing::info!("the ai database is back");
                return;
            }
            Err(error) => {
                // Once, and not every two seconds.
                let said = error.to_string();
                if said != complained {
                    tracing::error!(%error, "the ai database is back and cannot be used");
                    complained = said;
                }
            }
        }
    }
}

/// `false` while nobody answers.
async fn ai_now(state: &AppState, databases: &Databases, migrate_pending: bool) -> Result<bool> {
    let mut pairing = Pairing::check(databases).await?;
    if pairing.ai_away().is_some() {
        return Ok(false);
    }
    ai_schema(&mut pairing, databases, &state.models, &state.settings, migrate_pending).await?;
    pairing.confirm(true).await?;
    Ok(true)
}
