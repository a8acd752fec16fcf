//! Pieces of messages as HTML: escaped text in which words are marked.

/// Longest snippet, in characters.
const CHARACTERS_MAX: usize = 2_000;

const OPEN: &str = "<mark>";
const CLOSE: &str = "</mark>";
/// Longest of the entities that escaping makes.
const ENTITY_BYTES_MAX: usize = "&quot;".len();

/// Cuts a snippet that is too long, at a place that is no tag and no entity.
/// Words are what a snippet is made of, and a word can be of any length.
pub(super) fn shorten(snippet: &mut String) {
    if snippet.len() <= CHARACTERS_MAX {
        return;
    }
    let (mut at, mut characters, mut is_marked) = (0, 0, false);
    while let Some(first) = snippet[at..].chars().next() {
        let rest = &snippet[at..];
        let (bytes, shown) = if rest.starts_with(OPEN) {
            is_marked = true;
            (OPEN.len(), 0)
        } else if rest.starts_with(CLOSE) {
            is_marked = false;
            (CLOSE.len(), 0)
        } else if first == '&' {
            let end = rest.bytes().take(ENTITY_BYTES_MAX).position(|byte| byte == b';');
            (end.map_or(1, |end| end + 1), 1)
        } else {
            (first.len_utf8(), 1)
        };
        characters += shown;
        if characters > CHARACTERS_MAX {
            snippet.truncate(at);
            snippet.push_str(if is_marked { "</mark> …" } else { " …" });
            return;
        }
        at += bytes;
    }
}

/// The text of a snippet, without marks.
pub(super) fn plain(snippet: &str) -> String {
    let text = snippet.replace(OPEN, "").replace(CLOSE, "");
    // What was escaped first is read last.
    text.replace("&#39;", "'")
        .replace("&quot;", "\"")
        .replace("&gt;", ">")
        .replace("&lt;", "<")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snippet_is_cut_between_characters_as_they_are_shown() {
        let cut = |text: &str| {
            let mut text = text.to_owned();
            shorten(&mut text);
            text
        };
        assert_eq!(cut("a <mark>b</mark> &amp; c"), "a <mark>b</mark> &amp; c");
        let long = format!("{}<mark>&lt;ä</mark>", "x".repeat(1999));
        assert_eq!(cut(&long), format!("{}<mark>&lt;</mark> …", "x".repeat(1999)));
        let long = "&quot;".repeat(2001);
        assert_eq!(cut(&long), format!("{} …", "&quot;".repeat(2000)));
        let whole = "&quot;".repeat(2000);
        assert_eq!(cut(&whole), whole);
        assert_eq!(cut(&"ä".repeat(3000)).chars().count(), 2002);
    }

    #[test]
    fn the_text_of_a_snippet_is_what_was_said() {
        assert_eq!(plain("&lt;b&gt; <mark>x</mark> &amp;lt; &quot;&#39;"), "<b> x &lt; \"'");
    }
}
