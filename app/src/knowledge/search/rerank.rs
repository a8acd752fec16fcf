//! The reranker's order.

use super::result::Hit;
use crate::llm::rerank::Reranker;

/// Orders hits by a model that reads them with the question, and says which. If it
/// cannot, they keep their order: a search is not worth less than its first step.
pub(super) async fn rerank(reranker: &dyn Reranker, query: &str, hits: &mut [Hit]) -> Option<String> {
    if hits.len() < 2 {
        return None;
    }
    let texts: Vec<&str> = hits.iter().map(|hit| hit.content.as_str()).collect();
    match reranker.rerank(query, &texts).await {
        Ok(scores) => {
            for (hit, score) in hits.iter_mut().zip(scores) {
                hit.score = score;
            }
            // Stable: what it takes for equal keeps the order of the search.
            hits.sort_by(|one, other| other.score.total_cmp(&one.score));
            Some(reranker.model().to_owned())
        }
        Err(error) => {
            tracing::warn!(%error, "passages keep the order of the search: the reranker failed");
            None
        }
    }
}
