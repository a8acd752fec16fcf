//! Writes memories: what is new is embedded in one call and stored in one
//! transaction; what is there already is left alone.

use std::collections::{BTreeSet, HashMap, HashSet};

use entity::ai::memory::{self, Model};
use entity::ids::{MemoryId, MessageId};
use pgvector::Vector;
use sea_orm::ActiveValue::Set;
use uuid::Uuid;

use super::delete;
use super::ids::content_hash;
use super::plan::{Draft, Kind, Outcome, Stored, Write, Writes, empty_object, plan};
use super::queries::{self, Changes, Like};
use crate::auth::require_account;
use crate::conversation;
use crate::db::space::{self, Active};
use crate::db::{AiTx, Reach};
use crate::error::{Error, Result};
use crate::jobs::outbox::Aggregate;
use crate::llm::Embedder;
use crate::persona;
use crate::state::AppState;
use crate::usage::{common, embed_passages};

/// The table, where its vectors are asked for by name.
pub(super) const TABLE: &str = "ai_memories";

type Vectors = HashMap<MemoryId, Vec<f32>>;

/// Refuses a text the embedding model would cut: what is cut is never found.
pub(super) fn fits_window(embedder: &dyn Embedder, content: &str) -> Result<()> {
    let max = embedder.max_tokens();
    // A token is at least one byte.
    if content.len() <= max {
        return Ok(());
    }
    let tokens = embedder.count_tokens(content);
    if tokens <= max {
        return Ok(());
    }
    Err(Error::field(
        "content",
        format!("has {tokens} tokens, the embedding model reads at most {max}: split it"),
    ))
}

/// Stores drafts; the answer is in their order. With an external id, or said
/// again in a chat, the newest text wins; otherwise what the user made of the
/// row by editing it stands.
pub(super) async fn store(state: &AppState, drafts: &[Draft]) -> Result<Vec<Stored>> {
    let known = find_undeleted(state, drafts).await?;
    let (mut stored, writes) = plan(drafts, known);
    if writes.is_empty() {
        return Ok(stored);
    }
    let mut active = state.spaces.active().await?;
    let inserted = loop {
        match write(state, &active, drafts, &writes).await {
            Err(error) if state.spaces.again(&mut active, &error).await? => {}
            outcome => break outcome?,
        }
    };
    for (result, draft) in stored.iter_mut().zip(drafts) {
        if result.outcome == Outcome::Created && !inserted.contains(&result.id) {
            result.outcome = if draft.replaces() { Outcome::Updated } else { Outcome::Unchanged };
        }
    }
    Ok(stored)
}

/// Writes in a space; answers which rows are new.
async fn write(
    state: &AppState,
    active: &Active,
    drafts: &[Draft],
    writes: &Writes<'_>,
) -> Result<BTreeSet<MemoryId>> {
    // Before the transaction: no connection is held while a model works.
    let (mut vectors, beside) = embed(state, active, writes).await?;
    let audiences = drafts.iter().map(|draft| draft.ownership.audience());
    let reach = Reach::default().and_writing(audiences);
    let transaction = state.ai.begin_for_in(&reach, active.space.id).await?;
    let owners: BTreeSet<_> = drafts.iter().filter_map(|draft| draft.ownership.owner_id).collect();
    for owner in owners {
        require_account(&transaction, owner).await?;
    }
    let pairs: BTreeSet<_> = writes.values().map(|write| write.draft.pair()).collect();
    for pair in pairs {
        persona::require_alive(&transaction, pair).await?;
    }
    let mut rows = Vec::new();
    for (id, write) in writes.iter().filter(|(_, write)| write.kind == Kind::Insert) {
        let source = source_of(&transaction, write.draft).await?;
        rows.push(row(*id, write, vectors.get(id), source));
    }
    let inserted: BTreeSet<MemoryId> = queries::insert_new(&transaction, rows).await?.into_iter().collect();
    for (id, write) in writes {
        // Somebody else inserted the same row meanwhile.
        if inserted.contains(id) || !is_changed(write, &inserted, *id) {
            continue;
        }
        let changes = changes(write, vectors.remove(id));
        queries::update(&transaction, write.draft.ownership.audience(), *id, changes).await?;
    }
    // A row that somebody else inserted meanwhile holds their text, and a vector of that.
    let own = |id: &MemoryId| {
        inserted.contains(id) || writes.get(id).is_some_and(|write| is_changed(write, &inserted, *id))
    };
    let beside = beside.into_iter().filter(|(id, _)| own(id)).map(|(id, vector)| (id.0, vector)).collect();
    space::write_beside(&transaction, TABLE, active, beside).await?;
    transaction.commit().await?;
    Ok(inserted)
}

