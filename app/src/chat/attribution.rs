//! Statements that give a figure and carry no marker.
//!
//! A small model repeats figures and forgets to cite them. An amount that stands in
//! one portfolio's figures, to the cent, is from there: the statement that gives it
//! gets their marker, after its end. Nothing else is attributed. Statements that
//! carry a marker are left alone, and so are tables and code, whose form a marker would break.

use super::markers::Marker;

/// Longest statement that is looked at, in bytes; what follows is not.
const STATEMENT_MAX: usize = 2000;
/// Sources of a statement.
const MARKERS_MAX: usize = 3;
/// White space behind a statement that is held back until it is known whether a marker follows.
const HELD_MAX: usize = 2;

/// Puts markers into text that comes in pieces.
#[derive(Debug, Default)]
pub(super) struct Attribution {
    /// What is said since the last end.
    statement: String,
    /// It may have ended; this stands behind it.
    held: Option<String>,
    is_cited: bool,
    line: Line,
    /// Code points that came, and that went out.
    came: usize,
    went: usize,
}

/// Where in a text one is.
#[derive(Debug, Default)]
struct Line {
    /// Its first characters.
    begins: String,
    is_code: bool,
}

impl Line {
    /// Whether a marker can stand at its end.
    fn is_prose(&self) -> bool {
        !self.is_code && !self.begins.starts_with('|') && !self.begins.starts_with("```")
    }

    fn push(&mut self, character: char) {
        if self.begins.len() < 3 && !(self.begins.is_empty() && character.is_whitespace()) {
            self.begins.push(character);
        }
    }

    fn end(&mut self) {
        self.is_code ^= self.begins == "```";
        self.begins.clear();
    }
}

impl Attribution {
    /// For what comes after so many code points.
    pub(super) fn after(passed: usize) -> Self {
        Self { came: passed, went: passed, ..Self::default() }
    }

    /// Takes text and the markers in it; returns what goes out. `holding` says which
    /// sources hold the figures of a statement.
    pub(super) fn push(
        &mut self,
        text: &str,
        markers: &[Marker],
        holding: &dyn Fn(&str) -> Vec<usize>,
    ) -> (String, Vec<Marker>) {
        let mut out = Out { text: String::with_capacity(text.len()), markers: Vec::new(), at: self.went };
        let mut markers = markers.iter().peekable();
        // One past a marker that is passing.
        let mut marked_until = self.came;
        for character in text.chars() {
            if let Some(marker) = markers.next_if(|marker| marker.start == self.came) {
                out.push_str(&self.held.as_mut().map(std::mem::take).unwrap_or_default());
                out.markers.push(Marker {
                    index: marker.index,
                    start: out.at,
                    end: out.at + marker.end - marker.start,
                });
                self.is_cited = true;
                marked_until = marker.end;
            }
            self.came += 1;
            if self.came <= marked_until {
                out.push(character);
            } else {
                self.take(character, &mut out, holding);
            }
        }
        self.went = out.at;
        (out.text, out.markers)
    }

    /// The text has ended, as far as it has come.
    pub(super) fn finish(&mut self, holding: &dyn Fn(&str) -> Vec<usize>) -> (String, Vec<Marker>) {
        let mut out = Out { text: String::new(), markers: Vec::new(), at: self.went };
        self.close(&mut out, holding);
        self.went = out.at;
        (out.text, out.markers)
    }

    fn take(&mut self, character: char, out: &mut Out, holding: &dyn Fn(&str) -> Vec<usize>) {
        if let Some(held) = &mut self.held {
            let closes =
                matches!(character, '"' | '\'' | ')' | '*' | '_' | '\u{201d}' | '\u{2019}' | '.' | '!' | '?');
            let is_end = match character {
                ' ' if held.chars().count() < HELD_MAX => {
                    held.push(' ');
                    return;
                }
                // What closes a quotation belongs to the statement.
                _ if closes && held.is_empty() => {
                    self.say(character, out);
                    return;
                }
                '\n' => true,
                // A decimal, an abbreviation; a statement begins with anything but a small letter.
                _ => !held.is_empty() && !character.is_lowercase(),
            };
            if is_end {
                self.close(out, holding);
            } else {
                for character in self.held.take().unwrap_or_default().chars() {
                    self.say(character, out);
                }
            }
        }
        if character == '\n' {
            self.close(out, holding);
            self.line.end();
            out.push(character);
            return;
        }
        self.line.push(character);
        self.say(character, out);
        if matches!(character, '.' | '!' | '?') {
            self.held = Some(String::new());
        }
    }

