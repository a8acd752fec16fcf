//! The tables of the two schemas, as the entities know them.

use sea_orm::{EntityTrait, IdenStatic, Iterable};

use entity::{ai, core};

/// A table and the columns that its entity knows. The database can have more:
/// generated ones, and vectors, which belong to the embedding space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Names of its columns.
    pub columns: Vec<&'static str>,
}

fn table<E: EntityTrait>() -> Table {
    Table {
        name: E::default().table_name(),
        columns: E::Column::iter().map(|column| column.as_str()).collect(),
    }
}

/// Core's tables without its history.
pub fn core() -> Vec<Table> {
    vec![
        table::<core::api_key::Entity>(),
        table::<core::balance_sheet::Entity>(),
        table::<core::batch_day::Entity>(),
        table::<core::batch_job::Entity>(),
        table::<core::batch_run::Entity>(),
        table::<core::batch_run_log::Entity>(),
        table::<core::batch_run_portfolio::Entity>(),
        table::<core::batch_schedule::Entity>(),
        table::<core::benchmark_sector_weight::Entity>(),
        table::<core::calendar_day::Entity>(),
        table::<core::cash_flow::Entity>(),
        table::<core::character::Entity>(),
        table::<core::citation::Entity>(),
        table::<core::collection::Entity>(),
        table::<core::collection_reader::Entity>(),
        table::<core::company_profile::Entity>(),
        table::<core::conversation::Entity>(),
        table::<core::conversation_summary::Entity>(),
        table::<core::corporate_action::Entity>(),
        table::<core::equity_change::Entity>(),
        table::<core::factor_definition::Entity>(),
        table::<core::fund_holding::Entity>(),
        table::<core::idempotency_key::Entity>(),
        table::<core::income_statement::Entity>(),
        table::<core::invitation::Entity>(),
        table::<core::job::Entity>(),
        table::<core::login_failure::Entity>(),
        table::<core::mcp_server::Entity>(),
        table::<core::message::Entity>(),
        table::<core::message_event::Entity>(),
        table::<core::outbox::Entity>(),
        table::<core::persona::Entity>(),
        table::<core::persona_identity::Entity>(),
        table::<core::portfolio::Entity>(),
        table::<core::portfolio_snapshot::Entity>(),
        table::<core::position::Entity>(),
        table::<core::position_realized_event::Entity>(),
        table::<core::position_tag::Entity>(),
        table::<core::position_valuation::Entity>(),
        table::<core::price::Entity>(),
        table::<core::refresh_token::Entity>(),
        table::<core::response::Entity>(),
        table::<core::setting::Entity>(),
        table::<core::stream_ticket::Entity>(),
        table::<core::stress_test_scenario::Entity>(),
        table::<core::symbol::Entity>(),
        table::<core::tag::Entity>(),
        table::<core::target_price::Entity>(),
        table::<core::tenant::Entity>(),
        table::<core::tool_approval::Entity>(),
        table::<core::usage_month::Entity>(),
        table::<core::usage_quota::Entity>(),
        table::<core::usage_record::Entity>(),
        table::<core::usage_reservation::Entity>(),
        table::<core::user::Entity>(),
    ]
}

/// Ai's tables without its history.
pub fn ai() -> Vec<Table> {
    vec![
        table::<ai::embedding_space::Entity>(),
        table::<ai::feedback::Entity>(),
        table::<ai::inbox::Entity>(),
        table::<ai::kb_document::Entity>(),
        table::<ai::kb_file::Entity>(),
        table::<ai::kb_source::Entity>(),
        table::<ai::kb_word_change::Entity>(),
        table::<ai::kb_word_count::Entity>(),
        table::<ai::kb_word::Entity>(),
        table::<ai::memory::Entity>(),
        table::<ai::quarantine::Entity>(),
        table::<ai::setting::Entity>(),
    ]
}
