//! What models a server has.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::connection::Connection;
use super::wire::ModelList;
use crate::config::Models;
use crate::llm::ModelError;

/// How long a list is believed; a failure too, so that a dead server is not asked by everybody.
const BELIEVED: Duration = Duration::from_mins(1);
const FAILURE_BELIEVED: Duration = Duration::from_secs(5);
/// Longest wait for a list.
const LIMIT: Duration = Duration::from_secs(5);
/// Most models that are kept, and the longest name of one.
const MODELS_MAX: usize = 1000;
const NAME_CHARACTERS_MAX: usize = 200;

type Known = Option<(Instant, Result<Arc<Vec<String>>, String>)>;

/// The list as it was a moment ago.
#[derive(Default)]
pub(super) struct Listed(Mutex<Known>);

impl Listed {
    /// The list; who comes while it is asked for waits for the same answer.
    pub(super) async fn get(&self, connection: &Connection) -> Result<Arc<Vec<String>>, ModelError> {
        let mut known = self.0.lock().await;
        let fresh = known
            .as_ref()
            .filter(|(at, list)| at.elapsed() < if list.is_ok() { BELIEVED } else { FAILURE_BELIEVED });
        if let Some((_, list)) = fresh {
            return list.clone().map_err(|detail| ModelError::Unreachable { detail });
        }
        let asked = ask(connection, LIMIT).await.map(Arc::new);
        let kept = asked.as_ref().map(Arc::clone).map_err(ToString::to_string);
        *known = Some((Instant::now(), kept));
        asked
    }
}

/// What a server at this address has, if one answers in time. It is sent no key.
pub(in crate::llm) async fn models_at(
    settings: &Models,
    address: &url::Url,
    limit: Duration,
) -> Option<Vec<String>> {
    let there = Models { openai_base_url: Some(address.clone()), openai_api_key: None, ..settings.clone() };
    ask(&Connection::new(&there).ok()?, limit).await.ok()
}

async fn ask(connection: &Connection, limit: Duration) -> Result<Vec<String>, ModelError> {
    let models = connection.plain.models();
    let list = timeout(limit, models.list_byot::<ModelList>())
        .await
        .map_err(|_| ModelError::TimedOut { waited_s: limit.as_secs() })?
        .map_err(|error| connection.failure(error))?;
    let fits = |name: &String| !name.trim().is_empty() && name.chars().count() <= NAME_CHARACTERS_MAX;
    let mut names: Vec<String> =
        list.data.into_iter().map(|model| model.id).filter(fits).take(MODELS_MAX).collect();
    names.sort();
    names.dedup();
    Ok(names)
}
