//! From letters at places on pages to lines of text.

use pdf_extract::{MediaBox, OutputDev, OutputError, Transform};
use unicode_normalization::UnicodeNormalization;

use super::{Limits, Refused};

/// Letters further apart than this part of their size are two words.
const WORD_GAP: f64 = 0.15;
/// A letter this much higher or lower stands on another line.
const LINE_GAP: f64 = 0.5;
/// Lines further apart than this are two paragraphs.
const PARAGRAPH_GAP: f64 = 1.8;

/// Gathers the text of a document page by page. Pages are kept apart by a
/// blank line, so that no two words grow together.
#[derive(Debug)]
pub(super) struct Layout {
    text: String,
    characters: usize,
    limits: Limits,
    /// At which code point each page begins.
    pages: Vec<u32>,
    /// Where the page that is being read begins in the text: bytes, code points.
    page_start: (usize, usize),
    /// Where the last letter ended, and on which line.
    last: Option<(f64, f64)>,
    refused: Option<Refused>,
}

impl Layout {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            text: String::new(),
            characters: 0,
            limits,
            pages: Vec::new(),
            page_start: (0, 0),
            last: None,
            refused: None,
        }
    }

    /// How many pages have been begun.
    pub(super) fn page(&self) -> usize {
        self.pages.len()
    }

    /// Why it stopped reading, if it did.
    pub(super) fn refused(&mut self) -> Option<Refused> {
        self.refused.take()
    }

    /// Text and beginnings of pages.
    pub(super) fn finish(mut self) -> (String, Vec<u32>) {
        let end = self.text.trim_end().len();
        self.text.truncate(end);
        (self.text, self.pages)
    }

    /// Begins the next page.
    pub(super) fn turn(&mut self) {
        let end = self.text.trim_end().len();
        self.characters -= self.text[end..].chars().count();
        self.text.truncate(end);
        if !self.text.is_empty() {
            self.text.push_str("\n\n");
            self.characters += 2;
        }
        self.page_start = (self.text.len(), self.characters);
        self.pages.push(u32::try_from(self.characters).unwrap_or(u32::MAX));
        self.last = None;
    }

    /// Another text for the page that is being read.
    pub(super) fn replace_page(&mut self, words: &str) -> Result<(), Refused> {
        self.text.truncate(self.page_start.0);
        self.characters = self.page_start.1;
        for letter in words.trim().chars() {
            self.push(letter);
        }
        self.within_limits()
    }

    fn push(&mut self, letter: char) {
        let is_ligature = ('\u{fb00}'..='\u{fb06}').contains(&letter);
        match letter {
            '\n' => self.push_plain('\n'),
            '\t' | '\u{a0}' => self.push_plain(' '),
            '\u{ad}' => {}
            _ if is_ligature => letter.nfkc().for_each(|letter| self.push_plain(letter)),
            _ if letter.is_control() => {}
            _ => self.push_plain(letter),
        }
    }

    fn push_plain(&mut self, letter: char) {
        // Blanks at the beginning of a page or after another one say nothing.
        let at_border = self.text.len() == self.page_start.0 || self.text.ends_with([' ', '\n']);
        if letter == ' ' && at_border {
            return;
        }
        self.text.push(letter);
        self.characters += 1;
    }

    fn within_limits(&self) -> Result<(), Refused> {
        if self.characters > self.limits.characters {
            return Err(Refused::too_long(self.limits));
        }
        Ok(())
    }

    /// What stands between the last letter and one at this place.
    fn gap(&self, x: f64, y: f64, size: f64) -> &'static str {
        let Some((end, line)) = self.last else { return "" };
        let rise = (y - line).abs();
        if rise > size * PARAGRAPH_GAP {
            "\n\n"
        } else if rise > size * LINE_GAP {
            "\n"
        } else if x > end + size * WORD_GAP || x < end - size {
            " "
        } else {
            ""
        }
    }
}

impl OutputDev for Layout {
    fn begin_page(
        &mut self,
        _: u32,
        _: &MediaBox,
        _: Option<(f64, f64, f64, f64)>,
    ) -> Result<(), OutputError> {
        self.turn();
        Ok(())
    }

    fn end_page(&mut self) -> Result<(), OutputError> {
        Ok(())
    }

    fn output_character(
        &mut self,
        place: &Transform,
        width: f64,
        _spacing: f64,
        font_size: f64,
        letters: &str,
    ) -> Result<(), OutputError> {
        let size = font_size.abs() * place.determinant().abs().sqrt();
        let (x, y) = (place.m31, place.m32);
        for letter in self.gap(x, y, size).chars() {
            self.push_plain(letter);
        }
        for letter in letters.chars() {
            self.push(letter);
        }
        self.last = Some((x + width * size, y));
        self.within_limits().map_err(|refused| {
            self.refused = Some(refused);
            OutputError::FormatError(std::fmt::Error)
        })
    }

    fn begin_word(&mut self) -> Result<(), OutputError> {
        Ok(())
    }

    fn end_word(&mut self) -> Result<(), OutputError> {
        Ok(())
    }

    fn end_line(&mut self) -> Result<(), OutputError> {
        Ok(())
    }
}
