use super::*;

fn words(text: &str) -> usize {
    text.split_whitespace().count()
}

fn cut(title: Option<&str>, text: &str, media_type: MediaType, tokens: usize) -> Vec<Passage> {
    let document = Document { title, text, media_type };
    passages(&document, Budget::new(tokens, tokens, 0), &words).unwrap()
}

fn verbatim(text: &str, passages: &[Passage]) {
    let letters: Vec<char> = text.chars().collect();
    for passage in passages {
        let slice: String = letters[passage.char_start..passage.char_end].iter().collect();
        assert_eq!(slice, passage.content);
    }
}

#[test]
fn a_text_that_fits_is_one_passage_equal_to_it() {
    let text = "  Größe und Maß.\n\nTwo paragraphs.  ";
    let found = cut(Some("Sizes"), text, MediaType::Markdown, 20);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].content, text);
    assert_eq!((found[0].char_start, found[0].char_end), (0, text.chars().count()));
    assert_eq!(found[0].embedded, format!("Sizes\n\n{text}"));
    assert_eq!(found[0].tokens, 6);
}

#[test]
fn a_title_that_does_not_fit_beside_a_whole_text_stays_out() {
    let text = "one two three four five six seven eight nine";
    let found = cut(Some("a long title"), text, MediaType::Plain, 10);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].embedded, text);
}

#[test]
fn a_blank_text_has_no_passage() {
    assert!(cut(None, " \n\t", MediaType::Plain, 10).is_empty());
}

#[test]
fn passages_keep_their_headings_and_their_place() {
    let body = "Ein Satz über Risiko und Maß. ".repeat(12);
    let text = format!("# Risk\n\n{body}\n\n## Value at risk\n\n{body}\n\n## Drawdown\n\n{body}");
    let found = cut(Some("Handbook"), &text, MediaType::Markdown, 30);
    assert!(found.len() > 6);
    verbatim(&text, &found);
    assert!(found.iter().all(|passage| passage.tokens <= 30 && words(&passage.embedded) <= 30));
    let under = found.iter().find(|passage| passage.heading_path == "Risk > Value at risk").unwrap();
    assert!(under.embedded.starts_with("Handbook\nRisk > Value at risk\n\n"));
    assert!(found[0].heading_path.is_empty(), "a passage's own heading is not above it");
    assert!(found.windows(2).all(|pair| pair[0].char_end <= pair[1].char_start));
}

#[test]
fn a_heading_is_never_a_passage_of_its_own() {
    let body = "Ein Satz über Risiko und Maß. ".repeat(12);
    let text =
        format!("# Risk\n\n{body}\n\n## Value at risk\n\n### Limits\n\n{body}\n\n## Drawdown\n\n{body}");
    let found = cut(None, &text, MediaType::Markdown, 30);
    verbatim(&text, &found);
    assert!(found.iter().all(|passage| passage.content.contains("Risiko")), "{found:#?}");
    assert!(found.iter().any(|passage| passage.heading_path == "Risk > Value at risk > Limits"));
}

#[test]
fn a_title_is_not_said_twice() {
    let body = "Ein Satz über Risiko und Maß. ".repeat(12);
    let text = format!("# Risk\n\n{body}");
    let found = cut(Some("Risk"), &text, MediaType::Markdown, 30);
    assert!(found[0].embedded.starts_with("# Risk"));
    assert!(found[1].embedded.starts_with("Risk\n\nEin Satz"));
}

#[test]
fn nothing_of_a_text_is_lost() {
    let text = (0..3000).map(|n| format!("word{n}")).collect::<Vec<_>>().join(" ");
    let found = cut(None, &text, MediaType::Plain, 50);
    verbatim(&text, &found);
    let joined: Vec<&str> = found.iter().flat_map(|passage| passage.content.split_whitespace()).collect();
    assert_eq!(joined.len(), 3000);
}

#[test]
fn a_title_says_something_or_is_left_out() {
    assert_eq!(telling_title(" Risk ", Some("7")), Some("Risk"));
    assert_eq!(telling_title("Doc-7", Some("doc-7")), None);
    assert_eq!(telling_title(" - ", None), None);
}

#[test]
fn a_short_text_is_counted_twice_at_most() {
    let counted = std::sync::atomic::AtomicUsize::new(0);
    let count = |text: &str| {
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        words(text)
    };
    let document = Document { title: None, text: "short and sweet", media_type: MediaType::Plain };
    passages(&document, Budget::new(220, 254, 0), &count).unwrap();
    assert!(counted.load(std::sync::atomic::Ordering::Relaxed) <= 2);
}

#[test]
fn long_and_hostile_texts_are_cut_in_time_and_within_bounds() {
    let started = std::time::Instant::now();
    let one_word = "x".repeat(500_000);
    let lines = "- [a](b) *c*\n".repeat(30_000);
    let headings = "# h\n\ntext\n\n".repeat(15_000);
    let brackets = "[".repeat(300_000);
    for text in [&one_word, &lines, &headings, &brackets] {
        for media_type in [MediaType::Plain, MediaType::Markdown] {
            let found = cut(Some("T"), text, media_type, 200);
            let longest = found.iter().map(|passage| passage.content.len()).max().unwrap();
            assert!(longest <= 250 * BYTES_PER_TOKEN_MAX, "{longest}");
        }
    }
    assert!(started.elapsed().as_secs() < 120, "{:?}", started.elapsed());
}
