//! Where settings come from, and in which order.

use config::{Config, ConfigError, Environment, File, FileFormat};

use super::{DEFAULTS, Env, Settings};
use crate::error::{Error, Result};

/// Plain environment names and the key each one sets.
const PLAIN: &[(&str, &str)] = &[
    ("APP_ENV", "app.env"),
    ("HOST", "http.host"),
    ("PORT", "http.port"),
    ("CORS_ORIGINS", "http.cors_origins"),
    ("TRUSTED_PROXIES", "http.trusted_proxies"),
    ("DATABASE_URL", "database.core_url"),
    ("AI_DATABASE_URL", "database.ai_url"),
    ("ALLOW_SINGLE_DATABASE", "database.allow_single_database"),
    ("ALLOW_EMBEDDED", "database.allow_embedded"),
    ("ADOPT_DATABASE", "database.adopt"),
    ("DATA_DIR", "embedded.data_dir"),
    ("TANDEM_CACHE_DIR", "embedded.cache_dir"),
    ("POSTGRES_DIR", "embedded.postgres_dir"),
    ("EMBEDDED_RUN_AS", "embedded.run_as"),
    ("JWT_SECRET", "auth.jwt_secret"),
    ("ACCESS_TOKEN_TTL", "auth.access_token_ttl_s"),
    ("REGISTRATION", "auth.registration"),
    ("OPENAI_API_KEY", "models.openai_api_key"),
    ("OPENAI_BASE_URL", "models.openai_base_url"),
    ("CHAT_MODEL", "models.chat_model"),
    ("CHAT_FALLBACK_MODEL", "models.chat_fallback_model"),
    ("CHAT_MODELS", "models.chat_models"),
    ("LOCAL_MODEL_SERVERS", "models.local_servers"),
    ("EMBEDDING_PROVIDER", "models.embedding_provider"),
    ("EMBEDDING_MODEL", "models.embedding_model"),
    ("EMBEDDING_DIMENSIONS", "models.embedding_dimensions"),
    ("VECTOR_ENGINE", "engines.vector"),
    ("RERANK_URL", "rerank.url"),
    ("RERANK_STYLE", "rerank.style"),
    ("RERANK_MODEL", "rerank.model"),
    ("RERANK_API_KEY", "rerank.api_key"),
    ("EXTERNAL_MCP", "tools.external_mcp"),
    ("EXTERNAL_MCP_HOSTS", "tools.external_mcp_hosts"),
    ("SOURCE_NETWORKS", "files.url_networks"),
    ("SOURCE_PORTS", "files.url_ports"),
    ("MARKET_PROVIDER", "market.provider"),
    ("MARKET_DATA_DIR", "market.data_dir"),
    ("TIINGO_API_KEY", "market.tiingo_api_key"),
    ("TIINGO_BASE_URL", "market.tiingo_base_url"),
    ("WORKERS", "jobs.workers"),
    ("LOG_LEVEL", "telemetry.log_level"),
    ("LOG_FORMAT", "telemetry.log_format"),
    ("METRICS_KEY", "telemetry.metrics_key"),
];

/// Names whose value may also come from a file, `NAME_FILE`, and is never shown.
const SECRETS: &[&str] = &[
    "DATABASE_URL",
    "AI_DATABASE_URL",
    "JWT_SECRET",
    "OPENAI_API_KEY",
    "RERANK_API_KEY",
    "TIINGO_API_KEY",
    "METRICS_KEY",
];

/// Names whose value is an address, which may hold a password.
const ADDRESSES: &[&str] =
    &["OPENAI_BASE_URL", "TANDEM__MODELS__OPENAI_BASE_URL", "TIINGO_BASE_URL", "RERANK_URL"];

/// Keys that hold a comma-separated list when they come from the environment.
const LISTS: &[&str] = &[
    "http.cors_origins",
    "http.trusted_proxies",
    "models.chat_models",
    "models.local_servers",
    "tools.external_mcp_hosts",
    "files.url_networks",
    "files.url_ports",
];

pub(super) fn read(env: &Env) -> Result<Settings> {
    let mut builder = Config::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml));
    for path in config_files()? {
        builder = builder.add_source(File::from(path).format(FileFormat::Toml));
    }
    builder = builder.add_source(
        Environment::with_prefix("TANDEM").prefix_separator("__").separator("__").source(Some(env.clone())),
    );
    for (name, key) in PLAIN {
        if let Some(value) = plain_value(env, name)? {
            builder = set(builder, name, key, value)?;
        }
    }
    builder.build().and_then(Config::try_deserialize).map_err(|error| wrong_value(&error, env))
}

fn set(
    builder: config::ConfigBuilder<config::builder::DefaultState>,
    name: &str,
    key: &str,
    value: String,
) -> Result<config::ConfigBuilder<config::builder::DefaultState>> {
    let result = if LISTS.contains(&key) {
        let items = value.split(',').map(str::trim).filter(|item| !item.is_empty());
        builder.set_override(key, items.map(String::from).collect::<Vec<_>>())
    } else {
        builder.set_override(key, value)
    };
    result.map_err(|_| Error::startup(format!("{name} cannot be read"), "check its value"))
}

/// The value of a plain name, or of its `_FILE` twin for secrets. Empty means unset.
fn plain_value(env: &Env, name: &str) -> Result<Option<String>> {
    let given = env.get(name).filter(|value| !value.trim().is_empty());
    let file_name = format!("{name}_FILE");
    let file = env.get(&file_name).filter(|path| SECRETS.contains(&name) && !path.trim().is_empty());
    match (given, file) {
        (Some(_), Some(_)) => Err(Error::startup(
            format!("{name} and {file_name} are both set"),
            format!("unset one of them; {file_name} names a file that holds the value"),
        )),
        (Some(value), None) => Ok(Some(value.trim().to_owned())),
        (None, Some(path)) => match std::fs::read_to_string(path) {
            Ok(text) => Ok(Some(text.trim().to_owned())),
            Err(error) => Err(Error::startup(
                format!("{file_name}={path} cannot be read: {error}"),
                "give the path of a readable file that holds the value",
            )),
        },
        (None, None) => Ok(None),
    }
}

/// `config/*.toml` of the working directory, in alphabetical order.
fn config_files() -> Result<Vec<std::path::PathBuf>> {
    let Ok(entries) = std::fs::read_dir("config") else {
        return Ok(Vec::new());
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry
            .map_err(|error| {
                Error::startup(format!("config/ cannot be read: {error}"), "check its permissions")
            })?
            .path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// The key, what was given and what is allowed; the crate's message holds all
/// three. An address may hold a password, so it is not shown.
fn wrong_value(error: &ConfigError, env: &Env) -> Error {
    let mut problem = error.to_string();
    let hidden = SECRETS.iter().copied().chain(ADDRESSES.iter().copied());
    for value in
        hidden.filter_map(|name| env.get(name)).map(|value| value.trim()).filter(|value| !value.is_empty())
    {
        problem = problem.replace(value, "[redacted]");
    }
    for (name, key) in PLAIN {
        if problem.contains(key) {
            problem = format!("{name}: {problem}");
        }
    }
    Error::startup(
        format!("a setting is wrong: {problem}"),
        "see the README's configuration table, or app/config/default.toml, for the allowed values",
    )
}
