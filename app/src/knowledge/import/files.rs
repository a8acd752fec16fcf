//! Files and folders.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use serde_json::Map;

use super::{Incoming, Left, Rejected, rejected};
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
pub(super) fn open(path: &Path, bytes_max: usize) -> Result<super::Items> {
    let kind = std::fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    if kind.is_dir() {
        let read = move |found: Found| found.map_err(Left::from).and_then(|file| file.read(bytes_max));
        return Ok(Box::new(walk(path, "")?.map(read)));
    }
    let Some(kind) = kind_of(path) else {
        return Err(Error::startup(
            format!("{} is no file that can be read: {}", path.display(), FileType::ENDINGS),
            "convert it first; a text for each JSON line is read with --jsonl",
        ));
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let file = Listed { path: path.to_owned(), name, kind };
    Ok(Box::new(std::iter::once_with(move || file.read(bytes_max))))
}

/// The files of a folder in the order of their paths, none of them opened.
/// What is named of each begins with `prefix`.
pub(super) fn walk(folder: &Path, prefix: &str) -> Result<Walk> {
    std::fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
    Ok(Walk {
        root: folder.to_owned(),
        prefix: prefix.to_owned(),
        waiting: VecDeque::from([(folder.to_owned(), 0)]),
        files: 0,
    })
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    Error::startup(format!("{} cannot be read: {error}", path.display()), "name a file or folder that exists")
}

/// A file that is there.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    /// Where it is.
    pub(super) path: PathBuf,
    /// What it is known under: its path within the folder, after the prefix.
    pub(super) name: String,
    kind: FileType,
}

impl Listed {
    /// What is in it.
    pub(super) fn read(&self, bytes_max: usize) -> Result<Incoming, Left> {
        read(&self.path, &self.name, self.kind, bytes_max).map_err(Left::Rejected)
    }
}

/// Why something in a folder is no file to read.
#[derive(Clone, Debug)]
pub(super) enum Skipped {
    /// A folder or file that cannot be looked at.
    Rejected(Rejected),
    /// A file of another kind, by its name.
    Unsupported(String),
}

type Found = Result<Listed, Skipped>;

/// Goes through a folder.
pub(super) struct Walk {
    root: PathBuf,
    prefix: String,
    waiting: VecDeque<(PathBuf, usize)>,
    files: usize,
}

impl Walk {
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
        self.prefix.clone() + &parts.join("/")
    }
}

impl Iterator for Walk {
    type Item = Found;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some((path, depth)) = self.waiting.pop_front() {
            if path.is_dir() {
                if let Err(rejected) = self.enter(&path, depth) {
                    return Some(Err(Skipped::Rejected(rejected)));
                }
                continue;
            }
            let name = self.name(&path);
            let Some(kind) = kind_of(&path) else { return Some(Err(Skipped::Unsupported(name))) };
            self.files += 1;
            if self.files > FILES_MAX {
                self.waiting.clear();
                let error = format!("this and the following files are left out: more than {FILES_MAX}");
                return Some(Err(Skipped::Rejected(rejected(name, error))));
            }
            return Some(Ok(Listed { path, name, kind }));
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
        incoming.file =
            Some(FileContent { bytes: bytes.into(), kind, filename: None, titled: false, url: None });
    }
    Ok(incoming)
}

/// A Markdown text's first heading, or the file's name.
fn title(path: &Path, text: Option<&str>, kind: FileType) -> String {
    let heading = text.filter(|_| kind == FileType::Markdown).and_then(outline::title);
    let title = heading.or_else(|| path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
    title.unwrap_or_default().chars().take(TITLE_CHARS_MAX).collect()
}
