//! Models: what chats and what embeds.
//!
//! Two traits at a real outside border, each with several implementations:
//! any OpenAI-compatible server ([`openai`]) and models in this process
//! ([`local`]). Features see these types only, never a provider's.

pub mod catalogue;
pub mod count;
pub mod error;
pub mod estimate;
pub mod extractive;
pub mod local;
pub mod openai;
pub mod rerank;
mod tool;
mod unit;

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::BoxStream;

use crate::config::EmbeddingProvider;

pub use count::Counter;
pub use error::ModelError;
pub use tool::{ToolCall, ToolSpec};

/// Who says a message of a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Instructions of the application.
    System,
    /// The user, and data blocks given on the user's behalf.
    User,
    /// The model's earlier words.
    Assistant,
    /// What a tool answered to a call of the model.
    Tool,
}

/// One message of a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatMessage {
    /// Who says it.
    pub role: Role,
    /// What is said.
    pub content: String,
    /// Tools the model called with these words; of [`Role::Assistant`] only.
    pub tool_calls: Vec<ToolCall>,
    /// The call that is answered; of [`Role::Tool`] only.
    pub tool_call_id: Option<String>,
}

impl ChatMessage {
    /// Words, and no call of a tool.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self { role, content: content.into(), tool_calls: Vec::new(), tool_call_id: None }
    }

    /// The model's words with which it called tools.
    pub fn calling(content: impl Into<String>, tool_calls: Vec<ToolCall>) -> Self {
        Self { tool_calls, ..Self::new(Role::Assistant, content) }
    }

    /// What a tool answered to a call.
    pub fn answering(tool_call_id: impl Into<String>, content: impl Into<String>) -> Self {
        Self { tool_call_id: Some(tool_call_id.into()), ..Self::new(Role::Tool, content) }
    }
}

/// A prompt for a chat model.
#[derive(Clone, Debug, Default)]
pub struct ChatRequest {
    /// Model to use instead of the configured one.
    pub model: Option<String>,
    /// The conversation, oldest first.
    pub messages: Vec<ChatMessage>,
    /// What else the provider is told, in its own words.
    pub options: serde_json::Map<String, serde_json::Value>,
    /// What the model may call; none are sent when there are none.
    pub tools: Vec<Arc<ToolSpec>>,
    /// Longest answer; none: as the provider likes.
    pub answer_tokens: Option<u32>,
    /// Ask once, without retries.
    pub once: bool,
}

/// Tokens as the provider counted them.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt_tokens: u32,
    /// Tokens of the answer.
    pub completion_tokens: u32,
    /// Their sum, as the provider says it.
    pub total_tokens: u32,
    /// Of the prompt, what the provider had cached; absent: nothing.
    #[serde(default, skip_serializing_if = "is_none")]
    pub cached_prompt_tokens: u32,
    /// Of the answer, what was thought and not said; absent: nothing.
    #[serde(default, skip_serializing_if = "is_none")]
    pub reasoning_tokens: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_none(tokens: &u32) -> bool {
    *tokens == 0
}

impl Usage {
    /// The sum of two calls.
    #[must_use]
    pub fn and(self, more: Self) -> Self {
        Self {
            prompt_tokens: self.prompt_tokens.saturating_add(more.prompt_tokens),
            completion_tokens: self.completion_tokens.saturating_add(more.completion_tokens),
            total_tokens: self.total_tokens.saturating_add(more.total_tokens),
            cached_prompt_tokens: self.cached_prompt_tokens.saturating_add(more.cached_prompt_tokens),
            reasoning_tokens: self.reasoning_tokens.saturating_add(more.reasoning_tokens),
        }
    }
}

/// A piece of a streamed answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChatDelta {
    /// More text; never empty.
    Text(String),
    /// The provider's own count, at most once, near the end.
    Usage(Usage),
    /// The provider ended the answer early; at most once.
    Cut(Cut),
    /// Tools the model calls, whole, in its order; at most once, at the end.
    ToolCalls(Vec<ToolCall>),
}

/// Why a provider ended an answer before the model did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// It is as long as it may be.
    Length,
    /// The provider's filter does not let it pass.
    Filter,
}

