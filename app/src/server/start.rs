//! From settings to a running server, and back down.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::FusedFuture;

use super::listen::Connections;
use super::{prepare, schedule, watch};
use crate::analytics::Runner;
use crate::config::Settings;
use crate::db::pair::Pairing;
use crate::db::{Databases, Purpose, migrate};
use crate::error::{CanFail, Context, Error, Result};
use crate::jobs::outbox::Relay;
use crate::jobs::{Heard, Listener, Registry, Worker};
use crate::llm::LanguageModels;
use crate::state::AppState;
use crate::web::signals::Stop;
use crate::{chat, router};

/// How long what still runs after its grace may take to hand over.
const HAND_OVER: Duration = Duration::from_secs(5);
/// How long clients may take to read the last of it.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Opens databases and models and assembles the state. Pending migrations are
/// applied, or refused if `migrate_pending` is false.
pub async fn open(
    settings: Settings,
    purpose: Purpose,
    migrate_pending: bool,
) -> Result<(Databases, AppState)> {
    let settings = Arc::new(settings);
    // Either takes a noticeable part of a second, and neither needs the other.
    let (databases, models) = tokio::join!(Databases::open(&settings, purpose), load_models(&settings));
    let databases = databases?;
    match assemble(&settings, &databases, models, purpose, migrate_pending).await {
        Ok(state) => Ok((databases, state)),
        Err(error) => {
            databases.close().await?;
            Err(error)
        }
    }
}

/// Opens the databases for a command that needs core alone. The models, which
/// take most of a short command's time, are loaded only if something pends.
pub async fn open_core(settings: &Settings) -> Result<Databases> {
    let databases = Databases::open(settings, Purpose::Command).await?;
    match bring_core_up(settings, &databases).await {
        Ok(()) => Ok(databases),
        Err(error) => {
            databases.close().await?;
            Err(error)
        }
    }
}

async fn bring_core_up(settings: &Settings, databases: &Databases) -> Result<()> {
    // Also refuses two databases that do not belong together.
    Pairing::check(databases).await?.close().await;
    if migrate::core_status(&databases.core).await?.iter().all(|step| step.applied) {
        return Ok(());
    }
    prepare::prepare(databases, &load_models(settings).await?, settings).await
}

async fn load_models(settings: &Settings) -> Result<LanguageModels> {
    let (models, cache_dir) = (settings.models.clone(), settings.embedded.cache_dir.clone());
    tokio::task::spawn_blocking(move || LanguageModels::from_settings(&models, &cache_dir))
        .await
        .context("loading the models")?
}

async fn assemble(
    settings: &Arc<Settings>,
    databases: &Databases,
    models: Result<LanguageModels>,
    purpose: Purpose,
    migrate_pending: bool,
) -> Result<AppState> {
    let models = models?;
    prepare::schemas(databases, &models, settings, purpose, migrate_pending).await?;
    AppState::new(Arc::clone(settings), databases, models, super::events(), crate::chat::turn_statements())
        .await
}

/// The handlers of every kind of job. Registered here, in the top tier, so that
/// lower tiers can enqueue what higher ones run.
pub fn jobs(state: &AppState) -> Registry {
    let (ingest, title, summary) = (state.clone(), state.clone(), state.clone());
    Registry::default()
        .with(crate::knowledge::jobs::INGEST, move |context| {
            crate::knowledge::jobs::ingest(ingest.clone(), context)
        })
        .with(crate::chat::titles::TITLE, move |context| crate::chat::titles::give(title.clone(), context))
        .with(crate::chat::summary::SUMMARY, move |context| {
            crate::chat::summary::write(summary.clone(), context)
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
    let may_build = migrate_pending && state.settings.jobs.workers > 0;
    state.tasks.spawn(watch::engine(state.clone(), may_build));
    let mut listener = Listener::new(state.core.clone());
    chat::listen(state, &mut listener);
    hear_of_spaces(state, &mut listener);
    if state.settings.jobs.workers > 0 {
        let worker = Worker::new(state.core.clone(), jobs(state), state.settings.jobs.clone());
        let relay = Relay::new(state.outbox.clone(), Duration::from_millis(state.settings.jobs.poll_ms));
        worker.listen(&mut listener);
        relay.listen(&mut listener);
        let batch = Runner::new(state.clone());
        batch.listen(&mut listener);
        batch.start(&state.tasks, &state.shutdown);
        worker.start(&state.tasks, &state.shutdown);
        relay.start(&state.tasks, &state.shutdown);
        schedule::start(state);
        state.tasks.spawn(watch::spaces(state.clone()));
    }
    listener.start(&state.tasks, &state.shutdown);
}

/// Another process may have begun, switched or ended an embedding space.
fn hear_of_spaces(state: &AppState, listener: &mut Listener) {
    let state = state.clone();
    listener.on(crate::spaces::CHANNEL, move |heard| {
        if heard == Heard::Lost {
            return;
        }
        let spaces = state.spaces.clone();
        state.tasks.spawn(async move {
            // A start takes few connections, and knows of no space yet.
            spaces.refresh_known().await.can_fail("the spaces are read again with the next vector");
        });
    });
}

/// Serves until `stop` resolves, then ends what runs within a bound. Turns that
/// have not ended by then are handed over: their text is kept, they are marked
/// interrupted, and whoever follows them goes on at another replica.
pub async fn serve(state: AppState, connections: Connections, stop: impl Future<Output = ()>) -> Result<()> {
    let shutdown = state.shutdown.clone();
    let app = router::build(state.clone()).into_make_service_with_connect_info::<SocketAddr>();
    let serving = axum::serve(connections, app).with_graceful_shutdown(shutdown.clone().cancelled_owned());
    let mut serving = std::pin::pin!(serving.into_future().fuse());
    tokio::select! {
        served = &mut serving => served.context("serving HTTP")?,
        () = stop => tracing::info!("stopping: no new requests, running turns are finished"),
    }
    shutdown.cancel();
    state.tasks.close();
    let ended = async {
        if !serving.is_terminated() {
            (&mut serving).await.context("serving HTTP")?;
        }
        state.tasks.wait().await;
        Ok::<_, Error>(())
    };
    let grace = Duration::from_secs(state.settings.http.grace_s);
    if let Ok(ended) = tokio::time::timeout(grace, ended).await {
        return ended;
    }
    state.live.stop_all(Stop::Shutdown);
    if tokio::time::timeout(HAND_OVER, state.tasks.wait()).await.is_err() {
        tracing::warn!("stopped with work still running; its leases will run out");
    }
    // Their clients hear of it, if they listen.
    if !serving.is_terminated() && tokio::time::timeout(LAST_WORDS, serving).await.is_err() {
        tracing::warn!("stopped with streams still open");
    }
    Ok(())
}
