//! What every request and every job can reach. Cheap to clone.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rand::Rng;
use secrecy::{ExposeSecret, SecretSlice};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Settings;
use crate::db::documents::{DocumentStore, Documents};
use crate::db::engine;
use crate::db::journal::Journal;
use crate::db::space::Spaces;
use crate::db::{AiDb, CoreDb, Databases, LargeFilters, Mode, settings};
use crate::error::{Context, Result};
use crate::jobs::outbox::{self, Outbox};
use crate::llm::rerank::{self, Reranker};
use crate::llm::{Embedder, LanguageModels};
use crate::parse::Slots;
use crate::telemetry::metrics::Metrics;
use crate::web::far::FarLogs;
use crate::web::live::LiveLogs;

/// The application's shared state: one count to raise a request, however much it holds.
#[derive(Clone, Debug)]
pub struct AppState(Arc<Parts>);

/// What the state is made of.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Settings of this process.
    pub settings: Arc<Settings>,
    /// Users, conversations, jobs.
    pub core: CoreDb,
    /// Knowledge, memories, feedback.
    pub ai: AiDb,
    /// Where the two live.
    pub mode: Mode,
    /// What chats and embeds.
    pub models: LanguageModels,
    /// What orders passages anew; none: they keep the order of the search.
    pub reranker: Option<Arc<dyn Reranker>>,
    /// The embedding spaces and their models.
    pub spaces: Spaces,
    /// What ai has to learn of core.
    pub outbox: Outbox,
    /// Where running turns store their events.
    pub journal: Journal,
    /// Where conversations begin.
    pub beginnings: DocumentStore,
    /// Where turns end.
    pub endings: DocumentStore,
    /// Signs tokens; the same on every replica.
    pub signing_key: Arc<SecretSlice<u8>>,
    /// How many files are received and parsed at once.
    pub slots: Slots,
    /// Turns running in this process.
    pub live: LiveLogs,
    /// Turns of other processes that are followed in this one.
    pub far: FarLogs,
    /// What this process counts.
    pub metrics: Metrics,
    /// What searches learned about their filters.
    pub large_filters: LargeFilters,
    /// The vector indexes that are searched.
    pub engine: engine::InUse,
    /// Whether every passage was in the index over words when that was looked at last.
    pub is_word_index_whole: Arc<AtomicBool>,
    /// Work that outlives its request; shutdown waits for it.
    pub tasks: TaskTracker,
    /// Cancelled when the process begins to stop.
    pub shutdown: CancellationToken,
}

/// What turns are stored by (see [`crate::db::documents`]).
#[derive(Clone, Copy, Debug)]
pub struct TurnStatements {
    /// Begins conversations with their first turns.
    pub beginning: &'static str,
    /// Ends turns.
    pub ending: &'static str,
}

impl Deref for AppState {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl From<Parts> for AppState {
    fn from(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl AppState {
    /// Assembles the state over migrated databases; the rooms above it say what each
    /// kind of event does, and by which statements turns begin and end.
    pub async fn new(
        settings: Arc<Settings>,
        databases: &Databases,
        models: LanguageModels,
        events: outbox::Registry,
        turns: TurnStatements,
    ) -> Result<Self> {
        let signing_key = Arc::new(signing_key(&settings, &databases.core).await?);
        let tasks = TaskTracker::new();
        let lease = Duration::from_secs(settings.jobs.lease_s);
        let (core, ai) = (databases.core.clone(), databases.ai.clone());
        let outbox = Outbox::new(core, ai, events, lease, tasks.clone());
        let slots = Slots::new(&settings.files);
        let reranker = rerank::from_settings(&settings.rerank)?;
        let spaces = Spaces::new(databases.ai.clone(), Arc::clone(&models.embedder), &settings);
        let journal = Journal::start(&databases.core);
        let beginnings = Documents::start(&databases.core, turns.beginning);
        let endings = Documents::start(&databases.core, turns.ending);
        let engine = engine::InUse::expected(&settings);
        Ok(Self::from(Parts {
            settings,
            core: databases.core.clone(),
            ai: databases.ai.clone(),
            mode: databases.mode,
            models,
            reranker,
            spaces,
            outbox,
            journal,
            beginnings,
            endings,
            signing_key,
            slots,
            live: LiveLogs::default(),
            far: FarLogs::default(),
            metrics: Metrics::new(),
            large_filters: LargeFilters::default(),
            engine,
            is_word_index_whole: Arc::default(),
            tasks,
            shutdown: CancellationToken::new(),
        }))
    }

    /// The model of the active embedding space, as far as this process knows.
    pub fn embedder(&self) -> Arc<dyn Embedder> {
        self.spaces.embedder()
    }

    /// Similarity below which a passage or memory does not speak of the question.
    pub fn similarity_floor(&self) -> f32 {
        let configured = self.settings.knowledge.similarity_floor;
        if configured < 0.0 { self.embedder().similarity_floor() } else { configured }
    }
}

/// `JWT_SECRET`, or a random key made once and kept in core, so that tokens
/// survive restarts and replicas agree.
pub async fn signing_key(settings_: &Settings, core: &CoreDb) -> Result<SecretSlice<u8>> {
    if let Some(secret) = &settings_.auth.jwt_secret {
        return Ok(secret.expose_secret().as_bytes().to_vec().into());
    }
    let mut proposed = [0_u8; 32];
    rand::rng().fill_bytes(&mut proposed);
    let stored = settings::get_or_insert(core, "auth.signing_key", STANDARD.encode(proposed).into()).await?;
    let key = STANDARD.decode(stored.as_str().unwrap_or_default()).context("reading the signing key")?;
    Ok(key.into())
}
