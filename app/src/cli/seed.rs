//! `tandem seed`: something to try.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use clap::Args;
use entity::core::user::Role;
use include_dir::{Dir, include_dir};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Map;

use super::{demo, ingest, output, with_state};
use crate::auth::{self, NewUser, Ownership};
use crate::config::{AppEnv, Settings};
use crate::error::{Context, Error, Result};
use crate::knowledge::{MediaType, Offer, SourceInput, accept};
use crate::state::AppState;

static DOCUMENTS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/demo");

/// The demo's users; ordinary ones, never administrators.
const USERS: [(&str, &str); 3] = [
    ("individual@demo.example", "Demo: individual investor"),
    ("advisor@demo.example", "Demo: advisor"),
    ("fund@demo.example", "Demo: fund"),
];

const LOGINS_FILE: &str = "demo-logins.txt";

/// Seed.
#[derive(Debug, Args)]
pub(super) struct Seed {
    /// Three users with portfolios, and a knowledge base on portfolio risk and on Tandem
    #[arg(long, required = true)]
    demo: bool,
}

/// The demo's logins and the file they are kept in.
#[derive(Debug)]
pub(super) struct Logins {
    path: PathBuf,
}

impl Seed {
    pub(super) async fn run(self, settings: Settings) -> Result<()> {
        refuse_in_production(&settings)?;
        let logins = with_state(settings, async |state: &AppState| demo(state).await).await?;
        output::line(&format!("the demo's logins are in {}", logins.path.display()))
    }
}

/// Known addresses with a password on disk are for trials only.
pub(super) fn refuse_in_production(settings: &Settings) -> Result<()> {
    if settings.app.env == AppEnv::Production {
        return Err(Error::startup(
            "the demo is not seeded with APP_ENV=production",
            "make users with `tandem user create` and add your own documents with `tandem ingest`",
        ));
    }
    Ok(())
}

/// Users, documents and portfolios. Running it again changes nothing.
pub(super) async fn demo(state: &AppState) -> Result<Logins> {
    let logins = users(state).await?;
    let accepted = accept::accept(state, None, documents()?).await?;
    let jobs: Vec<_> = accepted.iter().filter_map(|source| source.job_id).collect();
    ingest::wait_for(state, &jobs).await?;
    demo::portfolios(state).await?;
    Ok(logins)
}

/// What to type, from any folder, to see it work.
pub(super) fn invitation(base: &str, logins: &Logins, settings: &Settings) -> String {
    let binary = std::env::current_exe().map_or_else(|_| "tandem".to_owned(), |path| quoted(&path));
    let command = if settings.is_embedded() {
        format!(
            "env -u DATABASE_URL -u AI_DATABASE_URL DATA_DIR={} TANDEM_CACHE_DIR={} {binary}",
            quoted(&settings.embedded.data_dir),
            quoted(&settings.embedded.cache_dir)
        )
    } else {
        binary
    };
    format!(
        "\nTandem is ready: {base}   (API docs: {base}/docs)\n\
         Demo logins: {}\n\n\
         Paste this into another terminal for a streamed answer with citations:\n\n  \
         curl -sN {base}/api/v1/chat/send -H \"Authorization: Bearer $({command} token {})\" \
         -H 'Content-Type: application/json' -d '{{\"text\":\"What does market beta measure?\"}}'\n",
        quoted(&logins.path),
        USERS[0].0
    )
}

/// An absolute path as a shell reads it.
fn quoted(path: &Path) -> String {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

/// Each file is a source: its first heading is the title, its folder the topic.
fn documents() -> Result<Vec<Offer>> {
    let mut offers = Vec::new();
    for folder in DOCUMENTS.dirs() {
        let topic = folder.path().display().to_string();
        for file in folder.files() {
            let text = file.contents_utf8().ok_or(Error::NotFound("demo document"))?;
            let title = text.lines().next().unwrap_or_default().trim_start_matches('#').trim();
            let input = SourceInput {
                title: title.to_owned(),
                text: text.to_owned(),
                external_id: Some(format!("demo/{}", file.path().with_extension("").display())),
                scope: None,
                metadata: Map::from_iter([("topic".to_owned(), topic.clone().into())]),
                media_type: MediaType::Markdown,
            };
            offers.push(Offer {
                ownership: Ownership::EVERYBODY,
                scope: "global".to_owned(),
                input,
                file: None,
            });
        }
    }
    Ok(offers)
}

/// Makes missing users, and a new password for those whose password nobody knows any more.
async fn users(state: &AppState) -> Result<Logins> {
    let path = state.settings.embedded.data_dir.join(LOGINS_FILE);
    let mut known = read(&path)?;
    for (email, full_name) in USERS {
        let exists = auth::find_user_by_email(&state.core, email).await?.is_some();
        if exists && known.contains_key(email) {
            continue;
        }
        let password = auth::generate_password();
        known.insert(email.to_owned(), password.expose_secret().to_owned());
        // Kept before it counts, so that no password is ever lost in between.
        write(&path, &known)?;
        set_up(state, email, full_name, password, exists).await?;
    }
    Ok(Logins { path })
}

async fn set_up(
    state: &AppState,
    email: &str,
    full_name: &str,
    password: SecretString,
    exists: bool,
) -> Result<()> {
    if exists {
        return auth::set_password(&state.core, email, password).await;
    }
    let new = NewUser {
        email: email.to_owned(),
        password,
        full_name: Some(full_name.to_owned()),
        role: Role::User,
    };
    auth::create_user(&state.core, new).await.map(|_| ())
}

fn read(path: &Path) -> Result<BTreeMap<String, String>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error).context("reading the demo logins"),
    };
    Ok(text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(email, password)| (email.to_owned(), password.trim().to_owned()))
        .collect())
}

/// Readable by its owner only, whole or not at all.
fn write(path: &Path, logins: &BTreeMap<String, String>) -> Result<()> {
    let draft = path.with_extension("new");
    let save = || -> std::io::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        for (email, password) in logins {
            writeln!(file, "{email} {password}")?;
        }
        file.sync_all()?;
        fs::rename(&draft, path)
    };
    save().context("writing the demo logins")
}
