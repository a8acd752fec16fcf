//! `[spaces]`

use serde::Deserialize;

/// `[spaces]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spaces {
    /// Share of the true neighbours that the next space's indexes have to find.
    pub recall_min: f32,
    /// Rows whose neighbours are compared.
    pub recall_samples: u32,
    /// Memory of an index build.
    pub index_memory_mb: u32,
    /// Parallel workers of an index build.
    pub index_workers: u32,
}
