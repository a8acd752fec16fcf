//! `tandem migrate`

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::output;
use crate::config::Settings;
use crate::db::migrate::{self, Step};
use crate::db::pair::Pairing;
use crate::db::{Databases, Purpose, space};
use crate::error::{Error, Result};
use crate::llm::LanguageModels;

/// Migrate.
#[derive(Debug, Args)]
pub(super) struct Migrate {
    /// Which chain
    #[arg(value_enum, default_value = "all")]
    chain: Chain,
    /// Show what is applied and what is pending; change nothing
    #[arg(long, conflicts_with = "down")]
    status: bool,
    /// Take back the last N steps of one chain
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    down: Option<u32>,
    /// Migrate into a database that holds tables of somebody else
    #[arg(long)]
    adopt: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Chain {
    Core,
    Ai,
    All,
}

#[derive(Debug, Default, Serialize)]
struct Status {
    #[serde(skip_serializing_if = "Option::is_none")]
    core: Option<Vec<Step>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ai: Option<Vec<Step>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    space: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    space_beside: Option<String>,
}

impl Migrate {
    pub(super) async fn run(self, mut settings: Settings) -> Result<()> {
        settings.database.adopt |= self.adopt;
        let databases = Databases::open(&settings, Purpose::Command).await?;
        let result = self.work(&databases, &settings).await;
        databases.close().await?;
        result
    }

    async fn work(&self, databases: &Databases, settings: &Settings) -> Result<()> {
        match self.down {
            Some(steps) => self.down(databases, steps).await?,
            None if !self.status => self.up(databases, settings).await?,
            None => databases.core_answers().await?,
        }
        let status = self.state(databases).await?;
        if self.json { output::json(&status) } else { show(&status) }
    }

    async fn up(&self, databases: &Databases, settings: &Settings) -> Result<()> {
        let mut pairing = Pairing::check(databases).await?;
        if self.chain != Chain::Ai {
            migrate::core_up(&mut pairing, &databases.core, settings).await?;
        }
        if self.chain != Chain::Core {
            if let Some(reason) = pairing.ai_away() {
                return Err(Error::startup(
                    format!("the ai database cannot be reached: {reason}"),
                    "start that Postgres, or run `tandem migrate core` for core alone",
                ));
            }
            let models = LanguageModels::from_settings(&settings.models, &settings.embedded.cache_dir)?;
            migrate::ai_up(&mut pairing, &databases.ai, models.embedder.space(), settings).await?;
            space::change_engine(&databases.ai, settings).await?;
        }
        pairing.confirm(false).await
    }

    async fn down(&self, databases: &Databases, steps: u32) -> Result<()> {
        let mut pairing = Pairing::check_for_down(databases).await?;
        match self.chain {
            Chain::Core => migrate::core_down(&mut pairing, &databases.core, steps).await?,
            Chain::Ai => migrate::ai_down(&mut pairing, &databases.ai, steps).await?,
            Chain::All => {
                return Err(Error::startup(
                    "--down needs the name of one chain",
                    "write `tandem migrate core --down N` or `tandem migrate ai --down N`",
                ));
            }
        }
        pairing.expect_ai_again().await
    }

    async fn state(&self, databases: &Databases) -> Result<Status> {
        let mut status = Status::default();
        if self.chain != Chain::Ai {
            status.core = Some(migrate::core_status(&databases.core).await?);
        }
        if self.chain != Chain::Core {
            let steps = migrate::ai_status(&databases.ai).await?;
            if steps.first().is_some_and(|step| step.applied) {
                (status.space, status.space_beside) = space::names(&databases.ai).await?;
            }
            status.ai = Some(steps);
        }
        Ok(status)
    }
}

fn show(status: &Status) -> Result<()> {
    for (name, steps) in [("core", &status.core), ("ai", &status.ai)] {
        for step in steps.iter().flatten() {
            let state = if step.applied { "applied" } else { "pending" };
            output::line(&format!("{name:<5} {state:<8} {}", step.name))?;
        }
    }
    if let Some(space) = &status.space {
        output::line(&format!("space active   {space}"))?;
    }
    if let Some(space) = &status.space_beside {
        output::line(&format!("space beside   {space}"))?;
    }
    Ok(())
}
