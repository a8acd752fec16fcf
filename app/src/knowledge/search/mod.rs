//! Searching passages: by meaning, by words, or by both.
//!
//! Words are looked up while the question's vector is made ([`by_words`]); then
//! [`rank`] orders what either of the two found by both. A filter that lets few
//! passages pass is answered by comparing all of them, and the words' weights are
//! then those of just these passages.

mod by_words;
mod rank;
mod request;
mod rerank;
mod result;
mod retrieve;
mod row;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;

use entity::ids::SpaceId;
use sea_orm::sea_query::Condition;
use tokio::time::Instant;
use uuid::Uuid;

pub use by_words::ByWords;
pub use request::{GroupBy, SearchMode, SearchRequest};
pub use result::{Hit, Passage, SearchResult};
pub use retrieve::{expand, look_up, retrieve};

use self::by_words::Wanted;
use self::rank::{Ranked, Ranking, rank};
use self::request::Asked;
use self::result::{Explanation, HitExplanation, Plan};
use self::row::{COLUMNS, RELATED, Row};
use super::query_vector::{SpaceInfo, unit};
use crate::auth::Audience;
use crate::db::AiTx;
use crate::db::space::Active;
use crate::db::vector::{self, Near, Nearest};
use crate::error::Result;
use crate::llm::rerank::Reranker;
use crate::ranking::fusion::Weights;
use crate::state::AppState;
use crate::usage::embed_query_in;

const TABLE: &str = "ai_kb_documents";

/// What the passages of a source have in common.
const GROUP: &str = "source_id";

/// Passages that the search by words brings to the order at least.
const BEST_BY_WORDS: usize = 100;

/// Searches what an audience may read. 422 for a vector of another space.
pub async fn search(state: &AppState, audience: &Audience, request: SearchRequest) -> Result<SearchResult> {
    let began = Instant::now();
    let asked = request.asked()?;
    let mut active = state.spaces.active().await?;
    let result = loop {
        match search_in(state, &active, audience, &request).await {
            Err(error) if state.spaces.again(&mut active, &error).await? => {}
            outcome => break outcome?,
        }
    };
    state.metrics.searched("knowledge", asked.mode(), began.elapsed());
    if let Some(similarity) = result.hits.iter().filter_map(|hit| hit.similarity).reduce(f64::max) {
        state.metrics.nearest("knowledge", &result.space.model, similarity);
    }
    Ok(result)
}

async fn search_in(
    state: &AppState,
    active: &Active,
    audience: &Audience,
    request: &SearchRequest,
) -> Result<SearchResult> {
    let search = Search { state, audience, request };
    let (space, spec) = (active.space.id, active.space.embedder.space());
    let embed = async |query| {
        unit(spec.dimensions, embed_query_in(state, active, audience.user(), query).await?.vector)
    };
    let found = match request.asked()? {
        Asked::Vector(embedding) => {
            search.by_meaning(space, unit(spec.dimensions, embedding.to_vec())?).await?
        }
        Asked::Dense(query) => search.by_meaning(space, embed(query).await?).await?,
        Asked::Lexical(query) => search.by_words(query).await?,
        Asked::Hybrid(query) => {
            let (vector, words) = tokio::join!(embed(query), search.look_up(query, 0));
            search.by_both(query, space, vector?, &mut words?).await?
        }
    };
    Ok(SearchResult {
        under_filled: (found.hits.len() as u64) < request.limit,
        hits: found.hits,
        space: SpaceInfo::of(spec),
        explain: found.explain,
    })
}

struct Search<'a> {
    state: &'a AppState,
    audience: &'a Audience,
    request: &'a SearchRequest,
}

/// What one of the ways found.
#[derive(Debug, Default)]
struct Found {
    hits: Vec<Hit>,
    explain: Option<Explanation>,
}

