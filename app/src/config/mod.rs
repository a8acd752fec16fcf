//! Settings: documented defaults, then files, then the environment.
//!
//! One small struct a section, read once at start and never again. The
//! environment is a parameter, so tests never touch the process's own.

mod engines;
mod files;
mod ledger;
mod market;
mod network;
mod portfolio;
mod rerank;
mod sections;
mod source;
mod spaces;
mod tools;
mod validate;

pub use engines::{Engines, VectorEngine};
pub use files::Files;
pub use ledger::{Money, Price, Prices, Quota};
pub use market::{Market, MarketProvider};
pub use network::Network;
pub use portfolio::Portfolio;
pub use rerank::{Rerank, RerankStyle};
pub use sections::{
    App, AppEnv, Auth, Chat, Database, Embedded, EmbeddingProvider, Http, Jobs, Knowledge, LogFormat, Memory,
    Models, Registration, Telemetry,
};
pub use spaces::Spaces;
pub use tools::Tools;

use std::collections::HashMap;

use serde::Deserialize;

use crate::error::Result;

/// The defaults, as shipped and as documented in the README.
pub const DEFAULTS: &str = include_str!("../../config/default.toml");

/// The environment as a map, so that it can be given.
pub type Env = HashMap<String, String>;

/// All settings of a process.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// What kind of deployment this is.
    pub app: App,
    /// Listening and limits.
    pub http: Http,
    /// The two databases.
    pub database: Database,
    /// The embedded Postgres.
    pub embedded: Embedded,
    /// Tokens and registration.
    pub auth: Auth,
    /// Chat and embedding models.
    pub models: Models,
    /// Passages and vector search.
    pub knowledge: Knowledge,
    /// Changing the embedding model, and building its indexes.
    pub spaces: Spaces,
    /// What finds candidates.
    pub engines: Engines,
    /// Search over memories.
    pub memory: Memory,
    /// Uploaded files and their parsers.
    pub files: Files,
    /// The turn.
    pub chat: Chat,
    /// What the model may call.
    pub tools: Tools,
    /// What an account comprises.
    pub portfolio: Portfolio,
    /// What a user may take.
    pub quota: Quota,
    /// What models cost.
    pub prices: Prices,
    /// A model that orders passages anew.
    pub rerank: Rerank,
    /// Where prices come from.
    pub market: Market,
    /// The job workers.
    pub jobs: Jobs,
    /// Logs.
    pub telemetry: Telemetry,
}

impl Settings {
    /// Reads defaults, `config/*.toml` and the given environment, and checks every value.
    pub fn load(env: &Env) -> Result<Self> {
        let settings = source::read(env)?;
        validate::check(&settings)?;
        Ok(settings)
    }

    /// Reads the environment of this process. The only place that does.
    pub fn from_process_env() -> Result<Self> {
        let env = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self::load(&env)
    }

    /// Whether both schemas live in the embedded Postgres.
    pub fn is_embedded(&self) -> bool {
        self.database.core_url.is_none() && self.database.ai_url.is_none()
    }

    /// Whether only this machine can reach the server.
    pub fn is_loopback(&self) -> bool {
        self.http.host.is_loopback()
    }

    /// Who may register, with the default that depends on where the server listens.
    pub fn registration(&self) -> Registration {
        self.auth.registration.unwrap_or({
            if self.is_embedded() && self.is_loopback() { Registration::Open } else { Registration::Closed }
        })
    }
}
