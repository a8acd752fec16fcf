//! Tandem: the backend of an AI application on two Postgres databases.
//!
//! Modules in reading order, lowest tier first; a module uses only lower
//! tiers, and a test holds every `use crate::` edge to that. ARCHITECTURE.md
//! has the map.

// Tier 0
pub mod config;
pub mod error;
pub mod telemetry;
// Tier 1
pub mod db;
pub mod llm;
