//! `GET /metrics`

use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::db::{CoreDb, PoolState};
use crate::error::{Error, Result};
use crate::jobs::outbox;
use crate::state::AppState;
use crate::telemetry::metrics::{MEDIA_TYPE, Metrics};

/// Nobody who scrapes waits longer for a database.
const DEADLINE: Duration = Duration::from_secs(2);

/// What a proxy adds: then the peer is the proxy, and who asks is not known.
const FORWARDED: [&str; 4] = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip"];

/// Metrics.
///
/// In the text format of Prometheus (OpenMetrics). For this machine, when the
/// request was not forwarded, and for whoever sends `METRICS_KEY` as bearer.
#[utoipa::path(get, path = "/metrics", tag = "health", security(()), responses(
    (status = 200, description = "Counters", content_type = "application/openmetrics-text", body = String),
    crate::web::Problems
))]
pub async fn metrics(State(state): State<AppState>, request: Request) -> Result<Response> {
    admit(&state, &request)?;
    let metrics = &state.metrics;
    count_pool(metrics, "core", state.core.pool_state());
    count_pool(metrics, "ai", state.ai.pool_state());
    metrics.queues_unknown();
    match tokio::time::timeout(DEADLINE, count_queues(metrics, &state.core)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the queues cannot be counted"),
        Err(_) => tracing::warn!("the queues cannot be counted in time"),
    }
    Ok(([(header::CONTENT_TYPE, MEDIA_TYPE)], metrics.render()?).into_response())
}

fn admit(state: &AppState, request: &Request) -> Result<()> {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip().to_canonical());
    let headers = request.headers();
    let is_forwarded = FORWARDED.iter().any(|name| headers.contains_key(*name));
    if peer.is_some_and(|peer| peer.is_loopback()) && !is_forwarded {
        return Ok(());
    }
    match (&state.settings.telemetry.metrics_key, bearer(headers)) {
        (Some(key), Some(given)) if is_same(key, given) => Ok(()),
        (Some(_), _) => {
            Err(Error::unauthenticated("metrics_key", "send the header Authorization: Bearer <METRICS_KEY>"))
        }
        (None, _) => Err(Error::forbidden(
            "metrics_closed",
            "metrics are for this machine only; METRICS_KEY opens them to others",
        )),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, key) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

/// In constant time: what is compared are hashes, and all of their bytes.
fn is_same(key: &SecretString, given: &str) -> bool {
    let one = Sha256::digest(key.expose_secret().as_bytes());
    let other = Sha256::digest(given.as_bytes());
    one.iter().zip(other.iter()).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

fn count_pool(metrics: &Metrics, database: &'static str, pool: PoolState) {
    metrics.pool(database, "open", pool.size);
    metrics.pool(database, "idle", pool.idle);
    metrics.pool(database, "max", pool.max);
}

/// Jobs that are not over; finished ones are not counted, they would be many.
async fn count_queues(metrics: &Metrics, core: &CoreDb) -> Result<()> {
    let statement = Statement::from_string(
        DbBackend::Postgres,
        "SELECT state.name AS state, (SELECT count(*) FROM jobs WHERE jobs.status = state.name) AS rows
           FROM (VALUES ('queued'), ('running'), ('failed')) AS state (name)",
    );
    for row in core.query_all_raw(statement).await? {
        metrics.queue("jobs", &row.try_get::<String>("", "state")?, row.try_get("", "rows")?);
    }
    let outbox = outbox::counts(core).await?;
    metrics.queue("outbox", "pending", outbox.pending);
    metrics.queue("outbox", "dead", outbox.dead);
    Ok(())
}
