//! Meaning and words together.
//!
//! `score = cosine + w · √(best / limit) · bm25 / best` where best is the highest
//! BM25 of the candidates and limit what the question could reach at most. The
//! root is the share of the question's weight that its best text holds: where
//! words hit, they weigh up to w; a long question of which no text holds much
//! is answered by meaning. No fixed weight does that: see docs/retrieval.md.

/// What is known of a candidate.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Signals {
    /// Cosine similarity with the question, -1 to 1.
    pub similarity: f64,
    /// BM25, 0 and more.
    pub bm25: f64,
    /// How much of what the question names is in the text's labels, 0 to 1.
    pub labels: f64,
}

/// How much each part counts, against a cosine's 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weights {
    /// The words, where they hit in full.
    pub words: f64,
    /// The labels.
    pub labels: f64,
}

/// The rule for one question.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fusion {
    weights: Weights,
    best: f64,
    /// What words weigh for this question.
    pub words: f64,
}

impl Fusion {
    /// From the best BM25 among all candidates, and the highest there could be.
    pub fn new(best: f64, limit: f64, weights: Weights) -> Self {
        let share = if limit > 0.0 { (best / limit).clamp(0.0, 1.0) } else { 0.0 };
        Self { weights, best, words: weights.words * share.sqrt() }
    }

    /// What candidates are ordered by.
    pub fn score(&self, signals: Signals) -> f64 {
        let words = if self.best > 0.0 { self.words * signals.bm25 / self.best } else { 0.0 };
        signals.similarity + words + self.weights.labels * signals.labels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEIGHTS: Weights = Weights { words: 0.8, labels: 0.2 };

    #[test]
    fn words_weigh_what_they_show() {
        let hit = Fusion::new(8.0, 8.0, WEIGHTS);
        let missed = Fusion::new(0.5, 8.0, WEIGHTS);
        let close = Signals { similarity: 0.5, ..Signals::default() };
        let worded = Signals { similarity: 0.3, bm25: 0.5, labels: 0.0 };
        assert!((hit.words - 0.8).abs() < 1e-12 && (missed.words - 0.2).abs() < 1e-12);
        assert!(missed.score(close) > missed.score(Signals { similarity: 0.29, ..worded }));
        assert!(hit.score(Signals { bm25: 8.0, ..worded }) > hit.score(close));
    }

    #[test]
    fn without_words_meaning_decides() {
        let fusion = Fusion::new(0.0, 0.0, WEIGHTS);
        let score = fusion.score(Signals { similarity: 0.4, bm25: 3.0, labels: 0.0 });
        assert!((score - 0.4).abs() < 1e-12);
        assert!((fusion.score(Signals { similarity: 0.4, bm25: 0.0, labels: 0.5 }) - 0.5).abs() < 1e-12);
    }
}
