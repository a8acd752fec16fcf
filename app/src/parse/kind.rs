//! What kind of file it is.

use super::archive::{COMPOUND, ZIP};

/// A kind of file that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileType {
    /// Lines and paragraphs.
    Text,
    /// Markdown.
    Markdown,
    /// A web page.
    Html,
    /// A PDF.
    Pdf,
    /// A document of Word.
    Docx,
    /// A workbook of Excel.
    Xlsx,
    /// A table as text.
    Csv,
    /// JSON.
    Json,
    /// A JSON value a line.
    JsonLines,
    /// An e-mail.
    Email,
    /// An electronic book.
    Epub,
}

/// What is said about a file beside its bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hints<'a> {
    /// What the sender asks it to be read as.
    pub media_type: Option<&'a str>,
    /// Its name.
    pub file_name: Option<&'a str>,
    /// What the sender's program took it for.
    pub content_type: Option<&'a str>,
}

/// A PDF may have other bytes before its header, within these.
const PDF_HEADER_WITHIN: usize = 1024;
/// Bytes that are looked at to tell text from other things.
const SNIFFED: usize = 4096;
/// An archive names its parts again at its end, within these.
const NAMES_WITHIN: usize = 256 << 10;
/// An EPUB says what it is as the first part, which is not packed.
const EPUB: &[u8] = b"mimetypeapplication/epub+zip";
/// Where that part's name begins.
const FIRST_NAME: usize = 30;

impl FileType {
    /// Every kind.
    pub const ALL: [Self; 11] = [
        Self::Text,
        Self::Markdown,
        Self::Html,
        Self::Pdf,
        Self::Docx,
        Self::Xlsx,
        Self::Csv,
        Self::Json,
        Self::JsonLines,
        Self::Email,
        Self::Epub,
    ];

    /// What file names of this kind may end with.
    pub const ENDINGS: &'static str =
        ".txt, .md, .html, .pdf, .docx, .xlsx, .csv, .tsv, .json, .jsonl, .eml, .epub";

    /// Its media type.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text/plain",
            Self::Markdown => "text/markdown",
            Self::Html => "text/html",
            Self::Pdf => "application/pdf",
            Self::Docx => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Self::Csv => "text/csv",
            Self::Json => "application/json",
            Self::JsonLines => "application/x-ndjson",
            Self::Email => "message/rfc822",
            Self::Epub => "application/epub+zip",
        }
    }

    /// By its media type; parameters do not matter.
    pub fn named(media_type: &str) -> Option<Self> {
        let essence = media_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
        let other = match essence.as_str() {
            "text/x-markdown" => Self::Markdown,
            "application/xhtml+xml" => Self::Html,
            "application/x-pdf" => Self::Pdf,
            "application/csv" | "text/tab-separated-values" => Self::Csv,
            "text/json" => Self::Json,
            "application/ndjson"
            | "application/jsonl"
            | "application/jsonlines"
            | "application/json-lines" => Self::JsonLines,
            essence => return Self::ALL.into_iter().find(|kind| kind.as_str() == essence),
        };
        Some(other)
    }

    /// By what a file name ends with.
    pub fn of_name(file_name: &str) -> Option<Self> {
        let (_, extension) = file_name.rsplit_once('.')?;
        match extension.to_ascii_lowercase().as_str() {
            "txt" | "text" => Some(Self::Text),
            "md" | "markdown" => Some(Self::Markdown),
            "html" | "htm" | "xhtml" => Some(Self::Html),
            "pdf" => Some(Self::Pdf),
            "docx" | "docm" => Some(Self::Docx),
            "xlsx" | "xlsm" => Some(Self::Xlsx),
            "csv" | "tsv" | "tab" => Some(Self::Csv),
            "json" => Some(Self::Json),
            "jsonl" | "ndjson" => Some(Self::JsonLines),
            "eml" => Some(Self::Email),
            "epub" => Some(Self::Epub),
            _ => None,
        }
    }

    /// The kind of a file: a PDF is one whatever it is called; then counts what
    /// is asked for, the name, what the sender took it for, and how it begins.
    /// Whether it really is of that kind shows when it is read.
    pub fn detect(hints: Hints<'_>, bytes: &[u8]) -> Option<Self> {
        let is_packed = bytes.starts_with(ZIP) || bytes.starts_with(COMPOUND);
        if !is_packed && is_pdf(bytes) {
            return Some(Self::Pdf);
        }
        if let Some(asked) = hints.media_type {
            return Self::named(asked);
        }
        let by_name = || hints.file_name.and_then(Self::of_name);
        let by_sender = || hints.content_type.and_then(Self::named);
        by_name().or_else(by_sender).or_else(|| if is_packed { packed(bytes) } else { sniff(bytes) })
    }

    /// The media types of every kind, for an error's words.
    pub fn supported() -> String {
        Self::ALL.map(Self::as_str).join(", ")
    }

    /// Whether its text, once it is read, is Markdown.
    pub fn becomes_markdown(self) -> bool {
        !matches!(self, Self::Text | Self::Pdf)
    }

    /// Whether its bytes are letters.
    pub(super) fn is_text(self) -> bool {
        !matches!(self, Self::Pdf | Self::Docx | Self::Xlsx | Self::Epub)
    }

    /// What people call it.
    pub(super) fn called(self) -> &'static str {
        match self {
            Self::Text => "text file",
            Self::Markdown => "Markdown file",
            Self::Html => "web page",
            Self::Pdf => "PDF",
            Self::Docx => "Word document (DOCX)",
            Self::Xlsx => "Excel workbook (XLSX)",
            Self::Csv => "table (CSV)",
            Self::Json => "JSON file",
            Self::JsonLines => "JSON lines file",
            Self::Email => "e-mail (EML)",
            Self::Epub => "EPUB",
        }
    }
}

