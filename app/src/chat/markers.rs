//! Citation markers in a streamed answer.
//!
//! A model cites a source as `[n]`. The filter passes text on as it comes and
//! holds back only what may still become a marker: a space, a bracket and up
//! to four digits, six characters at most. A marker that names no source is
//! removed before anyone sees it, together with the space before it, so that
//! the stream and the stored text are the same and every `[n]` in them resolves.

const DIGITS_MAX: usize = 4;

/// A marker that names a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Marker {
    /// Number of the source, from 1.
    pub(super) index: usize,
    /// First code point of the marker in the text that was passed on.
    pub(super) start: usize,
    /// One past its last code point.
    pub(super) end: usize,
}

/// Passes text on, without unknown markers.
#[derive(Debug)]
pub(super) struct MarkerFilter {
    /// None: nothing is a marker.
    sources: Option<usize>,
    held: String,
    passed: usize,
}

impl MarkerFilter {
    /// A filter that knows the markers `[1]` to `[sources]`.
    pub(super) fn new(sources: usize) -> Self {
        Self { sources: Some(sources), held: String::new(), passed: 0 }
    }

    /// A filter that lets everything pass: an answer that can cite nothing has
    /// no markers, and what looks like one is the client's (`list[0]`).
    pub(super) fn open() -> Self {
        Self { sources: None, held: String::new(), passed: 0 }
    }

    /// There are more sources now.
    pub(super) fn know(&mut self, sources: usize) {
        self.sources = self.sources.map(|_| sources);
    }

    /// Code points that were passed on.
    pub(super) fn passed(&self) -> usize {
        self.passed
    }

    /// Takes more text; returns what can be sent now and the markers in it.
    pub(super) fn push(&mut self, text: &str) -> (String, Vec<Marker>) {
        if self.sources.is_none() {
            return (text.to_owned(), Vec::new());
        }
        let mut out = String::with_capacity(text.len() + self.held.len());
        let mut markers = Vec::new();
        for character in text.chars() {
            if character == ']' && self.digits().is_some() {
                self.close(&mut out, &mut markers);
            } else if self.may_continue(character) {
                self.held.push(character);
            } else {
                self.release(&mut out);
                if matches!(character, '[' | ' ') {
                    self.held.push(character);
                } else {
                    out.push(character);
                    self.passed += 1;
                }
            }
        }
        (out, markers)
    }

    /// What was still held back when the text ended.
    pub(super) fn finish(&mut self) -> String {
        let mut out = String::new();
        self.release(&mut out);
        out
    }

    fn may_continue(&self, character: char) -> bool {
        match character {
            '[' => self.held == " ",
            '0'..='9' => {
                let opened = self.held.contains('[');
                opened && self.digits().map_or(0, str::len) < DIGITS_MAX
            }
            _ => false,
        }
    }

    /// The digits held after a bracket, if there are any.
    fn digits(&self) -> Option<&str> {
        let (_, digits) = self.held.split_once('[')?;
        (!digits.is_empty()).then_some(digits)
    }

    fn close(&mut self, out: &mut String, markers: &mut Vec<Marker>) {
        let index = self.digits().and_then(|digits| digits.parse().ok()).unwrap_or(0);
        if (1..=self.sources.unwrap_or(0)).contains(&index) {
            self.held.push(']');
            let spaces = usize::from(self.held.starts_with(' '));
            let start = self.passed + spaces;
            self.release(out);
            markers.push(Marker { index, start, end: self.passed });
        } else {
            self.held.clear();
        }
    }

    fn release(&mut self, out: &mut String) {
        self.passed += self.held.chars().count();
        out.push_str(&self.held);
        self.held.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pushes the text cut into pieces of every size; the result may not depend on it.
    fn check(sources: usize, text: &str, expected: &str, indices: &[usize]) {
        let characters: Vec<char> = text.chars().collect();
        for size in 1..=characters.len().max(1) {
            let mut filter = MarkerFilter::new(sources);
            let mut out = String::new();
            let mut markers = Vec::new();
            for piece in characters.chunks(size) {
                let (more, found) = filter.push(&piece.iter().collect::<String>());
                assert!(filter.held.chars().count() <= 6, "held {:?}", filter.held);
                out.push_str(&more);
                markers.extend(found);
            }
            out.push_str(&filter.finish());
            assert_eq!(out, expected, "pieces of {size}");
            assert_eq!(markers.iter().map(|marker| marker.index).collect::<Vec<_>>(), indices);
            let sent: Vec<char> = out.chars().collect();
            for marker in markers {
                let span: String = sent[marker.start..marker.end].iter().collect();
                assert_eq!(span, format!("[{}]", marker.index));
            }
        }
    }

    #[test]
    fn known_markers_pass_and_unknown_ones_vanish() {
        check(
            4,
            "Beta is 1.2 [1]. Ünïcode 😀 [7] and [4][2].",
            "Beta is 1.2 [1]. Ünïcode 😀 and [4][2].",
            &[1, 4, 2],
        );
    }

    #[test]
    fn what_only_looks_like_a_marker_passes() {
        let text = "a[i] = [12 items], [x], [], [12345] and a lone [ at the end [3";
        check(4, text, text, &[]);
    }

    #[test]
    fn without_sources_no_marker_survives() {
        check(0, "So it is [1], [0] and [0001].", "So it is, and.", &[]);
    }

    #[test]
    fn an_open_filter_changes_nothing() {
        let mut filter = MarkerFilter::open();
        let text = " list[0] = [1, 2][1]; {\"a\": [7]} [";
        let passed: String = text.chars().map(|c| filter.push(&c.to_string()).0).collect();
        assert_eq!(passed + &filter.finish(), text);
    }

    #[test]
    fn double_brackets_and_spaces() {
        check(1, "x  [1] [[1]] [[9]]", "x  [1] [[1]] []", &[1, 1]);
    }
}
