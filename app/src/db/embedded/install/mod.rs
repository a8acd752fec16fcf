//! Finding the Postgres programs.
//!
//! An existing cluster decides the major version. A new one takes the first
//! that fits: `POSTGRES_DIR`, a Postgres of the system, what `make setup`
//! fetched. The order is the same for both, so that an unchanged machine
//! always gives the same programs. All need pgvector, since the ai database is
//! nothing without it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::config::Embedded;
use crate::error::{Error, Result};

mod relocate;
mod system;

pub(super) use relocate::reachable_copy;

/// The oldest Postgres that Tandem is tested with.
pub const MAJOR_MIN: u32 = 15;

/// The oldest pgvector: iterative scans came with it.
pub const PGVECTOR_MIN: (u32, u32) = (0, 8);

/// What `make setup` unpacks below `TANDEM_CACHE_DIR/postgres`, preferred first.
const FETCHED_MAJORS: [u32; 2] = [18, 16];

/// Programs of one Postgres version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installation {
    /// Absolute path of the folder that holds `postgres` and `initdb`.
    pub bin_dir: PathBuf,
    /// Its major version.
    pub major: u32,
}

impl Installation {
    /// Absolute path of a program.
    pub fn program(&self, name: &str) -> PathBuf {
        self.bin_dir.join(name)
    }
}

/// Finds an installation; `required_major` is that of an existing cluster.
pub fn find(settings: &Embedded, required_major: Option<u32>) -> Result<Installation> {
    let mut looked_at = Vec::new();
    for candidate in candidates(settings) {
        let why = match candidate.inspect(required_major) {
            Ok(found) => return Ok(found),
            Err(why) => why,
        };
        let bin_dir = candidate.bin_dir.display();
        // An explicit choice is not silently replaced; the major version of an
        // existing cluster is the one thing that overrules it.
        if candidate.is_chosen && required_major.is_none() {
            return Err(Error::startup(
                format!("POSTGRES_DIR cannot be used: {bin_dir} {why}"),
                "point POSTGRES_DIR at the folder that holds bin/ of a Postgres with pgvector, or unset it and run `make setup`",
            ));
        }
        looked_at.push(format!("{bin_dir} {why}"));
    }
    Err(not_found(required_major, &looked_at))
}

struct Candidate {
    bin_dir: PathBuf,
    /// Known from the folder's name, which saves asking the program.
    major: Option<u32>,
    is_chosen: bool,
}

fn candidates(settings: &Embedded) -> impl Iterator<Item = Candidate> {
    let chosen = settings.postgres_dir.iter().map(|dir| Candidate {
        bin_dir: dir.join("bin"),
        major: None,
        is_chosen: true,
    });
    // Evaluated lazily: the system is searched only when nothing was chosen.
    let system = std::iter::once(()).flat_map(|()| system::bin_dirs()).map(|(major, bin_dir)| Candidate {
        bin_dir,
        major,
        is_chosen: false,
    });
    let cache = settings.cache_dir.join("postgres");
    let fetched = FETCHED_MAJORS.into_iter().map(move |major| Candidate {
        bin_dir: cache.join(major.to_string()).join("bin"),
        major: Some(major),
        is_chosen: false,
    });
    chosen.chain(system).chain(fetched)
}

impl Candidate {
    /// What is there, or why it cannot be used.
    fn inspect(&self, required_major: Option<u32>) -> Result<Installation, String> {
        for program in ["postgres", "initdb"] {
            if !self.bin_dir.join(program).is_file() {
                return Err(format!("has no {program}"));
            }
        }
        // Symlinks are resolved because Postgres finds its libraries and shared
        // files relative to where the program really is.
        let bin_dir = self.bin_dir.canonicalize().map_err(|error| format!("cannot be read: {error}"))?;
        let major = self.major.map_or_else(|| major_of(&bin_dir), Ok)?;
        if required_major.is_some_and(|required| required != major) {
            return Err(format!("is PostgreSQL {major}"));
        }
        if major < MAJOR_MIN {
            return Err(format!("is PostgreSQL {major}, older than {MAJOR_MIN}"));
        }
        match pgvector_version(&bin_dir, major) {
            None => Err("has no pgvector".to_owned()),
            Some(version) if version < PGVECTOR_MIN => {
                Err(format!("has pgvector {}.{}, older than 0.8", version.0, version.1))
            }
            Some(_) => Ok(Installation { bin_dir, major }),
        }
    }
}

fn not_found(required_major: Option<u32>, looked_at: &[String]) -> Error {
    let wanted = required_major.map_or_else(
        || format!("no PostgreSQL {MAJOR_MIN} or newer with pgvector 0.8 or newer was found"),
        |major| format!("the cluster in DATA_DIR needs PostgreSQL {major} with pgvector 0.8 or newer, which was not found"),
    );
    Error::startup(
        format!("{wanted}; looked at: {}", looked_at.join("; ")),
        "run `make setup` (fetches PostgreSQL 18 and 16 with pgvector), set TANDEM_CACHE_DIR to where it put them, \
         or set POSTGRES_DIR to the folder that holds bin/ of a Postgres with pgvector",
    )
}

fn major_of(bin_dir: &Path) -> Result<u32, String> {
    let output = printed_by(&bin_dir.join("postgres"), "--version")
        .ok_or("holds a postgres that does not run on this machine")?;
    // "postgres (PostgreSQL) 16.4 (Debian 16.4-1)", "postgres (PostgreSQL) 18beta1"
    let version = output.split_whitespace().nth(2).unwrap_or_default();
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().map_err(|_| format!("has an unknown version: {}", output.trim()))
}

fn pgvector_version(bin_dir: &Path, major: u32) -> Option<(u32, u32)> {
    let extensions = share_dirs(bin_dir, major)
        .into_iter()
        .map(|dir| dir.join("extension"))
        .find(|dir| dir.is_dir())
        .or_else(|| {
            let share = printed_by(&bin_dir.join("pg_config"), "--sharedir")?;
            Some(Path::new(share.trim()).join("extension"))
        })?;
    default_version(&std::fs::read_to_string(extensions.join("vector.control")).ok()?)
}

/// Where packagers put the shared files of a bin folder, most specific first.
fn share_dirs(bin_dir: &Path, major: u32) -> Vec<PathBuf> {
    let root = bin_dir.parent().unwrap_or(bin_dir);
    let mut dirs = vec![root.join("share/postgresql"), root.join(format!("share/postgresql@{major}"))];
    if root.starts_with("/usr/lib/postgresql") {
        dirs = vec![PathBuf::from(format!("/usr/share/postgresql/{major}"))];
    }
    dirs.push(root.join("share"));
    dirs
}

fn default_version(control: &str) -> Option<(u32, u32)> {
    let line = control.lines().find_map(|line| line.trim().strip_prefix("default_version"))?;
    let mut numbers = line
        .trim_start_matches([' ', '=', '\''])
        .trim_end_matches(['\'', ' '])
        .split('.')
        .map(|part| part.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

/// What a program prints, `None` when it cannot run or fails.
fn printed_by(program: &Path, argument: &str) -> Option<String> {
    let output =
        Command::new(program).arg(argument).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then_some(text)
}

#[cfg(test)]
mod tests {
    use super::default_version;

    #[test]
    fn reads_the_version_of_a_control_file() {
        let control = "comment = 'vector data type'\ndefault_version = '0.8.5'\nrelocatable = true\n";
        assert_eq!(default_version(control), Some((0, 8)));
        assert_eq!(default_version("default_version='1.10'"), Some((1, 10)));
        assert_eq!(default_version("comment = 'none'"), None);
    }
}
