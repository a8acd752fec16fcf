//! The ai database's chain: knowledge, memories, feedback, embedding spaces.
//!
//! The chain needs no extension but `vector` and knows no configuration. The
//! typed vector columns and their HNSW indexes are not made here: their length
//! belongs to the embedding space, which the application ensures after the
//! chain, under the same lock.

use sea_orm_migration::prelude::*;

mod m20261121_000001_knowledge;
mod m20261121_000002_memories;
mod m20261121_000003_feedback;
mod m20261121_000011_row_security;
mod m20261121_000012_inbox;
mod m20261121_000013_settings;
mod m20261121_000014_files;
mod m20261121_000028_pairs;
mod m20261121_000050_words;
mod m20261121_000052_spaces;
mod m20261122_000054_addresses;
mod m20261122_000056_collections;
mod m20261122_000058_pin;
mod security;

/// Applies the ai chain.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261121_000001_knowledge::Migration),
            Box::new(m20261121_000002_memories::Migration),
            Box::new(m20261121_000003_feedback::Migration),
            Box::new(m20261121_000011_row_security::Migration),
            Box::new(m20261121_000012_inbox::Migration),
            Box::new(m20261121_000013_settings::Migration),
            Box::new(m20261121_000014_files::Migration),
            Box::new(m20261121_000028_pairs::Migration),
            Box::new(m20261121_000050_words::Migration),
            Box::new(m20261122_000054_addresses::Migration),
            Box::new(m20261121_000052_spaces::Migration),
            Box::new(m20261122_000056_collections::Migration),
            Box::new(m20261122_000058_pin::Migration),
        ]
    }

    // Its own history table, so that both chains can live in one database.
    fn migration_table_name() -> DynIden {
        "ai_migrations".into_iden()
    }
}
