//! The search by words: which passages have them, and how well.

use std::collections::{HashMap, HashSet};

use sea_orm::sea_query::Condition;
use uuid::Uuid;

use crate::auth::Audience;
use crate::db::AiTx;
use crate::db::vector::{self, Nearest};
use crate::db::word_index::{PASSAGES, Words};
use crate::error::Result;
use crate::ranking::bm25::{Bm25, Occurrences, Parameters, Question, Statistics};
use crate::ranking::keys;
use crate::state::AppState;

/// Passages whose words are read, those with the rarest of the question's words; what makes
/// the cost of a question independent of how common its words are.
const READ_MAX: u64 = 1000;

/// Times that passages are read for one question.
const TURNS_MAX: usize = 4;

/// So many times more are looked at where a filter stands before them.
const FILTERED_TIMES: u64 = 8;

/// What is known of passages by their words.
#[derive(Debug)]
pub struct ByWords {
    pub(super) question: Question,
    pub(super) bm25: Bm25,
    /// Every passage that passes the filter is here.
    pub(super) is_complete: bool,
    /// By passage.
    pub(super) texts: HashMap<Uuid, Text>,
}

/// What is known of a passage.
#[derive(Clone, Debug, Default)]
pub(super) struct Text {
    pub(super) bm25: f64,
    /// The question's words in its labels.
    pub(super) labels: Occurrences,
}

/// How a question is looked up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// Whether there is any condition but the audience.
    pub(super) is_filtered: bool,
    /// Passages that a search by nothing but words needs; 0 where others bring them too.
    pub(super) at_least: usize,
}

/// Looks a question up. Needs no vector, so it can be done while one is made.
pub(super) async fn find(
    state: &AppState,
    audience: &Audience,
    query: &str,
    search: &Nearest<'_>,
    wanted: Wanted,
) -> Result<ByWords> {
    let question = Question::new(query, audience.ids());
    let ai = state.ai.begin_by_index(&audience.reach()).await?;
    let parameters = Parameters { k1: state.settings.knowledge.bm25_k1, b: state.settings.knowledge.bm25_b };
    if vector::is_small(&ai, search).await? {
        let limit = vector::threshold(search);
        let read = if question.is_empty() {
            Vec::new()
        } else {
            PASSAGES.all(&ai, search.compared(), limit).await?
        };
        return Ok(complete(question, &read, parameters));
    }
    let statistics = statistics(&ai, &question, audience).await?;
    let bm25 = Bm25::new(&question, &statistics, parameters);
    // A filter leaves fewer of what words bring, so words bring more.
    let room = if wanted.is_filtered { READ_MAX * FILTERED_TIMES } else { READ_MAX };
    let mut found = ByWords { question, bm25, is_complete: false, texts: HashMap::new() };
    for keys in in_turn(&found.question, &statistics, room) {
        let filter = wanted.is_filtered.then(|| search.compared());
        let read = PASSAGES.having_any(&ai, keys, filter, READ_MAX).await?;
        found.add(&read);
        if found.texts.len() >= wanted.at_least {
            break;
        }
    }
    Ok(found)
}

/// All passages there are: the statistics are those of just what is searched.
fn complete(question: Question, read: &[Words], parameters: Parameters) -> ByWords {
    let occurrences: Vec<Occurrences> = read
        .iter()
        .map(|words| question.occurrences(words.sequence.as_deref().unwrap_or_default()))
        .collect();
    let bm25 = Bm25::new(&question, &Statistics::counted(&question, &occurrences), parameters);
    let texts = read
        .iter()
        .zip(&occurrences)
        .map(|(words, found)| {
            let labels = question.occurrences(words.labels.as_deref().unwrap_or_default());
            (words.id, Text { bm25: bm25.score(found), labels })
        })
        .collect();
    ByWords { question, bm25, is_complete: true, texts }
}

