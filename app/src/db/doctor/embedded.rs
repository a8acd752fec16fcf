//! The embedded server.

use std::os::unix::fs::MetadataExt;

use super::Report;
use crate::config::Settings;
use crate::db::embedded::{self, EmbeddedServer};

/// Whether there is a cluster to look at; none is made for the sake of looking.
pub(super) fn has_cluster(report: &mut Report, settings: &Settings) -> bool {
    let dir = &settings.embedded.data_dir;
    if embedded::has_cluster(dir) {
        return true;
    }
    report.warn(
        "embedded.cluster",
        format!("there is no cluster in DATA_DIR {} yet", dir.display()),
        "the first `tandem serve` makes it; or set DATABASE_URL",
    );
    let installation = embedded::install::find(&settings.embedded, None);
    if let Some(found) = report.made("embedded.programs", installation) {
        report.ok("embedded.programs", format!("PostgreSQL {} in {}", found.major, found.bin_dir.display()));
    }
    false
}

pub(super) fn check(report: &mut Report, server: &EmbeddedServer) {
    let cluster = server.cluster_dir().display();
    report.ok("embedded.cluster", format!("{cluster}, server process {}", server.pid()));
    let socket_dir = server.socket_dir();
    let mode = std::fs::metadata(&socket_dir).map(|folder| folder.mode() & 0o777);
    match mode {
        Ok(0o700) => report.ok("embedded.socket", format!("{} is private", socket_dir.display())),
        Ok(mode) => report.fail(
            "embedded.socket",
            format!("{} has the mode {mode:o}, others could connect", socket_dir.display()),
            format!("chmod 700 {}", socket_dir.display()),
        ),
        Err(error) => report.fail(
            "embedded.socket",
            format!("{} cannot be read: {error}", socket_dir.display()),
            "restart tandem",
        ),
    }
}
