//! The shapes clients see, here and in the chat's answers.

use chrono::{DateTime, NaiveDate, Utc};
use entity::core::citation::CitationKind;
use entity::core::message::{Role, Status};
use entity::core::{citation, conversation, message};
use entity::ids::{CitationId, DocumentId, MessageId, PortfolioId, SourceId};
use sea_orm::ActiveValue::Set;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::llm::Usage;

/// A conversation.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ConversationView {
    /// Key.
    pub id: Uuid,
    /// Given by the user, or made of the first turn.
    pub title: Option<String>,
    /// The model that answers; null: the configured one.
    pub model: Option<String>,
    /// Whom it is with.
    pub character_id: Option<Uuid>,
    /// Who the user is in it.
    pub persona_id: Option<Uuid>,
    /// Given by the client, or the last `ui_context`.
    #[schema(value_type = Object)]
    pub metadata: serde_json::Value,
    /// The last message of the active path, which the next message follows.
    pub active_message_id: Option<Uuid>,
    /// When it was begun.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// A message.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MessageView {
    /// Key.
    pub id: Uuid,
    /// The conversation it belongs to.
    pub conversation_id: Uuid,
    /// `user` or `assistant`.
    #[schema(value_type = String)]
    pub role: Role,
    /// Its text, final unless `status` is `streaming`.
    pub content: String,
    /// `streaming`, `complete`, `failed`, `cancelled` or `interrupted`.
    #[schema(value_type = String)]
    pub status: Status,
    /// The message it answers or follows.
    pub parent_id: Option<Uuid>,
    /// In the order of their markers in `content`.
    pub citations: Vec<CitationView>,
    /// The memories that were in the prompt.
    pub memories: Vec<MemoryUsed>,
    /// The tools that the model called, in order.
    pub tool_calls: Vec<ToolCallView>,
    /// As the provider counted; absent when it did not.
    pub usage: Option<Usage>,
    /// It comes from a file that was imported.
    pub imported: bool,
    /// The model that answered.
    pub model: Option<String>,
    /// `model` or `extractive`, for answers.
    pub mode: Option<String>,
    /// From the request to the end, in milliseconds, for answers.
    pub latency_ms: Option<i32>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it left `streaming`.
    pub completed_at: Option<DateTime<Utc>>,
}

/// A message in the list of its conversation.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ListedMessage {
    /// The message.
    #[serde(flatten)]
    pub message: MessageView,
    /// The messages that follow the same one, this one among them, oldest
    /// first: edits of a question, answers to it.
    pub siblings: Vec<Uuid>,
}

/// A marker `[index]` in an answer, and what it points to: a passage of a source (`document_id`,
/// `source_id`, `page`), or figures (`portfolio_id`, `tool`, `tool_call_id`, `as_of`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CitationView {
    /// `passage` or `figures`.
    #[serde(default)]
    #[schema(value_type = String, required)]
    pub kind: CitationKind,
    /// The number in the marker.
    pub index: i32,
    /// The cited passage; null of figures.
    #[serde(default)]
    #[schema(required)]
    pub document_id: Option<Uuid>,
    /// Its source; null of figures.
    #[serde(default)]
    #[schema(required)]
    pub source_id: Option<Uuid>,
    /// The portfolio whose figures they are; absent where they are prices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub portfolio_id: Option<Uuid>,
    /// The tool that told the figures; absent where the prompt did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// The id of its call, as in `tool_calls`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// The day of the figures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<NaiveDate>,
    /// The source's title, or the portfolio's name; empty once it is deleted.
    pub title: String,
    /// The page of the source on which the passage begins, from 1; for files with pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<i32>,
    /// First Unicode code point of the marker in the answer.
    pub start: i32,
    /// One past its last code point.
    pub end: i32,
    /// The supporting sentence, or the values that the statement gives; empty once the source or portfolio is deleted.
    pub quote: String,
    /// Whether the source or portfolio is gone.
    pub deleted: bool,
}

/// A memory that was in the prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct MemoryUsed {
    /// Its id.
    pub id: Uuid,
}

/// A call of a tool while an answer was written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ToolCallView {
    /// The model's id of the call.
    pub id: String,
    /// The tool.
    pub name: String,
    /// As the model gave them; a text if they were no JSON or too long.
    #[schema(value_type = Object)]
    pub arguments: serde_json::Value,
    /// Whether there is a result.
    pub ok: bool,
    /// How long it took.
    pub duration_ms: u64,
    /// Whether the model was given a part of the result only.
    pub truncated: bool,
    /// What the user said of it, if it had to be approved: `approved`, `denied`, `expired` (nothing, in time),
    /// `unavailable` or `too_long` (the user could not be asked).
    #[serde(default)]
    pub approval: Option<String>,
    /// What was found or done: ids, without the words.
    #[schema(value_type = Option<Object>)]
    pub result: Option<serde_json::Value>,
    /// Why there is no result: `type` and `message`.
    #[schema(value_type = Option<Object>)]
    pub error: Option<serde_json::Value>,
}

