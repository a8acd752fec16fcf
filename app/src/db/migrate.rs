//! Runs each chain under its own advisory lock, so that any number of
//! processes may start at once and every step is applied exactly once.
//!
//! The lock is on the connection that compared the pair, and ends with its
//! process, but a statement of a killed one
//! can still be under way in the server. So the connection that migrates holds
//! a second lock: whoever comes next waits until its predecessor's last
//! transaction has ended, one way or the other.

use migration_ai::Migrator as AiMigrator;
use migration_core::Migrator as CoreMigrator;
use sea_orm::DbErr;
use sea_orm_migration::{MigrationStatus, MigratorTrait};

use super::adopt::{self, Chain};
use super::handle::{AiDb, CoreDb};
use super::pair::Pairing;
use super::{engine, lock, preflight, reach, space};
use crate::config::Settings;
use crate::error::{Error, Result};
use crate::llm::SpaceSpec;

const CORE_LOCK: &str = "tandem:migrate:core";
const AI_LOCK: &str = "tandem:migrate:ai";
const CORE_WORK_LOCK: &str = "tandem:migrate:core:work";
const AI_WORK_LOCK: &str = "tandem:migrate:ai:work";

/// One step of a chain.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Step {
    /// Its name.
    pub name: String,
    /// Whether this database has it.
    pub applied: bool,
}

/// Brings core up to date.
pub async fn core_up(pairing: &mut Pairing, core: &CoreDb, settings: &Settings) -> Result<()> {
    let lock = pairing.connection(Chain::Core);
    lock::acquire(lock, CORE_LOCK).await?;
    preflight::server(lock).await?;
    if !settings.database.adopt {
        adopt::check(lock, Chain::Core).await?;
    }
    let connection = core.migration_connection(CORE_WORK_LOCK);
    CoreMigrator::up(&connection, None).await.map_err(|error| stopped(Chain::Core, error))?;
    connection.close().await?;
    lock::release(lock, CORE_LOCK).await
}

/// Brings ai up to date and ensures the embedding space, under one lock.
pub async fn ai_up(pairing: &mut Pairing, ai: &AiDb, spec: &SpaceSpec, settings: &Settings) -> Result<()> {
    let lock = pairing.connection(Chain::Ai);
    lock::acquire(lock, AI_LOCK).await?;
    preflight::server(lock).await?;
    preflight::vector_extension(lock).await?;
    if !settings.database.adopt {
        adopt::check(lock, Chain::Ai).await?;
    }
    let connection = ai.migration_connection(AI_WORK_LOCK);
    AiMigrator::up(&connection, None).await.map_err(|error| stopped(Chain::Ai, error))?;
    engine::ensure(lock, settings).await?;
    space::ensure(&connection, spec, settings).await?;
    reach::ensure_roles(&connection).await?;
    connection.close().await?;
    lock::release(lock, AI_LOCK).await
}

/// Refuses a configured engine that the ai database does not have. Changes nothing.
pub async fn ai_engine(pairing: &mut Pairing, settings: &Settings) -> Result<()> {
    engine::require(pairing.connection(Chain::Ai), settings).await
}

/// Takes back core's last `steps` steps.
pub async fn core_down(pairing: &mut Pairing, core: &CoreDb, steps: u32) -> Result<()> {
    let lock = pairing.connection(Chain::Core);
    lock::acquire(lock, CORE_LOCK).await?;
    let connection = core.migration_connection(CORE_WORK_LOCK);
    CoreMigrator::down(&connection, Some(steps)).await.map_err(|error| stopped(Chain::Core, error))?;
    connection.close().await?;
    lock::release(lock, CORE_LOCK).await
}

/// Takes back ai's last `steps` steps.
pub async fn ai_down(pairing: &mut Pairing, ai: &AiDb, steps: u32) -> Result<()> {
    let lock = pairing.connection(Chain::Ai);
    lock::acquire(lock, AI_LOCK).await?;
    let connection = ai.migration_connection(AI_WORK_LOCK);
    AiMigrator::down(&connection, Some(steps)).await.map_err(|error| stopped(Chain::Ai, error))?;
    connection.close().await?;
    lock::release(lock, AI_LOCK).await
}

/// A step that the database refuses is somebody's to mend; one cut off is not.
fn stopped(chain: Chain, error: DbErr) -> Error {
    let error = Error::from(error);
    if error.is_outage() {
        return error;
    }
    Error::startup(
        format!("a step of the {} chain failed: {error}", chain.name()),
        format!(
            "the step was taken back whole and those before it stay; mend what the message names and start again \
             (`tandem migrate {} --status` shows where it stands)",
            chain.name()
        ),
    )
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
