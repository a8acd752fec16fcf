//! From the bytes of a file to its text.
//!
//! What a file holds is anybody's, so a child process of this very program
//! reads it ([`child`]): with limits on memory and processor time, without
//! environment, without files or sockets, and killed when it takes too long.
//! [`run`] starts that child and turns every way it can end into a text or a
//! sentence for the user. One module a kind of file does the reading.

pub mod child;
mod html;
mod kind;
mod layout;
mod parent;
mod pdf;
mod text;

pub use kind::{FileType, Hints};
pub use parent::{Outcome, Slots, run};

use serde::{Deserialize, Serialize};

/// What was read from a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// What the file itself says it is called.
    pub title: Option<String>,
    /// Its text: Markdown for HTML, otherwise as it is written. Without
    /// control characters but line ends and tabs.
    pub text: String,
    /// For files with pages: at which code point of the text each one begins.
    pub pages: Option<Vec<u32>>,
}

/// Why a file cannot be read: a sentence for whoever sent it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused(pub String);

impl Refused {
    fn because(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }

    fn too_long(limits: Limits) -> Self {
        Self(format!("the file holds more than {} characters of text", limits.characters))
    }
}

/// How much of a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most characters of text.
    pub characters: usize,
    /// Most pages.
    pub pages: usize,
}

/// The letters of a plain text: by its byte order mark, as UTF-8, or by a guess
/// at its encoding. Bytes that are no letters become U+FFFD.
pub fn decoded(bytes: &[u8]) -> String {
    text::decode(bytes, None)
}

/// Reads a file of a kind.
fn read(kind: FileType, bytes: &[u8], limits: Limits) -> Result<Document, Refused> {
    let document = match kind {
        FileType::Text | FileType::Markdown => text::read(bytes, limits)?,
        FileType::Html => html::read(bytes, limits)?,
        FileType::Pdf => pdf::read(bytes, limits)?,
    };
    if document.text.trim().is_empty() {
        return Err(Refused::because(match kind {
            FileType::Pdf => {
                "no text found in the PDF; a scanned document has to go through text recognition (OCR) first"
            }
            _ => "no text found in the file",
        }));
    }
    Ok(document)
}
