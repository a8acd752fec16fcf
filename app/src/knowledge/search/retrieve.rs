//! Searching for an answer: passages that repeat others are left out, and the best bring
//! along what stands beside them. A search by the API does neither.

use std::collections::{HashMap, HashSet};

use sea_orm::ConnectionTrait;
use sea_orm::sea_query::extension::postgres::{PgBinOper, PgFunc};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, JoinType, Query, SelectStatement};
use uuid::Uuid;

use super::result::Passage;
use super::{ByWords, Search, SearchRequest, TABLE};
use crate::auth::Audience;
use crate::error::Result;
use crate::ranking::alike::Shingles;
use crate::state::AppState;
use crate::usage::{QueryVector, embed_query};

/// So many times more are looked at, in the place of those that repeat others.
const MORE: u64 = 2;

/// What a passage begins with that begins a section of Markdown.
const HEADING: &str = "^#{1,6} ";

/// Looks the words of a question up that [`retrieve`] is for; while its vector is made.
pub async fn look_up(state: &AppState, audience: &Audience, query: &str, limit: u64) -> Result<ByWords> {
    let request = wanted(limit);
    Search { state, audience, request: &request }.look_up(query, 0).await
}

/// The passages for an answer, best first, none that repeats a better one. Nothing is
/// left out for being too far away; that is for the caller to judge. A question whose vector is of a space
/// that is no longer active is embedded again.
pub async fn retrieve(
    state: &AppState,
    audience: &Audience,
    question: &QueryVector,
    mut words: ByWords,
    limit: u64,
) -> Result<Vec<Passage>> {
    let request = wanted(limit);
    let search = Search { state, audience, request: &request };
    let QueryVector { text, space, vector } = question;
    let found = match search.by_both(text, *space, vector.clone(), &mut words).await {
        Err(error) if state.spaces.moved(&error).await? => {
            let again = embed_query(state, audience.user(), text).await?;
            search.by_both(text, again.space, again.vector, &mut words).await?
        }
        outcome => outcome?,
    };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let most = words.bm25.limit();
    let passages = found.hits.into_iter().map(|hit| {
        let bm25 = hit.explain.as_ref().map_or(0.0, |explained| explained.bm25);
        Passage { words: if most > 0.0 { bm25 / most } else { 0.0 }, ..Passage::from(hit) }
    });
    Ok(distinct(passages, limit))
}

/// The first `limit` that say more than those before them.
fn distinct(passages: impl Iterator<Item = Passage>, limit: usize) -> Vec<Passage> {
    let mut kept: Vec<Shingles> = Vec::new();
    passages
        .filter(|passage| {
            let shingles = Shingles::new(&passage.content);
            let is_new = !kept.iter().any(|better| shingles.repeat(better));
            kept.extend(is_new.then_some(shingles));
            is_new
        })
        .take(limit)
        .collect()
}

/// Gives the first `count` passages what stands before and after them in their section,
/// unless that is among the passages itself.
pub async fn expand(
    state: &AppState,
    audience: &Audience,
    passages: &mut [Passage],
    count: usize,
) -> Result<()> {
    let mut known: HashSet<Uuid> = passages.iter().map(|passage| passage.document_id.0).collect();
    let count = count.min(passages.len());
    let expanded = &mut passages[..count];
    if expanded.is_empty() {
        return Ok(());
    }
    let ids = expanded.iter().map(|passage| passage.document_id.0).collect();
    let ai = state.ai.begin_for(&audience.reach()).await?;
    let mut beside: HashMap<(Uuid, bool), String> = HashMap::new();
    for row in ai.query_all(&neighbours(ids)).await? {
        let (id, neighbour, is_before, content): (Uuid, Uuid, bool, String) = row.try_get_many_by_index()?;
        // What stands between two of them is told once.
        if known.insert(neighbour) {
            beside.insert((id, is_before), content);
        }
    }
    for passage in expanded {
        let id = passage.document_id.0;
        passage.before = beside.remove(&(id, true)).unwrap_or_default();
        passage.after = beside.remove(&(id, false)).unwrap_or_default();
    }
    Ok(())
}

/// Of each passage, those before and after it, unless a heading begins between them.
fn neighbours(ids: Vec<Uuid>) -> SelectStatement {
    let (table, beside) = (Alias::new(TABLE), Alias::new("beside"));
    let own = |name: &'static str| Expr::col((table.clone(), Alias::new(name)));
    let other = |name: &'static str| Expr::col((beside.clone(), Alias::new(name)));
    let has_no_heading = |content: Expr| content.binary(PgBinOper::Regex, HEADING).not();
    let is_before = other("position").eq(own("position").sub(1)).and(has_no_heading(own("content")));
    let is_after = other("position").eq(own("position").add(1)).and(has_no_heading(other("content")));
    let is_neighbour = own("source_id").eq(other("source_id")).and(is_before.or(is_after));
    Query::select()
        .exprs([own("id"), other("id"), other("position").lt(own("position")), other("content")])
        .from(TABLE)
        .join_as(JoinType::InnerJoin, TABLE, beside.clone(), is_neighbour)
        .and_where(own("id").eq(PgFunc::any(ids)))
        .to_owned()
}

fn wanted(limit: u64) -> SearchRequest {
    SearchRequest { limit: limit.saturating_mul(MORE), explain: true, ..SearchRequest::default() }
}
