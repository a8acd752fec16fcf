//! The tools there are, and how they are called.

use std::panic::AssertUnwindSafe;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::report::Found;
use super::{
    Caller, Forget, Recall, Remember, Report, SearchConversations, SearchKnowledge, ToolError, WebSearch,
};
use crate::config::Settings;
use crate::llm::{ToolCall, ToolSpec};
use crate::web::extract::checked;

/// Calls of one round that are run; the model is told of the rest.
pub const CALLS_MAX: usize = 8;

/// A tool: the type of its arguments, and what it does.
pub(super) trait Tool:
    DeserializeOwned + garde::Validate<Context = ()> + ToSchema + Send + 'static
{
    /// By what the model calls it.
    const NAME: &'static str;
    /// When to call it, for the model to read.
    const DESCRIPTION: &'static str;

    /// Whether the model is told of it.
    fn is_offered(_: &Settings) -> bool {
        true
    }

    /// Does it, for the caller.
    fn run(self, caller: Caller) -> impl Future<Output = Result<Found, ToolError>> + Send;
}

struct Entry {
    spec: fn() -> ToolSpec,
    name: &'static str,
    is_offered: fn(&Settings) -> bool,
    run: fn(Value, Caller) -> BoxFuture<'static, Result<Found, ToolError>>,
}

const fn entry<T: Tool>() -> Entry {
    Entry {
        spec: || ToolSpec { name: T::NAME, description: T::DESCRIPTION, parameters: schema::<T>() },
        name: T::NAME,
        is_offered: T::is_offered,
        run: |arguments, caller| Box::pin(async move { checked::<T>(arguments)?.run(caller).await }),
    }
}

const ENTRIES: [Entry; 6] = [
    entry::<SearchKnowledge>(),
    entry::<Recall>(),
    entry::<Remember>(),
    entry::<Forget>(),
    entry::<SearchConversations>(),
    entry::<WebSearch>(),
];

/// The tools that a model is told of.
pub fn declared(settings: &Settings) -> Vec<ToolSpec> {
    if settings.tools.rounds == 0 {
        return Vec::new();
    }
    ENTRIES.iter().filter(|entry| (entry.is_offered)(settings)).map(|entry| (entry.spec)()).collect()
}

/// Runs the calls of a round side by side. Reports come in the order of the
/// calls; together they have at most `characters` characters of results.
pub async fn run(caller: &Caller, calls: Vec<ToolCall>, characters: usize) -> Vec<Report> {
    let settings = &caller.state.settings.tools;
    let runs = calls.into_iter().enumerate().map(|(place, call)| run_one(caller.clone(), call, place));
    let mut reports: Vec<Report> = stream::iter(runs).buffered(settings.parallel).collect().await;
    let share = characters / reports.len().max(1);
    for report in &mut reports {
        report.fit(settings.result_characters.min(share));
    }
    reports
}

async fn run_one(caller: Caller, call: ToolCall, place: usize) -> Report {
    let started = Instant::now();
    let arguments = serde_json::from_str::<Value>(&call.arguments);
    let shown = match &arguments {
        Ok(arguments) => arguments.clone(),
        Err(_) => Value::String(call.arguments.clone()),
    };
    let outcome = match arguments {
        _ if place >= CALLS_MAX => {
            Err(ToolError::new("too_many_calls", format!("a round has at most {CALLS_MAX} calls")))
        }
        Ok(arguments) => within_time(&caller, &call.name, arguments).await,
        Err(error) => Err(ToolError::new("bad_arguments", format!("the arguments are not JSON: {error}"))),
    };
    if let Err(error) = &outcome {
        tracing::info!(tool = call.name, kind = error.kind, "a tool has no result");
    }
    Report {
        id: call.id,
        name: call.name,
        arguments: shown,
        duration_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        truncated: false,
        outcome,
    }
}

/// One call under its deadline; a panic is its failure.
async fn within_time(caller: &Caller, name: &str, arguments: Value) -> Result<Found, ToolError> {
    let settings = &caller.state.settings;
    let known = ENTRIES.iter().find(|entry| entry.name == name && (entry.is_offered)(settings));
    let Some(entry) = known else {
        return Err(ToolError::new("unknown_tool", "there is no tool of this name"));
    };
    let limit = settings.tools.call_timeout();
    let work = AssertUnwindSafe((entry.run)(arguments, caller.clone())).catch_unwind();
    match tokio::time::timeout(limit, work).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(ToolError::new("failed", "an internal error")),
        Err(_) => Err(ToolError::new("timeout", format!("no result within {} ms", limit.as_millis()))),
    }
}

/// The JSON schema of a type without references to others.
fn schema<T: ToSchema>() -> Value {
    serde_json::to_value(T::schema()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_are_closed_objects_and_name_no_owner() {
        for entry in ENTRIES {
            let spec = (entry.spec)();
            let schema = spec.parameters.to_string();
            assert_eq!(spec.parameters["type"], "object", "{schema}");
            assert_eq!(spec.parameters["additionalProperties"], false, "{schema}");
            assert!(!schema.contains("$ref"), "{schema}");
            for word in ["owner", "user_id", "tenant", "audience"] {
                assert!(!schema.contains(word), "{schema}");
            }
        }
    }
}
