//! `[engines]`: what finds candidates where the server offers more than pgvector.

use serde::Deserialize;

/// `[engines]`
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Engines {
    /// Of the search by meaning.
    pub vector: VectorEngine,
    /// Width of a search over `DiskANN` indexes.
    pub diskann_search_list: u32,
}

/// The method of the vector indexes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VectorEngine {
    /// pgvector's, in memory.
    Hnsw,
    /// pgvectorscale's, over compressed vectors.
    Diskann,
}

impl VectorEngine {
    /// Its access method in Postgres.
    pub fn method(self) -> &'static str {
        match self {
            Self::Hnsw => "hnsw",
            Self::Diskann => "diskann",
        }
    }
}

/// Key, value and allowed range of every number.
pub(super) fn ranges(engines: Engines) -> [(&'static str, u64, u64, u64); 1] {
    [("engines.diskann_search_list", u64::from(engines.diskann_search_list), 1, 10_000)]
}
