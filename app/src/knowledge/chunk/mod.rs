//! From a text to passages.
//!
//! A text that fits is one passage and is left alone. A longer one is cut on
//! its structure (headings, paragraphs, sentences, words, in this order of
//! preference) into passages of at most a given number of tokens. What is
//! embedded is the passage with its context before it: title and heading
//! path. What is stored and cited is a verbatim slice of the source.

mod again;
mod blocks;

use std::ops::Range;

use serde::{Deserialize, Serialize};
use text_splitter::{ChunkCapacity, ChunkConfig, ChunkSizer, MarkdownSplitter, TextSplitter};
use utoipa::ToSchema;

pub(super) use self::again::embedded_again;
use self::blocks::blocks;
use super::outline::{self, Outline};
use crate::error::{Context, Result};
use crate::parse::FileType;

/// A run of characters the tokenizer takes for one unknown word still has a
/// length: a passage is never longer than this many bytes a token.
const BYTES_PER_TOKEN_MAX: usize = 16;

/// How a text is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum MediaType {
    /// Without structure but lines and paragraphs.
    #[default]
    #[serde(rename = "text/plain")]
    Plain,
    /// CommonMark with GitHub's tables.
    #[serde(rename = "text/markdown")]
    Markdown,
}

impl MediaType {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "text/plain",
            Self::Markdown => "text/markdown",
        }
    }

    /// How the text of a source of this media type is kept: most files as
    /// Markdown, what is unknown as plain text.
    pub(super) fn named(name: &str) -> Self {
        let is_markdown = FileType::named(name).is_some_and(FileType::becomes_markdown);
        if is_markdown { Self::Markdown } else { Self::Plain }
    }
}

/// How long passages are, in tokens of the embedding model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Budget {
    /// Passages are about this long.
    target: usize,
    /// A unit of structure that is a little longer stays whole.
    longest: usize,
    /// What the model reads; context and passage together stay below it.
    window: usize,
}

impl Budget {
    /// From the configured length, the model's window and the tokens of what
    /// the model wants before every passage.
    pub(super) fn new(passage_tokens: usize, window: usize, prefix_tokens: usize) -> Self {
        let window = window.saturating_sub(prefix_tokens).max(8);
        let target = passage_tokens.clamp(1, window);
        Self { target, longest: (target + target / 4).min(window), window }
    }
}

/// What is cut.
#[derive(Clone, Copy, Debug)]
pub(super) struct Document<'a> {
    /// Goes before every passage, if it says something; see [`telling_title`].
    pub(super) title: Option<&'a str>,
    /// The text.
    pub(super) text: &'a str,
    /// How it is written.
    pub(super) media_type: MediaType,
}

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Passage {
    /// Headings above it, outermost first, joined by " > ".
    pub(super) heading_path: String,
    /// Verbatim slice of the source.
    pub(super) content: String,
    /// First code point in the source.
    pub(super) char_start: usize,
    /// One past its last code point.
    pub(super) char_end: usize,
    /// What the model reads: context and content.
    pub(super) embedded: String,
    /// Its tokens.
    pub(super) tokens: usize,
}

/// The title, unless it tells the model nothing: one without a letter or digit,
/// or one that is only the caller's id of the text.
pub(super) fn telling_title<'a>(title: &'a str, external_id: Option<&str>) -> Option<&'a str> {
    let title = title.trim();
    let says_something = title.chars().any(char::is_alphanumeric);
    let is_id = external_id.is_some_and(|id| id.trim().eq_ignore_ascii_case(title));
    (says_something && !is_id).then_some(title)
}

/// Cuts a text. A blank one has no passages.
pub(super) fn passages(
    document: &Document<'_>,
    budget: Budget,
    count: &(dyn Fn(&str) -> usize + Sync),
) -> Result<Vec<Passage>> {
    let text = document.text;
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let sizer = Sizer { count, most: budget.longest };
    if sizer.size(text) <= budget.longest {
        return Ok(vec![whole(document, budget, count)]);
    }
    let outline = match document.media_type {
        MediaType::Markdown => outline::markdown(text),
        MediaType::Plain => Outline::default(),
    };
    let mut cutter = Cutter { document, outline: &outline, budget, count, seen: Seen::default() };
    let mut passages = Vec::new();
    for block in blocks(text, &outline.elements) {
        cutter.cut(block, &mut passages)?;
    }
    Ok(passages)
}

/// The text comes first: a title that would not fit beside it stays out.
fn whole(document: &Document<'_>, budget: Budget, count: &dyn Fn(&str) -> usize) -> Passage {
    let tokens = count(document.text);
    let context =
        title_before(document, document.text).map(|title| format!("{title}\n\n")).unwrap_or_default();
    let with_context = tokens + if context.is_empty() { 0 } else { count(&context) };
    let (context, tokens) =
        if with_context <= budget.window { (context, with_context) } else { (String::new(), tokens) };
    Passage {
        heading_path: String::new(),
        content: document.text.to_owned(),
        char_start: 0,
        char_end: document.text.chars().count(),
        embedded: context + document.text,
        tokens,
    }
}