/// Whether a row that was there is written.
fn is_changed(write: &Write<'_>, inserted: &BTreeSet<MemoryId>, id: MemoryId) -> bool {
    let is_late = write.kind == Kind::Insert && !inserted.contains(&id);
    !is_late || write.draft.replaces()
}

/// What is there, once what is to be deleted of it is gone. That comes first:
/// what is read before might be deleted before it is written. An edited row may
/// say what a draft says under another id, so its deletion is looked for too.
async fn find_undeleted(state: &AppState, drafts: &[Draft]) -> Result<Vec<Model>> {
    let mut drained: HashSet<Aggregate> = HashSet::new();
    let mut wanted: HashSet<Aggregate> =
        drafts.iter().map(|draft| delete::aggregate(draft.identity().memory_id())).collect();
    wanted.extend(drafts.iter().filter_map(|draft| draft.ownership.owner_id).map(delete::all_of));
    wanted.extend(drafts.iter().flat_map(|draft| persona::aggregates(draft.pair())));
    loop {
        let next: Vec<Aggregate> = wanted.difference(&drained).copied().collect();
        state.outbox.drain(&next).await?;
        drained.extend(next);
        let known = find_known(state, drafts).await?;
        // Rows are as many as there were, and each round drains new ones.
        wanted.extend(known.iter().map(|row| delete::aggregate(row.id)));
        if wanted.len() == drained.len() {
            return Ok(known);
        }
    }
}

/// The message a memory comes from, unless its conversation went meanwhile.
async fn source_of(ai: &AiTx, draft: &Draft) -> Result<Option<MessageId>> {
    match draft.said_in {
        Some(said) if conversation::is_gone(ai, said.conversation_id, said.generation).await? => Ok(None),
        said => Ok(said.map(|said| said.message_id)),
    }
}

async fn find_known(state: &AppState, drafts: &[Draft]) -> Result<Vec<Model>> {
    let audiences: BTreeSet<Uuid> = drafts.iter().map(|draft| draft.ownership.audience()).collect();
    let mut like = Like::default();
    for draft in drafts {
        like.ids.push(draft.identity().memory_id());
        match &draft.external_id {
            Some(external_id) => like.external_ids.push(external_id.clone()),
            None => like.content_hashes.push(content_hash(&draft.content)),
        }
    }
    queries::find_like(&state.ai, audiences.into_iter().collect(), like).await
}

/// Vectors for the active space, and for the one beside it where there is one.
async fn embed(state: &AppState, active: &Active, writes: &Writes<'_>) -> Result<(Vectors, Vectors)> {
    let (ids, texts): (Vec<_>, Vec<_>) = writes
        .iter()
        .filter(|(_, write)| write.kind != Kind::Metadata)
        .map(|(id, write)| (*id, write.draft.content.clone()))
        .unzip();
    if ids.is_empty() {
        return Ok((Vectors::new(), Vectors::new()));
    }
    let user = common(writes.values().map(|write| write.draft.ownership.owner_id));
    let (vectors, beside) = embed_passages(state, active, user, texts).await?;
    Ok((ids.iter().copied().zip(vectors).collect(), ids.iter().copied().zip(beside).collect()))
}

fn row(
    id: MemoryId,
    write: &Write<'_>,
    vector: Option<&Vec<f32>>,
    source: Option<MessageId>,
) -> memory::ActiveModel {
    let draft = write.draft;
    memory::ActiveModel {
        id: Set(id),
        owner_id: Set(draft.ownership.owner_id),
        tenant_id: Set(draft.ownership.tenant_id),
        persona_id: Set(draft.persona_id),
        character_id: Set(draft.character_id),
        scope: Set(draft.scope.clone()),
        external_id: Set(draft.external_id.clone()),
        content: Set(draft.content.clone()),
        content_hash: Set(content_hash(&draft.content)),
        metadata: Set(write.metadata.clone().unwrap_or_else(empty_object)),
        origin: Set(draft.origin),
        source_message_id: Set(source),
        embedding: Set(vector.cloned().map(Vector::from)),
        ..Default::default()
    }
}

fn changes(write: &Write<'_>, vector: Option<Vec<f32>>) -> Changes {
    let rewritten = write.kind != Kind::Metadata;
    Changes {
        content: vector.map(|vector| (write.draft.content.clone(), vector)),
        scope: rewritten.then(|| write.draft.scope.clone()),
        metadata: write.metadata.clone(),
        is_said_again: rewritten,
    }
}
