//! The conversations in a zip.

use std::borrow::Cow;
use std::io::{Cursor, Read};

use bytes::Bytes;

/// What points to the directory of a zip64. Opening such a one takes the memory
/// that it says it needs; without, there are at most 65,535 entries.
const ZIP64: &[u8] = b"PK\x06\x07";
/// As near to the end it stands: before the end's record and its longest comment.
const END_BYTES_MAX: usize = 66_000;
/// Most entries that are read.
const PARTS_MAX: usize = 1_000;

/// A zip whose entries with conversations can be read.
pub(super) struct Zipped {
    archive: zip::ZipArchive<Cursor<Bytes>>,
    /// The entries, in the order of their names.
    parts: Vec<String>,
}

impl Zipped {
    /// Opens a zip, or says in a sentence why not. Nothing is unpacked yet.
    pub(super) fn open(bytes: Bytes) -> Result<Self, String> {
        let end = &bytes[bytes.len().saturating_sub(END_BYTES_MAX)..];
        if end.windows(ZIP64.len()).any(|window| window == ZIP64) {
            return Err("the zip is one for large archives (zip64): pack the conversations alone".to_owned());
        }
        let archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|error| broken(&error))?;
        let names = archive.file_names().filter_map(Result::ok).filter(|name| holds_conversations(name));
        let mut parts: Vec<String> = names.map(Cow::into_owned).collect();
        parts.sort();
        match parts.len() {
            0 => Err("the zip holds no conversations.json".to_owned()),
            1..=PARTS_MAX => Ok(Self { archive, parts }),
            _ => Err(format!("the zip has more than {PARTS_MAX} files of conversations")),
        }
    }

    /// How many entries hold conversations.
    pub(super) fn parts(&self) -> usize {
        self.parts.len()
    }

    /// One of them, from its beginning. It may unpack to any length.
    pub(super) fn part(&mut self, number: usize) -> Result<impl Read + '_, String> {
        let name = self.parts.get(number).map_or("", String::as_str);
        self.archive.by_name(name).map_err(|error| broken(&error))
    }
}

fn broken(error: &zip::result::ZipError) -> String {
    format!("the zip cannot be read: {error}")
}

/// `conversations.json`, or a part of it as `conversations-000.json`, in any folder.
fn holds_conversations(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let number = name.strip_prefix("conversations").and_then(|rest| rest.strip_suffix(".json"));
    number.is_some_and(|number| {
        number.is_empty()
            || number
                .strip_prefix('-')
                .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_conversations_are_read() {
        for name in ["conversations.json", "a/b/conversations.json", "conversations-000.json"] {
            assert!(holds_conversations(name), "{name}");
        }
        for name in [
            "shared_conversations.json",
            "conversations-.json",
            "conversations-x.json",
            "conversations.json/",
        ] {
            assert!(!holds_conversations(name), "{name}");
        }
    }
}
