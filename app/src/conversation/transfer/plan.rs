//! From a foreign tree to rows: checked, bounded, in order.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use chrono::{DateTime, Utc};
use entity::core::citation::CitationKind;
use entity::core::message::Status;
use entity::core::{citation, conversation, message};
use entity::ids::{CitationId, ConversationId, MessageId, UserId};
use sea_orm::ActiveValue::Set;
use serde_json::Value;
use uuid::Uuid;

use super::{ConversationHead, ExportedMessage};
use crate::conversation::CitationView;
use crate::web::text::fields_within;

/// Most messages of a conversation.
const MESSAGES_MAX: usize = 10_000;
/// Most characters of a message.
const CHARACTERS_MAX: usize = 200_000;
/// Most messages one above the other.
const DEPTH_MAX: usize = 5_000;
/// Most citations of a message.
const CITATIONS_MAX: usize = 500;
/// Longest id, model name or mode.
const NAME_CHARACTERS_MAX: usize = 200;
/// Longest title; what is longer is cut.
const TITLE_CHARACTERS_MAX: usize = 500;
/// Longest title or quote of a citation.
const QUOTE_CHARACTERS_MAX: usize = 2_000;
/// Largest metadata, in bytes of JSON.
const METADATA_BYTES_MAX: usize = 16_384;

/// A conversation as it was found.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) head: ConversationHead,
    pub(super) nodes: Vec<Node>,
}

/// A place in the tree; one that says nothing is passed over.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) id: String,
    pub(super) parent: Option<String>,
    pub(super) said: Option<ExportedMessage>,
}

/// The rows to be.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) id: ConversationId,
    pub(super) conversation: conversation::ActiveModel,
    pub(super) messages: Vec<message::ActiveModel>,
    pub(super) citations: Vec<citation::ActiveModel>,
}

/// The id under which an owner's conversation comes in.
pub(super) fn conversation_id(owner: UserId, original: &str) -> ConversationId {
    ConversationId(Uuid::new_v5(&owner.0, format!("conversation:{original}").as_bytes()))
}

/// Checks a tree and makes its rows; else a sentence for whoever sent it.
/// `now` stands for times that are missing or no times.
pub(super) fn plan(owner: UserId, tree: Tree, now: DateTime<Utc>) -> Result<Planned, String> {
    let Tree { head, nodes } = tree;
    if nodes.len() > MESSAGES_MAX {
        return Err(format!("has {} messages, at most {MESSAGES_MAX} are allowed", nodes.len()));
    }
    name("id", &head.id)?;
    fields_within(&head.metadata, METADATA_BYTES_MAX).map_err(|error| format!("metadata {error}"))?;
    let id = conversation_id(owner, &head.id);
    let began = time(head.created_at, now);
    let order = Order::of(&nodes, began)?;
    let mut stands: HashMap<&str, Stand> = HashMap::new();
    let (mut messages, mut citations) = (Vec::new(), Vec::new());
    for (index, at) in order.0 {
        let node = &nodes[index];
        let above = node.parent.as_deref().and_then(|parent| stands.get(parent)).copied().unwrap_or_default();
        let Some(said) = &node.said else {
            stands.insert(&node.id, above);
            continue;
        };
        let depth = above.depth + 1;
        if depth > DEPTH_MAX {
            return Err(format!("has more than {DEPTH_MAX} messages one above the other"));
        }
        check(said)?;
        let message_id = MessageId(Uuid::new_v5(&id.0, said.id.as_bytes()));
        stands.insert(&node.id, Stand { message: Some(message_id), depth });
        let position = i32::try_from(messages.len() + 1).map_err(|error| error.to_string())?;
        messages.push(row(said, id, message_id, above.message, position, at));
        citations.extend(said.citations.iter().zip(0..).map(|(cited, n): (_, i32)| {
            let id = CitationId(Uuid::new_v5(&message_id.0, &n.to_be_bytes()));
            cited.row(id, message_id, n)
        }));
    }
    let active = head.active_message_id.as_deref().and_then(|named| stands.get(named)?.message);
    let conversation = conversation::ActiveModel {
        id: Set(id),
        user_id: Set(owner),
        title: Set(title(head.title)?),
        metadata: Set(Value::Object(head.metadata)),
        active_message_id: Set(active),
        created_at: Set(began),
        updated_at: Set(time(head.updated_at, began)),
        ..Default::default()
    };
    Ok(Planned { id, conversation, messages, citations })
}

/// Where a node stands among what is kept.
#[derive(Clone, Copy, Debug, Default)]
struct Stand {
    message: Option<MessageId>,
    depth: usize,
}

/// Nodes by time, parents before their children, each with its time.
struct Order(Vec<(usize, DateTime<Utc>)>);