/// A text that begins with its title needs it no second time.
fn title_before<'a>(document: &Document<'a>, begins: &str) -> Option<&'a str> {
    let opening = begins.trim_start_matches(|letter: char| letter == '#' || letter.is_whitespace());
    document.title.filter(|title| !opening.starts_with(title))
}

struct Cutter<'a> {
    document: &'a Document<'a>,
    outline: &'a Outline,
    budget: Budget,
    count: &'a (dyn Fn(&str) -> usize + Sync),
    seen: Seen,
}

impl Cutter<'_> {
    fn cut(&mut self, block: Range<usize>, passages: &mut Vec<Passage>) -> Result<()> {
        let text = self.document.text;
        let context = self.longest_context(&block);
        let desired = self.budget.target.saturating_sub(context).max(1);
        let most = self.budget.longest.saturating_sub(context).max(desired);
        let capacity = ChunkCapacity::new(desired).with_max(most).context("sizing passages")?;
        let config = ChunkConfig::new(capacity).with_sizer(Sizer { count: self.count, most });
        let slice = &text[block.clone()];
        let pieces: Vec<(usize, &str)> = match self.document.media_type {
            MediaType::Markdown => MarkdownSplitter::new(config).chunk_indices(slice).collect(),
            MediaType::Plain => TextSplitter::new(config).chunk_indices(slice).collect(),
        };
        // A heading left alone goes with what follows it, if there is room;
        // if not, the heading path of what follows says it anyway.
        let mut alone: Option<Range<usize>> = None;
        for (offset, content) in pieces {
            let start = block.start + offset;
            let part = start..start + content.len();
            if outline::is_heading(text, self.outline.within(&part), &part) {
                alone = Some(alone.map_or(part.start, |first| first.start)..part.end);
                continue;
            }
            let with_heading = alone.take().map(|heading| heading.start..part.end);
            passages.push(
                with_heading.and_then(|whole| self.fitting(whole)).unwrap_or_else(|| self.passage(&part)),
            );
        }
        passages.extend(alone.map(|heading| self.passage(&heading)));
        Ok(())
    }

    fn fitting(&mut self, part: Range<usize>) -> Option<Passage> {
        let path = self.outline.above(self.document.text, part.start);
        let content = &self.document.text[part.clone()];
        let tokens = self.context(&path, content).1 + (self.count)(content);
        (tokens <= self.budget.longest).then(|| self.passage(&part))
    }

    fn passage(&mut self, part: &Range<usize>) -> Passage {
        let content = &self.document.text[part.clone()];
        let path = self.outline.above(self.document.text, part.start);
        let (lead, lead_tokens) = self.context(&path, content);
        let char_start = self.seen.chars_before(self.document.text, part.start);
        Passage {
            heading_path: outline::joined(&path),
            content: content.to_owned(),
            char_start,
            char_end: char_start + content.chars().count(),
            embedded: lead + content,
            tokens: lead_tokens + (self.count)(content),
        }
    }

    /// Room to leave for context: the longest any passage of the block has.
    fn longest_context(&self, block: &Range<usize>) -> usize {
        // A passage begins with a heading, or under it: any place in its line stands for the latter.
        let headings = self.outline.within(block).iter();
        let starts = headings.flat_map(|heading| [heading.start, heading.start + 1]);
        let starts = starts.chain(std::iter::once(block.start));
        starts
            .map(|start| self.context(&self.outline.above(self.document.text, start), "").1)
            .max()
            .unwrap_or(0)
    }

    /// Title and path, shortened step by step until they take no more than a
    /// third of the passage, and their tokens.
    fn context(&self, path: &[&str], begins: &str) -> (String, usize) {
        let title = title_before(self.document, begins)
            // A document's first heading often is its title.
            .filter(|title| path.first() != Some(title));
        let last = path.len().saturating_sub(1);
        for (title, path) in [(title, path), (title, &path[last..]), (None, &path[last..]), (title, &[])] {
            let lines: Vec<String> = title
                .map(str::to_owned)
                .into_iter()
                .chain((!path.is_empty()).then(|| outline::joined(path)))
                .collect();
            if lines.is_empty() {
                continue;
            }
            let context = format!("{}\n\n", lines.join("\n"));
            let tokens = (self.count)(&context);
            if tokens <= self.budget.target / 3 {
                return (context, tokens);
            }
        }
        (String::new(), 0)
    }
}

/// Counts code points up to byte offsets that only grow.
#[derive(Debug, Default)]
struct Seen {
    bytes: usize,
    chars: usize,
}

impl Seen {
    fn chars_before(&mut self, text: &str, offset: usize) -> usize {
        self.chars += text[self.bytes..offset].chars().count();
        self.bytes = offset;
        self.chars
    }
}

struct Sizer<'a> {
    count: &'a (dyn Fn(&str) -> usize + Sync),
    most: usize,
}

impl ChunkSizer for Sizer<'_> {
    /// Tokenizes nothing that is too long anyway.
    fn size(&self, chunk: &str) -> usize {
        let least = chunk.len().div_ceil(BYTES_PER_TOKEN_MAX);
        if least > self.most { least } else { (self.count)(chunk).max(least) }
    }
}

#[cfg(test)]
mod tests;
