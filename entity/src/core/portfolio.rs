//! Portfolios: what one account holds.

use sea_orm::entity::prelude::*;

use crate::ids::{PortfolioId, UserId};

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "portfolios")]
pub struct Model {
    /// Key, UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PortfolioId,
    /// Owner.
    pub user_id: UserId,
    /// What it is called.
    pub name: String,
    /// The account it stands for; unique among the owner's that are not deleted.
    pub account_name: String,
    /// `taxable`, `ira`, `roth_ira`, `401k`, `403b`, `529`, `hsa`, `trust` or `other`.
    pub account_type: String,
    /// ISO 4217 code of every sum of money in its figures.
    pub currency: String,
    /// The owner's words.
    #[sea_orm(column_type = "Text", nullable)]
    pub description: Option<String>,
    /// Capital at the beginning. None: each purchase brings its own, and each sale takes it out.
    #[sea_orm(column_type = "Decimal(Some((20, 2)))", nullable)]
    pub equity_balance: Option<Decimal>,
    /// Its figures from this day on are to be computed again; none: they are not.
    pub stale_from: Option<Date>,
    /// Counts the changes of what its figures are computed from.
    pub revision: i64,
    /// The day of the figures on its positions.
    pub valued_on: Option<Date>,
    /// When the row was made.
    pub created_at: DateTimeUtc,
    /// When the row last changed.
    pub updated_at: DateTimeUtc,
    /// When the owner deleted it.
    pub deleted_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}
