//! What a load balancer and an operator ask.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde::Serialize;
use utoipa::ToSchema;

use crate::db::{AiDb, AiTx, CoreDb, Mode, PoolState, migrate, space};
use crate::error::Result;
use crate::state::AppState;

/// A health check never waits longer for a database.
const DEADLINE: Duration = Duration::from_secs(2);

/// Overall state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything works.
    Ok,
    /// The ai database is away: chat, auth and history work, knowledge and memories do not.
    Degraded,
    /// The core database is away or migrations pend.
    Unavailable,
}

/// What `/health` and `/health/ready` say.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Health {
    /// Overall state.
    pub status: Verdict,
    /// Version of this binary.
    pub version: &'static str,
    /// Where the two schemas live.
    pub mode: Mode,
    /// The core database.
    pub core: DatabaseHealth,
    /// The ai database.
    pub ai: DatabaseHealth,
    /// Vector search.
    pub vectors: VectorHealth,
    /// What answers: `openai` (any compatible server) or `extractive`.
    pub chat_provider: &'static str,
}

/// One database.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct DatabaseHealth {
    /// Whether it answers.
    pub reachable: bool,
    /// How fast, in milliseconds.
    pub latency_ms: Option<f64>,
    /// Steps of its chain that are not applied.
    pub pending_migrations: Option<usize>,
    /// Open connections of this process.
    pub pool_size: u32,
    /// Of those, unused.
    pub pool_idle: u32,
    /// The most there can be.
    pub pool_max: u32,
}

/// Vector search.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct VectorHealth {
    /// Version of pgvector.
    pub pgvector: Option<String>,
    /// Whether both HNSW indexes are there.
    pub hnsw: bool,
    /// The active space: provider, model and dimensions.
    pub space: Option<String>,
    /// The space beside it while the model changes and while there is a way back, with its status.
    pub change: Option<String>,
}

/// State of the process and of both databases.
#[utoipa::path(get, path = "/health", tag = "health", security(()), responses((status = 200, body = Health)))]
pub async fn health(State(state): State<AppState>) -> axum::Json<Health> {
    axum::Json(examine(&state).await)
}

/// Whether the process runs.
#[utoipa::path(get, path = "/health/live", tag = "health", security(()), responses((status = 200, description = "It runs")))]
pub async fn live() -> &'static str {
    "ok"
}

/// Whether requests should be sent here: 200, also when only ai is away; 503 otherwise.
#[utoipa::path(get, path = "/health/ready", tag = "health", security(()), responses(
    (status = 200, body = Health),
    (status = 503, body = Health),
))]
pub async fn ready(State(state): State<AppState>) -> Response {
    let health = examine(&state).await;
    let status = match health.status {
        Verdict::Ok | Verdict::Degraded => StatusCode::OK,
        Verdict::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, axum::Json(health)).into_response()
}

async fn examine(state: &AppState) -> Health {
    let (core, (ai, vectors)) = tokio::join!(core_health(&state.core), ai_health(&state.ai));
    let status = if !core.reachable || core.pending_migrations != Some(0) {
        Verdict::Unavailable
    } else if !ai.reachable {
        Verdict::Degraded
    } else if ai.pending_migrations != Some(0) {
        Verdict::Unavailable
    } else {
        Verdict::Ok
    };
    Health {
        status,
        version: env!("CARGO_PKG_VERSION"),
        mode: state.mode,
        core,
        ai,
        vectors,
        chat_provider: if state.models.chat.is_some() { "openai" } else { "extractive" },
    }
}

async fn core_health(core: &CoreDb) -> DatabaseHealth {
    let mut health = of_pool(core.pool_state());
    let started = tokio::time::Instant::now();
    if let Ok(Ok(())) = tokio::time::timeout(DEADLINE, core.ping()).await {
        health.reachable = true;
        health.latency_ms = Some(started.elapsed().as_secs_f64() * 1000.0);
        health.pending_migrations = pending(migrate::core_status(core).await);
    }
    health
}

async fn ai_health(ai: &AiDb) -> (DatabaseHealth, VectorHealth) {
    let mut health = of_pool(ai.pool_state());
    let mut vectors = VectorHealth::default();
    let started = tokio::time::Instant::now();
    if let Ok(Ok(transaction)) = tokio::time::timeout(DEADLINE, ai.begin_worker()).await {
        health.reachable = true;
        health.latency_ms = Some(started.elapsed().as_secs_f64() * 1000.0);
        health.pending_migrations = pending(migrate::ai_status(ai).await);
        vectors = vector_health(ai, &transaction).await.unwrap_or_default();
    }
    (health, vectors)
}

async fn vector_health(ai: &AiDb, transaction: &AiTx) -> Result<VectorHealth> {
    let statement = Statement::from_string(
        DbBackend::Postgres,
        "SELECT (SELECT extversion FROM pg_extension WHERE extname = 'vector') AS version,
                (SELECT count(*) FROM pg_indexes WHERE indexdef LIKE '%USING hnsw%'
                    AND schemaname = current_schema()
                    AND indexname IN ('ix_ai_kb_documents_embedding_hnsw', 'ix_ai_memories_embedding_hnsw')) AS indexes",
    );
    let (space, change) = space::names(ai).await?;
    let Some(row) = transaction.query_one_raw(statement).await? else {
        return Ok(VectorHealth::default());
    };
    Ok(VectorHealth {
        pgvector: row.try_get("", "version")?,
        hnsw: row.try_get::<i64>("", "indexes")? == 2,
        space,
        change,
    })
}

fn of_pool(pool: PoolState) -> DatabaseHealth {
    DatabaseHealth { pool_size: pool.size, pool_idle: pool.idle, pool_max: pool.max, ..Default::default() }
}

fn pending(steps: Result<Vec<migrate::Step>>) -> Option<usize> {
    steps.ok().map(|steps| steps.iter().filter(|step| !step.applied).count())
}
