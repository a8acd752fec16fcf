use super::*;

fn passage(text: &str, similarity: f32) -> Passage<'_> {
    Passage { text, similarity, words: 0.0 }
}

#[test]
fn a_passage_with_the_questions_words_is_evidence_however_dissimilar() {
    let named = |words| Passage { text: "ZX-81 is sold in April.", similarity: 0.05, words };
    let told = |words| answer("When is ZX-81 sold?", &[named(words)], &[], &[], 0.3);
    assert_eq!(told(0.5).text, "From your documents: ZX-81 is sold in April. [1]");
    assert!(!told(0.2).grounded);
}

#[test]
fn prose_is_cut_at_sentences_and_nowhere_else() {
    let text = "Dr. Smith paid 3.5 percent, e.g. in the U.S. market. Was it \"much\"? It was! See J. P. Morgan (No. 4).";
    let expected = [
        "Dr. Smith paid 3.5 percent, e.g. in the U.S. market.",
        "Was it \"much\"?",
        "It was!",
        "See J. P. Morgan (No. 4).",
    ];
    assert_eq!(sentences(text), expected);
}

#[test]
fn a_sentence_may_span_lines_and_a_paragraph_ends_one() {
    assert_eq!(
        sentences("One sentence\nover two lines\n\nAnother without an end"),
        ["One sentence\nover two lines", "Another without an end"]
    );
}

#[test]
fn markdown_is_understood() {
    let text = "# Title. Of it\n\nIntro here.\n\n- First item. More.\n* Second\n12. Third\n\n| a | b |\n|---|---|\n| 1. A | 2 |\n\n```\nlet x = 1. Y;\n\nEnd.\n```\nAfter.\n";
    let expected = [
        "Intro here.",
        "First item.",
        "More.",
        "Second",
        "Third",
        "| a | b |\n|---|---|\n| 1. A | 2 |",
        "let x = 1. Y;\n\nEnd.",
        "After.",
    ];
    assert_eq!(sentences(text), expected);
}

#[test]
fn odd_texts_are_no_problem() {
    for text in [
        "",
        " \n",
        "...",
        "# Only a heading",
        "```\nnever closed",
        "日本語。もう一つ。",
        "é. É!",
        "[",
        "|",
        "~~~",
    ] {
        for sentence in sentences(text) {
            assert!(text.contains(sentence));
        }
    }
    assert_eq!(sentences("日本語。もう一つ。").len(), 2);
}

#[test]
fn the_best_sentence_is_quoted_with_its_citation() {
    let passages = [
        passage("Bonds pay interest. Their price falls when rates rise.", 0.5),
        passage(
            "# Beta\n\nBeta measures how a holding moves with the market. It was first used long ago.",
            0.6,
        ),
    ];
    let answer = answer("What does beta measure?", &passages, &[], &[], 0.3);
    assert!(answer.grounded);
    assert!(
        answer
            .text
            .starts_with("From your documents: Beta measures how a holding moves with the market. [2]"),
        "{}",
        answer.text
    );
}

#[test]
fn what_is_too_far_is_no_evidence() {
    let passages = [passage("Beta measures risk.", 0.1)];
    let memories = [Recollection { text: "I like beta", similarity: 0.1 }];
    let answer = answer("What does beta measure?", &passages, &memories, &[], 0.3);
    assert!(!answer.grounded);
    assert!(!answer.text.contains('['));
    assert_eq!(super::answer("", &[], &[], &[], 0.3), answer);
}

#[test]
fn memories_are_told_apart_from_documents() {
    let passages = [passage("Risk is the chance of a loss.", 0.5)];
    let memories = [Recollection { text: "My risk limit is 10 percent.", similarity: 0.7 }];
    let text = answer("What is my risk limit?", &passages, &memories, &[], 0.3).text;
    assert!(text.starts_with("From your documents: Risk is the chance of a loss. [1]"));
    assert!(text.contains("You told me: My risk limit is 10 percent."));
    let text = answer("What is my risk limit?", &[], &memories, &[], 0.3).text;
    assert!(text.starts_with("You told me: My risk limit"));
}

#[test]
fn nothing_is_said_twice_and_the_answer_is_bounded() {
    let same = "Volatility is the standard deviation of returns.";
    let long = format!("Volatility {}.", "matters very much indeed ".repeat(60));
    let passages = [passage(same, 0.6), passage(same, 0.6), passage(&long, 0.6)];
    let text = answer("What is volatility?", &passages, &[], &[], 0.3).text;
    assert_eq!(text.matches(same).count(), 1);
    let only_long = answer("What is volatility?", &passages[2..], &[], &[], 0.3).text;
    assert!(only_long.chars().count() < 960 && only_long.contains("... [1]"), "{only_long}");
}

#[test]
fn markers_of_the_source_are_not_taken_for_ours() {
    let passages = [passage("Beta was found[7] to be [sic] stable [12].", 0.6)];
    let text = answer("What is beta?", &passages, &[], &[], 0.3).text;
    assert_eq!(text, "From your documents: Beta was found to be [sic] stable . [1]");
}

#[test]
fn an_answer_sentence_finds_its_source() {
    let text = "The fund began in 1999. Its fee is 0.35 percent a year. It holds 500 stocks.";
    assert_eq!(
        best_sentence("The yearly fee of the fund is 0.35 percent [1].", text),
        Some("Its fee is 0.35 percent a year.")
    );
    assert_eq!(best_sentence("Unrelated words only", text), None);
}

#[test]
fn a_definition_is_quoted_before_other_sentences_on_the_same_thing() {
    let passages = [
        passage("The maximum drawdown does not change with the currency unit.", 0.7),
        Passage {
            words: 0.0,
            text: "Prices fall. The maximum drawdown is the largest fall from a peak to a later low.",
            similarity: 0.55,
        },
    ];
    let text = answer("What is the maximum drawdown?", &passages, &[], &[], 0.2).text;
    assert!(text.starts_with("From your documents: The maximum drawdown is the largest fall"), "{text}");
}

#[test]
fn what_the_user_owns_is_told_where_it_is_asked_for() {
    let figures = [
        ("The portfolio Savings [7] is worth 1532.50 USD as of 2024-03-06.", 2),
        ("Its largest positions by value are FUND (2500.00), MSFT (-2000.00).", 2),
        ("On 2024-03-06 it moved by 37.50 USD; what moved it most is MSFT (20.00).", 3),
    ]
    .map(|(text, number)| Figure { text, number });
    let told = |question: &str| answer(question, &[], &[], &figures, 0.3);
    let both = told("What is my portfolio worth, and what moved it?");
    assert!(both.grounded && both.text.starts_with("From your portfolios: "), "{}", both.text);
    // Each with its number, and no number of a name's own.
    assert!(both.text.contains("Savings is worth 1532.50 USD as of 2024-03-06. [2]"), "{}", both.text);
    assert!(both.text.ends_with("MSFT (20.00). [3]"), "{}", both.text);
    // About the world, or about something else of the user's.
    assert!(!told("What is a portfolio worth?").grounded);
    assert!(!told("Where did I put my keys?").grounded);
}
