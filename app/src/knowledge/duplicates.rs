//! Sources that are there twice: with the same text, or with passages nearly like
//! those of another. It only tells; what goes is for somebody to decide.
//!
//! Looking for near ones costs searches, so of each source a few passages, spread
//! over it, stand for all, and a page looks at few sources and stops after a while.

use std::collections::HashMap;
use std::time::Duration;

use entity::ids::SourceId;
use sea_orm::FromQueryResult;
use tokio::time::Instant;

use super::queries::{self, Shown, Wanted};
use crate::auth::Audience;
use crate::db::space::Active;
use crate::db::vector::{self, Nearest};
use crate::error::Result;
use crate::state::AppState;
use crate::web::Cursor;

/// Sources of a group that are named.
pub(super) const NAMED_MAX: usize = 20;

/// Passages that stand for a source.
const SAMPLED: i32 = 5;

/// Passages looked at near each of them. More that are as near are not told.
const NEIGHBOURS: u64 = 50;

/// A page stops looking after this.
const PATIENCE: Duration = Duration::from_secs(3);

/// Sources that are alike.
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// The first ones.
    pub(super) sources: Vec<Alike>,
    /// How many there are.
    pub(super) total: i64,
}

/// One of them.
#[derive(Clone, Debug)]
pub(super) struct Alike {
    pub(super) source: Shown,
    /// The highest similarity to a passage of the first one; 1 for the same text.
    pub(super) similarity: f64,
    /// Of how many of the first one's passages that were looked at, of those looked at.
    pub(super) passages: Option<(usize, usize)>,
}

/// A page of groups.
#[derive(Clone, Debug)]
pub(super) struct Groups {
    pub(super) items: Vec<Group>,
    pub(super) next: Option<Cursor>,
    /// Sources that were looked at.
    pub(super) looked_at: usize,
    /// Its time was up before the page was done.
    pub(super) is_stopped: bool,
}

/// Groups with the same text.
pub(super) async fn same(
    state: &AppState,
    audience: &Audience,
    after: Option<Cursor>,
    limit: u64,
) -> Result<Groups> {
    let after = after.map(|cursor| cursor.id);
    let mut found = queries::same(&state.ai, audience, after, NAMED_MAX, limit + 1).await?;
    let more = found.len() as u64 > limit;
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let ids: Vec<SourceId> = found.iter().flat_map(|same| same.ids.iter().copied().map(SourceId)).collect();
    let shown = by_id(state, audience, &ids).await?;
    let next = found.last().filter(|_| more);
    // The list is in the order of hashes, so its cursor has no time.
    let next = next.map(|same| Cursor { at: chrono::DateTime::UNIX_EPOCH, id: same.place });
    let group = |same: &queries::Same| {
        let sources = same.ids.iter().filter_map(|id| shown.get(&SourceId(*id)));
        let sources = sources.map(|source| Alike { source: source.clone(), similarity: 1.0, passages: None });
        Group { sources: sources.collect(), total: same.sources }
    };
    Ok(Groups { items: found.iter().map(group).collect(), next, looked_at: ids.len(), is_stopped: false })
}

/// For each source, newest first, those that at least half of its passages are found in again.
pub(super) async fn near(
    state: &AppState,
    audience: &Audience,
    similarity: f64,
    after: Option<Cursor>,
    limit: u64,
) -> Result<Groups> {
    let began = Instant::now();
    let wanted = Wanted { status: Some(entity::ai::kb_source::Status::Ready), ..Wanted::default() };
    let mut sources = queries::list(&state.ai, audience, &wanted, after, limit).await?;
    let mut more = sources.len() as u64 > limit;
    sources.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let mut active = state.spaces.active().await?;
    let (mut groups, mut looked_at, mut next) = (Vec::new(), 0, None);
    let total = sources.len();
    for source in sources {
        if looked_at > 0 && began.elapsed() > PATIENCE {
            more = true;
            break;
        }
        let like = loop {
            match like(state, &active, audience, source.id, similarity).await {
                Err(error) if state.spaces.again(&mut active, &error).await? => {}
                outcome => break outcome?,
            }
        };
        looked_at += 1;
        next = Some(Cursor { at: source.created_at, id: source.id.0 });
        groups.extend(grouped(state, audience, source, like).await?);
    }
    let is_stopped = looked_at < total;
    Ok(Groups { items: groups, next: next.filter(|_| more), looked_at, is_stopped })
}

