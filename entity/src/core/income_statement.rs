//! Income statements.

use sea_orm::entity::prelude::*;

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "income_statements")]
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
    /// Total revenue.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub total_revenue: Option<Decimal>,
    /// Cost of revenue.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub cost_of_revenue: Option<Decimal>,
    /// Gross profit.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub gross_profit: Option<Decimal>,
    /// Research and development.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub research_and_development: Option<Decimal>,
    /// Selling general and administrative.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub selling_general_and_administrative: Option<Decimal>,
    /// Operating income.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub operating_income: Option<Decimal>,
    /// Ebit.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub ebit: Option<Decimal>,
    /// Ebitda.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub ebitda: Option<Decimal>,
    /// Net income.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub net_income: Option<Decimal>,
    /// Tax provision.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub tax_provision: Option<Decimal>,
    /// Interest expense.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub interest_expense: Option<Decimal>,
    /// Depreciation and amortization.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub depreciation_and_amortization: Option<Decimal>,
    /// Diluted eps.
    #[sea_orm(column_type = "Decimal(Some((20, 8)))", nullable)]
    pub diluted_eps: Option<Decimal>,
    /// Basic eps.
    #[sea_orm(column_type = "Decimal(Some((20, 8)))", nullable)]
    pub basic_eps: Option<Decimal>,
    /// Basic average shares.
    pub basic_average_shares: Option<i64>,
    /// Diluted average shares.
    pub diluted_average_shares: Option<i64>,
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
