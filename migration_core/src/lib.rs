//! The core database's chain: users, chat, jobs.
//!
//! Steps are SQL, because the schema's own language says best what Postgres
//! will hold: every constraint has a name, indexes can be partial, columns
//! generated. A step never changes once released; the next one mends it.
//! Steps depend on no configuration and on no extension.

use sea_orm_migration::prelude::*;

mod m20261121_000001_accounts;
mod m20261121_000002_chat;
mod m20261121_000003_jobs;
mod m20261121_000010_access;
mod m20261121_000011_idempotency;
mod m20261121_000012_outbox;
mod m20261121_000014_citation_pages;
mod m20261121_000020_turns;
mod m20261121_000021_branches;
mod m20261121_000022_usage;
mod m20261121_000023_tool_calls;
mod m20261121_000024_message_search;
mod m20261121_000025_mcp_servers;
mod m20261121_000026_tool_approvals;
mod m20261121_000027_responses;
mod m20261121_000028_personas;
mod m20261121_000030_imports;
mod m20261121_000031_summaries;
mod m20261121_000040_portfolios;
mod m20261121_000041_market;
mod m20261121_000042_batch;
mod m20261121_000043_definitions;
mod m20261121_000044_figure_citations;
mod m20261121_000046_message_words;
mod m20261122_000056_collections;

/// Applies the core chain.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261121_000001_accounts::Migration),
            Box::new(m20261121_000002_chat::Migration),
            Box::new(m20261121_000003_jobs::Migration),
            Box::new(m20261121_000010_access::Migration),
            Box::new(m20261121_000011_idempotency::Migration),
            Box::new(m20261121_000012_outbox::Migration),
            Box::new(m20261121_000014_citation_pages::Migration),
            Box::new(m20261121_000020_turns::Migration),
            Box::new(m20261121_000021_branches::Migration),
            Box::new(m20261121_000022_usage::Migration),
            Box::new(m20261121_000023_tool_calls::Migration),
            Box::new(m20261121_000024_message_search::Migration),
            Box::new(m20261121_000025_mcp_servers::Migration),
            Box::new(m20261121_000026_tool_approvals::Migration),
            Box::new(m20261121_000027_responses::Migration),
            Box::new(m20261121_000028_personas::Migration),
            Box::new(m20261121_000030_imports::Migration),
            Box::new(m20261121_000031_summaries::Migration),
            Box::new(m20261121_000040_portfolios::Migration),
            Box::new(m20261121_000041_market::Migration),
            Box::new(m20261121_000042_batch::Migration),
            Box::new(m20261121_000043_definitions::Migration),
            Box::new(m20261121_000044_figure_citations::Migration),
            Box::new(m20261121_000046_message_words::Migration),
            Box::new(m20261122_000056_collections::Migration),
        ]
    }

    // Its own history table, so that both chains can live in one database.
    fn migration_table_name() -> DynIden {
        "core_migrations".into_iden()
    }
}
