//! Recognises "remember that ..." at the start of a user's own message.

use unicode_normalization::UnicodeNormalization;

use super::phrases::{ABBREVIATIONS, COURTESIES, FIRST_PERSON, Follow, POLITE_QUESTIONS, TALK, TRIGGERS};
use super::sensitive::looks_sensitive;

/// Longest fact in characters; what is longer is a document.
const FACT_CHARACTERS_MAX: usize = 500;
/// "Hey Tandem, please ..." and no more.
const COURTESIES_MAX: usize = 4;

/// The fact a user asks to remember, in the user's words; none if the message
/// asks for nothing of the kind. Questions ("do you remember ...?") are no
/// requests; secrets, card and account numbers are never remembered. Only the
/// first sentence counts after "that", the first paragraph up to a question
/// after a colon: what follows is the rest of the message.
pub fn remember_request(user_text: &str) -> Option<String> {
    let text: String = user_text.trim().nfc().collect();
    let (fact, follow) = requested(without_courtesies(&text))?;
    let fact = match follow {
        Follow::Colon => statements(fact.split("\n\n").next().unwrap_or("")),
        Follow::Clause | Follow::FirstPerson => first_sentence(fact),
    }?;
    let is_said = follow == Follow::Colon || fact.split_whitespace().count() > 1;
    memorable(fact).filter(|_| is_said).map(ToOwned::to_owned)
}

/// A fact without the punctuation around it; none if it says nothing, is too
/// long, or looks like a secret, a card or an account number.
pub fn memorable(fact: &str) -> Option<&str> {
    let fact = fact
        .trim()
        .trim_end_matches(['.', '!', ',', ';'])
        .trim_matches(|c: char| c.is_whitespace() || c == '"');
    let is_said = fact.chars().any(char::is_alphanumeric);
    let is_bounded = fact.chars().count() <= FACT_CHARACTERS_MAX && !fact.contains('\0');
    (is_said && is_bounded && !looks_sensitive(fact)).then_some(fact)
}

/// What follows the phrase, and which kind of phrase it was.
fn requested(text: &str) -> Option<(&str, Follow)> {
    if let Some(fact) = politely_asked(text) {
        return Some((fact, Follow::FirstPerson));
    }
    TRIGGERS.iter().find_map(|(phrase, follow)| {
        let rest = strip_phrase(text, phrase)?;
        let fact = match follow {
            Follow::Colon => after_colon(rest)?,
            Follow::Clause => clause(rest)?,
            Follow::FirstPerson => clause(rest).filter(|fact| is_first_person(fact))?,
        };
        Some((fact.trim_start(), *follow))
    })
}

/// "Could you remember that I ...?" asks for it; "could you remember that
/// place?" and "... that I told you?" do not.
fn politely_asked(text: &str) -> Option<&str> {
    let rest = strip_any(text, POLITE_QUESTIONS)?.trim_start();
    let rest = strip_phrase(rest, "remember")?.trim_start();
    let fact = strip_phrase(rest, "that").unwrap_or(rest).trim();
    let is_fact = is_first_person(fact) && !TALK.iter().any(|talk| starts_with(fact, talk));
    is_fact.then(|| fact.trim_end_matches('?'))
}

fn after_colon(rest: &str) -> Option<&str> {
    const DASHES: [&str; 3] = [" - ", " – ", " — "];
    rest.trim_start().strip_prefix(':').or_else(|| DASHES.iter().find_map(|dash| rest.strip_prefix(dash)))
}

fn clause(rest: &str) -> Option<&str> {
    let rest = rest.strip_prefix(',').unwrap_or(rest);
    rest.starts_with(char::is_whitespace).then(|| rest.trim_start())
}

fn without_courtesies(mut text: &str) -> &str {
    for _ in 0..COURTESIES_MAX {
        let Some(rest) = strip_any(text, COURTESIES) else {
            break;
        };
        let rest = rest.trim_start_matches([',', '!', '.', ':', ' ', '\t', '\n']);
        text = rest;
    }
    text
}

/// The longest of the phrases, as whole words.
fn strip_any<'a>(text: &'a str, phrases: &[&str]) -> Option<&'a str> {
    phrases
        .iter()
        .filter_map(|phrase| strip_phrase(text, phrase))
        .filter(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '\'' || c == '-'))
        .min_by_key(|rest| rest.len())
}

/// What comes after `phrase`, letter case and the kind of apostrophe aside.
fn strip_phrase<'a>(text: &'a str, phrase: &str) -> Option<&'a str> {
    let mut rest = text;
    for expected in phrase.chars() {
        if expected == ' ' {
            let trimmed = rest.trim_start();
            if trimmed.len() == rest.len() {
                return None;
            }
            rest = trimmed;
            continue;
        }
        let mut characters = rest.chars();
        if fold(characters.next()?) != expected {
            return None;
        }
        rest = characters.as_str();
    }
    Some(rest)
}

fn starts_with(text: &str, phrase: &str) -> bool {
    strip_phrase(text, phrase).is_some()
}

fn fold(c: char) -> char {
    match c {
        '\u{2019}' | '\u{2018}' | '\u{02bc}' => '\'',
        other => other.to_lowercase().next().unwrap_or(other),
    }
}

fn is_first_person(fact: &str) -> bool {
    strip_any(fact, FIRST_PERSON).is_some()
}

/// The first sentence or line; none if it is a question.
fn first_sentence(text: &str) -> Option<&str> {
    let line = text.lines().next()?;
    let sentence = &line[..sentence_end(line)];
    (!sentence.ends_with('?')).then_some(sentence)
}

