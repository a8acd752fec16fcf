//! Markdown as it is written, within the limit.

use super::{Limits, Refused, text};

/// Longest heading that is written, in characters.
const HEADING_CHARS_MAX: usize = 200;
/// Deepest heading of Markdown.
const LEVEL_MAX: usize = 6;

/// A text that grows, no further than it may.
#[derive(Debug)]
pub(super) struct Paper {
    text: String,
    characters: usize,
    limits: Limits,
}

impl Paper {
    pub(super) fn new(limits: Limits) -> Self {
        Self { text: String::new(), characters: 0, limits }
    }

    /// Words as they are.
    pub(super) fn push(&mut self, words: &str) -> Result<(), Refused> {
        self.characters += words.chars().count();
        if self.characters > self.limits.characters {
            return Err(Refused::too_long(self.limits));
        }
        self.text.push_str(words);
        Ok(())
    }

    /// A block of its own: a blank line stands before it.
    pub(super) fn block(&mut self, words: &str) -> Result<(), Refused> {
        let words = words.trim();
        if words.is_empty() {
            return Ok(());
        }
        self.part()?;
        self.push(words)
    }

    /// Lines of a list; the first one stands apart from what is above it.
    pub(super) fn items(&mut self, lines: &str) -> Result<(), Refused> {
        if self.last_line().starts_with("- ") {
            self.push("\n")?;
        } else {
            self.part()?;
        }
        self.push(lines.trim_end())
    }

    /// A heading on a line of its own. One without words is none.
    pub(super) fn heading(&mut self, level: usize, words: &str) -> Result<(), Refused> {
        let words: String = one_line(words).chars().take(HEADING_CHARS_MAX).collect();
        if words.is_empty() {
            return Ok(());
        }
        self.part()?;
        self.push(&"#".repeat(level.clamp(1, LEVEL_MAX)))?;
        self.push(" ")?;
        self.push(&words)
    }

    /// Text that came from elsewhere and is no Markdown: its lines stay what they are.
    pub(super) fn plain(&mut self, words: &str) -> Result<(), Refused> {
        if words.trim().is_empty() {
            return Ok(());
        }
        self.part()?;
        for line in words.trim_end().lines() {
            if is_markup(line) {
                self.push("\\")?;
            }
            self.push(line.trim_end())?;
            self.push("\n")?;
        }
        Ok(())
    }

    /// The whole text, without what is no text.
    pub(super) fn finish(self) -> Result<String, Refused> {
        let mut cleaned = text::clean(&self.text, self.limits)?;
        cleaned.truncate(cleaned.trim_end().len());
        Ok(cleaned)
    }

    fn part(&mut self) -> Result<(), Refused> {
        if self.text.is_empty() || self.text.ends_with("\n\n") {
            return Ok(());
        }
        self.push(if self.text.ends_with('\n') { "\n" } else { "\n\n" })
    }

    fn last_line(&self) -> &str {
        self.text.rsplit('\n').next().unwrap_or_default()
    }
}

/// Words on one line, with one blank between each two.
pub(super) fn one_line(words: &str) -> String {
    let mut line = String::with_capacity(words.len());
    for word in words.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

/// Whether Markdown would take a line for a heading, or for the mark of one below its words.
fn is_markup(line: &str) -> bool {
    let line = line.trim();
    line.starts_with('#')
        || (!line.is_empty()
            && (line.bytes().all(|byte| byte == b'-') || line.bytes().all(|byte| byte == b'=')))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { characters: 60, pages: 1 };

    #[test]
    fn blocks_stand_apart_and_the_limit_holds() {
        let mut paper = Paper::new(LIMITS);
        paper.heading(1, " A\n b ").unwrap();
        paper.items("- x\n").unwrap();
        paper.items("- y\n").unwrap();
        paper.plain("Bob\n--\n# no heading").unwrap();
        assert!(paper.push(&"z".repeat(60)).unwrap_err().0.contains("60 characters"));
        assert_eq!(paper.finish().unwrap(), "# A b\n\n- x\n- y\n\nBob\n\\--\n\\# no heading");
    }
}
