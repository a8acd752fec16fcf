//! Chat with a provider's model.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{StreamExt, once, unfold};
use tokio::time::{Instant, timeout_at};

use super::connection::Connection;
use super::events::Events;
use super::list::Listed;
use super::reader::Reader;
use super::retry::with_retries;
use super::wire::{ChatBody, StreamOptions};
use crate::config::Models;
use crate::error::Result;
use crate::llm::{ChatModel, ChatRequest, ChatStream, ModelError};

/// A chat model of a provider.
pub(super) struct Chat {
    connection: Arc<Connection>,
    model: String,
    first_token: Duration,
    idle: Duration,
    whole: Duration,
    retries: u32,
    /// Cleared when the server refuses to be asked for a usage count.
    asks_usage: AtomicBool,
    /// Models whose server refused to be told of tools.
    without_tools: Mutex<BTreeSet<String>>,
    /// OpenAI itself, and not one of the servers that speak like it.
    is_openai: bool,
    listed: Listed,
}

/// Models that are remembered to have no tools.
const WITHOUT_TOOLS_MAX: usize = 1000;

impl Chat {
    /// The model of the settings; nothing is sent yet.
    pub(super) fn new(settings: &Models) -> Result<Self> {
        Ok(Self {
            connection: Arc::new(Connection::new(settings)?),
            model: settings.chat_model.clone(),
            first_token: Duration::from_secs(settings.first_token_timeout_s),
            idle: Duration::from_secs(settings.idle_timeout_s),
            whole: Duration::from_secs(settings.answer_timeout_s),
            retries: settings.retries,
            asks_usage: AtomicBool::new(true),
            without_tools: Mutex::default(),
            is_openai: settings.openai_base_url.is_none(),
            listed: Listed::default(),
        })
    }

    /// One attempt, up to its first delta: until then nothing was shown to
    /// anybody, so a failure can be tried again.
    async fn attempt(&self, body: &ChatBody<'_>) -> Result<ChatStream, ModelError> {
        let started = Instant::now();
        let limit = (self.first_token, started + self.first_token);
        let whole = (self.whole, started + self.whole);
        let events = timeout_at(limit.1, self.open(body))
            .await
            .map_err(|_| ModelError::TimedOut { waited_s: self.first_token.as_secs() })??;
        let mut reader = Reader::new(self.connection.clone(), events, limit, self.idle, whole);
        let Some(first) = reader.next().await.transpose()? else {
            return Ok(futures::stream::empty().boxed());
        };
        let rest = unfold(reader, async |mut reader| {
            let delta = reader.next().await?;
            Some((delta, reader))
        });
        Ok(once(async { Ok(first) }).chain(rest).boxed())
    }

    async fn open(&self, body: &ChatBody<'_>) -> Result<Events, ModelError> {
        let mut body = body.clone();
        if self.asks_usage.load(Ordering::Relaxed) {
            body.stream_options = Some(StreamOptions { include_usage: true });
        }
        if !self.takes_tools(body.model) {
            body.tools.clear();
        }
        let (asks_usage, takes_tools) = (body.stream_options.is_some(), !body.tools.is_empty());
        // Each try leaves out one of two things, so there are three at most.
        let events = loop {
            match self.connection.stream("/chat/completions", &body).await {
                // Perhaps it is an option that this server does not know.
                Err(error) if takes_no_tools(&body, &error) => body.tools.clear(),
                Err(ModelError::Refused { status: 400 | 422, .. }) if body.stream_options.is_some() => {
                    body.stream_options = None;
                }
                outcome => break outcome?,
            }
        };
        if asks_usage && body.stream_options.is_none() {
            self.asks_usage.store(false, Ordering::Relaxed);
        }
        if takes_tools && body.tools.is_empty() {
            tracing::warn!(model = body.model, "the model's server refuses tools and is asked without");
            self.ask_without_tools(body.model);
        }
        Ok(events)
    }

    fn takes_tools(&self, model: &str) -> bool {
        !self.without_tools.lock().unwrap_or_else(PoisonError::into_inner).contains(model)
    }

    fn ask_without_tools(&self, model: &str) {
        let mut models = self.without_tools.lock().unwrap_or_else(PoisonError::into_inner);
        if models.len() < WITHOUT_TOOLS_MAX {
            models.insert(model.to_owned());
        }
    }
}

/// Whether a refusal names the tools of a request. Once results of tools are
/// part of it the server has taken them before, and it is about something else.
fn takes_no_tools(body: &ChatBody<'_>, error: &ModelError) -> bool {
    let ModelError::Refused { status: 400 | 404 | 422, detail } = error else { return false };
    let is_first = body.messages.iter().all(|message| message.tool_call_id.is_none());
    let detail = detail.to_lowercase();
    !body.tools.is_empty() && is_first && ["tool", "function"].iter().any(|word| detail.contains(word))
}

impl ChatModel for Chat {
    fn model(&self) -> &str {
        &self.model
    }

    fn list(&self) -> BoxFuture<'_, Result<Arc<Vec<String>>, ModelError>> {
        Box::pin(self.listed.get(&self.connection))
    }

    fn stream(&self, request: ChatRequest) -> BoxFuture<'_, Result<ChatStream, ModelError>> {
        Box::pin(async move {
            let body = ChatBody {
                model: request.model.as_deref().unwrap_or(&self.model),
                messages: request.messages.iter().map(Into::into).collect(),
                stream: true,
                max_completion_tokens: request.answer_tokens.filter(|_| self.is_openai),
                max_tokens: request.answer_tokens.filter(|_| !self.is_openai),
                stream_options: None,
                tools: request.tools.iter().map(Into::into).collect(),
                options: &request.options,
            };
            with_retries(if request.once { 0 } else { self.retries }, || self.attempt(&body)).await
        })
    }
}

impl std::fmt::Debug for Chat {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Chat")
            .field("connection", &self.connection)
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}
