//! Taking in files and JSON lines, for the command line.

mod failures;
mod files;
mod lines;
mod sync;

pub use failures::failures;
pub use sync::{Folder, Pass};

use std::path::PathBuf;

use entity::ids::{JobId, UserId};
use serde::Serialize;

use super::accept::{self, Accepted, Skipped};
use super::source::{FileContent, OWN_SCOPE, Offer, SourceInput};
use crate::auth::Ownership;
use crate::error::{Context, Result};
use crate::state::AppState;

/// Texts taken in at once.
const GROUP_ITEMS: usize = 200;
/// Characters taken in at once; one longer text goes alone.
const GROUP_BYTES: usize = 8 * 1024 * 1024;
/// Refusals that are reported one by one; the rest is counted.
const REJECTED_MAX: usize = 1000;

/// Where texts come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A file, or a folder with all that is in it.
    Path(PathBuf),
    /// A file with a JSON object a line: `id`, `text`, `title`, `scope`, `metadata`; other fields go to metadata.
    Lines(PathBuf),
}

/// A text that was not taken in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rejected {
    /// File, or file and line.
    pub at: String,
    /// What is wrong with it.
    pub error: String,
}

/// What became of the texts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Queued for ingestion.
    pub accepted: u64,
    /// There already, or on their way.
    pub unchanged: u64,
    /// Blank.
    pub empty: u64,
    /// Replaced by a later text of the same id.
    pub superseded: u64,
    /// Wrong.
    pub rejected_count: u64,
    /// The first 1000 of the wrong ones.
    pub rejected: Vec<Rejected>,
    /// Files of kinds that cannot be read.
    pub unsupported_count: u64,
    /// The first 1000 of their names.
    pub unsupported: Vec<String>,
    /// The jobs that ingest the accepted ones.
    pub job_ids: Vec<JobId>,
}

impl Report {
    /// Texts seen so far.
    pub fn seen(&self) -> u64 {
        self.accepted + self.unchanged + self.empty + self.superseded + self.rejected_count
    }

    fn add(&mut self, accepted: &Accepted) {
        match accepted.skipped {
            None => self.accepted += 1,
            Some(Skipped::Unchanged) => self.unchanged += 1,
            Some(Skipped::Empty) => self.empty += 1,
            Some(Skipped::Superseded) => self.superseded += 1,
        }
        if let (None, Some(job_id)) = (accepted.skipped, accepted.job_id)
            && self.job_ids.last() != Some(&job_id)
        {
            self.job_ids.push(job_id);
        }
    }

    /// What was left out before.
    fn include(&mut self, other: Report) {
        other.rejected.into_iter().for_each(|rejected| self.reject(rejected));
        self.unsupported_count += other.unsupported_count;
        self.unsupported.extend(other.unsupported);
    }

    fn leave(&mut self, left: Left) {
        match left {
            Left::Rejected(rejected) => self.reject(rejected),
            Left::Unsupported(name) => {
                self.unsupported_count += 1;
                if self.unsupported.len() < REJECTED_MAX {
                    self.unsupported.push(name);
                }
            }
        }
    }

    fn reject(&mut self, rejected: Rejected) {
        self.rejected_count += 1;
        if self.rejected.len() < REJECTED_MAX {
            self.rejected.push(rejected);
        }
    }
}

/// Whom imported texts are for.
#[derive(Clone, Copy, Debug)]
pub struct For {
    /// Whose rows they become, whatever label a line has.
    pub ownership: Ownership,
    /// Who asks, when it is a user.
    pub asked_by: Option<UserId>,
}

/// Takes everything in. `on_progress` is called after each group of texts. A
/// wrong text is reported and the rest goes on; an error is the database's, or
/// that of an origin which cannot be read at all.
pub async fn run(
    state: &AppState,
    origin: Origin,
    whom: For,
    mut on_progress: impl FnMut(&Report),
) -> Result<Report> {
    let limit = state.settings.files.upload_limit_bytes;
    let items = tokio::task::spawn_blocking(move || open(origin, limit)).await.context("opening texts")??;
    take_all(state, items, whom, &mut on_progress).await
}

async fn take_all(
    state: &AppState,
    mut items: Items,
    whom: For,
    on_progress: &mut impl FnMut(&Report),
) -> Result<Report> {
    let mut report = Report::default();
    loop {
        // Files are read away from the async threads.
        let (group, rest) = tokio::task::spawn_blocking(move || {
            let group = next_group(&mut items);
            (group, items)
        })
        .await
        .context("reading texts")?;
        items = rest;
        if group.is_empty() {
            return Ok(report);
        }
        take_in(state, whom, group, &mut report).await?;
        on_progress(&report);
    }
}

/// A text, or a file that is still to be parsed.
struct Incoming {
    input: SourceInput,
    file: Option<FileContent>,
}

impl From<SourceInput> for Incoming {
    fn from(input: SourceInput) -> Self {
        Self { input, file: None }
    }
}

impl Incoming {
    fn bytes(&self) -> usize {
        self.file.as_ref().map_or(self.input.text.len(), |file| file.bytes.len())
    }
}

/// What is not taken in.
enum Left {
    Rejected(Rejected),
    /// A file of a kind that cannot be read, by its name.
    Unsupported(String),
}

type Items = Box<dyn Iterator<Item = Result<Incoming, Left>> + Send>;

fn open(origin: Origin, file_bytes_max: usize) -> Result<Items> {
    Ok(match origin {
        Origin::Path(path) => files::open(&path, file_bytes_max)?,
        Origin::Lines(path) => {
            Box::new(lines::open(&path)?.map(|line| line.map(Incoming::from).map_err(Left::Rejected)))
        }
    })
}

fn next_group(items: &mut Items) -> Vec<Result<Incoming, Left>> {
    let mut group = Vec::new();
    let mut bytes = 0;
    while group.len() < GROUP_ITEMS && bytes < GROUP_BYTES {
        let Some(item) = items.next() else { break };
        bytes += item.as_ref().map_or(0, Incoming::bytes);
        group.push(item);
    }
    group
}

async fn take_in(
    state: &AppState,
    whom: For,
    group: Vec<Result<Incoming, Left>>,
    report: &mut Report,
) -> Result<()> {
    let mut offers = Vec::with_capacity(group.len());
    for item in group {
        match item {
            Ok(Incoming { input, file }) => offers.push(Offer {
                ownership: whom.ownership,
                scope: input.scope.clone().unwrap_or_else(|| default_scope(whom.ownership)),
                input,
                file,
            }),
            Err(left) => report.leave(left),
        }
    }
    for accepted in accept::accept(state, whom.asked_by, offers).await? {
        report.add(&accepted);
    }
    Ok(())
}

fn default_scope(ownership: Ownership) -> String {
    match (ownership.owner_id, ownership.tenant_id) {
        (Some(_), _) => OWN_SCOPE.to_owned(),
        (None, Some(tenant)) => format!("tenant:{tenant}"),
        (None, None) => "global".to_owned(),
    }
}

/// Why a text is refused, in one line.
fn rejected(at: impl Into<String>, error: impl std::fmt::Display) -> Rejected {
    Rejected { at: at.into(), error: error.to_string() }
}
