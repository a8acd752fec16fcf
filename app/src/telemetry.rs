//! Logs: JSON for machines, pretty for people. Spans carry the request id.

use std::io::IsTerminal;

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
    result.map_err(|error| Error::startup(format!("logging cannot start: {error}"), "report this"))
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
