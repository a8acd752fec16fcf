//! What a search finds.

use std::borrow::Cow;

use entity::ids::{DocumentId, SourceId};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::by_words::ByWords;
use crate::knowledge::query_vector::SpaceInfo;

/// What was found.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SearchResult {
    /// The hits, best first.
    pub hits: Vec<Hit>,
    /// Fewer than `limit` exist.
    pub under_filled: bool,
    /// The space that was searched.
    pub space: SpaceInfo,
    /// How it was searched; only with `explain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explain: Option<Explanation>,
}

/// A passage that was found.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Hit {
    /// The passage.
    pub document_id: Uuid,
    /// Its source.
    pub source_id: Uuid,
    /// The caller's own id of the source.
    pub external_id: Option<String>,
    /// Where the source was fetched from; for those that were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Title of the source.
    pub title: String,
    /// Headings above the passage, outermost first, joined by " > ".
    pub heading_path: String,
    /// The passage.
    pub content: String,
    /// The page of the source on which it begins, from 1; for files with pages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<i32>,
    /// What hits are ordered by: the similarity of a dense search, BM25 of a lexical one; of a
    /// hybrid one the similarity and what words and labels add to it, or what the reranker says.
    pub score: f64,
    /// Cosine similarity, -1 to 1; null in a lexical search, which embeds nothing.
    #[schema(required)]
    pub similarity: Option<f64>,
    /// Metadata of the source.
    #[schema(value_type = Object)]
    pub metadata: Value,
    /// How it came to its place; only with `explain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explain: Option<HitExplanation>,
}

/// A passage for an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Passage {
    /// The passage.
    pub document_id: DocumentId,
    /// Its source.
    pub source_id: SourceId,
    /// Title of the source.
    pub title: String,
    /// Headings above it, outermost first, joined by " > ".
    pub heading_path: String,
    /// The passage.
    pub content: String,
    /// The page of the source on which it begins, from 1.
    pub page: Option<i32>,
    /// Cosine similarity to the question, -1 to 1.
    pub similarity: f64,
    /// BM25 of the question's words, as a part of what the question could reach.
    pub words: f64,
    /// What stands before it in its section.
    pub before: String,
    /// What stands after it there.
    pub after: String,
}

impl Passage {
    /// The passage and what stands beside it.
    pub fn whole(&self) -> Cow<'_, str> {
        if self.before.is_empty() && self.after.is_empty() {
            return Cow::Borrowed(&self.content);
        }
        let parts = [self.before.as_str(), &self.content, &self.after];
        Cow::Owned(parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n"))
    }
}

/// How a search was done.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Explanation {
    /// `exact`: every passage within the filter was compared. `index`: candidates came from the indexes.
    pub plan: Plan,
    /// Passages that were scored.
    pub candidates: usize,
    /// What a full hit of the question's words was worth, against a cosine's 1; 0 in a dense search.
    pub words_weight: f64,
    /// The highest BM25 among the candidates.
    pub best_bm25: f64,
    /// What no BM25 of this question exceeds.
    pub bm25_limit: f64,
    /// The question's words as they were looked for.
    pub words: Vec<WordExplanation>,
    /// The model that ordered the hits anew; null if none did.
    #[schema(required)]
    pub reranked_by: Option<String>,
}

/// How candidates were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Plan {
    /// Every passage within the filter was compared.
    Exact,
    /// Through the indexes.
    Index,
}

/// A word of a question.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct WordExplanation {
    /// The word, in the form in which it is looked for.
    pub word: String,
    /// Its weight: inverse document frequency.
    pub idf: f64,
}

/// How a hit came to its place.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct HitExplanation {
    /// Its place among the candidates by similarity, from 1.
    #[schema(required)]
    pub similarity_rank: Option<usize>,
    /// BM25 of the question's words.
    pub bm25: f64,
    /// Its place among the candidates by BM25, from 1; null for one without any of the words.
    #[schema(required)]
    pub bm25_rank: Option<usize>,
    /// What its words added to the score.
    pub words: f64,
    /// What its labels (title, scope, metadata) added to the score.
    pub labels: f64,
}

impl Explanation {
    pub(super) fn without_words(plan: Plan, candidates: usize) -> Self {
        Self {
            plan,
            candidates,
            words_weight: 0.0,
            best_bm25: 0.0,
            bm25_limit: 0.0,
            words: Vec::new(),
            reranked_by: None,
        }
    }

    pub(super) fn of_words(found: &ByWords, words_weight: f64, best_bm25: f64, candidates: usize) -> Self {
        let word = |place| WordExplanation {
            word: found.question.word(place).to_owned(),
            idf: found.bm25.idf(place),
        };
        Self {
            plan: if found.is_complete { Plan::Exact } else { Plan::Index },
            candidates,
            words_weight,
            best_bm25,
            bm25_limit: found.bm25.limit(),
            words: found.question.counted().map(word).collect(),
            reranked_by: None,
        }
    }
}

impl From<Hit> for Passage {
    fn from(hit: Hit) -> Self {
        Self {
            document_id: hit.document_id.into(),
            source_id: hit.source_id.into(),
            title: hit.title,
            heading_path: hit.heading_path,
            content: hit.content,
            page: hit.page,
            similarity: hit.similarity.unwrap_or(0.0),
            words: 0.0,
            before: String::new(),
            after: String::new(),
        }
    }
}
