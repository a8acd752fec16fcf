//! The structure of a Markdown text: its headings, and where it may be cut.

use std::ops::Range;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// Longest heading in a path, in characters; the rest is cut.
const HEADING_CHARS_MAX: usize = 200;

/// Stands between the headings of a path.
pub(super) const SEPARATOR: &str = " > ";

/// A heading of the top level of the document (not one inside a quote or a list).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Heading {
    /// 1 to 6.
    pub(super) level: u8,
    /// Its words, without markup.
    pub(super) text: String,
    /// Byte offset of its first character.
    pub(super) start: usize,
    /// One past its last byte, line end included.
    pub(super) end: usize,
}

/// What a Markdown text is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outline {
    /// Headings in order.
    pub(super) headings: Vec<Heading>,
    /// Byte offsets at which a paragraph, list, table or the like begins.
    pub(super) elements: Vec<usize>,
}

/// Reads the structure of a Markdown text.
pub(super) fn markdown(text: &str) -> Outline {
    let mut outline = Outline::default();
    let mut depth = 0_u32;
    let mut open: Option<Heading> = None;
    for (event, range) in Parser::new_ext(text, Options::all()).into_offset_iter() {
        match event {
            Event::Start(tag) => {
                if depth == 0 {
                    outline.elements.push(range.start);
                    if let Tag::Heading { level, .. } = tag {
                        open = Some(Heading {
                            level: level as u8,
                            text: String::new(),
                            start: range.start,
                            end: range.end,
                        });
                    }
                }
                depth += 1;
            }
            Event::End(tag) => {
                depth = depth.saturating_sub(1);
                if let (0, TagEnd::Heading(_), Some(heading)) = (depth, tag, open.take_if(|_| depth == 0)) {
                    outline.headings.push(tidied(&heading));
                }
            }
            Event::Text(words) | Event::Code(words) => {
                if let Some(heading) = &mut open {
                    heading.text.push_str(&words);
                }
            }
            Event::SoftBreak | Event::HardBreak => {
                if let Some(heading) = &mut open {
                    heading.text.push(' ');
                }
            }
            _ => {}
        }
    }
    outline
}

/// What a Markdown text calls itself: its first heading that says something.
pub(super) fn title(text: &str) -> Option<String> {
    let headings = markdown(text).headings.into_iter();
    headings.map(|heading| heading.text).find(|heading| !heading.is_empty())
}

impl Outline {
    /// The headings above the text that begins at byte `start`, outermost
    /// first. A heading with which that text itself begins is not above it.
    pub(super) fn above(&self, text: &str, start: usize) -> Vec<&str> {
        let before = self.headings.partition_point(|heading| heading.start < start);
        let own_level = self.headings.get(before).and_then(|next| {
            let between = text.get(start..next.start)?;
            between.trim().is_empty().then_some(next.level)
        });
        let mut path = Vec::new();
        let mut level = own_level.unwrap_or(u8::MAX);
        for heading in self.headings[..before].iter().rev() {
            if heading.level < level {
                path.push(heading.text.as_str());
                level = heading.level;
            }
            if level <= 1 {
                break;
            }
        }
        path.retain(|heading| !heading.is_empty());
        path.reverse();
        path
    }

    /// Headings that begin within `range`.
    pub(super) fn within(&self, range: &Range<usize>) -> &[Heading] {
        let first = self.headings.partition_point(|heading| heading.start < range.start);
        let last = self.headings.partition_point(|heading| heading.start < range.end);
        &self.headings[first..last]
    }
}

/// Whether a part of the text holds headings and nothing else.
pub(super) fn is_heading(text: &str, headings: &[Heading], part: &Range<usize>) -> bool {
    let mut place = part.start;
    for heading in headings {
        if !text[place.min(heading.start)..heading.start].trim().is_empty() {
            return false;
        }
        place = heading.end.min(part.end);
    }
    !headings.is_empty() && text[place..part.end].trim().is_empty()
}

/// A path as it is stored and shown.
pub(super) fn joined(path: &[&str]) -> String {
    path.join(SEPARATOR)
}

fn tidied(heading: &Heading) -> Heading {
    let words = heading.text.split_whitespace().collect::<Vec<_>>().join(" ");
    Heading {
        level: heading.level,
        text: words.chars().take(HEADING_CHARS_MAX).collect(),
        start: heading.start,
        end: heading.end,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Risk\n\nIntro.\n\n## Value at *risk*\n\nText.\n\n```\n# not a heading\n```\n\n### `Limits`\n\nMore.\n\n## Drawdown\n\nEnd.\n";

    fn above(needle: &str) -> Vec<String> {
        let outline = markdown(TEXT);
        let start = TEXT.find(needle).unwrap();
        outline.above(TEXT, start).into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn the_path_holds_the_headings_above_a_place() {
        assert_eq!(above("Intro."), ["Risk"]);
        assert_eq!(above("Text."), ["Risk", "Value at risk"]);
        assert_eq!(above("More."), ["Risk", "Value at risk", "Limits"]);
        assert_eq!(above("End."), ["Risk", "Drawdown"]);
    }

    #[test]
    fn a_heading_is_not_above_itself() {
        assert_eq!(above("# Risk"), Vec::<String>::new());
        assert_eq!(above("## Drawdown"), ["Risk"]);
    }

    #[test]
    fn a_comment_in_code_is_no_heading() {
        let texts: Vec<_> = markdown(TEXT).headings.into_iter().map(|heading| heading.text).collect();
        assert_eq!(texts, ["Risk", "Value at risk", "Limits", "Drawdown"]);
    }
}
