//! The way from async code to a model that blocks.
//!
//! One thread a model gathers what is waiting into batches. A question goes
//! before any passage, also between two batches of a long list of passages,
//! so somebody who waits for an answer does not wait for an import.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use super::engine::{Engine, Vectors};
use crate::error::{Context, Result};
use crate::llm::{EmbedKind, Embedder, Embeddings, ModelError, SpaceSpec};

/// Waiting requests of a kind; whoever comes later waits to be let in.
const QUEUE: usize = 64;
/// Tokens of a batch for each thread: work for every thread, and short enough
/// for a question not to notice the batch it waits for.
const BATCH_TOKENS_PER_THREAD: usize = 512;
const BATCH_TOKENS_MAX: usize = 4096;
/// Bytes of a token, low for English, for sharing out work only.
const BYTES_PER_TOKEN: usize = 4;

/// Facts about a model.
pub(super) struct Facts {
    /// Its space.
    pub space: SpaceSpec,
    /// Its window without special tokens.
    pub max_tokens: usize,
    /// See [`Embedder::similarity_floor`].
    pub similarity_floor: f32,
}

/// A model in this process, as the rest of the program sees it.
pub(super) struct Front {
    facts: Facts,
    engine: Arc<dyn Engine>,
    queries: mpsc::Sender<Request>,
    passages: mpsc::Sender<Request>,
}

struct Request {
    texts: Vec<String>,
    done: Embeddings,
    reply: oneshot::Sender<Result<Embeddings, ModelError>>,
}

impl Front {
    /// Starts the model's thread; it ends when the front is dropped.
    pub(super) fn start(facts: Facts, engine: Arc<dyn Engine>) -> Result<Self> {
        let (queries, waiting_queries) = mpsc::channel(QUEUE);
        let (passages, waiting_passages) = mpsc::channel(QUEUE);
        let worker = Worker {
            engine: engine.clone(),
            dimensions: facts.space.dimensions as usize,
            batch_bytes: (BATCH_TOKENS_PER_THREAD * rayon::current_num_threads()).min(BATCH_TOKENS_MAX)
                * BYTES_PER_TOKEN,
            window_bytes: facts.max_tokens * BYTES_PER_TOKEN,
            queries: waiting_queries,
            passages: waiting_passages,
            begun: VecDeque::new(),
        };
        std::thread::Builder::new()
            .name("embed".to_owned())
            .spawn(move || worker.run())
            .context("starting the thread of the embedding model")?;
        Ok(Self { facts, engine, queries, passages })
    }
}

impl std::fmt::Debug for Front {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Front").field("space", &self.facts.space).finish_non_exhaustive()
    }
}

impl Embedder for Front {
    fn space(&self) -> &SpaceSpec {
        &self.facts.space
    }

    fn max_tokens(&self) -> usize {
        self.facts.max_tokens
    }

    fn similarity_floor(&self) -> f32 {
        self.facts.similarity_floor
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.engine.count_tokens(text)
    }

    fn embed(&self, kind: EmbedKind, texts: Vec<String>) -> BoxFuture<'_, Result<Embeddings, ModelError>> {
        Box::pin(async move {
            if texts.is_empty() {
                return Ok(Embeddings::default());
            }
            if let Some(index) = texts.iter().position(|text| text.trim().is_empty()) {
                return Err(failed(format!("text {index} is blank and cannot be embedded")));
            }
            let queue = match kind {
                EmbedKind::Query => &self.queries,
                EmbedKind::Passage => &self.passages,
            };
            let (reply, answer) = oneshot::channel();
            let request = Request { texts, done: Embeddings::default(), reply };
            let ended = || failed("the thread of the embedding model has ended".to_owned());
            queue.send(request).await.map_err(|_| ended())?;
            answer.await.map_err(|_| ended())?
        })
    }
}

struct Worker {
    engine: Arc<dyn Engine>,
    dimensions: usize,
    batch_bytes: usize,
    window_bytes: usize,
    queries: mpsc::Receiver<Request>,
    passages: mpsc::Receiver<Request>,
    /// Passages that were taken from their queue and are not finished.
    begun: VecDeque<Request>,
}

impl Worker {
    fn run(mut self) {
        loop {
            if self.begun.is_empty() && !self.wait() {
                return;
            }
            while let Ok(query) = self.queries.try_recv() {
                self.query(query);
            }
            while self.begun.len() < QUEUE
                && let Ok(request) = self.passages.try_recv()
            {
                self.begun.push_back(request);
            }
            if !self.begun.is_empty() {
                let begun = std::mem::take(&mut self.begun);
                self.begun = self.batch(EmbedKind::Passage, begun);
            }
        }
    }