async fn statistics(ai: &AiTx, question: &Question, audience: &Audience) -> Result<Statistics> {
    let totals: Vec<i64> = audience.ids().iter().map(|id| keys::of_audience(*id)).collect();
    let words = (0..question.len()).flat_map(|place| question.keys(place).iter().copied());
    let counts = PASSAGES.counts(ai, totals.iter().copied().chain(words).collect()).await?;
    let texts =
        |keys: &[i64]| number(keys.iter().filter_map(|key| counts.get(key)).map(|count| count.texts).sum());
    Ok(Statistics {
        texts: texts(&totals),
        words: number(totals.iter().filter_map(|key| counts.get(key)).map(|count| count.words).sum()),
        holding: (0..question.len()).map(|place| texts(question.keys(place))).collect(),
    })
}

/// The keys to read passages by, in turn: those of the rarest words that together bring no more
/// passages than there is room for (or of the rarest alone); then, for where that is too few, word by word.
fn in_turn(question: &Question, statistics: &Statistics, room: u64) -> Vec<Vec<i64>> {
    let mut places: Vec<usize> =
        question.counted().filter(|&place| statistics.holding[place] > 0.0).collect();
    places.sort_by(|&one, &other| statistics.holding[one].total_cmp(&statistics.holding[other]));
    let mut room = number(i64::try_from(room).unwrap_or(i64::MAX));
    let mut turns: Vec<Vec<i64>> = Vec::new();
    for place in places {
        room -= statistics.holding[place];
        match turns.first_mut() {
            Some(first) if room >= 0.0 => first.extend_from_slice(question.keys(place)),
            _ => turns.push(question.keys(place).to_vec()),
        }
    }
    turns.truncate(TURNS_MAX);
    turns
}

impl ByWords {
    fn add(&mut self, read: &[Words]) {
        for words in read {
            let occurrences = self.question.occurrences(words.sequence.as_deref().unwrap_or_default());
            let labels = self.question.occurrences(words.labels.as_deref().unwrap_or_default());
            self.texts.insert(words.id, Text { bm25: self.bm25.score(&occurrences), labels });
        }
    }

    /// Reads the words of those among these passages that were not read.
    pub(super) async fn complete_with(
        &mut self,
        ai: &AiTx,
        ids: impl Iterator<Item = Uuid>,
        filter: Condition,
    ) -> Result<()> {
        let missing: Vec<Uuid> = ids.filter(|id| !self.texts.contains_key(id)).collect();
        if missing.is_empty() || self.question.is_empty() {
            return Ok(());
        }
        let read = PASSAGES.of(ai, missing, filter).await?;
        self.add(&read);
        Ok(())
    }

    /// The `limit` best passages, best first; those without any of the words are none.
    pub(super) fn best(&self, limit: usize) -> Vec<Uuid> {
        let mut found: Vec<(f64, Uuid)> = self
            .texts
            .iter()
            .filter(|(_, text)| text.bm25 > 0.0)
            .map(|(id, text)| (text.bm25, *id))
            .collect();
        found.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(&other.1)));
        found.truncate(limit);
        found.into_iter().map(|(_, id)| id).collect()
    }

    /// How much of what the question names is in each passage's labels, 0 to 1: the
    /// weight of the named words that its labels have, of those that any has.
    pub(super) fn label_shares(&self) -> HashMap<Uuid, f64> {
        let weight = |places: &HashSet<usize>| places.iter().map(|&place| self.bm25.idf(place)).sum::<f64>();
        let named = |text: &Text| -> HashSet<usize> {
            text.labels
                .times
                .iter()
                .enumerate()
                .filter(|(_, times)| **times > 0)
                .map(|(place, _)| place)
                .collect()
        };
        let by_any: HashSet<usize> = self.texts.values().flat_map(named).collect();
        let all = weight(&by_any);
        if all <= 0.0 {
            return HashMap::new();
        }
        self.texts
            .iter()
            .map(|(id, text)| (*id, weight(&named(text)) / all))
            .filter(|(_, share)| *share > 0.0)
            .collect()
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of passages are far below 2^52")]
fn number(count: i64) -> f64 {
    count as f64
}