impl Search<'_> {
    async fn look_up(&self, query: &str, at_least: usize) -> Result<ByWords> {
        let nearest = self.nearest(Vec::new());
        let wanted = Wanted { is_filtered: self.request.is_filtered(), at_least };
        by_words::find(self.state, self.audience, query, &nearest, wanted).await
    }

    /// A transaction with a vector of a space.
    async fn begin(&self, space: SpaceId) -> Result<AiTx> {
        let reach = self.audience.reach();
        if self.request.filter.is_some() {
            return self.state.ai.begin_by_index_in(&reach, space).await;
        }
        self.state.ai.begin_for_in(&reach, space).await
    }

    fn is_grouped(&self) -> bool {
        self.request.group_by == GroupBy::Source
    }

    /// How many groups the page must have.
    fn groups(&self) -> u64 {
        if self.is_grouped() { self.request.limit } else { 0 }
    }

    async fn by_meaning(&self, space: SpaceId, vector: Vec<f32>) -> Result<Found> {
        let nearest = self.nearest(vector);
        let ai = self.begin(space).await?;
        let rows: Vec<vector::Neighbour<Row>> = if self.is_grouped() {
            let near = vector::page(&ai, &nearest, GROUP, self.groups()).await?;
            let firsts = firsts_of_groups(&near, self.limit());
            vector::by_id(&ai, &nearest, firsts).await?
        } else {
            vector::nearest(&ai, &nearest).await?.neighbours
        };
        let plan = if self.is_explained() { Some(self.plan(&ai, &nearest).await?) } else { None };
        let explain = plan.map(|plan| Explanation::without_words(plan, rows.len()));
        let hits = rows.into_iter().map(|row| {
            let similarity = row.similarity();
            Hit { score: similarity, similarity: Some(similarity), ..row.row.into() }
        });
        Ok(Found { hits: hits.collect(), explain })
    }

    async fn plan(&self, ai: &AiTx, nearest: &Nearest<'_>) -> Result<Plan> {
        Ok(if vector::is_small(ai, nearest).await? { Plan::Exact } else { Plan::Index })
    }

    async fn by_words(&self, query: &str) -> Result<Found> {
        let words = self.look_up(query, self.limit()).await?;
        let ai = self.state.ai.begin_by_index(&self.audience.reach()).await?;
        let wanted = if self.is_grouped() { usize::MAX } else { self.limit() };
        let best = words.best(wanted);
        let rows: HashMap<Uuid, Row> = self.rows(&ai, &best).await?;
        let mut sources = HashSet::new();
        let hits = best.iter().filter_map(|id| rows.get(id).map(|row| (*id, row)));
        let hits = hits.filter(|(_, row)| !self.is_grouped() || sources.insert(row.source_id));
        let hits: Vec<Hit> = hits
            .zip(1..)
            .take(self.limit())
            .map(|((id, row), place)| {
                let bm25 = words.texts.get(&id).map_or(0.0, |text| text.bm25);
                let explain = self.is_explained().then_some(HitExplanation {
                    similarity_rank: None,
                    bm25,
                    bm25_rank: Some(place),
                    words: bm25,
                    labels: 0.0,
                });
                Hit { score: bm25, explain, ..row.clone().into() }
            })
            .collect();
        let best_bm25 = hits.first().map_or(0.0, |hit| hit.score);
        let explain =
            self.is_explained().then(|| Explanation::of_words(&words, 1.0, best_bm25, words.texts.len()));
        Ok(Found { hits, explain })
    }

    async fn by_both(
        &self,
        query: &str,
        space: SpaceId,
        vector: Vec<f32>,
        words: &mut ByWords,
    ) -> Result<Found> {
        let nearest = self.nearest(vector);
        let ai = self.begin(space).await?;
        let near = self.candidates(&ai, &nearest, words).await?;
        let settings = &self.state.settings.knowledge;
        let weights = Weights { words: settings.words_weight, labels: settings.labels_weight };
        let ranking = rank(&near, words, weights);
        let reranker = self.reranker();
        let first = ranking.first(self.limit().max(self.read_again(reranker)), self.is_grouped());
        let ids: Vec<Uuid> = first.iter().map(|ranked| ranked.id).collect();
        let mut rows = self.rows(&ai, &ids).await?;
        // A model is waited for without a connection.
        drop(ai);
        let mut explained = if self.is_explained() { ranking.explain(&first) } else { HashMap::new() };
        let hits = first.iter().filter_map(|ranked| {
            let Ranked { id, score, signals, .. } = *ranked;
            let row = rows.remove(&id)?;
            Some(Hit {
                score,
                similarity: Some(signals.similarity),
                explain: explained.remove(&id),
                ..row.into()
            })
        });
        let mut hits: Vec<Hit> = hits.collect();
        let reranked_by = match reranker {
            Some(reranker) => rerank::rerank(reranker, query, &mut hits).await,
            None => None,
        };
        hits.truncate(self.limit());
        let explain = self.is_explained().then(|| {
            let Ranking { fusion, best_bm25, candidates } = &ranking;
            let explained = Explanation::of_words(words, fusion.words, *best_bm25, candidates.len());
            Explanation { reranked_by, ..explained }
        });
        Ok(Found { hits, explain })
    }

    fn reranker(&self) -> Option<&dyn Reranker> {
        self.state.reranker.as_deref().filter(|_| self.request.rerank.unwrap_or(true))
    }

    /// How many passages the reranker reads.
    fn read_again(&self, reranker: Option<&dyn Reranker>) -> usize {
        let candidates = usize::try_from(self.state.settings.rerank.candidates).unwrap_or(usize::MAX);
        reranker.map_or(0, |_| candidates)
    }

    /// What either way found, with its distance, and the words of all of it.
    async fn candidates(&self, ai: &AiTx, nearest: &Nearest<'_>, words: &mut ByWords) -> Result<Vec<Near>> {
        if words.is_complete {
            return vector::every(ai, nearest, GROUP).await;
        }
        let mut near = vector::page(ai, nearest, GROUP, self.groups()).await?;
        let by_meaning: HashSet<Uuid> = near.iter().map(|near| near.id).collect();
        words.complete_with(ai, by_meaning.iter().copied(), nearest.filter.clone()).await?;
        let best = words.best(BEST_BY_WORDS.max(self.limit()));
        let others: Vec<Uuid> = best.into_iter().filter(|id| !by_meaning.contains(id)).collect();
        near.extend(vector::distances(ai, nearest, GROUP, others).await?);
        Ok(near)
    }

    async fn rows(&self, ai: &AiTx, ids: &[Uuid]) -> Result<HashMap<Uuid, Row>> {
        let filter =
            Condition::all().add(self.request.condition(self.audience)).add(vector::among(ids.to_vec()));
        let rows: Vec<Row> = vector::rows(ai, &self.nearest(Vec::new()), filter).await?;
        Ok(rows.into_iter().map(|row| (row.id.0, row)).collect())
    }

    fn nearest(&self, vector: Vec<f32>) -> Nearest<'_> {
        Nearest {
            table: TABLE,
            columns: COLUMNS,
            related: &RELATED,
            filter: self.request.condition(self.audience),
            by_index: self.by_index(),
            vector,
            limit: self.request.limit,
            exact_below: self.state.settings.knowledge.exact_below_rows,
            large: &self.state.large_filters,
            is_compressed: self.state.engine.is_compressed(),
        }
    }

    /// Passages from before the index would be missed by it.
    fn by_index(&self) -> Option<Condition> {
        let is_whole = self.state.is_word_index_whole.load(Ordering::Acquire);
        is_whole.then(|| self.request.by_index(self.audience)).flatten()
    }

    fn limit(&self) -> usize {
        usize::try_from(self.request.limit).unwrap_or(usize::MAX)
    }

    fn is_explained(&self) -> bool {
        self.request.explain
    }
}

fn firsts_of_groups(near: &[Near], limit: usize) -> Vec<Uuid> {
    let mut groups = HashSet::new();
    near.iter().filter(|near| groups.insert(near.group)).take(limit).map(|near| near.id).collect()
}
