//! What a type cannot say: ranges, and settings that need each other.

use secrecy::ExposeSecret;

use super::{AppEnv, Settings, engines, files, ledger, market, portfolio, rerank, tools};
use crate::error::{Error, Result};

const JWT_SECRET_CHARACTERS_MIN: usize = 32;
const METRICS_KEY_CHARACTERS_MIN: usize = 16;

pub(super) fn check(settings: &Settings) -> Result<()> {
    ranges(settings)?;
    origins(settings)?;
    secrets(settings)?;
    market::check(&settings.market)?;
    rerank::check(&settings.rerank)?;
    production(settings)
}

fn ranges(settings: &Settings) -> Result<()> {
    let Settings { database, auth, models, knowledge, chat, jobs, http, memory, spaces, .. } = settings;
    let checks: [(&str, u64, u64, u64); 36] = [
        ("database.core_pool_max", u64::from(database.core_pool_max), 1, 1000),
        ("database.ai_pool_max", u64::from(database.ai_pool_max), 1, 1000),
        ("database.ai_wait_ms", database.ai_wait_ms, 100, 60_000),
        ("auth.access_token_ttl_s", auth.access_token_ttl_s, 60, 86_400),
        ("auth.refresh_token_ttl_s", auth.refresh_token_ttl_s, 60, 31_536_000),
        ("models.answer_timeout_s", models.answer_timeout_s, 1, 86_400),
        ("auth.login_window_s", auth.login_window_s, 1, 86_400),
        ("auth.login_failures", u64::from(auth.login_failures), 1, 1_000_000),
        ("auth.login_failures_per_address", u64::from(auth.login_failures_per_address), 1, 1_000_000),
        ("auth.login_failures_per_account", u64::from(auth.login_failures_per_account), 1, 1_000_000),
        ("models.embedding_batch", models.embedding_batch as u64, 1, 2048),
        ("models.embedding_concurrency", models.embedding_concurrency as u64, 1, 64),
        ("models.retries", u64::from(models.retries), 0, 10),
        ("knowledge.passage_tokens", knowledge.passage_tokens as u64, 16, 8192),
        ("knowledge.hnsw_m", u64::from(knowledge.hnsw_m), 2, 100),
        ("knowledge.hnsw_ef_construction", u64::from(knowledge.hnsw_ef_construction), 4, 1000),
        ("knowledge.hnsw_ef_search", u64::from(knowledge.hnsw_ef_search), 1, 1000),
        ("spaces.recall_samples", u64::from(spaces.recall_samples), 1, 10_000),
        ("spaces.index_memory_mb", u64::from(spaces.index_memory_mb), 1, 1 << 20),
        ("spaces.index_workers", u64::from(spaces.index_workers), 0, 64),
        ("memory.hnsw_ef_construction", u64::from(memory.hnsw_ef_construction), 4, 1000),
        ("memory.hnsw_ef_search", u64::from(memory.hnsw_ef_search), 1, 1000),
        ("chat.retrieved_passages", chat.retrieved_passages, 0, 50),
        ("chat.expanded_passages", chat.expanded_passages, 0, 50),
        ("chat.retrieved_memories", chat.retrieved_memories, 0, 50),
        ("chat.prompt_tokens", chat.prompt_tokens as u64, 0, 10_000_000),
        ("chat.memory_percent", chat.memory_percent as u64, 0, 100),
        ("chat.memory_floor_tokens", chat.memory_floor_tokens as u64, 0, 100_000),
        ("chat.document_percent", chat.document_percent as u64, 0, 100),
        ("chat.document_floor_tokens", chat.document_floor_tokens as u64, 0, 100_000),
        ("chat.summary_tokens", chat.summary_tokens as u64, 20, 10_000),
        ("chat.heartbeat_s", chat.heartbeat_s, 1, 300),
        ("chat.lease_s", chat.lease_s, 3, 3600),
        ("jobs.workers", jobs.workers as u64, 0, 256),
        ("http.grace_s", http.grace_s, 0, 3600),
        ("http.json_limit_bytes", http.json_limit_bytes as u64, 1024, 1 << 30),
    ];
    let sections = files::ranges(&settings.files)
        .into_iter()
        .chain(tools::ranges(&settings.tools))
        .chain(ledger::ranges(&settings.quota))
        .chain(market::ranges(&settings.market))
        .chain(portfolio::ranges(&settings.portfolio))
        .chain(rerank::ranges(&settings.rerank))
        .chain(engines::ranges(settings.engines));
    let weights = [
        ("knowledge.words_weight", knowledge.words_weight, 10.0),
        ("knowledge.labels_weight", knowledge.labels_weight, 10.0),
        ("knowledge.bm25_k1", knowledge.bm25_k1, 10.0),
        ("knowledge.bm25_b", knowledge.bm25_b, 1.0),
    ];
    for (key, given, high) in weights {
        if !(0.0..=high).contains(&given) {
            return Err(Error::startup(
                format!("{key} is {given}, allowed are 0 to {high}"),
                format!("set {key} to a value from 0 to {high}"),
            ));
        }
    }
    for (key, given, low, high) in checks.into_iter().chain(sections) {
        if !(low..=high).contains(&given) {
            return Err(Error::startup(
                format!("{key} is {given}, allowed are {low} to {high}"),
                format!("set {key} to a value from {low} to {high}"),
            ));
        }
    }
    Ok(())
}