    /// Waits for a request; false when no more can come.
    fn wait(&mut self) -> bool {
        let next = futures::executor::block_on(async {
            tokio::select! {
                biased;
                Some(query) = self.queries.recv() => Some((EmbedKind::Query, query)),
                Some(passages) = self.passages.recv() => Some((EmbedKind::Passage, passages)),
                else => None,
            }
        });
        match next {
            Some((EmbedKind::Query, query)) => self.query(query),
            Some((EmbedKind::Passage, request)) => self.begun.push_back(request),
            None => return false,
        }
        true
    }

    /// Answers a question, and with it all that wait by now.
    fn query(&mut self, first: Request) {
        let mut open = VecDeque::from([first]);
        while !open.is_empty() {
            while open.len() < QUEUE
                && let Ok(query) = self.queries.try_recv()
            {
                open.push_back(query);
            }
            open = self.batch(EmbedKind::Query, open);
        }
    }

    /// Embeds one batch from the front of `requests`, answers those that are
    /// complete and gives back the others.
    fn batch(&self, kind: EmbedKind, requests: VecDeque<Request>) -> VecDeque<Request> {
        // Nobody waits for the answer of a request whose receiver is gone.
        let mut requests: VecDeque<Request> =
            requests.into_iter().filter(|request| !request.reply.is_closed()).collect();
        let shares = self.shares(&requests);
        let texts: Vec<&str> = requests
            .iter()
            .zip(&shares)
            .flat_map(|(request, share)| &request.texts[request.done.vectors.len()..][..*share])
            .map(String::as_str)
            .collect();
        let outcome = if texts.is_empty() { Ok(Vec::new()) } else { self.embed(kind, &texts) };
        match outcome {
            Ok(vectors) => {
                let mut vectors = vectors.into_iter();
                for (request, share) in requests.iter_mut().zip(&shares) {
                    for (vector, tokens) in vectors.by_ref().take(*share) {
                        request.done.vectors.push(vector);
                        request.done.tokens += tokens;
                    }
                }
            }
            Err(error) => {
                // The whole batch fails; what was not begun is tried on its own.
                let failed_requests = shares.iter().take_while(|share| **share > 0).count();
                for request in requests.drain(..failed_requests) {
                    answer(request.reply, Err(failed(error.to_string())));
                }
            }
        }
        let mut unfinished = VecDeque::with_capacity(requests.len());
        for request in requests {
            if request.done.vectors.len() == request.texts.len() {
                answer(request.reply, Ok(request.done));
            } else {
                unfinished.push_back(request);
            }
        }
        unfinished
    }

    /// How many texts of each request go into the next batch; at least one in all.
    fn shares(&self, requests: &VecDeque<Request>) -> Vec<usize> {
        let mut bytes = 0;
        requests
            .iter()
            .map(|request| {
                let open = &request.texts[request.done.vectors.len()..];
                open.iter()
                    .take_while(|text| {
                        let fits = bytes < self.batch_bytes;
                        bytes += text.len().min(self.window_bytes);
                        fits
                    })
                    .count()
            })
            .collect()
    }

    fn embed(&self, kind: EmbedKind, texts: &[&str]) -> Result<Vec<(Vec<f32>, u64)>, ModelError> {
        // A defect in the model must not end the thread, and with it every
        // later request.
        let outcome = catch_unwind(AssertUnwindSafe(|| self.engine.embed(kind, texts)))
            .unwrap_or_else(|_| Err(failed("the embedding model failed on a text".to_owned())));
        let Vectors { vectors, tokens } = outcome?;
        let sound = |vector: &Vec<f32>| {
            vector.len() == self.dimensions && vector.iter().all(|value| value.is_finite())
        };
        if vectors.len() != texts.len() || tokens.len() != texts.len() || !vectors.iter().all(sound) {
            return Err(failed("the embedding model made a vector that is not one".to_owned()));
        }
        Ok(vectors.into_iter().zip(tokens).collect())
    }
}

/// Sends an answer; that nobody waits for it any more is no failure.
fn answer(reply: oneshot::Sender<Result<Embeddings, ModelError>>, outcome: Result<Embeddings, ModelError>) {
    drop(reply.send(outcome));
}

/// An error of a model in this process.
pub(super) fn failed(detail: String) -> ModelError {
    ModelError::Local { detail }
}
