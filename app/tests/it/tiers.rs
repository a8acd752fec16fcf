//! The walls: which module may use which, and which room has what size.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const TIERS: &[(u8, &[&str])] = &[
    (0, &["config", "error", "telemetry"]),
    (1, &["db", "jobs", "llm", "parse", "ranking", "web"]),
    (2, &["state"]),
    (3, &["auth", "conversation", "idempotency", "market", "persona", "usage"]),
    (4, &["knowledge", "memory", "portfolio"]),
    (5, &["analytics", "enrichment", "spaces"]),
    (6, &["feedback", "tools"]),
    (7, &["chat"]),
    (8, &["admin", "mcp", "openai", "transfer"]),
    (9, &["cli", "router", "server"]),
];

/// Within a tier, what may use what; without cycles.
const PEERS: &[(&str, &str)] = &[
    ("config", "error"),
    ("telemetry", "config"),
    ("telemetry", "error"),
    ("db", "llm"),
    ("db", "ranking"),
    ("llm", "ranking"),
    ("jobs", "db"),
    ("conversation", "auth"),
    ("conversation", "idempotency"),
    ("conversation", "persona"),
    ("idempotency", "auth"),
    // The user of a handler.
    ("market", "auth"),
    ("persona", "auth"),
    ("persona", "idempotency"),
    // The user of a handler.
    ("usage", "auth"),
    ("router", "server"),
    ("server", "router"),
    ("cli", "router"),
    ("cli", "server"),
];

/// Longest file, in lines. Tests at the end of a file do not count.
const FILE_LINES_MAX: usize = 300;

fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
    let mut folders = vec![root];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                files.push((path, text));
            }
        }
    }
    assert!(!files.is_empty(), "nothing below {folder}");
    files
}

fn module_of(path: &Path) -> Option<String> {
    let inside = path.to_str()?.split("/app/../app/src/").nth(1)?;
    let first = inside.split('/').next()?;
    let name = first.trim_end_matches(".rs");
    (!matches!(name, "lib" | "main")).then(|| name.to_owned())
}

/// Names that follow `crate::` anywhere in the code, also in `use crate::{a, b::c}`.
fn used_modules(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for after in text.split("crate::").skip(1) {
        if let Some(group) = after.strip_prefix('{') {
            let group = group.split("};").next().unwrap();
            names.extend(group.split(',').map(first_name));
        } else {
            names.push(first_name(after));
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

fn first_name(text: &str) -> String {
    text.trim().chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect()
}

#[test]
fn modules_use_only_lower_tiers() {
    let tiers: BTreeMap<&str, u8> =
        TIERS.iter().flat_map(|(tier, names)| names.iter().map(|name| (*name, *tier))).collect();
    let mut wrong = Vec::new();
    let mut edges = 0;
    for (path, text) in sources("app/src") {
        let Some(module) = module_of(&path) else { continue };
        let tier = *tiers.get(module.as_str()).unwrap_or_else(|| panic!("{module} has no tier"));
        let code: String =
            text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
        for used in used_modules(&code) {
            let Some(used_tier) = tiers.get(used.as_str()) else { continue };
            edges += 1;
            let peers = PEERS.contains(&(module.as_str(), used.as_str()));
            let allowed = used == module || *used_tier < tier || peers;
            if !allowed {
                wrong.push(format!("{} (tier {tier}) uses {used} (tier {used_tier})", path.display()));
            }
        }
    }
    assert!(edges > 100, "only {edges} edges were read");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn entities_and_migrations_depend_on_nothing_of_ours() {
    for folder in ["entity/src", "migration_core/src", "migration_ai/src"] {
        for (path, text) in sources(folder) {
            for name in ["tandem::", "migration_core::", "migration_ai::"] {
                assert!(!text.contains(name), "{} uses {name}", path.display());
            }
            if folder != "entity/src" {
                assert!(!text.contains("entity::"), "{} uses entities", path.display());
            }
        }
    }
}

#[test]
fn no_relation_crosses_the_two_databases() {
    for (folder, other) in [("entity/src/core", "ai::"), ("entity/src/ai", "core::")] {
        for (path, text) in sources(folder) {
            assert!(!text.contains(other), "{} names {other}", path.display());
        }
    }
}

#[test]
fn files_stay_small() {
    let long: Vec<String> = sources("app/src")
        .into_iter()
        .filter_map(|(path, text)| {
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap().lines().count();
            (code > FILE_LINES_MAX).then(|| format!("{} has {code} lines", path.display()))
        })
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}
