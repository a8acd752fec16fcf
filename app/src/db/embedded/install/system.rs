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

/// Bin folders of the system: newest version first, then those found by `PATH`.
pub(super) fn bin_dirs() -> Vec<PathBuf> {
    let mut versioned: Vec<(u32, PathBuf)> = FAMILIES
        .iter()
        .flat_map(|(parent, prefix, rest)| versions_in(Path::new(parent), prefix, rest))
        .collect();
    versioned.sort_by_key(|(major, _)| std::cmp::Reverse(*major));

    let mut dirs: Vec<PathBuf> = versioned.into_iter().map(|(_, dir)| dir).collect();
    for dir in path_dirs() {
        if dir.join("postgres").is_file() {
            dirs.push(dir);
        } else if dir.join("pg_config").is_file() {
            // Distributions put only pg_config on PATH; it knows the folder.
            dirs.extend(
                super::printed_by(&dir.join("pg_config"), "--bindir")
                    .map(|bin_dir| PathBuf::from(bin_dir.trim()))
                    .filter(|bin_dir| bin_dir.join("postgres").is_file()),
            );
        }
    }
    let mut seen = std::collections::HashSet::new();
    dirs.retain(|dir| seen.insert(dir.clone()));
    dirs
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
            bin_dir
                .join("postgres")
                .is_file()
                .then_some((major, bin_dir))
        })
        .collect()
}

fn path_dirs() -> Vec<PathBuf> {
    std::env::var_os("PATH")
        .map(|path| {
            std::env::split_paths(&path)
                .filter(|dir| dir.is_absolute())
                .collect()
        })
        .unwrap_or_default()
}
