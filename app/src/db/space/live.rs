//! What this process knows of the spaces. It may be late: the database has the
//! last word whenever a vector meets a column ([`super::pin`]).

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use entity::ai::embedding_space;
use entity::ids::SpaceId;

use super::column::Place;
use super::{is_moved, named, spec_of, variables};
use crate::config::{Models, Settings};
use crate::db::handle::AiDb;
use crate::error::{Context, Error, Result};
use crate::llm::{self, Embedder, SpaceSpec};

/// A space with the model that makes its vectors.
#[derive(Clone, Debug)]
pub struct Space {
    /// The space.
    pub id: SpaceId,
    /// Its model.
    pub embedder: Arc<dyn Embedder>,
}

/// The space that is searched, and the one beside it.
#[derive(Clone, Debug)]
pub struct Active {
    /// The space that is searched.
    pub space: Space,
    /// The next or the previous one, if this process has its model.
    pub beside: Option<(Place, Space)>,
}

/// The spaces, as this process knows them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Spaces(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    ai: AiDb,
    configured: Arc<dyn Embedder>,
    models: Models,
    cache_dir: PathBuf,
    known: RwLock<Option<Arc<Active>>>,
}

impl Spaces {
    /// Nothing is asked for yet.
    pub fn new(ai: AiDb, configured: Arc<dyn Embedder>, settings: &Settings) -> Self {
        Self(Arc::new(Inner {
            ai,
            configured,
            models: settings.models.clone(),
            cache_dir: settings.embedded.cache_dir.clone(),
            known: RwLock::default(),
        }))
    }

    /// The active space's model, as far as is known: the configured one before the database was asked.
    pub fn embedder(&self) -> Arc<dyn Embedder> {
        self.known()
            .map_or_else(|| Arc::clone(&self.0.configured), |active| Arc::clone(&active.space.embedder))
    }

    /// The active space, as this process knows it.
    pub async fn active(&self) -> Result<Arc<Active>> {
        match self.known() {
            Some(active) => Ok(active),
            None => self.refresh().await,
        }
    }

    /// Reads again what was read before; what was not is read when it is needed.
    pub async fn refresh_known(&self) -> Result<()> {
        if self.known().is_some() {
            self.refresh().await?;
        }
        Ok(())
    }

    /// The active space, as the database has it now.
    pub async fn refresh(&self) -> Result<Arc<Active>> {
        let (active, beside) = self.rows().await?;
        let space = Space { id: active.id, embedder: self.model(spec_of(&active)).await? };
        let beside = match beside {
            None => None,
            Some(row) => match self.model(spec_of(&row)).await {
                Ok(embedder) => Some((Place::of(row.status), Space { id: row.id, embedder })),
                Err(error) => {
                    tracing::warn!(%error, "new rows get no vector for the space beside the active one here");
                    None
                }
            },
        };
        let active = Arc::new(Active { space, beside });
        *self.0.known.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&active));
        Ok(active)
    }

    /// After a failure: whether the space had changed, and the same can be done again in the new one.
    pub async fn again(&self, active: &mut Arc<Active>, error: &Error) -> Result<bool> {
        if !is_moved(error) {
            return Ok(false);
        }
        let before = active.space.id;
        *active = self.refresh().await?;
        Ok(active.space.id != before)
    }

    /// After a failure: whether the vector was of another space than the active one, which is known now.
    pub async fn moved(&self, error: &Error) -> Result<bool> {
        if !is_moved(error) {
            return Ok(false);
        }
        self.refresh().await?;
        Ok(true)
    }

    /// The model of a space; one that is loaded already is used again.
    pub async fn model(&self, spec: SpaceSpec) -> Result<Arc<dyn Embedder>> {
        let loaded = self.known().and_then(|known| {
            let beside = known.beside.as_ref().map(|(_, space)| &space.embedder);
            [Some(&self.0.configured), Some(&known.space.embedder), beside]
                .into_iter()
                .flatten()
                .find(|embedder| *embedder.space() == spec)
                .cloned()
        });
        if let Some(embedder) = loaded {
            return Ok(embedder);
        }
        if *self.0.configured.space() == spec {
            return Ok(Arc::clone(&self.0.configured));
        }
        let embedder = self.make(&spec.provider, Some(&spec.model), Some(spec.dimensions)).await?;
        if *embedder.space() == spec {
            return Ok(embedder);
        }
        Err(unavailable(&spec, None))
    }

    /// A model by the names of a command or a request.
    pub async fn make(
        &self,
        provider: &str,
        model: Option<&str>,
        dimensions: Option<u32>,
    ) -> Result<Arc<dyn Embedder>> {
        let mut models = self.0.models.clone();
        models.embedding_provider = llm::embedding_provider(provider)?;
        models.embedding_model = model.map(str::to_owned);
        models.embedding_dimensions = dimensions;
        let cache_dir = self.0.cache_dir.clone();
        tokio::task::spawn_blocking(move || llm::embedder(&models, &cache_dir))
            .await
            .context("loading a model")?
    }

    fn known(&self) -> Option<Arc<Active>> {
        self.0.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn rows(&self) -> Result<(embedding_space::Model, Option<embedding_space::Model>)> {
        let transaction = self.0.ai.begin_worker().await?;
        let active =
            super::find_active(&transaction).await?.ok_or(Error::NotFound("active embedding space"))?;
        Ok((active, super::find_beside(&transaction).await?))
    }
}

/// 503: the database is on a model that this process cannot have.
pub(super) fn unavailable(spec: &SpaceSpec, source: Option<Error>) -> Error {
    Error::Unavailable {
        code: "embedder_unavailable",
        detail: format!("the active embedding space is {}; set {}", named(spec), variables(spec)),
        source: source.map(Into::into),
    }
}
