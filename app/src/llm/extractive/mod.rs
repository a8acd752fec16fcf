//! Answers without a language model: the best sentences, quoted and cited.
//!
//! Pure functions. The same question and passages give the same answer.

mod sentences;

use std::collections::{BTreeSet, HashMap};

pub use sentences::sentences;

use crate::ranking::words;

/// Characters of an answer; a first sentence that is longer is cut.
const ANSWER_CHARACTERS: usize = 900;
const SENTENCES_MAX: usize = 4;
const MEMORIES_MAX: usize = 2;
/// A further sentence is worth quoting if it scores this part of the best one.
const WORTH_QUOTING: f32 = 0.6;
/// Two sentences that share this part of their terms say the same.
const SAME: f32 = 0.8;
/// What the passage's similarity counts beside the question's terms, which count 1.
const SIMILARITY_WEIGHT: f32 = 0.5;
/// What being the first sentence of a passage counts; later ones count less and less.
const POSITION_WEIGHT: f32 = 0.1;
/// What it counts that a sentence says what the thing asked about is.
const DEFINITION_WEIGHT: f32 = 0.3;
/// Words that follow the subject of a defining sentence.
const DEFINING: [&str; 10] =
    ["is", "are", "means", "measures", "describes", "denotes", "refers", "quantifies", "states", "equals"];
/// The subject of a defining sentence is not longer than this, in words.
const SUBJECT_WORDS_MAX: usize = 8;

/// A passage with this part of the question's words, by their weight, speaks of it however
/// dissimilar it is: names and codes have no meaning that a model could know.
const WORDS_FLOOR: f32 = 0.4;

/// Words of a question about the user's own things.
const OWN: [&str; 8] = ["my", "mine", "our", "ours", "i", "we", "me", "us"];

const NOTHING: &str =
    "I found nothing in your documents or in what you told me that speaks to this question.";

/// A retrieved passage. In prompt order: passage `i` is cited as `[i + 1]`.
#[derive(Clone, Copy, Debug)]
pub struct Passage<'a> {
    /// Its text.
    pub text: &'a str,
    /// Its cosine similarity to the question.
    pub similarity: f32,
    /// How much of the question's words it has, by their weight: 0 to 1.
    pub words: f32,
}

/// A recalled memory.
#[derive(Clone, Copy, Debug)]
pub struct Recollection<'a> {
    /// What the user said.
    pub text: &'a str,
    /// Its cosine similarity to the question.
    pub similarity: f32,
}

/// A sentence about what the user owns.
#[derive(Clone, Copy, Debug)]
pub struct Figure<'a> {
    /// What it says.
    pub text: &'a str,
    /// The number by which it is cited.
    pub number: usize,
}

/// An extractive answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What to show, with `[n]` markers.
    pub text: String,
    /// Whether it quotes anything; otherwise it says that nothing was found.
    pub grounded: bool,
}

