//! The sections. Units are in the names; meanings are in `config/default.toml`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;

use super::Network;

/// `[app]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct App {
    /// Deployment kind.
    pub env: AppEnv,
}

/// Deployment kinds. Production refuses what only a trial may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AppEnv {
    /// Trials and development.
    Development,
    /// Real users.
    Production,
}

/// `[http]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Address to listen on.
    pub host: IpAddr,
    /// Port; 0 picks a free one.
    pub port: u16,
    /// Origins that browsers may call from.
    pub cors_origins: Vec<String>,
    /// Proxies whose word about the client's address is believed.
    pub trusted_proxies: Vec<Network>,
    /// Largest JSON body.
    pub json_limit_bytes: usize,
    /// How long running turns, jobs and open streams may take to end when the process stops.
    pub grace_s: u64,
}

/// `[database]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// Core's URL.
    pub core_url: Option<SecretString>,
    /// Ai's URL.
    pub ai_url: Option<SecretString>,
    /// Most connections to core.
    pub core_pool_max: u32,
    /// Most connections to ai.
    pub ai_pool_max: u32,
    /// Longest wait for a core connection.
    pub core_acquire_timeout_s: u64,
    /// Longest wait for an ai connection.
    pub ai_acquire_timeout_s: u64,
    /// Longest wait for a transaction on ai.
    pub ai_wait_ms: u64,
    /// Age at which a connection is replaced.
    pub max_lifetime_s: u64,
    /// Longest statement.
    pub statement_timeout_ms: u64,
    /// Production without an ai URL is meant.
    pub allow_single_database: bool,
    /// Production on the embedded Postgres is meant.
    pub allow_embedded: bool,
    /// Migrating into a database that holds tables of somebody else is meant.
    pub adopt: bool,
}

/// `[embedded]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Embedded {
    /// Cluster and demo logins.
    pub data_dir: PathBuf,
    /// What `make setup` fetched.
    pub cache_dir: PathBuf,
    /// An installation to use instead.
    pub postgres_dir: Option<PathBuf>,
    /// Who a new cluster's server runs as when Tandem is root.
    pub run_as: String,
}

/// `[auth]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// Signing secret of access tokens.
    pub jwt_secret: Option<SecretString>,
    /// Life of an access token.
    pub access_token_ttl_s: u64,
    /// Life of a refresh token.
    pub refresh_token_ttl_s: u64,
    /// Who may register; see [`super::Settings::registration`].
    pub registration: Option<Registration>,
    /// How long failed log-ins are remembered.
    pub login_window_s: u64,
    /// Failures for one account from one address.
    pub login_failures: u32,
    /// Failures from one address.
    pub login_failures_per_address: u32,
    /// Failures for one account.
    pub login_failures_per_account: u32,
}

/// Who may register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Registration {
    /// Anyone who reaches the server.
    Open,
    /// Whoever an administrator invited.
    Invite,
    /// Nobody; the operator makes users.
    Closed,
}

/// `[models]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Models {
    /// Key of the provider.
    pub openai_api_key: Option<SecretString>,
    /// Base URL of an OpenAI-compatible server.
    pub openai_base_url: Option<url::Url>,
    /// Chat model.
    pub chat_model: String,
    /// Asked once when the model fails before its first token.
    pub chat_fallback_model: Option<String>,
    /// Models a conversation may choose; empty: those of the provider.
    pub chat_models: Vec<String>,
    /// Where a model server of this machine is looked for.
    pub local_servers: Vec<url::Url>,
    /// Where embeddings come from.
    pub embedding_provider: EmbeddingProvider,
    /// Which embedding model.
    pub embedding_model: Option<String>,
    /// Length of its vectors, for models that can shorten them.
    pub embedding_dimensions: Option<u32>,
    /// To the provider.
    pub connect_timeout_s: u64,
    /// From the request to the first event.
    pub first_token_timeout_s: u64,
    /// Between two events.
    pub idle_timeout_s: u64,
    /// A whole streamed answer.
    pub answer_timeout_s: u64,
    /// Whole request, calls that do not stream.
    pub request_timeout_s: u64,
    /// Before the first token.
    pub retries: u32,
    /// Texts a request.
    pub embedding_batch: usize,
    /// Requests at once.
    pub embedding_concurrency: usize,
}

impl Models {
    /// Whether a language model is configured at all.
    pub fn has_chat_provider(&self) -> bool {
        self.openai_api_key.is_some() || self.openai_base_url.is_some()
    }
}

/// Where embeddings come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EmbeddingProvider {
    /// In this process.
    Local,
    /// An OpenAI-compatible server.
    Openai,
}

/// `[knowledge]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Knowledge {
    /// Longest passage.
    pub passage_tokens: usize,
    /// HNSW degree, of memories too.
    pub hnsw_m: u32,
    /// HNSW build width.
    pub hnsw_ef_construction: u32,
    /// HNSW search width.
    pub hnsw_ef_search: u32,
    /// Filtered sets smaller than this are searched exactly.
    pub exact_below_rows: u32,
    /// Similarity below which a passage is no evidence; -1 takes the model's own value.
    pub similarity_floor: f32,
    /// What words weigh in a hybrid search where they hit in full.
    pub words_weight: f64,
    /// What labels weigh in it.
    pub labels_weight: f64,
    /// How fast repetitions of a word stop counting.
    pub bm25_k1: f64,
    /// How much a passage's length counts.
    pub bm25_b: f64,
}

/// `[memory]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// HNSW build width.
    pub hnsw_ef_construction: u32,
    /// HNSW search width.
    pub hnsw_ef_search: u32,
}

/// `[chat]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chat {
    /// Longest wait for retrieval.
    pub retrieval_deadline_ms: u64,
    /// Passages in the prompt.
    pub retrieved_passages: u64,
    /// Of those, the best that bring the text beside them along.
    pub expanded_passages: u64,
    /// Memories in the prompt.
    pub retrieved_memories: u64,
    /// Budget of a prompt, tool results aside; 0 is no budget.
    pub prompt_tokens: usize,
    /// Memories' share of what instructions, tools and question leave.
    pub memory_percent: usize,
    /// What memories may have all the same.
    pub memory_floor_tokens: usize,
    /// Documents' share of what instructions, tools and question leave.
    pub document_percent: usize,
    /// What documents may have all the same.
    pub document_floor_tokens: usize,
    /// Most of earlier turns; 0 is none.
    pub history_tokens: usize,
    /// Whether earlier turns that fall out are summarised by the model.
    pub summary: bool,
    /// Longest summary.
    pub summary_tokens: usize,
    /// Longest user message.
    pub message_characters: usize,
    /// Longest wait of a JSON-mode send.
    pub send_timeout_s: u64,
    /// Comment interval of an idle stream.
    pub heartbeat_s: u64,
    /// Life of a turn's lease.
    pub lease_s: u64,
}

impl Chat {
    /// Longest wait for retrieval.
    pub fn retrieval_deadline(&self) -> Duration {
        Duration::from_millis(self.retrieval_deadline_ms)
    }
}

/// `[jobs]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jobs {
    /// Jobs at once in this process.
    pub workers: usize,
    /// Life of a job's lease.
    pub lease_s: u64,
    /// Fallback of NOTIFY.
    pub poll_ms: u64,
}

/// `[telemetry]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telemetry {
    /// Level or filter.
    pub log_level: String,
    /// Shape of the lines.
    pub log_format: LogFormat,
    /// Opens `/metrics` to others than this machine.
    pub metrics_key: Option<SecretString>,
}

/// Shape of the log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For a person.
    Pretty,
    /// Pretty on a terminal, JSON otherwise.
    Auto,
}
