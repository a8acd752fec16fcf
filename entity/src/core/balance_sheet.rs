//! Balance sheets.

use sea_orm::entity::prelude::*;

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "balance_sheets")]
pub struct Model {
    /// Upper case.
    #[sea_orm(primary_key, auto_increment = false)]
    pub symbol: String,
    /// Last day of the period.
    #[sea_orm(primary_key, auto_increment = false)]
    pub period_date: Date,
    /// `q`: a quarter, `a`: a year.
    #[sea_orm(primary_key, auto_increment = false)]
    pub frequency: String,
    /// Fiscal year.
    pub fiscal_year: Option<i32>,
    /// 1 to 4; none of a year.
    pub fiscal_quarter: Option<i32>,
    /// Total assets.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub total_assets: Option<Decimal>,
    /// Current assets.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub current_assets: Option<Decimal>,
    /// Cash and cash equivalents.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub cash_and_cash_equivalents: Option<Decimal>,
    /// Short term investments.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub short_term_investments: Option<Decimal>,
    /// Accounts receivable.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub accounts_receivable: Option<Decimal>,
    /// Inventory.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub inventory: Option<Decimal>,
    /// Property plant equipment.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub property_plant_equipment: Option<Decimal>,
    /// Intangible assets.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub intangible_assets: Option<Decimal>,
    /// Total liabilities.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub total_liabilities: Option<Decimal>,
    /// Current liabilities.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub current_liabilities: Option<Decimal>,
    /// Accounts payable.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub accounts_payable: Option<Decimal>,
    /// Short term debt.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub short_term_debt: Option<Decimal>,
    /// Long term debt.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub long_term_debt: Option<Decimal>,
    /// Total debt.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub total_debt: Option<Decimal>,
    /// Total stockholders equity.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub total_stockholders_equity: Option<Decimal>,
    /// Retained earnings.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub retained_earnings: Option<Decimal>,
    /// Common stock.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub common_stock: Option<Decimal>,
    /// Book value per share.
    #[sea_orm(column_type = "Decimal(Some((20, 8)))", nullable)]
    pub book_value_per_share: Option<Decimal>,
    /// Of its sums of money.
    pub currency: String,
    /// Where it is from.
    pub data_source: String,
    /// When the row was made.
    pub created_at: DateTimeUtc,
    /// When the row last changed.
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
