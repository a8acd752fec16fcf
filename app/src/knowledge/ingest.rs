//! The work of an ingestion job: cut, embed, swap in.
//!
//! Sources are taken in groups of bounded size, and the passages of a group
//! are embedded together, whatever source they are of. A source is written
//! once all its passages have their vectors. A text the model refuses fails
//! its own source; a provider that is away makes the whole job come back later.

use std::sync::Arc;

use entity::ids::UserId;

use super::chunk::{self, Budget, Document, MediaType};
use super::files;
use super::jobs::{Item, Payload};
use super::queries::{self, Prepared, Started};
use super::words;
use crate::config::Knowledge;
use crate::db::space::Active;
use crate::db::space::fill::Row;
use crate::error::{Context, Error, Result};
use crate::jobs::JobContext;
use crate::llm::{Embedder, ModelError};
use crate::state::AppState;
use crate::usage::{common, embed_passages};

/// Texts held in memory at once, in bytes; one larger text is taken alone.
const GROUP_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Passages a call to the embedder.
const EMBED_MAX: usize = 128;

/// Runs a job to its end.
pub(super) async fn run(state: &AppState, context: &JobContext, payload: &Payload) -> Result<()> {
    let outcome = ingest(state, context, payload).await;
    let Err(Failure { error, is_providers }) = outcome else {
        return Ok(());
    };
    if context.cancelled.is_cancelled() && context.is_last_attempt {
        // The process stops, which is not the sources' fault: somebody else goes on.
        let rest = Payload { items: payload.items.clone(), round: payload.round };
        super::jobs::enqueue(state, None, rest).await?;
    } else if is_providers && context.is_last_attempt {
        queries::mark_failed(&state.ai, Some(context.run), &payload.items, &error.to_string()).await?;
    }
    Err(error)
}

struct Failure {
    error: Error,
    /// A model provider that may be back later.
    is_providers: bool,
}

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { error: error.into(), is_providers: false }
    }
}

async fn ingest(state: &AppState, context: &JobContext, payload: &Payload) -> Result<(), Failure> {
    // Before anything is read: from now on no earlier run writes.
    queries::claim(&state.ai, context.run, &payload.items).await?;
    let unreachable = files::parse(state, context, &payload.items).await?;
    let pending = queries::pending(&state.ai, context.run, &payload.items).await?;
    let mut done = payload.items.len() - pending.len();
    for group in groups(&pending) {
        check(context)?;
        let mut active = state.spaces.active().await?;
        let before = done;
        loop {
            let started = queries::start(&state.ai, context.run, &group).await?;
            done = before + group.len() - started.len();
            let prepared = prepare(state, &active, started).await?;
            let embedding = Embedding { state, context, active: &active, done: &mut done };
            match embedding.run(prepared).await {
                // What is left of the group is embedded again, in the space that is active now.
                Err(failure) if state.spaces.again(&mut active, &failure.error).await? => check(context)?,
                outcome => break outcome?,
            }
        }
    }
    context.progress(count(done));
    // The others are ready; these are tried again after a pause.
    unreachable.map_or(Ok(()), |error| Err(error.into()))
}

fn groups(pending: &[queries::Pending]) -> Vec<Vec<Item>> {
    let mut groups: Vec<Vec<Item>> = Vec::new();
    let mut bytes = u64::MAX;
    for source in pending {
        let size = source.bytes.unsigned_abs();
        bytes = bytes.saturating_add(size);
        let item = Item { id: source.id, generation: source.generation };
        match groups.last_mut() {
            Some(group) if bytes <= GROUP_BYTES_MAX => group.push(item),
            _ => {
                groups.push(vec![item]);
                bytes = size;
            }
        }
    }
    groups
}

/// Cutting is work for the processor, so it stays away from the async threads.
async fn prepare(state: &AppState, active: &Active, sources: Vec<Started>) -> Result<Vec<Prepared>> {
    let embedder = Arc::clone(&active.space.embedder);
    let budget = budget(&state.settings.knowledge, embedder.as_ref());
    tokio::task::spawn_blocking(move || {
        let count = |text: &str| embedder.count_tokens(text);
        sources.into_iter().map(|source| cut(source, budget, &count)).collect()
    })
    .await
    .context("cutting texts")?
}

/// What a model reads of a passage that is stored already.
pub fn text_of(knowledge: &Knowledge, embedder: &dyn Embedder, row: &Row) -> String {
    let document = Document {
        title: chunk::telling_title(&row.title, row.external_id.as_deref()),
        text: &row.content,
        media_type: MediaType::Plain,
    };
    let count = |text: &str| embedder.count_tokens(text);
    chunk::embedded_again(&document, &row.heading_path, row.is_whole, budget(knowledge, embedder), &count)
}

fn budget(knowledge: &Knowledge, embedder: &dyn Embedder) -> Budget {
    let prefix = &embedder.space().passage_prefix;
    let prefix_tokens = if prefix.is_empty() { 0 } else { embedder.count_tokens(prefix) };
    Budget::new(knowledge.passage_tokens, embedder.max_tokens(), prefix_tokens)
}