    fn say(&mut self, character: char, out: &mut Out) {
        if self.statement.len() < STATEMENT_MAX {
            self.statement.push(character);
        }
        out.push(character);
    }

    /// The statement has ended: its markers, and what was held back behind it.
    fn close(&mut self, out: &mut Out, holding: &dyn Fn(&str) -> Vec<usize>) {
        if !self.is_cited && self.line.is_prose() {
            for index in holding(&self.statement).into_iter().take(MARKERS_MAX) {
                let marker = format!(" [{index}]");
                let start = out.at + 1;
                out.push_str(&marker);
                out.markers.push(Marker { index, start, end: out.at });
            }
        }
        out.push_str(&self.held.take().unwrap_or_default());
        self.statement.clear();
        self.is_cited = false;
    }
}

/// What goes out.
struct Out {
    text: String,
    markers: Vec<Marker>,
    /// Code points before its end, those of earlier pieces among them.
    at: usize,
}

impl Out {
    fn push(&mut self, character: char) {
        self.text.push(character);
        self.at += 1;
    }

    fn push_str(&mut self, text: &str) {
        self.text.push_str(text);
        self.at += text.chars().count();
    }
}

#[cfg(test)]
mod tests {
    use super::super::markers::MarkerFilter;
    use super::*;

    /// Source 2 holds 12.50, source 3 holds 20.00.
    fn holding(statement: &str) -> Vec<usize> {
        [("12.50", 2), ("20.00", 3)]
            .iter()
            .filter(|(said, _)| statement.contains(said))
            .map(|(_, number)| *number)
            .collect()
    }

    /// Pushes the text cut into pieces of every size, through the filter of markers.
    fn check(text: &str, expected: &str) {
        let characters: Vec<char> = text.chars().collect();
        for size in 1..=characters.len() {
            let (mut filter, mut attribution) = (MarkerFilter::new(3), Attribution::default());
            let (mut out, mut markers) = (String::new(), Vec::new());
            let mut add = |(more, found): (String, Vec<Marker>)| {
                out.push_str(&more);
                markers.extend(found);
            };
            for piece in characters.chunks(size) {
                let (more, found) = filter.push(&piece.iter().collect::<String>());
                add(attribution.push(&more, &found, &holding));
            }
            let rest = filter.finish();
            add(attribution.push(&rest, &[], &holding));
            add(attribution.finish(&holding));
            assert_eq!(out, expected, "pieces of {size}");
            let sent: Vec<char> = out.chars().collect();
            for marker in markers {
                let span: String = sent[marker.start..marker.end].iter().collect();
                assert_eq!(span, format!("[{}]", marker.index), "{out}");
            }
        }
    }

    #[test]
    fn a_statement_that_gives_a_figure_gets_its_source() {
        check("It is worth 12.50 USD. Good day.", "It is worth 12.50 USD. [2] Good day.");
        check("Worth 12.50; MSFT moved it by 20.00", "Worth 12.50; MSFT moved it by 20.00 [2] [3]");
        check("- A: 12.50\n- B: 20.00\n\nÜber 😀 all.", "- A: 12.50 [2]\n- B: 20.00 [3]\n\nÜber 😀 all.");
        check("**It is 12.50.** (It moved by 20.00!)  ", "**It is 12.50.** [2] (It moved by 20.00!) [3]  ");
        check("Is it 12.50? No, approx. that", "Is it 12.50? [2] No, approx. that");
    }

    #[test]
    fn what_carries_a_marker_is_left_alone() {
        for text in [
            "It is worth 12.50 USD [1]. Good day.",
            "It is worth 12.50 USD. [3] Good day.",
            "Nothing here, e.g. no figure. 1.5 and so on.",
        ] {
            check(text, text);
        }
        check("12.50 [1]. Then 20.00 [9].", "12.50 [1]. Then 20.00. [3]");
    }

    #[test]
    fn tables_and_code_keep_their_form() {
        let text = "| a | 12.50 |\n|---|---|\n```\nx = 20.00\n```\n";
        check(text, text);
        check("```\n12.50\n```\nNow 20.00.\n", "```\n12.50\n```\nNow 20.00. [3]\n");
    }
}