/// Quotes what answers the question best. What is less similar than `floor`
/// does not speak of the question and is no evidence, unless it has enough of its words. `figures` are quoted where
/// the question is about what the user owns.
pub fn answer(
    question: &str,
    passages: &[Passage<'_>],
    memories: &[Recollection<'_>],
    figures: &[Figure<'_>],
    floor: f32,
) -> Answer {
    let mut parts = Vec::new();
    let told = recollect(memories, floor);
    let mut room = ANSWER_CHARACTERS;
    if !told.is_empty() {
        let part = format!("You told me: {}", told.join(" "));
        room = room.saturating_sub(part.chars().count());
        parts.push(part);
    }
    let quotes = quote(question, passages, floor, room);
    if !quotes.is_empty() {
        parts.insert(0, format!("From your documents: {}", quotes.join(" ")));
    }
    let owned = owned(question, figures);
    if !owned.is_empty() {
        parts.insert(0, format!("From your portfolios: {}", owned.join(" ")));
    }
    if parts.is_empty() {
        return Answer { text: NOTHING.to_owned(), grounded: false };
    }
    Answer { text: parts.join("\n\n"), grounded: true }
}

/// The sentence of `passage` that supports `answer_sentence` best; none when
/// they have no word in common.
pub fn best_sentence<'a>(answer_sentence: &str, passage: &'a str) -> Option<&'a str> {
    let wanted = terms(answer_sentence);
    let mut best: Option<(f32, &str)> = None;
    for sentence in sentences(passage) {
        let score = likeness(&wanted, &terms(sentence));
        // The first of equals stays.
        if score > best.map_or(0.0, |(score, _)| score) {
            best = Some((score, sentence));
        }
    }
    best.map(|(_, sentence)| sentence)
}

/// The sentences about what the user owns that share a word with a question
/// about the user's own things, each with its number.
fn owned(question: &str, figures: &[Figure<'_>]) -> Vec<String> {
    let is_own = question
        .split(|c: char| !c.is_alphanumeric())
        .any(|word| OWN.iter().any(|own| own.eq_ignore_ascii_case(word)));
    if !is_own {
        return Vec::new();
    }
    let wanted = terms(question);
    let mut near: Vec<(usize, f32)> = figures
        .iter()
        .enumerate()
        .map(|(place, said)| (place, likeness(&wanted, &terms(said.text))))
        .filter(|(_, score)| *score > 0.0)
        .collect();
    near.sort_by(|one, other| other.1.total_cmp(&one.1));
    near.truncate(SENTENCES_MAX);
    near.sort_by_key(|(place, _)| *place);
    let quoted = |said: &Figure<'_>| format!("{} [{}]", tidy(said.text), said.number);
    near.into_iter().map(|(place, _)| quoted(&figures[place])).collect()
}

struct Candidate {
    passage: usize,
    text: String,
    terms: BTreeSet<String>,
    score: f32,
}

fn recollect(memories: &[Recollection<'_>], floor: f32) -> Vec<String> {
    let mut near: Vec<&Recollection<'_>> =
        memories.iter().filter(|memory| memory.similarity >= floor).collect();
    near.sort_by(|one, other| other.similarity.total_cmp(&one.similarity));
    let mut told: Vec<String> = Vec::new();
    for memory in near {
        let text = shorten(&tidy(memory.text), ANSWER_CHARACTERS / 4);
        if !text.is_empty() && told.len() < MEMORIES_MAX && !told.contains(&text) {
            told.push(text);
        }
    }
    told
}

fn quote(question: &str, passages: &[Passage<'_>], floor: f32, room: usize) -> Vec<String> {
    let mut candidates = candidates(&terms(question), passages, floor);
    // Stable: of equals, the earlier passage and in it the earlier sentence wins.
    candidates.sort_by(|one, other| other.score.total_cmp(&one.score));
    let Some(best) = candidates.first().map(|candidate| candidate.score) else {
        return Vec::new();
    };
    let mut chosen: Vec<&Candidate> = Vec::new();
    let mut quotes: Vec<String> = Vec::new();
    let mut left = room;
    for candidate in &candidates {
        if chosen.len() == SENTENCES_MAX || candidate.score < WORTH_QUOTING * best {
            break;
        }
        let known = chosen
            .iter()
            .any(|other| likeness(&candidate.terms, &other.terms) >= SAME || other.text == candidate.text);
        let length = candidate.text.chars().count();
        if known || (length > left && !chosen.is_empty()) {
            continue;
        }
        quotes.push(format!("{} [{}]", shorten(&candidate.text, left), candidate.passage + 1));
        left = left.saturating_sub(length);
        chosen.push(candidate);
    }
    quotes
}

/// Every sentence of the near passages with its score: the part of the
/// question's terms it holds, weighed by how rare they are among the
/// sentences, and a little for the passage and for the place in it.
fn candidates(question: &BTreeSet<String>, passages: &[Passage<'_>], floor: f32) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    let mut places = Vec::new();
    let speaks = |passage: &Passage<'_>| passage.similarity >= floor || passage.words >= WORDS_FLOOR;
    for (index, passage) in passages.iter().enumerate().filter(|(_, passage)| speaks(passage)) {
        for (place, sentence) in sentences(passage.text).into_iter().enumerate() {
            let text = tidy(sentence);
            if !text.is_empty() {
                places.push(place);
                candidates.push(Candidate { passage: index, terms: terms(&text), text, score: 0.0 });
            }
        }
    }
    let weights = weights(question, &candidates);
    let all: f32 = weights.values().sum();
    for (candidate, place) in candidates.iter_mut().zip(places) {
        let held: f32 =
            question.intersection(&candidate.terms).filter_map(|term| weights.get(term.as_str())).sum();
        let coverage = if all > 0.0 { held / all } else { 0.0 };
        #[expect(clippy::cast_precision_loss, reason = "a count of sentences")]
        let position = POSITION_WEIGHT / (1 + place) as f32;
        let definition = if defines(question, &candidate.text) { DEFINITION_WEIGHT } else { 0.0 };
        candidate.score =
            coverage + SIMILARITY_WEIGHT * passages[candidate.passage].similarity + position + definition;
    }
    candidates
}

/// Whether a sentence begins with what the question asks about, and nothing
/// else, followed by a word that says what it is.
fn defines(question: &BTreeSet<String>, sentence: &str) -> bool {
    let words: Vec<&str> = sentence.split_whitespace().take(SUBJECT_WORDS_MAX + 1).collect();
    let Some(verb) = words.iter().position(|word| DEFINING.contains(word)) else {
        return false;
    };
    let subject = terms(&words[..verb].join(" "));
    !subject.is_empty() && subject.is_subset(question)
}

/// Inverse document frequency of the question's terms among the sentences.
fn weights<'a>(question: &'a BTreeSet<String>, candidates: &[Candidate]) -> HashMap<&'a str, f32> {
    #[expect(clippy::cast_precision_loss, reason = "counts of sentences")]
    let weight = |term: &'a String| {
        let holding = candidates.iter().filter(|candidate| candidate.terms.contains(term)).count() as f32;
        let all = candidates.len() as f32;
        (term.as_str(), (1.0 + (all - holding + 0.5) / (holding + 0.5)).ln())
    };
    question.iter().map(weight).collect()
}

/// The distinct terms of a text. Ordered, so that nothing depends on hashing.
fn terms(text: &str) -> BTreeSet<String> {
    words::of_sentence(text).into_iter().collect()
}

/// The part of their terms that two sentences share (Dice).
fn likeness(one: &BTreeSet<String>, other: &BTreeSet<String>) -> f32 {
    let all = one.len() + other.len();
    if all == 0 {
        return 0.0;
    }
    #[expect(clippy::cast_precision_loss, reason = "counts of words")]
    let share = (2 * one.intersection(other).count()) as f32 / all as f32;
    share
}

/// One line, and without `[n]` of the source's own, which would read as a citation of ours.
fn tidy(text: &str) -> String {
    let mut tidy = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('[') {
        let (before, after) = rest.split_at(open);
        tidy.push_str(before);
        let digits = after[1..].bytes().take_while(u8::is_ascii_digit).count();
        let is_marker = digits > 0 && after[1 + digits..].starts_with(']');
        let skipped = if is_marker { digits + 2 } else { 1 };
        if !is_marker {
            tidy.push('[');
        }
        rest = &after[skipped..];
    }
    tidy.push_str(rest);
    tidy.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Cuts after a word and says so.
fn shorten(text: &str, characters: usize) -> String {
    let Some((end, _)) = text.char_indices().nth(characters) else {
        return text.to_owned();
    };
    let end = text[..end].rfind(char::is_whitespace).unwrap_or(end);
    format!("{} ...", text[..end].trim_end())
}

#[cfg(test)]
mod tests;
