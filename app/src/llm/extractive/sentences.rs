//! Cuts prose and Markdown into sentences.

/// Words after which a full stop does not end a sentence, without their last one.
const ABBREVIATIONS: &[&str] = &[
    "approx", "art", "cf", "co", "corp", "dept", "dr", "e.g", "ed", "eq", "est", "fig", "i.e", "inc", "jr",
    "ltd", "mr", "mrs", "ms", "no", "nos", "p", "pp", "prof", "ref", "sec", "sr", "st", "u.k", "u.s", "viz",
    "vol", "vs", "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec",
];

/// The sentences of a text, in order, each a part of it. Headings are left
/// out; an item of a list is cut like a paragraph; a table and a block of code
/// stay whole, since a part of them means nothing.
pub fn sentences(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for block in blocks(text) {
        match block.kind {
            Kind::Whole => found.push(block.text.trim()),
            Kind::Prose => cut(block.text, &mut found),
        }
    }
    found.retain(|sentence| sentence.chars().any(char::is_alphanumeric));
    found
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Prose,
    Whole,
}

struct Block<'a> {
    kind: Kind,
    text: &'a str,
}

/// A block that is still growing: where it starts and ends in the text.
struct Open {
    kind: Kind,
    start: usize,
    end: usize,
}

fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut open: Option<Open> = None;
    let mut fence: Option<&str> = None;
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let end = start + line.len();
        let bare = line.trim();
        let role = Role::of(bare, fence);
        match role {
            Role::Fence(mark) => {
                fence = if fence.is_some() { None } else { Some(mark) };
                if fence.is_some() {
                    close(text, &mut open, &mut blocks);
                    // The fence itself is no part of the code.
                    open = Some(Open { kind: Kind::Whole, start: end, end });
                } else {
                    close(text, &mut open, &mut blocks);
                }
            }
            Role::Nothing => close(text, &mut open, &mut blocks),
            Role::Code => extend(&mut open, Kind::Whole, start, end),
            Role::Row => {
                if open.as_ref().is_some_and(|open| open.kind == Kind::Prose) {
                    close(text, &mut open, &mut blocks);
                }
                extend(&mut open, Kind::Whole, start, end);
            }
            Role::Item(marker) => {
                close(text, &mut open, &mut blocks);
                let indent = line.len() - line.trim_start().len();
                open = Some(Open { kind: Kind::Prose, start: start + indent + marker, end });
            }
            Role::Prose => {
                if open.as_ref().is_some_and(|open| open.kind == Kind::Whole) {
                    close(text, &mut open, &mut blocks);
                }
                extend(&mut open, Kind::Prose, start, end);
            }
        }
        start = end;
    }
    close(text, &mut open, &mut blocks);
    blocks
}

fn extend(open: &mut Option<Open>, kind: Kind, start: usize, end: usize) {
    match open {
        Some(open) => open.end = end,
        None => *open = Some(Open { kind, start, end }),
    }
}

fn close<'a>(text: &'a str, open: &mut Option<Open>, blocks: &mut Vec<Block<'a>>) {
    if let Some(Open { kind, start, end }) = open.take() {
        blocks.push(Block { kind, text: &text[start..end] });
    }
}

/// What a line is.
enum Role<'a> {
    /// Begins or ends a block of code.
    Fence(&'a str),
    /// Blank, a heading, a rule.
    Nothing,
    /// Inside a block of code.
    Code,
    /// Of a table.
    Row,
    /// Of a list, with the length of its marker.
    Item(usize),
    Prose,
}

impl<'a> Role<'a> {
    fn of(line: &'a str, fence: Option<&str>) -> Self {
        if let Some(fence) = fence {
            return if line.starts_with(fence) { Self::Fence(&line[..3]) } else { Self::Code };
        }
        if line.starts_with("```") || line.starts_with("~~~") {
            return Self::Fence(&line[..3]);
        }
        let hashes = line.bytes().take_while(|byte| *byte == b'#').count();
        let is_heading = (1..=6).contains(&hashes) && line[hashes..].starts_with([' ', '\t']);
        let is_rule = line.bytes().all(|byte| matches!(byte, b'-' | b'=' | b'*' | b'_' | b' '));
        if is_heading || is_rule {
            return Self::Nothing;
        }
        if line.starts_with('|') {
            return Self::Row;
        }
        marker(line).map_or(Self::Prose, Self::Item)
    }
}

/// The length of a list marker (`- `, `* `, `+ `, `> `, `12. `, `3) `).
fn marker(line: &str) -> Option<usize> {
    if ["- ", "* ", "+ ", "> ", "• "].iter().any(|bullet| line.starts_with(bullet)) {
        return line.find(' ').map(|space| space + 1);
    }
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let is_number =
        (1..=3).contains(&digits) && (line[digits..].starts_with(". ") || line[digits..].starts_with(") "));
    is_number.then_some(digits + 2)
}

fn cut<'a>(paragraph: &'a str, found: &mut Vec<&'a str>) {
    let mut start = 0;
    let mut characters = paragraph.char_indices().peekable();
    while let Some((index, character)) = characters.next() {
        if !matches!(character, '.' | '!' | '?' | '。' | '！' | '？') {
            continue;
        }
        // What closes a quotation or a bracket belongs to the sentence, and so
        // does the marker of a citation.
        while characters
            .next_if(|(_, next)| matches!(next, '.' | '!' | '?' | '"' | '\'' | ')' | ']' | '”' | '’' | '»'))
            .is_some()
        {}
        let end = characters.peek().map_or(paragraph.len(), |(index, _)| *index);
        if is_end(character, &paragraph[start..index], &paragraph[end..]) {
            found.push(paragraph[start..end].trim());
            start = end;
        }
    }
    found.push(paragraph[start..].trim());
}

/// Whether a sentence ends at `mark`, between `before` and `after`.
fn is_end(mark: char, before: &str, after: &str) -> bool {
    if matches!(mark, '。' | '！' | '？') {
        return true;
    }
    if !after.is_empty() && !after.starts_with(char::is_whitespace) {
        return false;
    }
    // A sentence begins with anything but a small letter.
    if after.trim_start().starts_with(char::is_lowercase) {
        return false;
    }
    if mark != '.' {
        return true;
    }
    let word = before
        .rsplit(|character: char| character.is_whitespace() || character == '(')
        .next()
        .unwrap_or_default();
    let is_initial = word.chars().count() == 1 && word.chars().all(char::is_uppercase);
    // An abbreviation at the very end of a text ends the sentence too.
    after.trim().is_empty() || !(is_initial || ABBREVIATIONS.contains(&word.to_lowercase().as_str()))
}