impl From<conversation::Model> for ConversationView {
    fn from(row: conversation::Model) -> Self {
        Self {
            id: row.id.0,
            title: row.title,
            model: row.model,
            character_id: row.character_id.map(Uuid::from),
            persona_id: row.persona_id.map(Uuid::from),
            metadata: row.metadata,
            active_message_id: row.active_message_id.map(Uuid::from),
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

impl From<citation::Model> for CitationView {
    fn from(row: citation::Model) -> Self {
        Self {
            kind: row.kind,
            index: row.index,
            document_id: row.document_id.map(Uuid::from),
            source_id: row.source_id.map(Uuid::from),
            portfolio_id: row.portfolio_id.map(Uuid::from),
            tool: row.tool,
            tool_call_id: row.tool_call_id,
            as_of: row.as_of,
            title: row.title,
            page: row.page,
            start: row.span_start,
            end: row.span_end,
            quote: row.quote,
            deleted: row.deleted,
        }
    }
}

impl CitationView {
    /// As a row of an answer.
    pub fn row(&self, id: CitationId, message_id: MessageId, ordinal: i32) -> citation::ActiveModel {
        citation::ActiveModel {
            id: Set(id),
            message_id: Set(message_id),
            ordinal: Set(ordinal),
            index: Set(self.index),
            kind: Set(self.kind),
            document_id: Set(self.document_id.map(DocumentId)),
            source_id: Set(self.source_id.map(SourceId)),
            portfolio_id: Set(self.portfolio_id.map(PortfolioId)),
            tool: Set(self.tool.clone()),
            tool_call_id: Set(self.tool_call_id.clone()),
            as_of: Set(self.as_of),
            title: Set(self.title.clone()),
            quote: Set(self.quote.clone()),
            page: Set(self.page),
            span_start: Set(self.start),
            span_end: Set(self.end),
            deleted: Set(self.deleted),
            ..Default::default()
        }
    }

    /// It points to something that is gone, and says none of its words.
    pub fn forget(&mut self) {
        self.title.clear();
        self.quote.clear();
        self.deleted = true;
    }
}

/// A message as the entity loader brings it, with its citations.
impl From<message::ModelEx> for MessageView {
    fn from(mut row: message::ModelEx) -> Self {
        let citations = std::mem::take(&mut row.citations);
        // The loader keeps no order among children.
        let mut citations: Vec<citation::Model> = citations.into_iter().map(citation::Model::from).collect();
        citations.sort_by_key(|citation| citation.ordinal);
        Self::from((message::Model::from(row), citations))
    }
}

/// A message and its citations, in order.
impl From<(message::Model, Vec<citation::Model>)> for MessageView {
    fn from((row, citations): (message::Model, Vec<citation::Model>)) -> Self {
        let usage = usage(&row);
        let tool_calls = row.tool_calls.and_then(|calls| serde_json::from_value(calls).ok());
        let memories: Vec<Uuid> = serde_json::from_value(row.memories).unwrap_or_default();
        Self {
            id: row.id.0,
            conversation_id: row.conversation_id.0,
            role: row.role,
            content: row.content,
            status: row.status,
            parent_id: row.parent_id.map(Uuid::from),
            citations: citations.into_iter().map(CitationView::from).collect(),
            memories: memories.into_iter().map(|id| MemoryUsed { id }).collect(),
            tool_calls: tool_calls.unwrap_or_default(),
            usage,
            imported: row.imported,
            model: row.model,
            mode: row.mode,
            latency_ms: row.latency_ms,
            created_at: row.created_at,
            completed_at: row.completed_at,
        }
    }
}

fn usage(row: &message::Model) -> Option<Usage> {
    let count = |tokens: Option<i32>| u32::try_from(tokens?).ok();
    Some(Usage {
        prompt_tokens: count(row.prompt_tokens)?,
        completion_tokens: count(row.completion_tokens)?,
        total_tokens: count(row.total_tokens)?,
        cached_prompt_tokens: count(row.cached_prompt_tokens).unwrap_or_default(),
        reasoning_tokens: count(row.reasoning_tokens).unwrap_or_default(),
    })
}