fn is_pdf(bytes: &[u8]) -> bool {
    let start = &bytes[..bytes.len().min(PDF_HEADER_WITHIN)];
    start.windows(5).any(|window| window == b"%PDF-")
}

/// An archive by the names of its parts. Nothing is unpacked here.
fn packed(bytes: &[u8]) -> Option<FileType> {
    if bytes.get(FIRST_NAME..).is_some_and(|rest| rest.starts_with(EPUB)) {
        return Some(FileType::Epub);
    }
    let end = &bytes[bytes.len().saturating_sub(NAMES_WITHIN)..];
    let has = |name: &[u8]| end.windows(name.len()).any(|window| window == name);
    if has(b"word/document.xml") {
        return Some(FileType::Docx);
    }
    has(b"xl/workbook.xml").then_some(FileType::Xlsx)
}

/// By the bytes alone: a page that begins like one, or what looks like text.
fn sniff(bytes: &[u8]) -> Option<FileType> {
    let start = &bytes[..bytes.len().min(SNIFFED)];
    let visible = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
    let opening: Vec<u8> = visible.iter().take(16).map(u8::to_ascii_lowercase).collect();
    let tags: [&[u8]; 4] = [b"<!doctype html", b"<html", b"<head", b"<body"];
    if tags.iter().any(|tag| opening.starts_with(tag)) {
        return Some(FileType::Html);
    }
    let has_mark = start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff");
    let is_odd = |byte: &&u8| matches!(**byte, 0..=8 | 0x0e..=0x1a | 0x1c..=0x1f | 0x7f);
    (has_mark || start.iter().filter(is_odd).count() * 50 <= start.len()).then_some(FileType::Text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, sender: &str, bytes: &[u8]) -> Option<FileType> {
        let hints = Hints { media_type: None, file_name: Some(name), content_type: Some(sender) };
        FileType::detect(hints, bytes)
    }

    #[test]
    fn a_pdf_is_known_by_its_header() {
        assert_eq!(of("notes.txt", "text/plain", b"%PDF-1.7\n"), Some(FileType::Pdf));
        assert_eq!(of("a.pdf", "", b"not one"), Some(FileType::Pdf));
    }

    #[test]
    fn the_name_comes_before_what_the_sender_took_it_for() {
        assert_eq!(of("a.MD", "text/plain", b"x"), Some(FileType::Markdown));
        assert_eq!(of("README", "text/html; charset=utf-8", b"x"), Some(FileType::Html));
        assert_eq!(of("a.log", "application/octet-stream", b"line\n"), Some(FileType::Text));
        assert_eq!(of("page", "", b"\xef\xbb\xbf \n<!DOCTYPE HTML><p>"), Some(FileType::Html));
        assert_eq!(of("a.zip", "application/zip", b"PK\x03\x04\x00\x00\x00\x00\x00"), None);
        let asked = Hints { media_type: Some("image/png"), file_name: Some("a.txt"), content_type: None };
        assert_eq!(FileType::detect(asked, b"x"), None);
    }

    #[test]
    fn an_archive_is_known_by_its_name_or_its_parts() {
        let epub = [b"PK\x03\x04", &[0; 26][..], b"mimetypeapplication/epub+zip"].concat();
        assert_eq!(of("book", "application/zip", &epub), Some(FileType::Epub));
        let word = b"PK\x03\x04 .. word/document.xml .. ";
        assert_eq!(of("letter", "application/octet-stream", word), Some(FileType::Docx));
        assert_eq!(of("letter", "", b"PK\x03\x04 .. xl/workbook.xml .. "), Some(FileType::Xlsx));
        // What it is called counts until it is read, which tells.
        assert_eq!(of("a.csv", "", word), Some(FileType::Csv));
        assert_eq!(of("a.doc", "application/msword", COMPOUND), None);
    }

    #[test]
    fn every_kind_is_known_by_its_media_type() {
        for kind in FileType::ALL {
            assert_eq!(FileType::named(kind.as_str()), Some(kind));
        }
        assert_eq!(FileType::named("Application/JSON; charset=utf-8"), Some(FileType::Json));
        for ending in FileType::ENDINGS.split(", ") {
            assert!(FileType::of_name(ending).is_some(), "{ending}");
        }
    }
}
