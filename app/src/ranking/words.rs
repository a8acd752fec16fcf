//! A text as the words it is found by.
//!
//! Words are letters and digits in lower case (NFKC), English ones without
//! their endings and without those that say nothing; numbers lose their
//! thousands' commas and stay whole; names with joints (`BRK.B`, `10-K`) are
//! there whole and in parts; a word of letters and a number (`FY2017`) is there
//! whole and in both parts. A text that is surely not English keeps its words
//! as they are. What is asked for may be either: each word of a question brings
//! both forms.

use std::collections::HashMap;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};

use super::language::{Language, is_stop_word, stem};
use super::scan::{Token, tokens};

/// Changes when a text would be taken apart differently than before: what is stored is made anew then.
pub const VERSION: i16 = 1;

/// Different words of a question that are looked for, the first ones.
const ASKED_MAX: usize = 256;

/// A word of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The forms under which it may be stored: the English one, and as it is written.
    pub forms: Vec<String>,
    /// How often the question has it; none for two neighbours written as one, as ids
    /// and file names have them ("Best Buy" in `BESTBUY_2023`): those name a source and count for no text.
    pub times: u32,
}

/// The words of a stored text, in their order.
pub fn of_text(text: &str) -> Vec<String> {
    let text = normalized(text);
    let language = Language::of(&text);
    let mut words = Vec::new();
    for_each(&text, |word, is_plain| match language {
        Language::Other => words.push(word.to_owned()),
        Language::English if is_plain => words.push(word.to_owned()),
        Language::English if !is_stop_word(word) => words.push(stem(word)),
        Language::English => {}
    });
    words
}

/// The words of a sentence, taken for English: too short to tell by itself.
pub fn of_sentence(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for_each(&normalized(text), |word, is_plain| {
        if is_plain {
            words.push(word.to_owned());
        } else if !is_stop_word(word) {
            words.push(stem(word));
        }
    });
    words
}

/// The different words of a question, in the order in which they first come.
pub fn of_question(text: &str) -> Vec<Asked> {
    let mut collected = Collected::default();
    let mut before: Option<String> = None;
    let mut joined = Vec::new();
    for_each(&normalized(text), |word, is_plain| {
        if !is_plain && is_stop_word(word) {
            before = None;
            return;
        }
        collected.add(if is_plain { word.to_owned() } else { stem(word) }, word, 1);
        let is_word = !is_plain && word.chars().all(char::is_alphabetic);
        if let (Some(before), true) = (before.take(), is_word) {
            joined.push(before + word);
        }
        before = is_word.then(|| word.to_owned());
    });
    for name in joined {
        collected.add(stem(&name), &name, 0);
    }
    collected.asked
}

#[derive(Debug, Default)]
struct Collected {
    asked: Vec<Asked>,
    places: HashMap<String, usize>,
}

impl Collected {
    fn add(&mut self, first: String, as_written: &str, times: u32) {
        if let Some(&place) = self.places.get(&first) {
            self.asked[place].times += times;
            add_form(&mut self.asked[place].forms, as_written);
        } else if self.asked.len() < ASKED_MAX {
            self.places.insert(first.clone(), self.asked.len());
            let mut forms = vec![first];
            add_form(&mut forms, as_written);
            self.asked.push(Asked { forms, times });
        }
    }
}

fn add_form(forms: &mut Vec<String>, word: &str) {
    if forms.iter().all(|form| form != word) {
        forms.push(word.to_owned());
    }
}

fn normalized(text: &str) -> std::borrow::Cow<'_, str> {
    match is_nfkc_quick(text.chars()) {
        IsNormalized::Yes => text.into(),
        _ => text.nfkc().collect::<String>().into(),
    }
}

/// Calls with each word in lower case, and whether it is what no language has endings for.
fn for_each(text: &str, mut each: impl FnMut(&str, bool)) {
    for token in tokens(text) {
        match token {
            Token::Word(word) => whole_and_parts(word, &mut each),
            Token::Number(number) => each(&number.replace(',', ""), true),
            Token::Name(name) => each(&name.to_lowercase(), true),
            Token::Pair(pair) => each(pair, true),
        }
    }
}

fn whole_and_parts(word: &str, each: &mut impl FnMut(&str, bool)) {
    let lower = word.to_lowercase();
    if word.chars().nth(1).is_none() {
        // A letter alone is a name only in capitals ("shares of T"), and not where English has a word.
        if word.chars().all(|letter| letter.is_uppercase() && !matches!(letter, 'A' | 'I')) {
            each(&lower, true);
        }
        return;
    }
    each(&lower, lower.bytes().all(|byte| byte.is_ascii_digit()));
    let Some(letters) = lower.find(char::is_numeric) else { return };
    let (name, number) = lower.split_at(letters);
    if !name.is_empty() && number.chars().all(char::is_numeric) {
        for part in [name, number].into_iter().filter(|part| part.chars().nth(1).is_some()) {
            each(part, false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str) -> Vec<(String, u32)> {
        of_question(text).into_iter().map(|word| (word.forms[0].clone(), word.times)).collect()
    }

    #[test]
    fn a_text_is_its_words() {
        assert_eq!(
            of_text("The companies' revenues in FY2017 were $1,452.4 million."),
            ["compani", "revenu", "fy2017", "fy", "2017", "1452.4", "million"]
        );
        assert_eq!(
            of_text("Shares of T and BRK.B; the S&P. I am a ﬁnance fan"),
            ["share", "t", "brk.b", "brk", "s&p", "financ", "fan"]
        );
        assert!(of_text("What is it?").is_empty());
    }

    #[test]
    fn a_question_brings_both_forms_and_counts() {
        let words = of_question("Zinsen and zinsen on bonds");
        assert_eq!(words[0], Asked { forms: vec!["zinsen".to_owned()], times: 2 });
        assert_eq!(words[1], Asked { forms: vec!["bond".to_owned(), "bonds".to_owned()], times: 1 });
        assert_eq!(asked("paying, and pays")[0], ("pay".to_owned(), 2));
    }

    #[test]
    fn neighbours_written_as_one_name_sources_and_count_for_no_text() {
        let words = asked("revenue of Best Buy in 2023");
        assert_eq!(
            words,
            [
                ("revenu".to_owned(), 1),
                ("best".to_owned(), 1),
                ("buy".to_owned(), 1),
                ("2023".to_owned(), 1),
                ("bestbuy".to_owned(), 0)
            ]
        );
        assert!(of_text("BESTBUY_2023_10K").contains(&"bestbuy".to_owned()));
    }

    #[test]
    fn what_is_asked_meets_what_is_stored_in_either_language() {
        let german = "Die Anleihe zahlt jährlich Zinsen, und die Rendite der Anleihe hängt vom Markt und vom Preis ab.";
        let stored = of_text(german);
        for word in of_question("Rendite der Anleihe").iter().filter(|word| word.times > 0) {
            assert!(word.forms.iter().any(|form| stored.contains(form)), "{word:?} in {stored:?}");
        }
    }

    #[test]
    fn a_question_is_bounded() {
        let long: String = (0..10_000).map(|number| format!("word{number}")).collect::<Vec<_>>().join(" ");
        assert_eq!(of_question(&long).len(), ASKED_MAX);
    }
}
