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
pub mod jobs;
pub mod llm;
pub mod parse;
pub mod ranking;
pub mod web;
// Tier 2
pub mod state;
// Tier 3
pub mod auth;
pub mod conversation;
pub mod idempotency;
pub mod market;
pub mod persona;
pub mod usage;
// Tier 4
pub mod knowledge;
pub mod memory;
pub mod portfolio;
// Tier 5
pub mod analytics;
pub mod spaces;
// Tier 6
pub mod feedback;
pub mod tools;
// Tier 7
pub mod chat;
// Tier 8
pub mod admin;
pub mod mcp;
pub mod openai;
// Tier 9
pub mod cli;
pub mod router;
pub mod server;