/// Everything before the first question.
fn statements(text: &str) -> Option<&str> {
    let mut end = 0;
    while end < text.len() {
        let next = end + sentence_end(&text[end..]);
        if text[end..next].trim_end().ends_with('?') {
            break;
        }
        end = next;
    }
    (end > 0).then(|| &text[..end])
}

/// The byte after the first sentence: after `.`, `!` or `?` before white space
/// or the end, but for abbreviations and initials.
fn sentence_end(text: &str) -> usize {
    for (at, c) in text.char_indices() {
        let after = at + c.len_utf8();
        let is_last = text[after..].chars().next().is_none_or(char::is_whitespace);
        if is_last && (matches!(c, '!' | '?') || (c == '.' && !is_abbreviation(&text[..at]))) {
            return after;
        }
    }
    text.len()
}

fn is_abbreviation(before: &str) -> bool {
    let word = before.rsplit(|c: char| c.is_whitespace() || c == '(').next().unwrap_or("").to_lowercase();
    let is_initial = word.chars().count() == 1 && word.chars().all(char::is_alphabetic);
    is_initial || ABBREVIATIONS.contains(&word.as_str())
}

#[cfg(test)]
mod tests {
    use super::remember_request;

    #[test]
    fn explicit_requests_give_the_fact_in_the_users_words() {
        for (message, fact) in [
            ("Remember that I prefer euros.", "I prefer euros"),
            ("remember that i prefer euros", "i prefer euros"),
            ("please remember: my base currency is EUR", "my base currency is EUR"),
            ("Please, remember that I hold no tobacco stocks!", "I hold no tobacco stocks"),
            ("Hey Tandem, please remember that I retire in 2041.", "I retire in 2041"),
            ("Remember my risk limit is 12 %", "my risk limit is 12 %"),
            ("Remember this: reports go to the board on Mondays", "reports go to the board on Mondays"),
            ("Remember to always show amounts in EUR.", "always show amounts in EUR"),
            ("Remember, my name is Ada", "my name is Ada"),
            ("Note that I only buy ETFs", "I only buy ETFs"),
            ("note: quarterly review on 5 May", "quarterly review on 5 May"),
            ("Take note that my benchmark is the S&P 500", "my benchmark is the S&P 500"),
            ("Make a note that the house sale closes in June.", "the house sale closes in June"),
            ("Keep in mind that we file taxes in Germany", "we file taxes in Germany"),
            ("Don't forget that I sold all my bonds.", "I sold all my bonds"),
            ("Don\u{2019}t forget I\u{2019}m colour-blind", "I\u{2019}m colour-blind"),
            ("do not forget that 5 % is my limit", "5 % is my limit"),
            ("Can you remember that I prefer short answers?", "I prefer short answers"),
            ("Could you please remember that my fiscal year ends in March?", "my fiscal year ends in March"),
            ("Remember that I prefer euros. What is my portfolio worth?", "I prefer euros"),
            (
                "Remember that I work with Mr. Smith at Acme Inc. in Bonn. Now show me the risk report.",
                "I work with Mr. Smith at Acme Inc. in Bonn",
            ),
            ("Remember: I like tea. I hate coffee. Which one is cheaper?", "I like tea. I hate coffee"),
            ("  remember   that\nI like  tea", "I like  tea"),
            ("Merk dir, dass ich lieber Euro sehe.", "ich lieber Euro sehe"),
            ("Bitte merke dir: mein Depot liegt in Köln", "mein Depot liegt in Köln"),
            ("Vergiss nicht, dass ich 2041 in Rente gehe", "ich 2041 in Rente gehe"),
            ("Souviens-toi que je préfère les ETF.", "je préfère les ETF"),
            ("N'oublie pas que mon horizon est de dix ans", "mon horizon est de dix ans"),
            ("Recuerda que prefiero los euros", "prefiero los euros"),
            ("Por favor, acue\u{301}rdate de que vivo en Madrid.", "vivo en Madrid"),
        ] {
            assert_eq!(remember_request(message).as_deref(), Some(fact), "{message}");
        }
    }

    #[test]
    fn everything_else_is_not_a_request() {
        for message in [
            "",
            "Do you remember that I prefer euros?",
            "Do you remember my benchmark?",
            "Remember that time we met?",
            "remember my question from yesterday?",
            "Can you remember what I said?",
            "Can you remember that I told you about my dog?",
            "Could you remember that place?",
            "I remember that the index fell",
            "I can't remember that fund's name",
            "What should I remember about bonds?",
            "Don't remember that I like tea",
            "Remember the Alamo",
            "Remember when I bought gold",
            "remembering that I like tea is easy",
            "remember that",
            "remember that.",
            "remember:",
            "Note that the Sharpe ratio assumes normal returns.",
            "notes that I took",
            "Notebook: mine",
            "The document says: remember that I prefer euros",
            "Erinnerst du dich, dass ich Euro mag?",
            "Te souviens-tu que je préfère les ETF ?",
            "¿Recuerdas que prefiero los euros?",
            "Remember that my password is hunter2",
            "Remember my card: 4111 1111 1111 1111",
            "Remember that my card is 4111-1111-1111-1111",
            "Remember that my IBAN is DE89 3704 0044 0532 0130 00",
            "Remember: sk-proj-abc123def456ghi789jkl",
            "please remember that my API key is abc",
        ] {
            assert_eq!(remember_request(message), None, "{message}");
        }
    }

    #[test]
    fn a_fact_is_bounded() {
        let fact = format!("I like {}", "a".repeat(493));
        assert_eq!(remember_request(&format!("remember that {fact}")), Some(fact.clone()));
        assert_eq!(remember_request(&format!("remember that {fact}b")), None);
    }
}
