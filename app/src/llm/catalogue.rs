//! Which models a conversation may choose, and which servers of this machine could be used.

use std::time::Duration;

use futures::future::join_all;

use super::{LanguageModels, openai};
use crate::config::Models;
use crate::error::{Error, Result};

/// Longest wait for a server of this machine, which answers at once or is not there.
const LOCAL_LIMIT: Duration = Duration::from_millis(500);
/// Candidates that are asked at most.
const LOCAL_MAX: usize = 8;

/// A server of this machine that could be the provider.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct LocalServer {
    /// What `OPENAI_BASE_URL` would be.
    pub base_url: String,
    /// What it has.
    pub models: Vec<String>,
}

/// The models a conversation may choose: of the allowed ones those the provider
/// has, and the configured ones in any case. With `false` when the provider's
/// list cannot be had.
pub async fn choices(models: &LanguageModels, settings: &Models) -> (Vec<String>, bool) {
    let Some(chat) = &models.chat else { return (Vec::new(), true) };
    let listed = chat.list().await;
    let is_known = listed.is_ok();
    if let Err(error) = &listed {
        tracing::warn!(%error, "the provider's list of models cannot be had");
    }
    let allowed = &settings.chat_models;
    let mut names: Vec<String> = match listed {
        Ok(listed) if allowed.is_empty() => listed.to_vec(),
        // Nobody could use what the provider does not have.
        Ok(listed) => allowed.iter().filter(|name| listed.contains(name)).cloned().collect(),
        Err(_) => allowed.clone(),
    };
    names.push(chat.model().to_owned());
    names.extend(settings.chat_fallback_model.clone());
    names.sort();
    names.dedup();
    (names, is_known)
}

/// 422 for a model that nobody may choose.
pub async fn require(models: &LanguageModels, settings: &Models, name: &str) -> Result<()> {
    let (names, is_complete) = choices(models, settings).await;
    if names.iter().any(|known| known == name) {
        return Ok(());
    }
    if !is_complete && settings.chat_models.is_empty() {
        let detail = "the provider's list of models cannot be had right now".to_owned();
        return Err(Error::Unavailable { code: "models_unavailable", detail, source: None });
    }
    Err(Error::field("model", "no model of this server; GET /chat/models lists them"))
}

/// The model servers that answer on this machine. Only their list is asked for.
pub async fn local_servers(settings: &Models, own_port: u16) -> Vec<LocalServer> {
    let is_elsewhere = |url: &&url::Url| {
        // Only this machine, not this program, and not what is used already.
        let is_local = match url.host() {
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            Some(url::Host::Domain(name)) => name == "localhost",
            None => false,
        };
        is_local
            && url.port_or_known_default() != Some(own_port)
            && settings.openai_base_url.as_ref() != Some(url)
    };
    let candidates = settings.local_servers.iter().filter(is_elsewhere).take(LOCAL_MAX);
    let asked = candidates.map(async |address| {
        let models = openai::models_at(settings, address, LOCAL_LIMIT).await?;
        Some(LocalServer { base_url: address.to_string(), models })
    });
    join_all(asked).await.into_iter().flatten().collect()
}
