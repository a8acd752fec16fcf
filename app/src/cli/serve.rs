//! `tandem serve`

use axum::serve::Listener;
use clap::Args;
use secrecy::ExposeSecret;
use tokio::signal::unix::{SignalKind, signal};

use super::{finish, output, seed};
use crate::auth;
use crate::config::Settings;
use crate::db::Purpose;
use crate::error::{Context, Result};
use crate::server;
use crate::state::AppState;

/// Serve.
#[derive(Debug, Args)]
pub(super) struct Serve {
    /// Refuse to start while migrations are pending, instead of applying them
    #[arg(long)]
    no_migrate: bool,
    /// Migrate into a database that holds tables of somebody else
    #[arg(long)]
    adopt: bool,
    /// Seed the demo before serving, and print how to try it
    #[arg(long)]
    demo: bool,
}

impl Serve {
    pub(super) async fn run(self, mut settings: Settings) -> Result<()> {
        settings.database.adopt |= self.adopt;
        let stop = stop_signal()?;
        server::open_files::raise_limit();
        if self.demo {
            seed::refuse_in_production(&settings)?;
        }
        let connections = server::listen(&settings).await?;
        let address = connections.local_addr().context("reading the address")?;
        let (databases, state) = server::open(settings, Purpose::Serve, !self.no_migrate).await?;
        server::background(&state, &databases, !self.no_migrate);
        let base = format!("http://{address}");
        announce_setup(&state, &base).await?;
        tracing::info!(%address, mode = ?state.mode, "ready");
        let demo = async {
            if self.demo {
                let logins = seed::demo(&state).await?;
                output::line(&seed::invitation(&base, &logins, &state.settings))?;
            }
            std::future::pending::<Result<()>>().await
        };
        let result = tokio::select! {
            result = server::serve(state.clone(), connections, stop) => result,
            result = demo => result,
        };
        finish(databases, state).await?;
        result
    }
}

/// While there never was an administrator, says how to make the first. The one
/// secret that is meant for the log: it works once, for a day.
async fn announce_setup(state: &AppState, base: &str) -> Result<()> {
    if let Some(token) = auth::setup_token(state).await? {
        tracing::warn!(
            setup_token = token.expose_secret(),
            url = %format!("{base}/setup"),
            "there is no administrator yet: POST {{token,email,password}} to /setup within 24 hours, or run `tandem user create EMAIL --admin`"
        );
    }
    Ok(())
}

/// Resolves when the process is asked to stop.
pub(super) fn stop_signal() -> Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
