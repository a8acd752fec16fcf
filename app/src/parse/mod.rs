//! From the bytes of a file to its text.
//!
//! What a file holds is anybody's, so a child process of this very program
//! reads it ([`child`]): with limits on memory and processor time, without
//! environment, without files or sockets, and killed when it takes too long.
//! [`run`] starts that child and turns every way it can end into a text or a
//! sentence for the user. One module a kind of file does the reading.

mod archive;
pub mod child;
mod delimited;
mod docx;
mod email;
mod epub;
mod html;
mod json;
mod kind;
mod layout;
mod office;
mod paper;
mod parent;
mod pdf;
mod table;
mod text;
mod xlsx;
mod xml;

pub use kind::{FileType, Hints};
pub use parent::{Outcome, Slots, run};

use serde::{Deserialize, Serialize};

/// What was read from a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// What the file itself says it is called.
    pub title: Option<String>,
    /// Its text: as it is written for texts and PDFs, otherwise Markdown.
    /// Without control characters but line ends and tabs.
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
    let packed =
        [(archive::ZIP, "a ZIP archive"), (archive::COMPOUND, "one of Office's old formats, or encrypted")];
    if let Some((_, really)) = packed.iter().find(|(start, _)| kind.is_text() && bytes.starts_with(start)) {
        return Err(Refused::because(format!("the file is no {}: it is {really}", kind.called())));
    }
    let document = match kind {
        FileType::Text | FileType::Markdown => text::read(bytes, limits)?,
        FileType::Html => html::read(bytes, limits)?,
        FileType::Pdf => pdf::read(bytes, limits)?,
        FileType::Docx => docx::read(bytes, limits)?,
        FileType::Xlsx => xlsx::read(bytes, limits)?,
        FileType::Csv => delimited::read(bytes, limits)?,
        FileType::Json => json::read(bytes, limits)?,
        FileType::JsonLines => json::read_lines(bytes, limits)?,
        FileType::Email => email::read(bytes, limits)?,
        FileType::Epub => epub::read(bytes, limits)?,
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
