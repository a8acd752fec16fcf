//! Decides what drafts mean for the rows that are there. Pure.

use std::collections::{BTreeMap, HashMap};

use entity::ai::memory::{Model, Origin};
use entity::ids::{ConversationId, MemoryId, MessageId};
use serde_json::Value;
use uuid::Uuid;

use super::ids::{Identity, Subject, normalise};
use crate::auth::Ownership;
use crate::persona::Pair;

/// A memory to store.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) ownership: Ownership,
    pub(super) persona_id: Option<Uuid>,
    pub(super) character_id: Option<Uuid>,
    pub(super) scope: String,
    pub(super) external_id: Option<String>,
    pub(super) content: String,
    /// None leaves the metadata of an existing row as they are.
    pub(super) metadata: Option<Value>,
    pub(super) origin: Origin,
    pub(super) said_in: Option<Said>,
}

/// The message a memory was said in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    /// Its conversation.
    pub conversation_id: ConversationId,
    /// Which conversation of that id.
    pub generation: i64,
    /// The message.
    pub message_id: MessageId,
}

/// What storing a draft did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is new.
    Created,
    /// It was there, and something of it changed.
    Updated,
    /// It was there.
    Unchanged,
}

/// A draft's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) id: MemoryId,
    pub(super) outcome: Outcome,
}

impl Draft {
    pub(super) fn identity(&self) -> Identity {
        Identity::new(
            self.ownership,
            (self.persona_id, self.character_id),
            &self.scope,
            self.external_id.as_deref(),
            &self.content,
        )
    }

    /// Whose conversations see it.
    pub(super) fn pair(&self) -> Pair {
        Pair::named(self.character_id, self.persona_id)
    }

    /// Whether another text takes the place of the one that is there.
    pub(super) fn replaces(&self) -> bool {
        self.external_id.is_some() || self.origin == Origin::Chat
    }
}

/// What is to be written for one id. In the order of ids, so that two batches
/// wait for each other instead of locking each other out.
pub(super) type Writes<'a> = BTreeMap<MemoryId, Write<'a>>;

/// The newest draft for an id, and how much of it is to be written.
#[derive(Debug)]
pub(super) struct Write<'a> {
    pub(super) draft: &'a Draft,
    pub(super) kind: Kind,
    pub(super) metadata: Option<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Insert,
    Rewrite,
    Metadata,
}

/// A row as it is, or will be after the writes planned so far.
#[derive(Debug)]
struct Row {
    content: String,
    scope: String,
    metadata: Value,
}

/// Decides what each draft means, as if they were stored one after the other.
pub(super) fn plan(drafts: &[Draft], known: Vec<Model>) -> (Vec<Stored>, Writes<'_>) {
    let mut by_identity = HashMap::new();
    let mut rows = HashMap::new();
    for model in known {
        by_identity.entry(identity_of(&model)).or_insert(model.id);
        rows.insert(model.id, Row { content: model.content, scope: model.scope, metadata: model.metadata });
    }
    let mut writes = Writes::new();
    let stored = drafts
        .iter()
        .map(|draft| {
            let identity = draft.identity();
            let id = by_identity.get(&identity).copied().unwrap_or_else(|| identity.memory_id());
            let outcome = apply(draft, id, &mut rows, &mut writes);
            Stored { id, outcome }
        })
        .collect();
    (stored, writes)
}

/// A row as somebody would state it today: an edit keeps the id, so the id
/// alone no longer tells what the row says.
pub(super) fn identity_of(model: &Model) -> Identity {
    Identity {
        audience: Ownership { owner_id: model.owner_id, tenant_id: model.tenant_id }.audience(),
        persona_id: model.persona_id,
        character_id: model.character_id,
        scope: model.scope.clone(),
        subject: match &model.external_id {
            Some(external_id) => Subject::External(external_id.clone()),
            None => Subject::Content(normalise(&model.content)),
        },
    }
}

fn apply<'a>(
    draft: &'a Draft,
    id: MemoryId,
    rows: &mut HashMap<MemoryId, Row>,
    writes: &mut Writes<'a>,
) -> Outcome {
    let Some(row) = rows.get_mut(&id) else {
        let metadata = draft.metadata.clone().unwrap_or_else(empty_object);
        rows.insert(
            id,
            Row { content: draft.content.clone(), scope: draft.scope.clone(), metadata: metadata.clone() },
        );
        let write = Write { draft, kind: Kind::Insert, metadata: Some(metadata) };
        writes.insert(id, write);
        return Outcome::Created;
    };
    let is_same_text = normalise(&row.content) == normalise(&draft.content);
    let is_moved = row.scope != draft.scope;
    let is_rewritten = if draft.external_id.is_some() {
        row.content != draft.content || is_moved
    } else {
        draft.replaces() && !is_same_text
    };
    if !is_rewritten && !is_same_text {
        return Outcome::Unchanged;
    }
    let metadata = draft.metadata.clone().filter(|metadata| *metadata != row.metadata);
    if !is_rewritten && metadata.is_none() {
        return Outcome::Unchanged;
    }
    if let Some(metadata) = &metadata {
        row.metadata = metadata.clone();
    }
    let write = writes.entry(id).or_insert(Write { draft, kind: Kind::Metadata, metadata: None });
    write.metadata = metadata.or(write.metadata.take());
    if is_rewritten {
        row.content.clone_from(&draft.content);
        row.scope.clone_from(&draft.scope);
        write.draft = draft;
        if write.kind == Kind::Metadata {
            write.kind = Kind::Rewrite;
        }
    }
    Outcome::Updated
}

pub(super) fn empty_object() -> Value {
    Value::Object(serde_json::Map::new())
}
