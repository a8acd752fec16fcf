//! A folder whose files are sources: what changed is taken in again, what is
//! gone goes. Which sources are the folder's, they say themselves: their ids begin
//! with its name. So a pass can be ended at any time, and two at once do no harm.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::files::{self, Listed, Skipped};
use super::{For, Left, Report, take_all};
use crate::error::{Context, Error, Result};
use crate::knowledge::{delete, queries};
use crate::state::AppState;

/// A file that was written to less than this ago may be half written.
const SETTLED: Duration = Duration::from_secs(1);
/// Longest name of a folder, in characters.
const NAME_CHARS_MAX: usize = 100;

/// A folder, and how its files were when they were last taken in.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// What the ids of its sources begin with.
    prefix: String,
    seen: BTreeMap<String, Stamp>,
    /// Whether there was a pass.
    begun: bool,
}

/// What became of a folder in a pass.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Pass {
    /// What was taken in.
    #[serde(flatten)]
    pub report: Report,
    /// Sources whose files are gone.
    pub removed: u64,
}

impl Pass {
    /// Whether there is anything to tell.
    pub fn is_empty(&self) -> bool {
        self.removed == 0 && self.report.seen() == self.report.unchanged
    }
}

/// What shows that a file changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
}

/// What a folder holds.
#[derive(Debug, Default)]
struct Listing {
    files: Vec<(Listed, Stamp)>,
    skipped: Vec<Skipped>,
}

impl Folder {
    /// A folder under a name of its own, or that of its path.
    pub fn new(path: &Path, name: Option<&str>) -> Result<Self> {
        let whole = std::fs::canonicalize(path).map_err(|error| {
            Error::startup(format!("{} cannot be read: {error}", path.display()), "name a folder that exists")
        })?;
        let name = match name {
            Some(name) => name.to_owned(),
            None => whole.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        };
        let is_right = !name.is_empty() && !name.contains('/') && name.chars().count() <= NAME_CHARS_MAX;
        if !is_right || name.chars().any(char::is_control) {
            return Err(Error::startup(
                format!("{name:?} is no name for a folder's sources"),
                format!("give --name with 1 to {NAME_CHARS_MAX} characters and no slash"),
            ));
        }
        let prefix = format!("folder:{name}/");
        Ok(Self { path: whole, prefix, seen: BTreeMap::new(), begun: false })
    }

    /// Brings the sources in line with the folder. With `settled`, files that
    /// may be half written are left for the next pass.
    pub async fn pass(&mut self, state: &AppState, whom: For, settled: bool) -> Result<Pass> {
        let (path, prefix) = (self.path.clone(), self.prefix.clone());
        let listing = tokio::task::spawn_blocking(move || list(&path, &prefix)).await;
        let listing = listing.context("looking through a folder")??;
        let is_whole = !listing.skipped.iter().any(|skipped| matches!(skipped, Skipped::Rejected(_)));
        let names: HashSet<String> = listing.files.iter().map(|(file, _)| file.name.clone()).collect();
        let now = SystemTime::now();
        let mut changed = Vec::new();
        for (file, stamp) in listing.files {
            if self.seen.get(&file.name) == Some(&stamp) {
                continue;
            }
            let age = stamp.modified.and_then(|modified| now.duration_since(modified).ok());
            if settled && age.is_some_and(|age| age < SETTLED) {
                continue;
            }
            changed.push((file, stamp));
        }
        let gone = self.seen.len();
        self.seen.retain(|name, _| names.contains(name));
        let removal_due = !self.begun || gone != self.seen.len();
        let mut pass = Pass::default();
        if !self.begun {
            listing.skipped.into_iter().for_each(|skipped| pass.report.leave(Left::from(skipped)));
        }
        self.take(state, whom, changed, &mut pass).await?;
        // What could not be looked at may still be there.
        if removal_due && is_whole {
            pass.removed = self.remove(state, whom, &names).await?;
        }
        self.begun = true;
        Ok(pass)
    }

    /// Takes files in, and remembers how they were.
    async fn take(
        &mut self,
        state: &AppState,
        whom: For,
        changed: Vec<(Listed, Stamp)>,
        pass: &mut Pass,
    ) -> Result<()> {
        if changed.is_empty() {
            return Ok(());
        }
        let limit = state.settings.files.upload_limit_bytes;
        let stamps: Vec<(String, Stamp)> =
            changed.iter().map(|(file, stamp)| (file.name.clone(), *stamp)).collect();
        let items = changed.into_iter().map(move |(file, _)| file.read(limit));
        let skipped = std::mem::take(&mut pass.report);
        pass.report = take_all(state, Box::new(items), whom, &mut |_| {}).await?;
        pass.report.include(skipped);
        self.seen.extend(stamps);
        Ok(())
    }

    /// Deletes the folder's sources whose files are not among these.
    async fn remove(&self, state: &AppState, whom: For, names: &HashSet<String>) -> Result<u64> {
        let mut removed = 0;
        for known in queries::of_folder(&state.ai, whom.ownership, &self.prefix).await? {
            if !names.contains(&known.external_id) {
                delete::delete_own(state, whom.ownership, known.id, known.generation).await?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}

impl From<Skipped> for Left {
    fn from(skipped: Skipped) -> Self {
        match skipped {
            Skipped::Rejected(rejected) => Self::Rejected(rejected),
            Skipped::Unsupported(name) => Self::Unsupported(name),
        }
    }
}

fn list(path: &Path, prefix: &str) -> Result<Listing> {
    let mut listing = Listing::default();
    for found in files::walk(path, prefix)? {
        match found {
            Ok(file) => {
                // One that goes at this moment is gone in the next pass.
                let Ok(data) = std::fs::metadata(&file.path) else { continue };
                let stamp = Stamp { modified: data.modified().ok(), length: data.len() };
                listing.files.push((file, stamp));
            }
            Err(skipped) => listing.skipped.push(skipped),
        }
    }
    Ok(listing)
}
