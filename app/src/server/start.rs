//! From settings to a running server, and back down.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use super::schedule;
use crate::config::Settings;
use crate::db::{Databases, Purpose, migrate};
use crate::error::{Context, Error, Result};
use crate::jobs::outbox::Relay;
use crate::jobs::{Listener, Registry, Worker};
use crate::llm::LanguageModels;
use crate::router;
use crate::state::AppState;

/// How long running turns, jobs and open streams may take to end.
const GRACE: Duration = Duration::from_secs(20);

/// Opens databases and models and assembles the state. Pending migrations are
/// applied, or refused if `migrate_pending` is false.
pub async fn open(
    settings: Settings,
    purpose: Purpose,
    migrate_pending: bool,
) -> Result<(Databases, AppState)> {
    let settings = Arc::new(settings);
    let databases = Databases::open(&settings, purpose).await?;
    match assemble(&settings, &databases, migrate_pending).await {
        Ok(state) => Ok((databases, state)),
        Err(error) => {
            databases.close().await?;
            Err(error)
        }
    }
}

async fn assemble(
    settings: &Arc<Settings>,
    databases: &Databases,
    migrate_pending: bool,
) -> Result<AppState> {
    let models = {
        let settings = Arc::clone(settings);
        tokio::task::spawn_blocking(move || {
            LanguageModels::from_settings(&settings.models, &settings.embedded.cache_dir)
        })
    };
    let models = models.await.context("loading the models")??;
    if migrate_pending {
        prepare(databases, &models, settings).await?;
    } else {
        refuse_pending(databases).await?;
    }
    AppState::new(Arc::clone(settings), databases, models, super::events()).await
}

/// Brings both schemas up to date and ensures the embedding space.
pub async fn prepare(databases: &Databases, models: &LanguageModels, settings: &Settings) -> Result<()> {
    migrate::core_up(&databases.core).await?;
    migrate::ai_up(&databases.ai, models.embedder.space(), &settings.knowledge).await
}

async fn refuse_pending(databases: &Databases) -> Result<()> {
    let core = migrate::core_status(&databases.core).await?;
    let ai = migrate::ai_status(&databases.ai).await?;
    let pending: Vec<String> =
        core.into_iter().chain(ai).filter(|step| !step.applied).map(|step| step.name).collect();
    if pending.is_empty() {
        return Ok(());
    }
    Err(Error::startup(
        format!("migrations are pending: {}", pending.join(", ")),
        "run `tandem migrate`, or start without --no-migrate",
    ))
}

/// Binds the configured address.
pub async fn listen(settings: &Settings) -> Result<TcpListener> {
    let address = SocketAddr::new(settings.http.host, settings.http.port);
    TcpListener::bind(address).await.map_err(|error| {
        Error::startup(
            format!("cannot listen on {address}: {error}"),
            "stop what listens there, or set PORT (0 picks a free port) and HOST",
        )
    })
}

/// The handlers of every kind of job. Registered here, in the top tier, so that
/// lower tiers can enqueue what higher ones run.
pub fn jobs(state: &AppState) -> Registry {
    let ingest = state.clone();
    Registry::default().with(crate::knowledge::jobs::INGEST, move |context| {
        crate::knowledge::jobs::ingest(ingest.clone(), context)
    })
}

/// Starts workers, relay and schedules, unless `WORKERS=0`.
pub fn background(state: &AppState, databases: &Databases) {
    if let Some(server) = databases.embedded() {
        let (server, stop) = (Arc::clone(server), state.shutdown.clone());
        state.tasks.spawn(async move { server.supervise(stop).await });
    }
    if state.settings.jobs.workers > 0 {
        let worker = Worker::new(state.core.clone(), jobs(state), state.settings.jobs.clone());
        let relay = Relay::new(state.outbox.clone(), Duration::from_millis(state.settings.jobs.poll_ms));
        let mut listener = Listener::new(state.core.clone());
        worker.listen(&mut listener);
        relay.listen(&mut listener);
        listener.start(&state.tasks, &state.shutdown);
        worker.start(&state.tasks, &state.shutdown);
        relay.start(&state.tasks, &state.shutdown);
        schedule::start(state);
    }
}

/// Serves until `stop` resolves, then ends what runs within a bound.
pub async fn serve(state: AppState, listener: TcpListener, stop: impl Future<Output = ()>) -> Result<()> {
    let shutdown = state.shutdown.clone();
    let app = router::build(state.clone());
    let serving = axum::serve(listener, app).with_graceful_shutdown(shutdown.clone().cancelled_owned());
    let serving = std::pin::pin!(serving.into_future());
    let watched = async {
        stop.await;
        tracing::info!("stopping: no new requests, running turns are finished");
        shutdown.cancel();
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        served = serving => served.context("serving HTTP")?,
        () = watched => tracing::warn!("stopped with streams still open"),
    }
    shutdown.cancel();
    state.tasks.close();
    if tokio::time::timeout(GRACE, state.tasks.wait()).await.is_err() {
        tracing::warn!("stopped with work still running; its leases will run out");
    }
    Ok(())
}
