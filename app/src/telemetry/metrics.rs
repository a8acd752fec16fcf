//! The counters behind `/metrics`. Labels are bounded: routes are templates,
//! methods and statuses are those of HTTP, databases are two.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::error::{Context, Result};

/// The media type of [`Metrics::render`].
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds of the latency buckets, in seconds.
const SECONDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 120.0];

/// Upper bounds of the buckets of cosine similarities.
const SIMILARITIES: [f64; 12] = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    route: String,
    method: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Asked {
    route: String,
    method: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Searched {
    corpus: &'static str,
    mode: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Nearest {
    corpus: &'static str,
    model: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Embedded {
    provider: String,
    model: String,
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Connections {
    database: &'static str,
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Queued {
    queue: &'static str,
    state: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Build {
    version: &'static str,
}

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// What this process counts. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Registry>,
    requests: Family<Answered, Counter>,
    request_seconds: Histograms<Asked>,
    running: Gauge,
    streams: Gauge,
    turns: Gauge,
    first_token_seconds: Histogram,
    turn_seconds: Histograms<Outcome>,
    search_seconds: Histograms<Searched>,
    search_nearest: Histograms<Nearest>,
    embedded_tokens: Family<Embedded, Counter>,
    connections: Family<Connections, Gauge>,
    queued: Family<Queued, Gauge>,
    panics: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Counters at nought.
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Arc::default(),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(latencies),
            running: Gauge::default(),
            streams: Gauge::default(),
            turns: Gauge::default(),
            first_token_seconds: latencies(),
            turn_seconds: Family::new_with_constructor(latencies),
            search_seconds: Family::new_with_constructor(latencies),
            search_nearest: Family::new_with_constructor(|| Histogram::new(SIMILARITIES)),
            embedded_tokens: Family::default(),
            connections: Family::default(),
            queued: Family::default(),
            panics: Counter::default(),
        };
        metrics.registry = Arc::new(metrics.registered());
        metrics
    }

    fn registered(&self) -> Registry {
        let mut registry = Registry::with_prefix("tandem");
        let m = self.clone();
        registry.register("http_requests", "Requests answered", m.requests);
        let help = "From the request to the head of its answer";
        registry.register_with_unit("http_request_duration", help, Unit::Seconds, m.request_seconds);
        registry.register("http_requests_running", "Requests being answered", m.running);
        registry.register("streams_open", "Event streams being sent", m.streams);
        registry.register("turns_running", "Answers being written", m.turns);
        let help = "From the request to the answer's first word";
        registry.register_with_unit("turn_first_token", help, Unit::Seconds, m.first_token_seconds);
        let help = "From the request to the answer's end";
        registry.register_with_unit("turn_duration", help, Unit::Seconds, m.turn_seconds);
        let help = "From the question to what was found, with the embedding of its words";
        registry.register_with_unit("search_duration", help, Unit::Seconds, m.search_seconds);
        let help = "Cosine similarity of the nearest that a search found: what a model's threshold is to be chosen by";
        registry.register("search_nearest_similarity", help, m.search_nearest);
        registry.register("embedding_tokens", "Tokens that embedding models read", m.embedded_tokens);
        registry.register("db_connections", "Connections of this process", m.connections);
        registry.register("queue_length", "Rows of the queues, all replicas", m.queued);
        registry.register("panics", "Requests that ended in a panic", m.panics);
        let build = Family::<Build, Gauge>::default();
        build.get_or_create(&Build { version: env!("CARGO_PKG_VERSION") }).set(1);
        registry.register("build", "The version that runs", build);
        let start = Gauge::<f64, std::sync::atomic::AtomicU64>::default();
        start.set(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64());
        registry.register_with_unit("process_start_time", "Since 1970", Unit::Seconds, start);
        registry
    }

    /// A request begins; it ends when the guard is dropped.
    pub fn request(&self) -> Running {
        Running::new(&self.running)
    }

    /// A request was answered. `route` is a template, never a path.
    pub fn answered(&self, route: &str, method: &axum::http::Method, status: u16, after: Duration) {
        let method = bounded(method);
        let answered = Answered { route: route.to_owned(), method, status };
        self.requests.get_or_create(&answered).inc();
        let asked = Asked { route: route.to_owned(), method };
        self.request_seconds.get_or_create(&asked).observe(after.as_secs_f64());
    }

    /// A panic was answered.
    pub fn panicked(&self) {
        self.panics.inc();
    }

    /// An event stream begins; it ends when the guard is dropped.
    pub fn stream(&self) -> Running {
        Running::new(&self.streams)
    }

    /// A turn begins; it ends when the guard is dropped.
    pub fn turn(&self) -> Running {
        Running::new(&self.turns)
    }

    /// The first word of an answer came.
    pub fn first_token(&self, after: Duration) {
        self.first_token_seconds.observe(after.as_secs_f64());
    }

    /// An answer is finished: `complete` or `failed`.
    pub fn turn_ended(&self, outcome: &'static str, after: Duration) {
        self.turn_seconds.get_or_create(&Outcome { outcome }).observe(after.as_secs_f64());
    }

    /// A search of a corpus (`knowledge`, `memories`) was answered.
    pub fn searched(&self, corpus: &'static str, mode: &'static str, after: Duration) {
        self.search_seconds.get_or_create(&Searched { corpus, mode }).observe(after.as_secs_f64());
    }

    /// A search found something at all; the nearest by this model was so similar.
    pub fn nearest(&self, corpus: &'static str, model: &str, similarity: f64) {
        let nearest = Nearest { corpus, model: model.to_owned() };
        self.search_nearest.get_or_create(&nearest).observe(similarity);
    }

    /// An embedding model read tokens of a kind of text (`query`, `passage`).
    pub fn embedded(&self, provider: &str, model: &str, kind: &'static str, tokens: u64) {
        let embedded = Embedded { provider: provider.to_owned(), model: model.to_owned(), kind };
        self.embedded_tokens.get_or_create(&embedded).inc_by(tokens);
    }

    /// How many connections a pool has.
    pub fn pool(&self, database: &'static str, state: &'static str, connections: u32) {
        self.connections.get_or_create(&Connections { database, state }).set(i64::from(connections));
    }

    /// How many rows a queue has in a state; states are those of its check constraint.
    pub fn queue(&self, queue: &'static str, state: &str, rows: i64) {
        self.queued.get_or_create(&Queued { queue, state: state.to_owned() }).set(rows);
    }

    /// Forgets the queues' lengths, when they are not known.
    pub fn queues_unknown(&self) {
        self.queued.clear();
    }

    /// Everything as text.
    pub fn render(&self) -> Result<String> {
        let mut text = String::new();
        encode(&mut text, &self.registry).context("printing metrics")?;
        Ok(text)
    }
}

/// Something that is going on.
#[derive(Debug)]
pub struct Running(Gauge);

impl Running {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn latencies() -> Histogram {
    Histogram::new(SECONDS)
}

/// Methods can be any word; these are the ones that are counted apart.
fn bounded(method: &axum::http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "HEAD" => "HEAD",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}