/// Origins are compared as text, so they must be written as browsers send them.
fn origins(settings: &Settings) -> Result<()> {
    for given in &settings.http.cors_origins {
        let as_sent = url::Url::parse(given).ok().and_then(|url| origin(&url));
        if as_sent.as_ref() != Some(given) {
            let proposal = as_sent.unwrap_or_else(|| "https://app.example.com".to_owned());
            return Err(Error::startup(
                format!("CORS_ORIGINS (http.cors_origins) names {given:?}, which is not an origin"),
                format!("write scheme, host and port only, for example {proposal}; there is no wildcard"),
            ));
        }
    }
    Ok(())
}

/// Also of the schemes that apps give their own pages, such as `capacitor:`.
fn origin(url: &url::Url) -> Option<String> {
    let origin = url.origin();
    if origin.is_tuple() {
        return Some(origin.ascii_serialization());
    }
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("{}://{}{port}", url.scheme(), url.host_str()?))
}

fn secrets(settings: &Settings) -> Result<()> {
    let checks = [
        ("JWT_SECRET", &settings.auth.jwt_secret, JWT_SECRET_CHARACTERS_MIN),
        ("METRICS_KEY", &settings.telemetry.metrics_key, METRICS_KEY_CHARACTERS_MIN),
    ];
    for (name, secret, needed) in checks {
        let Some(secret) = secret else { continue };
        let length = secret.expose_secret().chars().count();
        if length < needed {
            return Err(Error::startup(
                format!("{name} has {length} characters, at least {needed} are needed"),
                "make one with `openssl rand -base64 48`",
            ));
        }
    }
    Ok(())
}

fn production(settings: &Settings) -> Result<()> {
    if settings.database.core_url.is_none() && settings.database.ai_url.is_some() {
        return Err(Error::startup(
            "AI_DATABASE_URL is set but DATABASE_URL is not",
            "set DATABASE_URL too, or unset both for the embedded Postgres",
        ));
    }
    if settings.app.env != AppEnv::Production {
        return Ok(());
    }
    if settings.is_embedded() && !settings.database.allow_embedded {
        return Err(Error::startup(
            "APP_ENV=production without DATABASE_URL would use the embedded Postgres",
            "set DATABASE_URL (and AI_DATABASE_URL), or ALLOW_EMBEDDED=true if that is meant",
        ));
    }
    if !settings.is_embedded()
        && settings.database.ai_url.is_none()
        && !settings.database.allow_single_database
    {
        return Err(Error::startup(
            "APP_ENV=production without AI_DATABASE_URL would put both schemas in one database",
            "set AI_DATABASE_URL, or ALLOW_SINGLE_DATABASE=true if one database is meant",
        ));
    }
    if settings.auth.jwt_secret.is_none() {
        return Err(Error::startup(
            "APP_ENV=production needs JWT_SECRET",
            "set JWT_SECRET (or JWT_SECRET_FILE) to at least 32 random characters: `openssl rand -base64 48`",
        ));
    }
    Ok(())
}
