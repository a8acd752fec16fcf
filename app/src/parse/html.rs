//! Web pages: as Markdown, so that headings, lists and tables keep their meaning.

use std::sync::{Arc, Mutex, PoisonError};

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use htmd::element_handler::Handlers;
use htmd::{Element, HtmlToMarkdown};

use super::{Document, Limits, Refused, text};

/// Deepest nesting that is read. The parser's time grows with the square of
/// the depth, and browsers stop at a quarter of this.
const DEPTH_MAX: usize = 2000;
/// A page says within this many bytes how it is encoded.
const DECLARED_WITHIN: usize = 1024;

/// What is no part of what a page says.
const LEFT_OUT: [&str; 18] = [
    "script", "style", "noscript", "template", "nav", "footer", "iframe", "object", "embed", "svg", "canvas",
    "audio", "video", "button", "select", "input", "textarea", "dialog",
];

/// Elements that hold nothing, or that another one like them ends.
const NO_NESTING: [&str; 32] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track",
    "wbr", "html", "head", "body", "p", "li", "dt", "dd", "option", "optgroup", "tr", "td", "th", "thead",
    "tbody", "tfoot", "colgroup", "rt", "rp",
];

pub(super) fn read(bytes: &[u8], limits: Limits) -> Result<Document, Refused> {
    let (title, text) = markdown(bytes, limits)?;
    Ok(Document { title, text, pages: None })
}

/// A page's title and its text.
pub(super) fn markdown(bytes: &[u8], limits: Limits) -> Result<(Option<String>, String), Refused> {
    let html = text::decode(bytes, declared(bytes));
    if depth(&html) > DEPTH_MAX {
        return Err(Refused::because(format!(
            "the page is nested too deeply: more than {DEPTH_MAX} elements are open at once"
        )));
    }
    let title = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&title);
    let converter = HtmlToMarkdown::builder()
        // Where a link leads and an image lies says nothing to a reader.
        .add_handler(vec!["a"], |handlers: &dyn Handlers, element: Element<'_>| {
            Some(handlers.walk_children(element.node))
        })
        .add_handler(vec!["img"], |_: &dyn Handlers, element: Element<'_>| {
            let alternative = element.attrs.iter().find(|attribute| &*attribute.name.local == "alt")?;
            Some(alternative.value.to_string().into())
        })
        .add_handler(vec!["title"], move |handlers: &dyn Handlers, element: Element<'_>| {
            let words = handlers.walk_children(element.node).content;
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.get_or_insert_with(|| unescaped(&words));
            None
        })
        .skip_tags(LEFT_OUT.to_vec())
        .build();
    let markdown = converter
        .convert(&html)
        .map_err(|error| Refused::because(format!("the page cannot be read: {error}")))?;
    let title = title.lock().unwrap_or_else(PoisonError::into_inner).take();
    let title = title.filter(|title: &String| !title.trim().is_empty());
    Ok((title, text::clean(&narrowed(&markdown), limits)?))
}

/// The encoding a page names in its head.
fn declared(bytes: &[u8]) -> Option<&'static Encoding> {
    let start: String =
        bytes.iter().take(DECLARED_WITHIN).map(|byte| char::from(byte.to_ascii_lowercase())).collect();
    let (_, after) = start.split_once("charset=")?;
    let label: String = after
        .trim_start_matches(['"', '\'', ' '])
        .chars()
        .take_while(|letter| letter.is_ascii_alphanumeric() || "-_:.".contains(*letter))
        .collect();
    let encoding = Encoding::for_label(label.as_bytes())?;
    // It could be read so far, so it is not that.
    Some(if encoding == UTF_16LE || encoding == UTF_16BE { UTF_8 } else { encoding })
}

