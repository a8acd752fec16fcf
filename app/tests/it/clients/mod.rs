//! Other people's clients, and ours, against the program itself.

mod mcp;
mod openai;
mod typescript;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

/// The Python in which the pinned clients are installed; see scripts/clients.sh.
pub(crate) fn python() -> &'static Path {
    static PYTHON: OnceLock<std::path::PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let made = Command::new("bash").arg(root.join("scripts/clients.sh")).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        String::from_utf8(made.stdout).unwrap().trim().into()
    })
}

/// Where the pinned npm packages and the built TypeScript client are, and the
/// Node that runs them; see scripts/clients_node.sh.
pub(crate) fn node() -> &'static (PathBuf, PathBuf) {
    static NODE: OnceLock<(PathBuf, PathBuf)> = OnceLock::new();
    NODE.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let made = Command::new("bash").arg(root.join("scripts/clients_node.sh")).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let words = String::from_utf8(made.stdout).unwrap();
        let (packages, node) = words.trim().split_once('\n').unwrap();
        (packages.into(), node.into())
    })
}

/// A program of tests/clients; what it says last, as JSON, if it ends well.
async fn run(mut command: Command) -> Value {
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let words = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{words}\n{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(words.lines().last().unwrap()).unwrap()
}

/// A file of tests/clients.
fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name)
}
