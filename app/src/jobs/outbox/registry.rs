//! What each kind of event does.

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use serde_json::{Map, Value};

use super::Event;
use crate::db::{AiTx, CoreTx};
use crate::error::Result;

/// How far applying an event has come.
#[derive(Clone, Debug, PartialEq)]
pub enum Applied {
    /// All of it, with what the completion in core needs to know.
    Done(Value),
    /// A batch; there is more to do.
    More,
}

/// Does in ai what an event asks for. Whatever it does must be the same when
/// done twice: after [`Applied::More`] it is called again in another transaction.
pub type Apply = for<'a> fn(&'a AiTx, &'a Event) -> BoxFuture<'a, Result<Applied>>;

/// Does in core what follows, with what [`Apply`] said.
pub type Complete = for<'a> fn(&'a CoreTx, &'a Event, &'a Value) -> BoxFuture<'a, Result<()>>;

/// A feature's part in an event.
#[derive(Clone, Copy, Debug)]
pub struct Consumer {
    /// The feature; unique among the consumers of a kind.
    pub name: &'static str,
    /// Its part in ai.
    pub apply: Apply,
    /// Its part in core, afterwards.
    pub complete: Option<Complete>,
}

/// Who takes part in which kind of event.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    consumers: BTreeMap<&'static str, Vec<Consumer>>,
}

impl Registry {
    /// Adds a consumer.
    #[must_use]
    pub fn on(mut self, kind: &'static str, consumer: Consumer) -> Self {
        self.consumers.entry(kind).or_default().push(consumer);
        self
    }

    /// The kinds somebody takes part in; others wait for a newer replica.
    pub(super) fn kinds(&self) -> Vec<String> {
        self.consumers.keys().map(|kind| (*kind).to_owned()).collect()
    }

    /// Whether this replica knows what such an event does.
    pub(super) fn knows(&self, event: &Event) -> bool {
        !self.of(event).is_empty()
    }

    /// Every consumer's part in ai; what they said, by their names.
    pub(super) async fn apply(&self, ai: &AiTx, event: &Event) -> Result<Applied> {
        let mut outcome = Map::new();
        let mut more = false;
        for consumer in self.of(event) {
            match (consumer.apply)(ai, event).await? {
                Applied::Done(value) => {
                    outcome.insert(consumer.name.to_owned(), value);
                }
                Applied::More => more = true,
            }
        }
        Ok(if more { Applied::More } else { Applied::Done(Value::Object(outcome)) })
    }

    /// Every consumer's part in core.
    pub(super) async fn complete(&self, core: &CoreTx, event: &Event, outcome: &Value) -> Result<()> {
        for consumer in self.of(event) {
            if let Some(complete) = consumer.complete {
                complete(core, event, &outcome[consumer.name]).await?;
            }
        }
        Ok(())
    }

    fn of(&self, event: &Event) -> &[Consumer] {
        self.consumers.get(event.kind.as_str()).map_or(&[], Vec::as_slice)
    }
}
