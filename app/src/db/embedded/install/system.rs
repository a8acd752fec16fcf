//! Where a system keeps its Postgres programs.

use std::path::{Path, PathBuf};

/// Folders that hold one `bin` per version: parent, prefix of the name, rest of the path.
const FAMILIES: [(&str, &str, &str); 5] = [
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/opt/homebrew/opt", "postgresql@", "bin"),
    ("/usr/local/opt", "postgresql@", "bin"),
    ("/Applications/Postgres.app/Contents/Versions", "", "bin"),
];

/// Bin folders of the system with their major version where the name tells it:
/// newest first, then those found by `PATH`.
pub(super) fn bin_dirs() -> Vec<(Option<u32>, PathBuf)> {
    let mut versioned: Vec<(u32, PathBuf)> = FAMILIES
        .iter()
        .flat_map(|(parent, prefix, rest)| versions_in(Path::new(parent), prefix, rest))
        .collect();
    versioned.sort_by_key(|(major, _)| std::cmp::Reverse(*major));

    let mut found: Vec<_> = versioned.into_iter().map(|(major, dir)| (Some(major), dir)).collect();
    // On PATH there may be only a link to it.
    let on_path = path_dirs().into_iter().filter_map(|dir| {
        let program = dir.join("postgres").canonicalize().ok()?;
        program.parent().map(Path::to_path_buf)
    });
    found.extend(on_path.map(|dir| (None, dir)));
    if found.is_empty() {
        // An unusual folder: pg_config knows it. Asked last, since a process costs
        // more than all the rest.
        found.extend(
            path_dirs()
                .iter()
                .filter_map(|dir| super::printed_by(&dir.join("pg_config"), "--bindir"))
                .map(|bin_dir| PathBuf::from(bin_dir.trim()))
                .filter(|bin_dir| bin_dir.join("postgres").is_file())
                .map(|bin_dir| (None, bin_dir)),
        );
    }
    let mut seen = std::collections::HashSet::new();
    found.retain(|(_, dir)| seen.insert(dir.clone()));
    found
}

fn versions_in(parent: &Path, prefix: &str, rest: &str) -> Vec<(u32, PathBuf)> {
    let Ok(entries) = std::fs::read_dir(parent) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| {
            let name = entry.ok()?.file_name().into_string().ok()?;
            let major = name.strip_prefix(prefix)?.parse().ok()?;
            let bin_dir = parent.join(&name).join(rest);
            bin_dir.join("postgres").is_file().then_some((major, bin_dir))
        })
        .collect()
}

fn path_dirs() -> Vec<PathBuf> {
    std::env::var_os("PATH")
        .map(|path| std::env::split_paths(&path).filter(|dir| dir.is_absolute()).collect())
        .unwrap_or_default()
}
