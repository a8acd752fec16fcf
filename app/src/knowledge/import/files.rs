//! Files and folders.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use serde_json::Map;

use super::{Incoming, Rejected, rejected};
use crate::error::{Error, Result};
use crate::knowledge::chunk::MediaType;
use crate::knowledge::outline;
use crate::knowledge::source::{FileContent, SourceInput, TEXT_CHARS_MAX, TITLE_CHARS_MAX};
use crate::parse::FileType;
use crate::web::extract::validate;

/// Folders within folders.
const DEPTH_MAX: usize = 64;
/// Files of one import.
const FILES_MAX: usize = 100_000;

/// The texts of a file, or of a folder in the order of their paths. Links are
/// not followed, hidden files and folders are passed over.
pub(super) fn open(
    path: &Path,
    bytes_max: usize,
) -> Result<impl Iterator<Item = Result<Incoming, Rejected>> + Send + use<>> {
    let unreadable = |error: std::io::Error| {
        Error::startup(
            format!("{} cannot be read: {error}", path.display()),
            "name a file or folder that exists",
        )
    };
    let kind = std::fs::metadata(path).map_err(unreadable)?;
    if kind.is_dir() {
        std::fs::read_dir(path).map_err(unreadable)?;
        return Ok(Walk::new(path.to_owned(), bytes_max));
    }
    if kind_of(path).is_none() {
        return Err(Error::startup(
            format!("{} is not a .md, .markdown, .txt, .html, .htm or .pdf file", path.display()),
            "convert it first; JSON lines are read with --jsonl",
        ));
    }
    let root = path.parent().unwrap_or(Path::new("")).to_owned();
    let mut walk = Walk::new(root, bytes_max);
    walk.waiting = VecDeque::from([(path.to_owned(), 0)]);
    Ok(walk)
}

struct Walk {
    root: PathBuf,
    waiting: VecDeque<(PathBuf, usize)>,
    files: usize,
    bytes_max: usize,
}

impl Walk {
    fn new(root: PathBuf, bytes_max: usize) -> Self {
        Self { waiting: VecDeque::from([(root.clone(), 0)]), root, files: 0, bytes_max }
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
    type Item = Result<Incoming, Rejected>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some((path, depth)) = self.waiting.pop_front() {
            if path.is_dir() {
                if let Err(rejected) = self.enter(&path, depth) {
                    return Some(Err(rejected));
                }
            } else if let Some(kind) = kind_of(&path) {
                self.files += 1;
                if self.files > FILES_MAX {
                    self.waiting.clear();
                    let error = format!("this and the following files are left out: more than {FILES_MAX}");
                    return Some(Err(rejected(self.name(&path), error)));
                }
                return Some(read(&path, &self.name(&path), kind, self.bytes_max));
            }
        }
        None
    }
}

fn kind_of(path: &Path) -> Option<FileType> {
    FileType::of_name(path.file_name()?.to_str()?)
}

/// Markdown and plain texts are read here; what needs a parser goes to it as
/// it is, and so does a text that is not plainly UTF-8.
fn read(path: &Path, name: &str, kind: FileType, bytes_max: usize) -> Result<Incoming, Rejected> {
    let refused = |error: &dyn std::fmt::Display| rejected(name, error);
    let size = std::fs::metadata(path).map_err(|error| refused(&error))?.len();
    if size > bytes_max as u64 {
        return Err(refused(&format!("{size} bytes are more than a file may have ({bytes_max})")));
    }
    let bytes = std::fs::read(path).map_err(|error| refused(&error))?;
    let is_text = matches!(kind, FileType::Text | FileType::Markdown);
    let text = std::str::from_utf8(&bytes)
        .ok()
        .filter(|text| is_text && !text.contains('\0') && text.chars().count() <= TEXT_CHARS_MAX)
        .map(|text| text.strip_prefix('\u{feff}').unwrap_or(text).to_owned());
    if !is_text && bytes.is_empty() {
        return Err(refused(&"the file is empty"));
    }
    let mut incoming = Incoming::from(SourceInput {
        title: title(path, text.as_deref(), kind),
        text: text.unwrap_or_default(),
        external_id: Some(name.to_owned()),
        scope: None,
        metadata: Map::new(),
        media_type: MediaType::named(kind.as_str()),
    });
    validate(&incoming.input).map_err(|error| refused(&error))?;
    if incoming.input.text.is_empty() && !bytes.is_empty() {
        incoming.file = Some(FileContent { bytes: bytes.into(), kind, filename: None, titled: false });
    }
    Ok(incoming)
}

/// A Markdown text's first heading, or the file's name.
fn title(path: &Path, text: Option<&str>, kind: FileType) -> String {
    let heading = text.filter(|_| kind == FileType::Markdown).and_then(outline::title);
    let title = heading.or_else(|| path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
    title.unwrap_or_default().chars().take(TITLE_CHARS_MAX).collect()
}
