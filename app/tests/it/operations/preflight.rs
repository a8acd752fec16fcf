//! What a server lacks is named before anything is made, with what to type.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tandem::db::embedded::Throwaway;

use super::{both, database_on, one, own_server};
use crate::process::{run, run_failing, tandem};
use crate::support::postgres::{
    self, Layout, empty_with, execute, execute_on_server, name_of, texts, with_login,
};

#[track_caller]
fn says(env: &tandem::config::Env, words: &[&str]) {
    for command in ["serve", "migrate"] {
        let said = run_failing(env, &[command]);
        assert!(said.contains("remedy:"), "{said}");
        for word in words {
            assert!(said.contains(word), "{word:?} is not in: {said}");
        }
    }
}

#[tokio::test]
async fn a_database_of_another_encoding_is_refused() {
    let url = empty_with("ENCODING 'LATIN1' LOCALE 'C'").await;
    says(&one(&url), &["LATIN1", "CREATE DATABASE", &name_of(&url)]);
}

#[tokio::test]
async fn a_database_that_is_read_only_is_refused() {
    let url = postgres::empty(Layout::Single).await.core;
    let name = name_of(&url);
    execute_on_server(&format!("ALTER DATABASE {name} SET default_transaction_read_only = on")).await;
    says(&one(&url), &[&name, "read-only", "SET default_transaction_read_only = off"]);
}

/// A login with a password of its own and no rights.
async fn login(url: &str) -> (String, String) {
    let role = format!("r_{}", name_of(url));
    execute_on_server(&format!("CREATE ROLE {role} LOGIN PASSWORD 'hidden-{role}'")).await;
    (with_login(url, &role, &format!("hidden-{role}")), role)
}

#[tokio::test]
async fn a_role_that_may_not_create_tables_is_told_the_grant() {
    let owned = postgres::empty(Layout::Single).await.core;
    let (url, role) = login(&owned).await;
    says(&one(&url), &[&role, "GRANT USAGE, CREATE ON SCHEMA \"public\"", &name_of(&url)]);
    let said = run_failing(&one(&url), &["migrate"]);
    assert!(!said.contains("hidden"), "{said}");
    execute(&owned, &format!("GRANT USAGE, CREATE ON SCHEMA public TO {role}")).await;

    // Then the extension: the role may not create it, somebody else may.
    says(&one(&url), &["vector", "CREATE EXTENSION IF NOT EXISTS vector", &name_of(&url)]);
    execute(&owned, "CREATE EXTENSION vector").await;
    run(&one(&url), &["migrate"]);
}

#[tokio::test]
async fn an_extension_out_of_the_search_path_is_told_the_path() {
    let url = postgres::empty(Layout::Single).await.core;
    execute(&url, "CREATE SCHEMA extensions; CREATE EXTENSION vector SCHEMA extensions").await;
    says(&one(&url), &["search_path = public, \"extensions\""]);
    execute_on_server(&format!("ALTER DATABASE {} SET search_path = public, extensions", name_of(&url)))
        .await;
    run(&one(&url), &["migrate"]);
}

/// A copy of the installation whose extension files can be changed, and a server from it.
struct OwnInstallation {
    folder: tempfile::TempDir,
    server: Throwaway,
}

impl OwnInstallation {
    async fn start() -> Self {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::Builder::new().prefix("tandem-it-pg").tempdir_in("/tmp").unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let from = postgres::cache_dir().join("postgres").canonicalize().unwrap();
        let copy = |option: &str| {
            let command = Command::new("cp").arg(option).arg(&from).arg(folder.path()).output().unwrap();
            command.status.success()
        };
        // Links where the file system can, which costs nothing.
        if !copy("-al") {
            assert!(copy("-a"));
        }
        let server = own_server(Some(folder.path().join("postgres/18"))).await;
        Self { folder, server }
    }

    fn control(&self) -> PathBuf {
        find(self.folder.path(), "vector.control")
            .into_iter()
            .find(|path| path.display().to_string().contains("18"))
            .unwrap()
    }

