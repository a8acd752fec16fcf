//! The order of what was found by meaning and by words.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::by_words::ByWords;
use super::result::HitExplanation;
use crate::db::vector::Near;
use crate::ranking::fusion::{Fusion, Signals, Weights};

/// A passage in its place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ranked {
    pub(super) id: Uuid,
    pub(super) group: Uuid,
    pub(super) score: f64,
    pub(super) signals: Signals,
}

/// Candidates in their order, best first.
#[derive(Debug)]
pub(super) struct Ranking {
    pub(super) fusion: Fusion,
    pub(super) best_bm25: f64,
    pub(super) candidates: Vec<Ranked>,
}

/// Orders what is near by all that is known of it.
pub(super) fn rank(near: &[Near], words: &ByWords, weights: Weights) -> Ranking {
    let best_bm25 = words.texts.values().map(|text| text.bm25).fold(0.0, f64::max);
    let fusion = Fusion::new(best_bm25, words.bm25.limit(), weights);
    let labels = words.label_shares();
    let mut candidates: Vec<Ranked> = near
        .iter()
        .map(|near| {
            let signals = Signals {
                similarity: 1.0 - near.distance,
                bm25: words.texts.get(&near.id).map_or(0.0, |text| text.bm25),
                labels: labels.get(&near.id).copied().unwrap_or(0.0),
            };
            Ranked { id: near.id, group: near.group, score: fusion.score(signals), signals }
        })
        .collect();
    candidates.sort_by(|one, other| other.score.total_cmp(&one.score).then(one.id.cmp(&other.id)));
    candidates.dedup_by_key(|candidate| candidate.id);
    Ranking { fusion, best_bm25, candidates }
}

impl Ranking {
    /// The first `limit`; of each group only its first, if asked for.
    pub(super) fn first(&self, limit: usize, one_of_each_group: bool) -> Vec<Ranked> {
        let mut groups = HashSet::new();
        let wanted =
            self.candidates.iter().filter(|candidate| !one_of_each_group || groups.insert(candidate.group));
        wanted.take(limit).copied().collect()
    }

    /// Why each of these is where it is.
    pub(super) fn explain(&self, ranked: &[Ranked]) -> HashMap<Uuid, HitExplanation> {
        let better = |than: f64, value: fn(&Signals) -> f64| {
            1 + self.candidates.iter().filter(|other| value(&other.signals) > than).count()
        };
        let explain = |hit: &Ranked| {
            let only = |signals| self.fusion.score(signals);
            let Signals { similarity, bm25, labels } = hit.signals;
            HitExplanation {
                similarity_rank: Some(better(similarity, |signals| signals.similarity)),
                bm25,
                bm25_rank: (bm25 > 0.0).then(|| better(bm25, |signals| signals.bm25)),
                words: only(Signals { bm25, ..Signals::default() }),
                labels: only(Signals { labels, ..Signals::default() }),
            }
        };
        ranked.iter().map(|hit| (hit.id, explain(hit))).collect()
    }
}
