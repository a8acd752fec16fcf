//! `tandem reembed`

use std::io::IsTerminal;
use std::time::Duration;

use clap::{Args, Subcommand};
use entity::ai::embedding_space::Status;
use entity::ids::SpaceId;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::{output, with_state};
use crate::config::Settings;
use crate::db::space;
use crate::error::{Error, Result};
use crate::spaces::{self, Estimate, SpaceView};
use crate::state::AppState;

/// How often it is looked how far a change is.
const LOOK: Duration = Duration::from_secs(1);

/// Reembed.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Reembed {
    #[command(subcommand)]
    part: Option<Part>,
    /// The model to change to
    #[arg(long, required = true)]
    model: Option<String>,
    /// Where it runs: local or openai
    #[arg(long, default_value = "local", value_parser = ["local", "openai"])]
    provider: String,
    /// Length of its vectors, where it can be chosen or is not known
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4000))]
    dimensions: Option<u32>,
    /// Only say what it would take
    #[arg(long)]
    dry_run: bool,
    /// Switch as soon as the new vectors are ready
    #[arg(long, conflicts_with = "dry_run")]
    switch: bool,
    /// Print the outcome as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// Keep the model; embed rows that have no vector, as after a restore without them
    Missing(Shown),
    /// Show every embedding space and how far it is
    Status(Shown),
    /// Make the next space the active one
    Switch(Shown),
    /// Make the previous space the active one again
    Rollback(Shown),
    /// Give up the next space, or retire the previous one: its vectors are dropped
    Abort(Shown),
}

#[derive(Debug, Args)]
struct Shown {
    /// Print the spaces as JSON
    #[arg(long)]
    json: bool,
}

impl Reembed {
    pub(super) async fn run(self, settings: Settings) -> Result<()> {
        with_state(settings, async |state: &AppState| match &self.part {
            Some(part) => part.work(state).await,
            None => self.work(state).await,
        })
        .await
    }

    async fn work(&self, state: &AppState) -> Result<()> {
        let Some(model) = &self.model else { return show(state, self.json).await };
        let embedder = spaces::embedder(state, &self.provider, model, self.dimensions).await?;
        let estimate = spaces::estimate(state, embedder.clone()).await?;
        if self.dry_run {
            return if self.json { output::json(&estimate) } else { told(&estimate) };
        }
        if !self.json {
            told(&estimate)?;
        }
        let id = spaces::begin(state, embedder.space()).await?;
        follow(state, id, self.json).await?;
        if self.switch {
            spaces::switch(state, id).await?;
            remind(state, self.json).await?;
        }
        show(state, self.json).await
    }
}

impl Part {
    async fn work(&self, state: &AppState) -> Result<()> {
        let beside = space::beside(&state.ai).await?.map(|row| row.id);
        let there = || {
            beside.ok_or_else(|| {
                Error::startup(
                    "there is no space beside the active one",
                    "begin with `tandem reembed --model MODEL`",
                )
            })
        };
        let shown = match self {
            Self::Status(shown) => shown,
            Self::Missing(shown) => {
                let active = state.spaces.active().await?;
                spaces::fill_missing(state, active.space.id, None).await?;
                shown
            }
            Self::Switch(shown) => {
                spaces::switch(state, there()?).await?;
                remind(state, shown.json).await?;
                shown
            }
            Self::Rollback(shown) => {
                spaces::rollback(state, there()?).await?;
                remind(state, shown.json).await?;
                shown
            }
            Self::Abort(shown) => {
                spaces::end(state, there()?).await?;
                shown
            }
        };
        show(state, shown.json).await
    }
}

