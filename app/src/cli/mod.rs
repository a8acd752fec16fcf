//! The command line. Results go to standard output, everything else to
//! standard error; any failure exits non-zero.

mod ask;
mod batch;
mod demo;
mod doctor;
mod health;
mod ingest;
mod links;
mod market;
mod migrate;
mod output;
mod pair;
mod portfolio;
mod recall;
mod reembed;
mod seed;
mod serve;
mod users;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::Settings;
use crate::db::{CoreDb, Databases, Purpose};
use crate::error::{Context, Result};
use crate::state::AppState;
use crate::{parse, router, server, telemetry};

/// The backend of an AI application on two Postgres databases.
#[derive(Debug, Parser)]
#[command(name = "tandem", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Migrate both schemas, serve HTTP, run jobs and schedules
    Serve(serve::Serve),
    /// Stream an answer, with its numbered sources, on this terminal
    Ask(ask::Ask),
    /// Apply, show or take back migrations
    Migrate(migrate::Migrate),
    /// Show whether core and ai belong together, and make them a pair
    Pair(pair::Pair),
    /// Look at servers, schemas, indexes and the pair, or at the links between the databases
    Doctor(doctor::Doctor),
    /// Ask the server on this machine whether it is ready
    Health,
    /// Fill the databases with something to try
    Seed(seed::Seed),
    /// Manage users
    #[command(subcommand)]
    User(users::User),
    /// Print an access token of a user
    Token(users::Token),
    /// Add files, a folder, or the lines of a JSONL file to the knowledge base
    Ingest(ingest::Ingest),
    /// Change the embedding model while everybody goes on searching
    Reembed(reembed::Reembed),
    /// Prices and other market data: import files, fetch what is missing
    #[command(subcommand)]
    Market(market::Market),
    /// Compute the figures of portfolios
    #[command(subcommand)]
    Batch(batch::Batch),
    /// Fill portfolios
    #[command(subcommand)]
    Portfolio(portfolio::Portfolio),
    /// Print the OpenAPI document
    Openapi,
    /// Read one file, for the server that starts this
    #[command(hide = true)]
    Parse(parse::child::Parse),
}

/// Runs the command this process was started with.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments.command) {
        Ok(code) => code,
        Err(error) => {
            output::failure(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    // Before anything is read that a hostile file must not reach.
    if let Command::Parse(order) = &command {
        return parse::child::run(order).map(|()| ExitCode::SUCCESS);
    }
    if let Command::Openapi = command {
        let document = router::openapi().to_pretty_json().context("printing the OpenAPI document")?;
        output::line(&document)?;
        return Ok(ExitCode::SUCCESS);
    }
    let settings = Settings::from_process_env()?;
    telemetry::start(&settings.telemetry)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("starting the runtime")?;
    runtime.block_on(dispatch(command, settings))
}

async fn dispatch(command: Command, settings: Settings) -> Result<ExitCode> {
    match command {
        Command::Serve(command) => Box::pin(command.run(settings)).await?,
        Command::Ask(command) => Box::pin(command.run(settings)).await?,
        Command::Migrate(command) => Box::pin(command.run(settings)).await?,
        Command::Pair(command) => Box::pin(command.run(settings)).await?,
        Command::Doctor(command) => return Box::pin(command.run(settings)).await,
        Command::Health => health::run(settings).await?,
        Command::Seed(command) => Box::pin(command.run(settings)).await?,
        Command::User(command) => Box::pin(command.run(settings)).await?,
        Command::Token(command) => Box::pin(command.run(settings)).await?,
        Command::Ingest(command) => Box::pin(command.run(settings)).await?,
        Command::Reembed(command) => Box::pin(command.run(settings)).await?,
        Command::Market(command) => Box::pin(command.run(settings)).await?,
        Command::Batch(command) => Box::pin(command.run(settings)).await?,
        Command::Portfolio(command) => Box::pin(command.run(settings)).await?,
        Command::Openapi | Command::Parse(_) => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs `work` over opened, migrated databases, attaching to a running
/// embedded server or starting it for as long as the command lasts.
async fn with_state<T>(settings: Settings, work: impl AsyncFnOnce(&AppState) -> Result<T>) -> Result<T> {
    let (databases, state) = server::open(settings, Purpose::Command, true).await?;
    let result = work(&state).await;
    finish(databases, state).await?;
    result
}

/// The same for work on core alone, which needs no models.
async fn with_core<T>(
    settings: Settings,
    work: impl AsyncFnOnce(&CoreDb, &Settings) -> Result<T>,
) -> Result<T> {
    let databases = server::open_core(&settings).await?;
    let result = work(&databases.core, &settings).await;
    databases.close().await?;
    result
}

/// Lets work in the background end, then closes the databases.
async fn finish(databases: Databases, state: AppState) -> Result<()> {
    state.shutdown.cancel();
    state.tasks.close();
    state.tasks.wait().await;
    drop(state);
    databases.close().await
}
