//! Cash flow statements.

use sea_orm::entity::prelude::*;

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "cash_flows")]
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
    /// Operating cash flow.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub operating_cash_flow: Option<Decimal>,
    /// Depreciation and amortization.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub depreciation_and_amortization: Option<Decimal>,
    /// Stock based compensation.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub stock_based_compensation: Option<Decimal>,
    /// Change in working capital.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub change_in_working_capital: Option<Decimal>,
    /// Investing cash flow.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub investing_cash_flow: Option<Decimal>,
    /// Capital expenditures.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub capital_expenditures: Option<Decimal>,
    /// Acquisitions.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub acquisitions: Option<Decimal>,
    /// Purchases of investments.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub purchases_of_investments: Option<Decimal>,
    /// Financing cash flow.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub financing_cash_flow: Option<Decimal>,
    /// Dividends paid.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub dividends_paid: Option<Decimal>,
    /// Stock repurchases.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub stock_repurchases: Option<Decimal>,
    /// Debt issuance repayment.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub debt_issuance_repayment: Option<Decimal>,
    /// Net change in cash.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub net_change_in_cash: Option<Decimal>,
    /// Beginning cash position.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub beginning_cash_position: Option<Decimal>,
    /// Free cash flow.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub free_cash_flow: Option<Decimal>,
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