fn told(estimate: &Estimate) -> Result<()> {
    let Estimate { provider, model, dimensions, texts, tokens, seconds, sampled, too_long, .. } = estimate;
    let price = match &estimate.cost_usd {
        Some(cost) => format!("{cost} US dollars"),
        None => format!("price unknown ([prices] has none for {model})"),
    };
    output::line(&format!("{provider}/{model}/{dimensions}"))?;
    output::line(&format!(
        "{texts} texts, about {tokens} tokens, {price}, about {seconds:.0} s of embedding (by a sample of {sampled})"
    ))?;
    if *too_long > 0 {
        output::line(&format!(
            "{too_long} of the sample are longer than the model reads: their ends would be lost"
        ))?;
    }
    Ok(())
}

/// Works on the change, or watches who does, until it needs somebody's word.
async fn follow(state: &AppState, id: SpaceId, is_quiet: bool) -> Result<()> {
    let bar = progress_bar(is_quiet);
    let working = async {
        loop {
            // Nobody holds the lease, or somebody else does: then this comes back at once.
            spaces::drive(state, id).await?;
            tokio::time::sleep(LOOK).await;
        }
        #[expect(unreachable_code, reason = "gives the endless loop its type")]
        Ok::<(), Error>(())
    };
    let result = tokio::select! {
        ended = watch(state, id, &bar, is_quiet) => ended,
        broken = working => broken,
    };
    bar.finish_and_clear();
    result
}

async fn watch(state: &AppState, id: SpaceId, bar: &ProgressBar, is_quiet: bool) -> Result<()> {
    let mut said = String::new();
    loop {
        let view = spaces::view(state, space::find(&state.ai, id).await?).await?;
        let (rows, missing) = (view.rows.unwrap_or_default(), view.missing.unwrap_or_default());
        bar.set_length(rows.unsigned_abs());
        bar.set_position((rows - missing).unsigned_abs());
        let line = format!("{}: {} of {rows} rows, {} tokens", status(&view), rows - missing, view.tokens);
        if !is_quiet && !std::io::stderr().is_terminal() && line != said {
            output::line(&line)?;
        }
        said = line;
        match view.status {
            Status::Filling | Status::Indexing | Status::Checking => tokio::time::sleep(LOOK).await,
            Status::Refused => {
                return Err(Error::startup(
                    view.error.unwrap_or_default(),
                    "`tandem reembed switch` compares again and switches; `tandem reembed abort` gives the space up",
                ));
            }
            Status::Retired => {
                return Err(Error::startup(
                    "the change was given up meanwhile",
                    "begin it again if it is meant",
                ));
            }
            Status::Ready | Status::Active | Status::Previous => return Ok(()),
        }
    }
}

fn progress_bar(is_quiet: bool) -> ProgressBar {
    if is_quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} rows, {eta}");
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// What to set before the next start.
async fn remind(state: &AppState, is_quiet: bool) -> Result<()> {
    if is_quiet {
        return Ok(());
    }
    let active = state.spaces.refresh().await?;
    let settings = space::variables(active.space.embedder.space());
    output::line(&format!("running servers use it from now on; before their next start set {settings}"))
}

async fn show(state: &AppState, is_json: bool) -> Result<()> {
    let views = spaces::list(state).await?;
    if is_json {
        return output::json(&json!({ "spaces": views }));
    }
    for view in &views {
        let rows = match (view.rows, view.missing) {
            (Some(rows), Some(missing)) => format!("{} of {rows} rows", rows - missing),
            _ => "no rows".to_owned(),
        };
        let name = format!("{}/{}/{}", view.provider, view.model, view.dimensions);
        output::line(&format!("{:<9} {name}, {rows}", status(view)))?;
        for found in &view.recall {
            output::line(&format!(
                "          recall@10 of {} {:.3} at ef_search {} ({} samples)",
                found.table, found.recall, found.ef_search, found.samples
            ))?;
        }
        if let Some(error) = &view.error {
            output::line(&format!("          {error}"))?;
        }
    }
    Ok(())
}

fn status(view: &SpaceView) -> String {
    serde_json::to_value(view.status)
        .ok()
        .and_then(|name| name.as_str().map(str::to_owned))
        .unwrap_or_default()
}