/// How many elements are open at once, roughly: enough to tell a page from an attack.
fn depth(html: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if let Some(comment) = rest.strip_prefix("!--") {
            rest = comment.find("-->").map_or("", |end| &comment[end + 3..]);
            continue;
        }
        let closes = rest.starts_with('/');
        let named = rest.trim_start_matches('/');
        let length = named.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-');
        let name = named[..length.unwrap_or(named.len())].to_ascii_lowercase();
        if name.is_empty() || NO_NESTING.contains(&name.as_str()) {
            continue;
        }
        if closes {
            depth = depth.saturating_sub(1);
        } else if !named.split_once('>').is_some_and(|(tag, _)| tag.ends_with('/')) {
            depth += 1;
            deepest = deepest.max(depth);
        }
    }
    deepest
}

/// Tables without the blanks and dashes that only make columns equally wide.
fn narrowed(markdown: &str) -> String {
    let mut narrow = String::with_capacity(markdown.len());
    for line in markdown.split_inclusive('\n') {
        if !line.starts_with('|') {
            narrow.push_str(line);
            continue;
        }
        let mut dashes = 0;
        for letter in line.chars() {
            dashes = if letter == '-' { dashes + 1 } else { 0 };
            if dashes <= 3 && !(letter == ' ' && narrow.ends_with(' ')) {
                narrow.push(letter);
            }
        }
    }
    narrow
}

/// Markdown's backslashes have no place in a title.
fn unescaped(markdown: &str) -> String {
    let mut plain = String::with_capacity(markdown.len());
    let mut letters = markdown.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter != '\\' || !letters.peek().is_some_and(char::is_ascii_punctuation) {
            plain.push(letter);
        }
    }
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { characters: 100_000, pages: 10 };

    const PAGE: &str = r#"<!doctype html><html><head><title>Risk_limits &amp; more</title>
        <style>p { color: red }</style><script>var secret = "<p>no</p>";</script></head><body>
        <nav><a href="/">Home</a></nav><h1>Limits</h1><p>Read <a href="https://example.com/x">the rules</a>.</p>
        <h2>Single positions</h2><ul><li>five percent</li></ul><img src="a.png" alt="A chart of limits">
        <table><tr><th>Name</th><th>Limit</th></tr><tr><td>Equity</td><td>5</td></tr></table>
        <footer>Imprint</footer></body></html>"#;

    #[test]
    fn a_page_becomes_markdown_without_its_furniture() {
        let document = read(PAGE.as_bytes(), LIMITS).unwrap();
        assert_eq!(document.title.as_deref(), Some("Risk_limits & more"));
        for part in
            ["# Limits", "Read the rules.", "## Single positions", "five percent", "A chart of limits"]
        {
            assert!(document.text.contains(part), "{part}: {}", document.text);
        }
        for junk in ["secret", "color", "Home", "Imprint", "example.com", "Risk"] {
            assert!(!document.text.contains(junk), "{junk}: {}", document.text);
        }
        assert!(
            document.text.contains("| Name | Limit |\n| --- | --- |\n| Equity | 5 |"),
            "{}",
            document.text
        );
    }

    #[test]
    fn the_head_says_how_it_is_encoded() {
        let page = "<html><head><meta charset='iso-8859-2'></head><body><p>Łódź i żółw</p></body></html>";
        let bytes = encoding_rs::ISO_8859_2.encode(page).0;
        assert_eq!(read(&bytes, LIMITS).unwrap().text.trim(), "Łódź i żółw");
    }

    #[test]
    fn deep_nesting_is_refused_at_once() {
        let deep = format!("{}x{}", "<div>".repeat(100_000), "</div>".repeat(100_000));
        assert!(read(deep.as_bytes(), LIMITS).unwrap_err().0.contains("nested too deeply"));
        let wide = "<div><p>x<br>y<p>z</div><svg><path/></svg>".repeat(5000);
        assert!(depth(&wide) < 10);
        let allowed = format!("{}deep{}", "<div>".repeat(1900), "</div>".repeat(1900));
        let reading =
            std::thread::Builder::new().stack_size(64 << 20).spawn(move || read(allowed.as_bytes(), LIMITS));
        assert_eq!(reading.unwrap().join().unwrap().unwrap().text.trim(), "deep");
    }
}
