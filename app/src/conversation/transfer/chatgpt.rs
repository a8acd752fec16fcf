//! ChatGPT's `conversations.json`: a list of conversations, each a `mapping`
//! of nodes. What is no text of user or assistant is passed over, and what
//! follows it follows what it followed.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use entity::core::message::{Role, Status};
use serde::Deserialize;
use serde_json::Value;

use super::plan::{Node, Tree};
use super::{ConversationHead, ExportedMessage};

/// A conversation as ChatGPT exports it; what is not named here is ignored.
#[derive(Debug, Deserialize)]
pub(super) struct Conversation {
    id: Option<String>,
    #[serde(rename = "conversation_id")]
    other_id: Option<String>,
    title: Option<String>,
    create_time: Option<f64>,
    update_time: Option<f64>,
    current_node: Option<String>,
    mapping: BTreeMap<String, Slot>,
}

#[derive(Debug, Deserialize)]
struct Slot {
    parent: Option<String>,
    message: Option<Message>,
}

#[derive(Debug, Deserialize)]
struct Message {
    author: Author,
    /// `all`, or the tool that is called.
    recipient: Option<String>,
    content: Option<Content>,
    create_time: Option<f64>,
    metadata: Option<Metadata>,
}

#[derive(Debug, Deserialize)]
struct Author {
    role: String,
}

#[derive(Debug, Deserialize)]
struct Content {
    #[serde(default)]
    parts: Vec<Value>,
}

#[derive(Debug, Deserialize)]
struct Metadata {
    model_slug: Option<String>,
    /// Never shown to the user: instructions, results of tools.
    #[serde(default)]
    is_visually_hidden_from_conversation: bool,
}

impl Conversation {
    /// The same as Tandem's own export would have it.
    pub(super) fn into_tree(self) -> Result<Tree, String> {
        let head = ConversationHead {
            id: self.other_id.or(self.id).ok_or("has no id")?,
            title: self.title,
            metadata: serde_json::Map::new(),
            active_message_id: self.current_node,
            created_at: self.create_time.and_then(at),
            updated_at: self.update_time.and_then(at),
        };
        let nodes = self.mapping.into_iter().map(|(id, slot)| {
            let said = slot.message.and_then(|message| message.said(&id));
            Node { id, parent: slot.parent, said }
        });
        Ok(Tree { head, nodes: nodes.collect() })
    }
}

impl Message {
    fn said(self, id: &str) -> Option<ExportedMessage> {
        let role = match self.author.role.as_str() {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            _ => return None,
        };
        let is_for_all = self.recipient.as_deref().is_none_or(|recipient| recipient == "all");
        let is_hidden = self.metadata.as_ref().is_some_and(|told| told.is_visually_hidden_from_conversation);
        if !is_for_all || is_hidden {
            return None;
        }
        let parts = self.content?.parts;
        let texts: Vec<&str> =
            parts.iter().filter_map(Value::as_str).filter(|text| !text.is_empty()).collect();
        if texts.is_empty() {
            return None;
        }
        let created_at = self.create_time.and_then(at);
        Some(ExportedMessage {
            id: id.to_owned(),
            parent_id: None,
            role,
            status: Status::Complete,
            content: texts.join("\n"),
            model: self.metadata.and_then(|metadata| metadata.model_slug),
            mode: (role == Role::Assistant).then(|| "model".to_owned()),
            created_at,
            completed_at: created_at,
            citations: Vec::new(),
        })
    }
}

/// Seconds since 1970, with a fraction.
#[expect(clippy::cast_possible_truncation, reason = "bounded just before")]
fn at(seconds: f64) -> Option<DateTime<Utc>> {
    let is_date = (0.0..1e11).contains(&seconds);
    if is_date { DateTime::from_timestamp_micros((seconds * 1e6) as i64) } else { None }
}
