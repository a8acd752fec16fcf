//! `tandem doctor links`

use std::process::ExitCode;

use clap::Args;

use super::{output, with_state};
use crate::admin::links::{self, LIMIT_MAX, Options, Report, Verdict};
use crate::config::Settings;
use crate::error::Result;
use crate::state::AppState;

/// Doctor links.
#[derive(Debug, Args)]
pub(super) struct Links {
    /// Repair what has been in quarantine for seven days
    #[arg(long)]
    repair: bool,
    /// Orphans a table that are no reason to stop
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(0..=LIMIT_MAX))]
    limit: Option<u64>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

const ORPHANS: u8 = 3;
const STOPPED: u8 = 4;

impl Links {
    pub(super) async fn run(self, settings: Settings) -> Result<ExitCode> {
        let options = Options { repair: self.repair, limit: self.limit };
        let report =
            with_state(settings, async |state: &AppState| links::check(state, options).await).await?;
        if self.json {
            output::json(&report)?;
        } else {
            show(&report)?;
        }
        Ok(match report.verdict {
            Verdict::Clean => ExitCode::SUCCESS,
            Verdict::Orphans => ExitCode::from(ORPHANS),
            Verdict::Stopped => ExitCode::from(STOPPED),
        })
    }
}

fn show(report: &Report) -> Result<()> {
    for link in &report.links {
        let repaired =
            if link.repaired > 0 { format!(", {} repaired", link.repaired) } else { String::new() };
        output::line(&format!(
            "{:<14} {:<13} {} of {} rows{repaired}",
            link.table, link.reason, link.orphans, link.rows
        ))?;
    }
    output::line(&format!(
        "outbox         {} waiting, {} given up, {} delivered but unknown to ai",
        report.outbox.pending, report.outbox.dead, report.unknown_to_ai
    ))?;
    match &report.stopped {
        Some(why) => output::line(&format!("stopped, nothing was changed: {why}")),
        None => Ok(()),
    }
}