    /// As if this version were packaged; `None` as if none were.
    fn offer(&self, version: Option<&str>) {
        let control = self.control();
        let text = std::fs::read_to_string(&control).unwrap();
        // Never written in place: it can be a link to the original.
        std::fs::remove_file(&control).unwrap();
        if let Some(version) = version {
            let lines = text.lines().map(|line| {
                let is_version = line.starts_with("default_version");
                if is_version { format!("default_version = '{version}'\n") } else { format!("{line}\n") }
            });
            std::fs::write(&control, lines.collect::<String>()).unwrap();
        }
    }
}

fn find(folder: &Path, name: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(find(&path, name));
        } else if path.ends_with(name) {
            found.push(path);
        }
    }
    found
}

fn doctor(env: &tandem::config::Env) -> (bool, Value) {
    let output = tandem(env, &["doctor", "--json"]).output().unwrap();
    (output.status.success(), serde_json::from_slice(&output.stdout).unwrap())
}

fn check<'a>(report: &'a Value, name: &str) -> &'a Value {
    let checks = report["checks"].as_array().unwrap();
    checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no check {name}: {report}"))
}

#[tokio::test]
async fn a_server_without_pgvector_or_with_an_old_one_is_refused_and_makes_no_schema_without_vectors() {
    let installation = OwnInstallation::start().await;
    let core = database_on(&installation.server, "core").await;
    let ai = database_on(&installation.server, "ai").await;
    let env = both(&core, &ai);

    installation.offer(Some("0.7.4"));
    says(&env, &["\"ai\"", "offers pgvector 0.7.4", "install pgvector 0.8 or newer"]);
    installation.offer(None);
    says(&env, &["\"ai\"", "does not offer the vector extension", "postgresql-NN-pgvector"]);
    let (fine, report) = doctor(&env);
    assert!(!fine);
    assert_eq!(check(&report, "ai.vector.available")["status"], "fail");
    let tables = "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    assert_eq!(texts(&ai, tables).await, Vec::<String>::new(), "no schema without vectors");
}

#[tokio::test]
async fn an_installed_pgvector_that_is_too_old_is_told_the_update() {
    let url = postgres::empty(Layout::Single).await.core;
    execute(
        &url,
        "CREATE EXTENSION vector; UPDATE pg_extension SET extversion = '0.7.4' WHERE extname = 'vector'",
    )
    .await;
    says(&one(&url), &["pgvector 0.7.4 is installed", &name_of(&url), "ALTER EXTENSION vector UPDATE;"]);

    let migrated = postgres::migrated(Layout::Single).await.core;
    execute(&migrated, "UPDATE pg_extension SET extversion = '0.7.4' WHERE extname = 'vector'").await;
    let (_, report) = doctor(&one(&migrated));
    let installed = check(&report, "ai.vector.installed");
    assert_eq!(installed["status"], "warn", "{installed}");
    assert!(installed["detail"].as_str().unwrap().contains("0.7.4"), "{installed}");
}

#[tokio::test]
async fn pools_larger_than_the_server_are_warned_of_with_the_numbers() {
    let mut env = postgres::migrated(Layout::Dual).await.env();
    env.insert("TANDEM__DATABASE__CORE_POOL_MAX".into(), "900".into());
    env.insert("TANDEM__DATABASE__AI_POOL_MAX".into(), "800".into());
    let (fine, report) = doctor(&env);
    assert!(fine, "a warning is no failure: {report}");
    let pools = check(&report, "pools");
    assert_eq!(pools["status"], "warn");
    let detail = pools["detail"].as_str().unwrap();
    assert!(detail.contains("1700 connections") && detail.contains("max_connections"), "{detail}");
    assert!(pools["remedy"].as_str().unwrap().contains("CORE_POOL_MAX"), "{pools}");

    let server = crate::process::Serving::start(&env);
    assert!(server.log().contains("1700 connections"), "{}", server.log());
    server.stop();
}
