//! The tools there are, and how they are called.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, LazyLock};

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::external::{self, ExternalTool};
use super::report::Found;
use super::{
    Caller, ExternalTools, Forget, GetAnalyticsOverview, GetCompanyProfile, GetConcentrationMetrics,
    GetCurrentQuotes, GetDailyMovers, GetFactorEtfPrices, GetPortfolioComplete, GetPortfolioDataQuality,
    GetPositionTags, GetPricesHistorical, GetSectorExposure, GetTargetPrices, ListUserPortfolios, Recall,
    Remember, Report, SearchConversations, SearchKnowledge, ToolError, Verdict, WebSearch, program,
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
    /// The scopes an API key needs for it, all of them.
    const SCOPES: &'static [&'static str];
    /// It changes nothing.
    const READS_ONLY: bool = true;
    /// It tells somebody outside what it is asked.
    const REACHES_OUT: bool = false;

    /// It is about portfolios: whoever has none is not told of it.
    const OF_PORTFOLIOS: bool = false;

    /// Whether the model is told of it.
    fn is_offered(_: &Settings) -> bool {
        true
    }

    /// Does it, for the caller.
    fn run(self, caller: Caller) -> impl Future<Output = Result<Found, ToolError>> + Send;
}

/// A tool as it is offered to somebody.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    /// Name, description, schema.
    pub spec: Arc<ToolSpec>,
    /// It changes nothing.
    pub reads_only: bool,
    /// It tells somebody outside what it is asked.
    pub reaches_out: bool,
}

struct Entry {
    spec: LazyLock<Arc<ToolSpec>>,
    name: &'static str,
    scopes: &'static [&'static str],
    reads_only: bool,
    reaches_out: bool,
    of_portfolios: bool,
    is_offered: fn(&Settings) -> bool,
    run: fn(Value, Caller) -> BoxFuture<'static, Result<Found, ToolError>>,
}

const fn entry<T: Tool>() -> Entry {
    Entry {
        spec: LazyLock::new(|| ToolSpec::new(T::NAME, T::DESCRIPTION, schema::<T>())),
        name: T::NAME,
        scopes: T::SCOPES,
        reads_only: T::READS_ONLY,
        reaches_out: T::REACHES_OUT,
        of_portfolios: T::OF_PORTFOLIOS,
        is_offered: T::is_offered,
        run: |arguments, caller| Box::pin(async move { checked::<T>(arguments)?.run(caller).await }),
    }
}

/// What the model of a turn may call.
static OF_A_TURN: [Entry; 19] = [
    entry::<SearchKnowledge>(),
    entry::<Recall>(),
    entry::<Remember>(),
    entry::<Forget>(),
    entry::<SearchConversations>(),
    entry::<WebSearch>(),
    entry::<ListUserPortfolios>(),
    entry::<GetPortfolioComplete>(),
    entry::<GetAnalyticsOverview>(),
    entry::<GetDailyMovers>(),
    entry::<GetSectorExposure>(),
    entry::<GetConcentrationMetrics>(),
    entry::<GetPortfolioDataQuality>(),
    entry::<GetTargetPrices>(),
    entry::<GetPositionTags>(),
    entry::<GetCurrentQuotes>(),
    entry::<GetPricesHistorical>(),
    entry::<GetCompanyProfile>(),
    entry::<GetFactorEtfPrices>(),
];

/// What a program may call.
static OF_A_PROGRAM: [Entry; 19] = [
    entry::<SearchKnowledge>(),
    entry::<Recall>(),
    entry::<program::Remember>(),
    entry::<program::Forget>(),
    entry::<SearchConversations>(),
    entry::<WebSearch>(),
    entry::<ListUserPortfolios>(),
    entry::<GetPortfolioComplete>(),
    entry::<GetAnalyticsOverview>(),
    entry::<GetDailyMovers>(),
    entry::<GetSectorExposure>(),
    entry::<GetConcentrationMetrics>(),
    entry::<GetPortfolioDataQuality>(),
    entry::<GetTargetPrices>(),
    entry::<GetPositionTags>(),
    entry::<GetCurrentQuotes>(),
    entry::<GetPricesHistorical>(),
    entry::<GetCompanyProfile>(),
    entry::<GetFactorEtfPrices>(),
];

/// The tools there are for a caller, now: offered at all, and within its scopes.
fn entries(caller: &Caller) -> impl Iterator<Item = &'static Entry> + '_ {
    let all = if caller.turn.is_some() { &OF_A_TURN } else { &OF_A_PROGRAM };
    all.iter().filter(|entry| {
        (entry.is_offered)(&caller.state.settings)
            && entry.scopes.iter().all(|scope| caller.grants.allow(scope))
    })
}

