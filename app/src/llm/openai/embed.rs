//! Embeddings by a provider's model.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{StreamExt, TryStreamExt, iter};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::connection::Connection;
use super::retry::with_retries;
use super::wire::{EmbedAnswer, EmbedBody, usage_of};
use crate::config::Models;
use crate::error::Result;
use crate::llm::{EmbedKind, Embedder, Embeddings, ModelError, SpaceSpec, estimate, unit};

/// The window of OpenAI's embedding models; a longer text is cut before it is sent.
const MAX_TOKENS: usize = 8191;

/// Not measured, since no provider is at hand while this is built: low enough
/// not to hide anything. `knowledge.similarity_floor` sets the value for a model.
const SIMILARITY_FLOOR: f32 = 0.2;

/// An embedding model of a provider.
pub(super) struct Remote {
    connection: Connection,
    space: SpaceSpec,
    batch: usize,
    concurrency: usize,
    /// Requests at once, over all callers.
    slots: Semaphore,
    request_limit: Duration,
    retries: u32,
    /// Whether the length is named in requests: when it was configured, and
    /// until a server refuses to be told.
    names_dimensions: AtomicBool,
}

impl Remote {
    /// The model of the settings; nothing is sent yet.
    pub(super) fn new(settings: &Models, model: &str, dimensions: u32) -> Result<Self> {
        Ok(Self {
            connection: Connection::new(settings)?,
            space: SpaceSpec {
                provider: "openai".to_owned(),
                model: model.to_owned(),
                dimensions,
                query_prefix: String::new(),
                passage_prefix: String::new(),
            },
            batch: settings.embedding_batch.max(1),
            concurrency: settings.embedding_concurrency.max(1),
            slots: Semaphore::new(settings.embedding_concurrency.max(1)),
            request_limit: Duration::from_secs(settings.request_timeout_s),
            retries: settings.retries,
            names_dimensions: AtomicBool::new(settings.embedding_dimensions.is_some()),
        })
    }

    async fn batch(&self, texts: Vec<String>) -> Result<Embeddings, ModelError> {
        let answer = with_retries(self.retries, || async {
            // Closed never, since it lives as long as this; given back during a pause.
            let _slot = self.slots.acquire().await;
            timeout(self.request_limit, self.request(&texts))
                .await
                .map_err(|_| ModelError::TimedOut { waited_s: self.request_limit.as_secs() })?
        });
        self.check(answer.await?, texts.len())
    }

    async fn request(&self, texts: &[String]) -> Result<EmbedAnswer, ModelError> {
        let mut body = EmbedBody { model: &self.space.model, input: texts, dimensions: None };
        if self.names_dimensions.load(Ordering::Relaxed) {
            body.dimensions = Some(self.space.dimensions);
            match self.send(&body).await {
                // A model of one length only may refuse to be told it. What
                // comes without telling is checked like everything else.
                Err(ModelError::Refused { status: 400 | 422, .. }) => body.dimensions = None,
                outcome => return outcome,
            }
        }
        let answer = self.send(&body).await?;
        self.names_dimensions.store(false, Ordering::Relaxed);
        Ok(answer)
    }

    async fn send(&self, body: &EmbedBody<'_>) -> Result<EmbedAnswer, ModelError> {
        let embeddings = self.connection.plain.embeddings();
        embeddings.create_byot(body).await.map_err(|error| self.connection.failure(error))
    }

    /// Puts the vectors into the order of their texts and checks each of them.
    fn check(&self, mut answer: EmbedAnswer, texts: usize) -> Result<Embeddings, ModelError> {
        let malformed = |detail: String| Err(ModelError::Malformed { detail });
        let count = answer.data.len();
        if count != texts {
            return malformed(format!("{count} vectors for {texts} texts"));
        }
        if answer.data.iter().all(|row| row.index.is_some()) {
            answer.data.sort_by_key(|row| row.index);
            if answer.data.iter().enumerate().any(|(place, row)| row.index != Some(place)) {
                return malformed("the vectors' indices do not match the texts".to_owned());
            }
        }
        let expected = self.space.dimensions as usize;
        let mut vectors = Vec::with_capacity(count);
        for row in answer.data {
            let mut vector = row.embedding;
            if vector.len() != expected {
                let model = &self.space.model;
                return malformed(format!(
                    "{model} made a vector of length {}, expected {expected}",
                    vector.len()
                ));
            }
            if !unit::to_unit_length(&mut vector) {
                return malformed("a vector is zero or holds a value that is no number".to_owned());
            }
            vectors.push(vector);
        }
        let usage = answer.usage.as_ref().and_then(usage_of).unwrap_or_default();
        let tokens = if usage.prompt_tokens > 0 { usage.prompt_tokens } else { usage.total_tokens };
        Ok(Embeddings { vectors, tokens: u64::from(tokens) })
    }
}

impl Embedder for Remote {
    fn space(&self) -> &SpaceSpec {
        &self.space
    }

    fn max_tokens(&self) -> usize {
        MAX_TOKENS
    }

    fn similarity_floor(&self) -> f32 {
        SIMILARITY_FLOOR
    }

    fn count_tokens(&self, text: &str) -> usize {
        estimate::tokens(text)
    }

    fn embed(&self, _: EmbedKind, texts: Vec<String>) -> BoxFuture<'_, Result<Embeddings, ModelError>> {
        Box::pin(async move {
            if let Some(index) = texts.iter().position(|text| text.trim().is_empty()) {
                let detail = format!("text {index} is blank and cannot be embedded");
                return Err(ModelError::Local { detail });
            }
            let batches: Vec<Vec<String>> = texts
                .chunks(self.batch)
                .map(|batch| batch.iter().map(|text| estimate::cut(text, MAX_TOKENS).to_owned()).collect())
                .collect();
            iter(batches)
                .map(|batch| self.batch(batch))
                .buffered(self.concurrency)
                .try_fold(Embeddings::default(), async |mut all, batch| {
                    all.vectors.extend(batch.vectors);
                    all.tokens += batch.tokens;
                    Ok(all)
                })
                .await
        })
    }
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Remote")
            .field("connection", &self.connection)
            .field("space", &self.space)
            .finish_non_exhaustive()
    }
}
