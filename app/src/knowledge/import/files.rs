//! Files and folders.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use serde_json::Map;

use super::{Rejected, rejected};
use crate::error::{Error, Result};
use crate::knowledge::chunk::MediaType;
use crate::knowledge::outline;
use crate::knowledge::source::{SourceInput, TEXT_CHARS_MAX, TITLE_CHARS_MAX};
use crate::web::extract::validate;

/// Folders within folders.
const DEPTH_MAX: usize = 64;
/// Files of one import.
const FILES_MAX: usize = 100_000;
/// A character takes at most four bytes.
const FILE_BYTES_MAX: u64 = 4 * TEXT_CHARS_MAX as u64;

/// The texts of a file, or of a folder in the order of their paths. Links are
/// not followed, hidden files and folders are passed over.
pub(super) fn open(
    path: &Path,
) -> Result<impl Iterator<Item = Result<SourceInput, Rejected>> + Send + use<>> {
    let unreadable = |error: std::io::Error| {
        Error::startup(
            format!("{} cannot be read: {error}", path.display()),
            "name a file or folder that exists",
        )
    };
    let kind = std::fs::metadata(path).map_err(unreadable)?;
    if kind.is_dir() {
        std::fs::read_dir(path).map_err(unreadable)?;
        return Ok(Walk::new(path.to_owned()));
    }
    if media_type(path).is_none() {
        return Err(Error::startup(
            format!("{} is not a .md, .markdown or .txt file", path.display()),
            "convert it to text first; JSON lines are read with --jsonl",
        ));
    }
    let root = path.parent().unwrap_or(Path::new("")).to_owned();
    let mut walk = Walk::new(root);
    walk.waiting = VecDeque::from([(path.to_owned(), 0)]);
    Ok(walk)
}

struct Walk {
    root: PathBuf,
    waiting: VecDeque<(PathBuf, usize)>,
    files: usize,
}

impl Walk {
    fn new(root: PathBuf) -> Self {
        Self { waiting: VecDeque::from([(root.clone(), 0)]), root, files: 0 }
    }

    /// Puts what a folder holds in front, in order.
    fn enter(&mut self, folder: &Path, depth: usize) -> Result<(), Rejected> {
        if depth >= DEPTH_MAX {
            return Err(rejected(
                folder.display().to_string(),
                format!("more than {DEPTH_MAX} folders deep"),
            ));
        }
        let refused = |error: std::io::Error| rejected(folder.display().to_string(), error);
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(refused)? {
            let entry = entry.map_err(refused)?;
            let is_link = entry.file_type().map_err(refused)?.is_symlink();
            if !is_link && !entry.file_name().to_string_lossy().starts_with('.') {
                entries.push(entry.path());
            }
        }
        entries.sort_unstable_by(|a, b| b.cmp(a));
        for path in entries {
            self.waiting.push_front((path, depth + 1));
        }
        Ok(())
    }

    fn name(&self, path: &Path) -> String {
        let relative = path.strip_prefix(&self.root).unwrap_or(path);
        let parts: Vec<_> = relative.components().map(|part| part.as_os_str().to_string_lossy()).collect();
        parts.join("/")
    }
}

impl Iterator for Walk {
    type Item = Result<SourceInput, Rejected>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some((path, depth)) = self.waiting.pop_front() {
            if path.is_dir() {
                if let Err(rejected) = self.enter(&path, depth) {
                    return Some(Err(rejected));
                }
            } else if let Some(media_type) = media_type(&path) {
                self.files += 1;
                if self.files > FILES_MAX {
                    self.waiting.clear();
                    let error = format!("this and the following files are left out: more than {FILES_MAX}");
                    return Some(Err(rejected(self.name(&path), error)));
                }
                return Some(read(&path, &self.name(&path), media_type));
            }
        }
        None
    }
}

fn media_type(path: &Path) -> Option<MediaType> {
    let extension = path.extension()?.to_str()?.to_ascii_lowercase();
    match extension.as_str() {
        "md" | "markdown" => Some(MediaType::Markdown),
        "txt" => Some(MediaType::Plain),
        _ => None,
    }
}

fn read(path: &Path, name: &str, media_type: MediaType) -> Result<SourceInput, Rejected> {
    let refused = |error: &dyn std::fmt::Display| rejected(name, error);
    let size = std::fs::metadata(path).map_err(|error| refused(&error))?.len();
    if size > FILE_BYTES_MAX {
        return Err(refused(&format!(
            "{size} bytes are more than a text may have ({TEXT_CHARS_MAX} characters)"
        )));
    }
    let bytes = std::fs::read(path).map_err(|error| refused(&error))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        refused(&format!("not UTF-8 from byte {at} on: convert it first"))
    })?;
    let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
    let input = SourceInput {
        title: title(path, &text, media_type),
        text,
        external_id: Some(name.to_owned()),
        scope: None,
        metadata: Map::new(),
        media_type,
    };
    validate(&input).map_err(|error| refused(&error))?;
    Ok(input)
}

/// A Markdown text's first heading, or the file's name.
fn title(path: &Path, text: &str, media_type: MediaType) -> String {
    let heading = (media_type == MediaType::Markdown)
        .then(|| outline::markdown(text).headings.into_iter().next())
        .flatten()
        .map(|heading| heading.text)
        .filter(|heading| !heading.trim().is_empty());
    let title = heading.or_else(|| path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
    title.unwrap_or_default().chars().take(TITLE_CHARS_MAX).collect()
}
