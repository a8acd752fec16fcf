//! From settings to a running server, and back down.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use super::{prepare, schedule, watch};
use crate::config::Settings;
use crate::db::{Databases, Purpose};
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
    match assemble(&settings, &databases, purpose, migrate_pending).await {
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
    purpose: Purpose,
    migrate_pending: bool,
) -> Result<AppState> {
    let models = {
        let settings = Arc::clone(settings);
        tokio::task::spawn_blocking(move || {
            LanguageModels::from_settings(&settings.models, &settings.embedded.cache_dir)
        })
    };
    let models = models.await.context("loading the models")??;
    prepare::schemas(databases, &models, settings, purpose, migrate_pending).await?;
    AppState::new(Arc::clone(settings), databases, models, super::events()).await
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
/// An ai database that was away is migrated when it is back, or refused then.
pub fn background(state: &AppState, databases: &Databases, migrate_pending: bool) {
    if let Some(server) = databases.embedded() {
        let (server, stop) = (Arc::clone(server), state.shutdown.clone());
        state.tasks.spawn(async move { server.supervise(stop).await });
    }
    state.tasks.spawn(watch::databases(state.clone()));
    if state.ai.is_closed() {
        state.tasks.spawn(prepare::ai_when_it_is_back(state.clone(), databases.clone(), migrate_pending));
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