impl Cut {
    /// As it is stored and sent.
    pub fn name(self) -> &'static str {
        match self {
            Self::Length => "length",
            Self::Filter => "content_filter",
        }
    }
}

/// A streamed answer. It ends after the provider says it is complete; a
/// connection that closes before that is an error, not an end.
pub type ChatStream = BoxStream<'static, Result<ChatDelta, ModelError>>;

/// A language model.
pub trait ChatModel: Send + Sync + std::fmt::Debug {
    /// The model that answers when the request names none.
    fn model(&self) -> &str;

    /// The models the provider has, sorted; asked for at most once a minute.
    fn list(&self) -> BoxFuture<'_, Result<Arc<Vec<String>>, ModelError>> {
        Box::pin(async { Ok(Arc::new(vec![self.model().to_owned()])) })
    }

    /// Starts an answer. Retries happen in here and only before the first delta.
    fn stream(&self, request: ChatRequest) -> BoxFuture<'_, Result<ChatStream, ModelError>>;
}

/// What makes vectors comparable: two vectors may be compared only if their spaces are equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpaceSpec {
    /// `local` or `openai`.
    pub provider: String,
    /// Model name, as configured.
    pub model: String,
    /// Length of a vector.
    pub dimensions: u32,
    /// Put before a question before it is embedded.
    pub query_prefix: String,
    /// Put before a passage before it is embedded.
    pub passage_prefix: String,
}

/// Whether a text is searched for or searched in; some models tell the two apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmbedKind {
    /// A question.
    Query,
    /// A passage or a memory.
    Passage,
}

impl EmbedKind {
    /// Its name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Passage => "passage",
        }
    }
}

/// Vectors in the order of their texts, each of unit length.
#[derive(Clone, Debug, Default)]
pub struct Embeddings {
    /// One vector a text.
    pub vectors: Vec<Vec<f32>>,
    /// Tokens the model read.
    pub tokens: u64,
}

/// A model that turns text into vectors.
pub trait Embedder: Send + Sync + std::fmt::Debug {
    /// The space its vectors live in.
    fn space(&self) -> &SpaceSpec;

    /// Longest text in tokens; what is longer is cut by the model, so passages are made shorter.
    fn max_tokens(&self) -> usize;

    /// Cosine similarity below which a passage does not speak of the question.
    /// A property of the model, measured; configuration can override it.
    fn similarity_floor(&self) -> f32;

    /// Counts the tokens of a text as the model does (or an upper estimate), without special tokens.
    fn count_tokens(&self, text: &str) -> usize;

    /// Embeds any number of texts; batching, concurrency and retries are in here.
    /// A blank text is an error. Every vector is checked: length and finite values.
    fn embed(&self, kind: EmbedKind, texts: Vec<String>) -> BoxFuture<'_, Result<Embeddings, ModelError>>;
}

/// The models of a process.
#[derive(Clone, Debug)]
pub struct LanguageModels {
    /// The language model; none means answers are extractive.
    pub chat: Option<Arc<dyn ChatModel>>,
    /// The configured embedding model; what is searched with is [`crate::state::AppState::embedder`].
    pub embedder: Arc<dyn Embedder>,
}

impl LanguageModels {
    /// Builds what the settings ask for. A model that cannot be had is an
    /// error that names the remedy, never another model.
    pub fn from_settings(
        settings: &crate::config::Models,
        cache_dir: &std::path::Path,
    ) -> crate::error::Result<Self> {
        let chat = openai::chat_from_settings(settings)?;
        Ok(Self { chat, embedder: embedder(settings, cache_dir)? })
    }
}

/// The embedding model that the settings name.
pub fn embedder(
    settings: &crate::config::Models,
    cache_dir: &std::path::Path,
) -> crate::error::Result<Arc<dyn Embedder>> {
    match settings.embedding_provider {
        EmbeddingProvider::Local => local::from_settings(settings, cache_dir),
        EmbeddingProvider::Openai => openai::embedder_from_settings(settings),
    }
}

/// A provider by its name.
pub fn embedding_provider(name: &str) -> crate::error::Result<EmbeddingProvider> {
    match name {
        "local" => Ok(EmbeddingProvider::Local),
        "openai" => Ok(EmbeddingProvider::Openai),
        _ => Err(crate::error::Error::field("provider", "must be local or openai")),
    }
}
