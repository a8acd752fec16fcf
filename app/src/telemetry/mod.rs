//! Logs: JSON for machines, pretty for people. Spans carry the request id.
//! And the counters behind `/metrics`.

pub mod metrics;

use std::io::IsTerminal;
use std::panic::PanicHookInfo;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{LogFormat, Telemetry};
use crate::error::{Error, Result};

/// Starts logging to standard error; standard output belongs to a command's result.
pub fn start(settings: &Telemetry) -> Result<()> {
    let filter = EnvFilter::builder().parse(directives(&settings.log_level)).map_err(|error| {
        Error::startup(
            format!("LOG_LEVEL={} is not a level or filter: {error}", settings.log_level),
            "use error, warn, info, debug, trace, or a filter such as tandem=debug",
        )
    })?;
    let registry = tracing_subscriber::registry().with(filter);
    let json = match settings.log_format {
        LogFormat::Json => true,
        LogFormat::Pretty => false,
        LogFormat::Auto => !std::io::stderr().is_terminal(),
    };
    let result = if json {
        let layer = fmt::layer().json().flatten_event(true).with_writer(std::io::stderr);
        registry.with(layer).try_init()
    } else {
        let layer = fmt::layer()
            .with_target(false)
            .with_ansi(std::io::stderr().is_terminal())
            .with_writer(std::io::stderr);
        registry.with(layer).try_init()
    };
    result.map_err(|error| Error::startup(format!("logging cannot start: {error}"), "report this"))?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Names the place. The words of a panic are shown only when they stand in the
/// code as they are: what is formatted into them can be somebody's secret.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let words = panic.payload().downcast_ref::<&'static str>().copied().unwrap_or("(words withheld)");
    let at = panic.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(target: "tandem::panic", at, words, "panicked");
}

/// A bare level quietens the libraries: their lines can hold SQL text, and
/// async-openai logs whole bodies that it cannot read.
fn directives(level: &str) -> String {
    if level.contains(['=', ',']) {
        level.to_owned()
    } else {
        format!("warn,async_openai=off,tandem={level}")
    }
}