/// What is known of a source by its passages that are like another's.
#[derive(Clone, Copy, Debug, Default)]
struct Likeness {
    similarity: f64,
    passages: usize,
}

/// The sources like one, and how many of its passages were looked at.
async fn like(
    state: &AppState,
    active: &Active,
    audience: &Audience,
    source: SourceId,
    similarity: f64,
) -> Result<(HashMap<SourceId, Likeness>, usize)> {
    let ai = state.ai.begin_for_in(&audience.reach(), active.space.id).await?;
    let vectors = queries::sample(&ai, source, SAMPLED).await?;
    let compared = vectors.len();
    let mut found: HashMap<SourceId, Likeness> = HashMap::new();
    for embedding in vectors {
        let search = Nearest {
            table: "ai_kb_documents",
            columns: &["source_id"],
            related: &[],
            filter: audience.condition(),
            by_index: None,
            vector: embedding.to_vec(),
            limit: NEIGHBOURS,
            exact_below: state.settings.knowledge.exact_below_rows,
            large: &state.large_filters,
            is_compressed: state.engine.is_compressed(),
        };
        let mut here: HashMap<SourceId, f64> = HashMap::new();
        for near in vector::nearest::<Passage>(&ai, &search).await?.neighbours {
            let is_like = near.row.source_id != source && near.similarity() >= similarity;
            if is_like {
                let best = here.entry(near.row.source_id).or_default();
                *best = best.max(near.similarity());
            }
        }
        for (other, similarity) in here {
            let likeness = found.entry(other).or_default();
            likeness.similarity = likeness.similarity.max(similarity);
            likeness.passages += 1;
        }
    }
    found.retain(|_, likeness| 2 * likeness.passages >= compared);
    Ok((found, compared))
}

#[derive(Debug, FromQueryResult)]
struct Passage {
    source_id: SourceId,
}

/// The group of a source, if anything is like it.
async fn grouped(
    state: &AppState,
    audience: &Audience,
    source: Shown,
    (like, compared): (HashMap<SourceId, Likeness>, usize),
) -> Result<Option<Group>> {
    if like.is_empty() {
        return Ok(None);
    }
    let total = i64::try_from(like.len() + 1).unwrap_or(i64::MAX);
    let mut like: Vec<(SourceId, Likeness)> = like.into_iter().collect();
    like.sort_by(|(one, a), (other, b)| {
        b.passages.cmp(&a.passages).then(b.similarity.total_cmp(&a.similarity)).then(one.cmp(other))
    });
    like.truncate(NAMED_MAX - 1);
    let ids: Vec<SourceId> = like.iter().map(|(id, _)| *id).collect();
    let mut shown = by_id(state, audience, &ids).await?;
    let mut sources = vec![Alike { source, similarity: 1.0, passages: None }];
    sources.extend(like.into_iter().filter_map(|(id, likeness)| {
        let passages = Some((likeness.passages, compared));
        shown.remove(&id).map(|source| Alike { source, similarity: likeness.similarity, passages })
    }));
    Ok((sources.len() > 1).then_some(Group { sources, total }))
}

async fn by_id(state: &AppState, audience: &Audience, ids: &[SourceId]) -> Result<HashMap<SourceId, Shown>> {
    let found = queries::find_all(&state.ai, audience, ids).await?;
    Ok(found.into_iter().map(|source| (source.id, source)).collect())
}
