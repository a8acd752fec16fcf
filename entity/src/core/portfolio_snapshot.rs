//! What a portfolio was worth at the end of a trading day; money in the portfolio's currency.

use sea_orm::entity::prelude::*;

use crate::ids::{BatchRunId, PortfolioId};

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "portfolio_snapshots")]
pub struct Model {
    /// Whose.
    #[sea_orm(primary_key, auto_increment = false)]
    pub portfolio_id: PortfolioId,
    /// The trading day.
    #[sea_orm(primary_key, auto_increment = false)]
    pub snapshot_date: Date,
    /// The run that wrote it.
    pub run_id: Option<BatchRunId>,
    /// Equity: positions and cash.
    #[sea_orm(column_type = "Decimal(Some((20, 2)))")]
    pub total_value: Decimal,
    /// What is not in positions; negative: borrowed.
    #[sea_orm(column_type = "Decimal(Some((20, 2)))")]
    pub cash_value: Decimal,
    /// Values above 0, summed.
    #[sea_orm(column_type = "Decimal(Some((20, 2)))")]
    pub long_value: Decimal,
    /// Values below 0, summed; negative.
    #[sea_orm(column_type = "Decimal(Some((20, 2)))")]
    pub short_value: Decimal,
    /// Long less short.
    #[sea_orm(column_type = "Decimal(Some((20, 2)))")]
    pub gross_exposure: Decimal,
    /// Long and short.
    #[sea_orm(column_type = "Decimal(Some((20, 2)))")]
    pub net_exposure: Decimal,
    /// Of what is open, signed.
    #[sea_orm(column_type = "Decimal(Some((20, 2)))")]
    pub cost_basis: Decimal,
    /// Net exposure less cost.
    #[sea_orm(column_type = "Decimal(Some((20, 2)))")]
    pub unrealized_pnl: Decimal,
    /// Since the snapshot before, or since the beginning.
    #[sea_orm(column_type = "Decimal(Some((20, 2)))")]
    pub daily_pnl: Decimal,
    /// Of it, from closes.
    #[sea_orm(column_type = "Decimal(Some((20, 2)))")]
    pub daily_realized_pnl: Decimal,
    /// Of it, from dividends.
    #[sea_orm(column_type = "Decimal(Some((20, 2)))")]
    pub daily_income: Decimal,
    /// Put in less taken out since then.
    #[sea_orm(column_type = "Decimal(Some((20, 2)))")]
    pub daily_capital_flow: Decimal,
    /// P&L over the capital it was made with; none if there was none.
    pub daily_return: Option<f64>,
    /// Since the beginning.
    #[sea_orm(column_type = "Decimal(Some((20, 2)))")]
    pub cumulative_pnl: Decimal,
    /// Of it, from closes.
    #[sea_orm(column_type = "Decimal(Some((20, 2)))")]
    pub cumulative_realized_pnl: Decimal,
    /// Of it, from dividends.
    #[sea_orm(column_type = "Decimal(Some((20, 2)))")]
    pub cumulative_income: Decimal,
    /// Put in less taken out since the beginning.
    #[sea_orm(column_type = "Decimal(Some((20, 2)))")]
    pub cumulative_capital_flow: Decimal,
    /// Time-weighted, since the beginning.
    pub cumulative_return: Option<f64>,
    /// Open lots.
    pub num_positions: i32,
    /// Of these, long ones.
    pub num_long_positions: i32,
    /// Of these, short ones.
    pub num_short_positions: i32,
    /// How its positions were priced: counts.
    #[sea_orm(column_type = "JsonBinary")]
    pub data_quality: Json,
    /// Every position could be valued.
    pub is_complete: bool,
    /// When the row was made.
    pub created_at: DateTimeUtc,
    /// When the row last changed.
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
