//! `[files]`: how large files may be, and what reading them may take.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::Network;

/// `[files]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Files {
    /// Largest file.
    pub upload_limit_bytes: usize,
    /// Uploads received at once.
    pub uploads: usize,
    /// Longest upload.
    pub upload_timeout_s: u64,
    /// Most characters of text in a file.
    pub characters: usize,
    /// Most pages of a file.
    pub pages: usize,
    /// Address space of a parser.
    pub memory_bytes: u64,
    /// Processor time of a parser.
    pub cpu_s: u64,
    /// Longest run of a parser.
    pub wall_s: u64,
    /// Parsers at once.
    pub parsers: usize,
    /// Another program to parse with.
    pub parser: Option<PathBuf>,
    /// Networks that are not public and may be fetched from all the same.
    pub url_networks: Vec<Network>,
    /// Ports that may be fetched from.
    pub url_ports: Vec<u16>,
    /// Longest fetch, redirects included.
    pub url_timeout_s: u64,
}

impl Files {
    /// Longest upload.
    pub fn upload_timeout(&self) -> Duration {
        Duration::from_secs(self.upload_timeout_s)
    }

    /// Longest fetch.
    pub fn url_timeout(&self) -> Duration {
        Duration::from_secs(self.url_timeout_s)
    }

    /// Longest run of a parser.
    pub fn wall(&self) -> Duration {
        Duration::from_secs(self.wall_s)
    }
}

/// Key, value and allowed range of every number.
pub(super) fn ranges(files: &Files) -> [(&'static str, u64, u64, u64); 10] {
    [
        ("files.upload_limit_bytes", files.upload_limit_bytes as u64, 1024, 1 << 30),
        ("files.uploads", files.uploads as u64, 1, 1000),
        ("files.upload_timeout_s", files.upload_timeout_s, 1, 3600),
        ("files.characters", files.characters as u64, 1, 100_000_000),
        ("files.pages", files.pages as u64, 1, 1_000_000),
        ("files.memory_bytes", files.memory_bytes, 512 << 20, 64 << 30),
        ("files.cpu_s", files.cpu_s, 1, 3600),
        ("files.wall_s", files.wall_s, 1, 3600),
        ("files.parsers", files.parsers as u64, 1, 256),
        ("files.url_timeout_s", files.url_timeout_s, 1, 3600),
    ]
}
