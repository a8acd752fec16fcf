//! Chat with a provider's model.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{BoxStream, StreamExt, once, unfold};
use tokio::time::{Instant, timeout_at};

use async_openai::error::OpenAIError;

use super::connection::Connection;
use super::list::Listed;
use super::reader::Reader;
use super::retry::with_retries;
use super::wire::{ChatBody, Chunk, StreamOptions};
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
    /// OpenAI itself, and not one of the servers that speak like it.
    is_openai: bool,
    listed: Listed,
}

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

    async fn open(
        &self,
        body: &ChatBody<'_>,
    ) -> Result<BoxStream<'static, Result<Chunk, OpenAIError>>, ModelError> {
        let mut body = body.clone();
        if self.asks_usage.load(Ordering::Relaxed) {
            body.stream_options = Some(StreamOptions { include_usage: true });
            match self.send(&body).await {
                // Perhaps it is the option that this server does not know.
                Err(ModelError::Refused { status: 400 | 422, .. }) => body.stream_options = None,
                outcome => return outcome,
            }
        }
        let events = self.send(&body).await?;
        self.asks_usage.store(false, Ordering::Relaxed);
        Ok(events)
    }

    async fn send(
        &self,
        body: &ChatBody<'_>,
    ) -> Result<BoxStream<'static, Result<Chunk, OpenAIError>>, ModelError> {
        let chat = self.connection.streaming.chat();
        let events = chat.create_stream_byot::<_, Chunk>(body).await;
        Ok(events.map_err(|error| self.connection.failure(error))?.boxed())
    }
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
