//! What kind of file it is.

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

impl FileType {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Text, Self::Markdown, Self::Html, Self::Pdf];

    /// Its media type.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text/plain",
            Self::Markdown => "text/markdown",
            Self::Html => "text/html",
            Self::Pdf => "application/pdf",
        }
    }

    /// By its media type; parameters do not matter.
    pub fn named(media_type: &str) -> Option<Self> {
        let essence = media_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
        match essence.as_str() {
            "text/plain" => Some(Self::Text),
            "text/markdown" | "text/x-markdown" => Some(Self::Markdown),
            "text/html" | "application/xhtml+xml" => Some(Self::Html),
            "application/pdf" | "application/x-pdf" => Some(Self::Pdf),
            _ => None,
        }
    }

    /// By what a file name ends with.
    pub fn of_name(file_name: &str) -> Option<Self> {
        let (_, extension) = file_name.rsplit_once('.')?;
        match extension.to_ascii_lowercase().as_str() {
            "txt" | "text" => Some(Self::Text),
            "md" | "markdown" => Some(Self::Markdown),
            "html" | "htm" | "xhtml" => Some(Self::Html),
            "pdf" => Some(Self::Pdf),
            _ => None,
        }
    }

    /// The kind of a file: a PDF is one whatever it is called; then counts what
    /// is asked for, the name, what the sender took it for, and how it begins.
    pub fn detect(hints: Hints<'_>, bytes: &[u8]) -> Option<Self> {
        if is_pdf(bytes) {
            return Some(Self::Pdf);
        }
        if let Some(asked) = hints.media_type {
            return Self::named(asked);
        }
        let by_name = || hints.file_name.and_then(Self::of_name);
        let by_sender = || hints.content_type.and_then(Self::named);
        by_name().or_else(by_sender).or_else(|| sniff(bytes))
    }

    /// The media types of every kind, for an error's words.
    pub fn supported() -> String {
        Self::ALL.map(Self::as_str).join(", ")
    }
}

fn is_pdf(bytes: &[u8]) -> bool {
    let start = &bytes[..bytes.len().min(PDF_HEADER_WITHIN)];
    start.windows(5).any(|window| window == b"%PDF-")
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
        assert_eq!(of("a.docx", "application/zip", b"PK\x03\x04\x00\x00\x00\x00\x00"), None);
        let asked = Hints { media_type: Some("image/png"), file_name: Some("a.txt"), content_type: None };
        assert_eq!(FileType::detect(asked, b"x"), None);
    }
}
