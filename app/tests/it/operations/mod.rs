//! Keeping a deployment: which databases belong together, what they must
//! offer, what the doctor says, and what a crash leaves behind.

mod adopt;
mod doctor;
mod kill;
mod outage;
mod pairing;
mod preflight;

use std::path::PathBuf;

use tandem::config::{Env, Settings};
use tandem::db::embedded::Throwaway;

use crate::support::postgres::{self, Urls};

/// The environment of a core and an ai.
fn both(core: &str, ai: &str) -> Env {
    Urls { core: core.to_owned(), ai: Some(ai.to_owned()) }.env()
}

/// The environment of one database.
fn one(core: &str) -> Env {
    Urls { core: core.to_owned(), ai: None }.env()
}

/// A server of the test's own, with an installation of its own if one is given.
async fn own_server(postgres_dir: Option<PathBuf>) -> Throwaway {
    let mut settings = Settings::load(&postgres::base_env()).unwrap().embedded;
    settings.postgres_dir = postgres_dir
        .or_else(|| std::env::var_os("POSTGRES_DIR").filter(|dir| !dir.is_empty()).map(PathBuf::from));
    Throwaway::start(&settings).await.unwrap()
}

/// The URL of a new database on such a server.
async fn database_on(server: &Throwaway, name: &str) -> String {
    let url = |name: &str| server.connect_options(name).as_url();
    postgres::execute(
        &url("postgres"),
        &format!("CREATE DATABASE {name} ENCODING 'UTF8' LOCALE 'C.UTF-8' TEMPLATE template0"),
    )
    .await;
    url(name)
}

/// A URL that says all that the options say.
trait ToUrl {
    fn as_url(&self) -> String;
}

impl ToUrl for sea_orm::sqlx::postgres::PgConnectOptions {
    fn as_url(&self) -> String {
        use sea_orm::sqlx::ConnectOptions;
        self.to_url_lossy().to_string()
    }
}
