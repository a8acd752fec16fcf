//! Conversations out of Tandem and into it, as JSON.
//!
//! The format is [`Export`]: named, versioned, with the whole tree. An import
//! also reads what ChatGPT exports. What comes in is data: it is checked,
//! bounded, and stored under ids that follow from its owner and its own ids,
//! so that the same again is nothing new.

mod chatgpt;
mod cited;
pub mod export;
pub mod import;
mod meter;
mod plan;
mod read;
pub mod receive;
mod zipped;

use chrono::{DateTime, Utc};
use entity::core::message::{Role, Status};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::CitationView;

/// The format's name.
pub const SCHEMA: &str = "tandem.conversations";
/// The format's version; another one is refused.
pub const VERSION: u32 = 1;

/// Exported conversations.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Export {
    /// `tandem.conversations`.
    pub schema: String,
    /// 1.
    pub version: u32,
    /// Newest first.
    pub conversations: Vec<ExportedConversation>,
}

/// A conversation with all its branches.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ExportedConversation {
    /// Where it came from.
    #[serde(flatten)]
    pub head: ConversationHead,
    /// Every message, parents before their children.
    #[serde(default)]
    pub messages: Vec<ExportedMessage>,
}

/// What a conversation is beside its messages.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ConversationHead {
    /// Its id where it was exported, at most 200 characters.
    pub id: String,
    /// What it is called.
    #[serde(default)]
    pub title: Option<String>,
    /// Given by the client.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub metadata: Map<String, Value>,
    /// The last message of the active path.
    #[serde(default)]
    pub active_message_id: Option<String>,
    /// When it was begun.
    #[serde(default)]
    pub created_at: Option<DateTime<Utc>>,
    /// When it last changed.
    #[serde(default)]
    pub updated_at: Option<DateTime<Utc>>,
}

/// A message of an exported conversation.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ExportedMessage {
    /// Its id where it was exported, at most 200 characters.
    pub id: String,
    /// The message it follows; null for the first.
    #[serde(default)]
    pub parent_id: Option<String>,
    /// `user` or `assistant`.
    #[schema(value_type = String)]
    pub role: Role,
    /// As in the list of messages; one that was being written comes in as `interrupted`.
    #[serde(default = "complete")]
    #[schema(value_type = String)]
    pub status: Status,
    /// Its text.
    pub content: String,
    /// The model that answered.
    #[serde(default)]
    pub model: Option<String>,
    /// `model` or `extractive`, for answers.
    #[serde(default)]
    pub mode: Option<String>,
    /// When it was made.
    #[serde(default)]
    pub created_at: Option<DateTime<Utc>>,
    /// When it was complete.
    #[serde(default)]
    pub completed_at: Option<DateTime<Utc>>,
    /// What it cites, in order.
    #[serde(default)]
    pub citations: Vec<CitationView>,
}

fn complete() -> Status {
    Status::Complete
}