fn cut(source: Started, budget: Budget, count: &(dyn Fn(&str) -> usize + Sync)) -> Result<Prepared> {
    let document = Document {
        title: chunk::telling_title(&source.title, source.external_id.as_deref()),
        text: &source.content,
        media_type: MediaType::named(&source.media_type),
    };
    let passages = chunk::passages(&document, budget, count)?;
    let pages = files::pages_of(source.pages.as_ref(), &passages);
    let words = words::entries(&source, &passages);
    Ok(Prepared {
        vectors: Vec::with_capacity(passages.len()),
        beside: Vec::new(),
        passages,
        pages,
        words,
        source,
    })
}

struct Embedding<'a> {
    state: &'a AppState,
    context: &'a JobContext,
    /// What all vectors of a group are made for.
    active: &'a Active,
    done: &'a mut usize,
}

impl Embedding<'_> {
    /// Embeds the passages of a group batch by batch and writes sources as
    /// they become complete.
    async fn run(self, mut sources: Vec<Prepared>) -> Result<(), Failure> {
        while !sources.is_empty() {
            check(self.context)?;
            let batch = take_batch(&mut sources);
            let refused = self.embed(&mut sources, batch).await?;
            check(self.context)?;
            for (source, reason) in &refused {
                let item = std::slice::from_ref(source);
                queries::mark_failed(&self.state.ai, Some(self.context.run), item, reason).await?;
            }
            let (open, rest): (Vec<_>, Vec<_>) = sources
                .into_iter()
                .filter(|source| refused.iter().all(|(item, _)| item.id != source.source.id))
                .partition(|source| source.vectors.len() < source.passages.len());
            let written = rest.len();
            queries::write(&self.state.ai, self.context.run, self.active, rest).await?;
            *self.done += refused.len() + written;
            self.context.progress(count(*self.done));
            sources = open;
        }
        Ok(())
    }

    /// Embeds a batch; if the model refuses it, source by source, to find the
    /// one at fault. Returns the sources that are refused, and why.
    async fn embed(
        &self,
        sources: &mut [Prepared],
        batch: Vec<Part>,
    ) -> Result<Vec<(Item, String)>, Failure> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let texts: Vec<String> = batch.iter().flat_map(|part| part.texts.iter().cloned()).collect();
        let owner = common(batch.iter().map(|part| sources[part.index].source.owner_id));
        match self.call(owner, texts).await {
            Ok((vectors, beside)) => {
                let (mut vectors, mut beside) = (vectors.into_iter(), beside.into_iter());
                for part in batch {
                    let source = &mut sources[part.index];
                    source.vectors.extend(vectors.by_ref().take(part.texts.len()));
                    source.beside.extend(beside.by_ref().take(part.texts.len()));
                }
                return Ok(Vec::new());
            }
            Err(error) if error.is_retryable() => return Err(providers(error)),
            Err(_) => {}
        }
        let mut refused = Vec::new();
        for part in batch {
            let source = &mut sources[part.index];
            match self.call(source.source.owner_id, part.texts).await {
                Ok((vectors, beside)) => {
                    source.vectors.extend(vectors);
                    source.beside.extend(beside);
                }
                Err(error) if error.is_retryable() => return Err(providers(error)),
                Err(error) => refused.push((source.source.item(), error.to_string())),
            }
        }
        Ok(refused)
    }

    async fn call(
        &self,
        user: Option<UserId>,
        texts: Vec<String>,
    ) -> Result<(Vec<Vec<f32>>, Vec<Vec<f32>>), ModelError> {
        let wanted = texts.len();
        let (vectors, beside) = embed_passages(self.state, self.active, user, texts).await?;
        if vectors.len() == wanted {
            return Ok((vectors, beside));
        }
        Err(ModelError::Malformed {
            detail: format!("{} vectors came back for {wanted} texts", vectors.len()),
        })
    }
}

/// Passages of one source that go into a batch.
struct Part {
    index: usize,
    texts: Vec<String>,
}

fn take_batch(sources: &mut [Prepared]) -> Vec<Part> {
    let mut room = EMBED_MAX;
    let mut batch = Vec::new();
    for (index, source) in sources.iter_mut().enumerate() {
        if room == 0 {
            break;
        }
        let next = source.vectors.len();
        let texts: Vec<String> = source.passages[next..]
            .iter_mut()
            .take(room)
            .map(|passage| std::mem::take(&mut passage.embedded))
            .collect();
        room -= texts.len();
        if !texts.is_empty() {
            batch.push(Part { index, texts });
        }
    }
    batch
}

/// Before anything is written: whether this run may still write.
pub(super) fn check(context: &JobContext) -> Result<()> {
    if !context.may_write() {
        return Err(Error::conflict(
            "stopped",
            "the process stops or was taken for dead; ingestion goes on later",
        ));
    }
    Ok(())
}

fn providers(error: ModelError) -> Failure {
    Failure { error: error.into(), is_providers: true }
}

fn count(done: usize) -> i64 {
    i64::try_from(done).unwrap_or(i64::MAX)
}

impl Started {
    fn item(&self) -> Item {
        Item { id: self.id, generation: self.generation }
    }
}