impl Order {
    fn of(nodes: &[Node], began: DateTime<Utc>) -> Result<Self, String> {
        let mut places = HashMap::with_capacity(nodes.len());
        for (index, node) in nodes.iter().enumerate() {
            name("a message's id", &node.id)?;
            if places.insert(node.id.as_str(), index).is_some() {
                return Err(format!("message {} stands twice", node.id));
            }
        }
        let mut children: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
        let mut due = BinaryHeap::new();
        let own = |index: usize, otherwise| {
            time(nodes[index].said.as_ref().and_then(|said| said.created_at), otherwise)
        };
        for (index, node) in nodes.iter().enumerate() {
            match node.parent.as_deref().map(|parent| places.get(parent)) {
                None => due.push(Reverse((own(index, began), index))),
                Some(Some(parent)) => children[*parent].push(index),
                Some(None) => return Err(format!("message {} follows one that is not there", node.id)),
            }
        }
        let mut order = Vec::with_capacity(nodes.len());
        while let Some(Reverse((at, index))) = due.pop() {
            order.push((index, at));
            due.extend(children[index].iter().map(|child| Reverse((own(*child, at), *child))));
        }
        if order.len() < nodes.len() {
            return Err("its messages follow one another in a circle".to_owned());
        }
        Ok(Self(order))
    }
}

fn check(said: &ExportedMessage) -> Result<(), String> {
    let id = &said.id;
    let length = said.content.chars().count();
    if length > CHARACTERS_MAX {
        return Err(format!("message {id} has {length} characters, at most {CHARACTERS_MAX} are allowed"));
    }
    no_nul(&format!("message {id}"), &said.content)?;
    for named in [&said.model, &said.mode].into_iter().flatten() {
        name("model and mode", named)?;
    }
    if said.citations.len() > CITATIONS_MAX {
        return Err(format!("message {id} has more than {CITATIONS_MAX} citations"));
    }
    said.citations.iter().try_for_each(|cited| check_citation(id, cited))
}

fn check_citation(id: &str, cited: &CitationView) -> Result<(), String> {
    let told = cited.tool.is_some() || cited.tool_call_id.is_some() || cited.as_of.is_some();
    let is_whole = match cited.kind {
        CitationKind::Passage => {
            let of_figures = cited.portfolio_id.is_some() || told;
            cited.document_id.is_some() && cited.source_id.is_some() && !of_figures
        }
        CitationKind::Figures => {
            let of_passage = cited.document_id.is_some() || cited.source_id.is_some() || cited.page.is_some();
            let is_of_something = cited.portfolio_id.is_some() || cited.tool.is_some() || cited.deleted;
            cited.tool.is_some() == cited.tool_call_id.is_some() && is_of_something && !of_passage
        }
    };
    let has_place = cited.start >= 0 && cited.end > cited.start;
    if !is_whole || !has_place || cited.page.is_some_and(|page| page < 1) {
        return Err(format!("a citation of message {id} points to nothing"));
    }
    for named in [&cited.tool, &cited.tool_call_id].into_iter().flatten() {
        name("a citation's tool", named)?;
    }
    for words in [&cited.title, &cited.quote] {
        no_nul("a citation", words)?;
        if words.chars().count() > QUOTE_CHARACTERS_MAX {
            return Err(format!("a citation of message {id} is too long"));
        }
    }
    Ok(())
}

fn name(what: &str, text: &str) -> Result<(), String> {
    no_nul(what, text)?;
    if text.is_empty() || text.chars().count() > NAME_CHARACTERS_MAX {
        return Err(format!("{what} must have 1 to {NAME_CHARACTERS_MAX} characters"));
    }
    Ok(())
}

fn no_nul(what: &str, text: &str) -> Result<(), String> {
    if text.contains('\0') { Err(format!("{what} must not contain the NUL character")) } else { Ok(()) }
}

fn title(given: Option<String>) -> Result<Option<String>, String> {
    let title: String = given.unwrap_or_default().trim().chars().take(TITLE_CHARACTERS_MAX).collect();
    no_nul("the title", &title)?;
    Ok((!title.is_empty()).then_some(title))
}

/// A time between 1970 and 2200; what is none is `otherwise`.
fn time(given: Option<DateTime<Utc>>, otherwise: DateTime<Utc>) -> DateTime<Utc> {
    const END: i64 = 7_258_118_400;
    given.filter(|at| (0..END).contains(&at.timestamp())).unwrap_or(otherwise)
}

fn row(
    said: &ExportedMessage,
    conversation: ConversationId,
    id: MessageId,
    parent: Option<MessageId>,
    position: i32,
    at: DateTime<Utc>,
) -> message::ActiveModel {
    // Nobody writes it here.
    let status = if said.status == Status::Streaming { Status::Interrupted } else { said.status };
    message::ActiveModel {
        id: Set(id),
        conversation_id: Set(conversation),
        parent_id: Set(parent),
        position: Set(position),
        role: Set(said.role),
        status: Set(status),
        content: Set(said.content.clone()),
        imported: Set(true),
        model: Set(said.model.clone()),
        mode: Set(said.mode.clone()),
        created_at: Set(at),
        completed_at: Set(said.completed_at.map(|done| time(Some(done), at))),
        ..Default::default()
    }
}