/// The tools that a model is told of; those about portfolios only if the user has one.
pub fn declared(settings: &Settings, external: &ExternalTools, has_portfolio: bool) -> Vec<Arc<ToolSpec>> {
    if settings.tools.rounds == 0 {
        return Vec::new();
    }
    let own = OF_A_TURN
        .iter()
        .filter(|entry| (entry.is_offered)(settings) && (has_portfolio || !entry.of_portfolios));
    let own = own.map(|entry| &*entry.spec);
    own.chain(external.iter().map(|tool| &tool.spec)).cloned().collect()
}

/// The tools that a caller may call, and no others.
pub fn offered(caller: &Caller) -> Vec<Offer> {
    let offer = |entry: &Entry| Offer {
        spec: Arc::clone(&entry.spec),
        reads_only: entry.reads_only,
        reaches_out: entry.reaches_out,
    };
    entries(caller).map(offer).collect()
}

/// Whether a call has to be approved by the user first: it reaches out, and
/// what documents, memories or results say could leave with it.
pub fn needs_approval(caller: &Caller, name: &str) -> bool {
    let Some(turn) = &caller.turn else { return false };
    // The words of external tools are foreign text themselves.
    let has_foreign_text = turn.has_foreign_text || !turn.external.is_empty();
    let reaches_out = external_tool(caller, name).is_some()
        || entries(caller).any(|entry| entry.name == name && entry.reaches_out);
    has_foreign_text && reaches_out
}

fn external_tool<'a>(caller: &'a Caller, name: &str) -> Option<&'a ExternalTool> {
    caller.turn.as_ref()?.external.iter().find(|tool| tool.spec.name == name)
}

/// What the user said of calls that have to be approved, by the ids of the calls.
pub type Verdicts = HashMap<String, Verdict>;

/// Runs the calls of a round side by side; one that has to be approved only if
/// its verdict says so. Reports come in the order of the
/// calls; together they have at most `characters` characters of results.
pub async fn run(
    caller: &Caller,
    calls: Vec<ToolCall>,
    verdicts: &Verdicts,
    characters: usize,
) -> Vec<Report> {
    let settings = &caller.state.settings.tools;
    let runs = calls.into_iter().enumerate().map(|(place, call)| {
        let verdict = needs_approval(caller, &call.name)
            .then(|| verdicts.get(&call.id).copied().unwrap_or(Verdict::Unasked));
        run_one(caller.clone(), call, place, verdict)
    });
    let mut reports: Vec<Report> = stream::iter(runs).buffered(settings.parallel).collect().await;
    let share = characters / reports.len().max(1);
    for report in &mut reports {
        report.fit(settings.result_characters.min(share));
    }
    reports
}

async fn run_one(caller: Caller, call: ToolCall, place: usize, approval: Option<Verdict>) -> Report {
    let started = Instant::now();
    let arguments = serde_json::from_str::<Value>(&call.arguments);
    let shown = match &arguments {
        Ok(arguments) => arguments.clone(),
        Err(_) => Value::String(call.arguments.clone()),
    };
    let refusal = approval.and_then(Verdict::refusal);
    let outcome = match (arguments, refusal) {
        _ if place >= CALLS_MAX => {
            Err(ToolError::new("too_many_calls", format!("a round has at most {CALLS_MAX} calls")))
        }
        (Ok(_), Some(refusal)) => Err(refusal),
        (Ok(arguments), None) => within_time(&caller, &call.name, arguments).await,
        (Err(error), _) => {
            Err(ToolError::new("bad_arguments", format!("the arguments are not JSON: {error}")))
        }
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
        number: None,
        approval,
        outcome,
    }
}

/// One call under its deadline; a panic is its failure.
async fn within_time(caller: &Caller, name: &str, arguments: Value) -> Result<Found, ToolError> {
    let own = entries(caller).find(|entry| entry.name == name);
    let work = match (own, external_tool(caller, name)) {
        (Some(entry), _) => (entry.run)(arguments, caller.clone()),
        (None, Some(tool)) => external::run(&caller.state, tool, arguments).boxed(),
        (None, None) => return Err(ToolError::new("unknown_tool", "there is no tool of this name")),
    };
    let limit = caller.state.settings.tools.call_timeout();
    let work = AssertUnwindSafe(work).catch_unwind();
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
        for entry in OF_A_TURN.iter().chain(&OF_A_PROGRAM) {
            let spec = &entry.spec;
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
