//! Runs each chain under its own advisory lock, so that any number of
//! processes may start at once and every step is applied exactly once.

use migration_ai::Migrator as AiMigrator;
use migration_core::Migrator as CoreMigrator;
use sea_orm_migration::{MigrationStatus, MigratorTrait};

use super::handle::{AiDb, CoreDb};
use super::lock::AdvisoryLock;
use super::{preflight, reach, space};
use crate::config::Knowledge;
use crate::error::Result;
use crate::llm::SpaceSpec;

const CORE_LOCK: &str = "tandem:migrate:core";
const AI_LOCK: &str = "tandem:migrate:ai";

/// One step of a chain.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Step {
    /// Its name.
    pub name: String,
    /// Whether this database has it.
    pub applied: bool,
}

/// Brings core up to date.
pub async fn core_up(core: &CoreDb) -> Result<()> {
    let mut lock = AdvisoryLock::acquire(core.pool(), CORE_LOCK).await?;
    let result = async {
        preflight::encoding(lock.connection()).await?;
        let connection = core.migration_connection();
        CoreMigrator::up(&connection, None).await?;
        Ok(connection.close().await?)
    }
    .await;
    lock.release().await?;
    result
}

/// Brings ai up to date and ensures the embedding space, under one lock.
pub async fn ai_up(ai: &AiDb, spec: &SpaceSpec, knowledge: &Knowledge) -> Result<()> {
    let mut lock = AdvisoryLock::acquire(ai.pool(), AI_LOCK).await?;
    let result = async {
        preflight::encoding(lock.connection()).await?;
        preflight::vector_extension(lock.connection()).await?;
        let connection = ai.migration_connection();
        AiMigrator::up(&connection, None).await?;
        space::ensure(&connection, spec, knowledge).await?;
        reach::ensure_roles(&connection).await?;
        Ok(connection.close().await?)
    }
    .await;
    lock.release().await?;
    result
}

/// Takes back core's last `steps` steps.
pub async fn core_down(core: &CoreDb, steps: u32) -> Result<()> {
    let lock = AdvisoryLock::acquire(core.pool(), CORE_LOCK).await?;
    let result = CoreMigrator::down(&core.migration_connection(), Some(steps)).await;
    lock.release().await?;
    Ok(result?)
}

/// Takes back ai's last `steps` steps.
pub async fn ai_down(ai: &AiDb, steps: u32) -> Result<()> {
    let lock = AdvisoryLock::acquire(ai.pool(), AI_LOCK).await?;
    let result = AiMigrator::down(&ai.migration_connection(), Some(steps)).await;
    lock.release().await?;
    Ok(result?)
}

/// Core's chain, step by step. Changes nothing.
pub async fn core_status(core: &CoreDb) -> Result<Vec<Step>> {
    Ok(steps(&CoreMigrator::get_migration_with_status_read_only(core).await?))
}

/// Ai's chain, step by step. Changes nothing.
pub async fn ai_status(ai: &AiDb) -> Result<Vec<Step>> {
    Ok(steps(&AiMigrator::get_migration_with_status_read_only(&ai.begin_plain().await?).await?))
}

fn steps(migrations: &[sea_orm_migration::Migration]) -> Vec<Step> {
    migrations
        .iter()
        .map(|migration| Step {
            name: migration.name().to_owned(),
            applied: migration.status() == MigrationStatus::Applied,
        })
        .collect()
}
