//! Companies and funds behind symbols.

use sea_orm::entity::prelude::*;

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "company_profiles")]
pub struct Model {
    /// Upper case.
    #[sea_orm(primary_key, auto_increment = false)]
    pub symbol: String,
    /// Name.
    #[sea_orm(column_type = "Text", nullable)]
    pub company_name: Option<String>,
    /// GICS sector.
    #[sea_orm(column_type = "Text", nullable)]
    pub sector: Option<String>,
    /// Finer than the sector.
    #[sea_orm(column_type = "Text", nullable)]
    pub industry: Option<String>,
    /// Where it is listed.
    #[sea_orm(column_type = "Text", nullable)]
    pub exchange: Option<String>,
    /// Where it sits.
    #[sea_orm(column_type = "Text", nullable)]
    pub country: Option<String>,
    /// Of its prices and sums of money.
    #[sea_orm(column_type = "Text", nullable)]
    pub currency: Option<String>,
    /// Price times shares.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub market_cap: Option<Decimal>,
    /// What it does.
    #[sea_orm(column_type = "Text", nullable)]
    pub description: Option<String>,
    /// It is a fund traded at an exchange.
    pub is_etf: bool,
    /// It is another fund.
    pub is_fund: bool,
    /// Who leads it.
    #[sea_orm(column_type = "Text", nullable)]
    pub ceo: Option<String>,
    /// Its address.
    #[sea_orm(column_type = "Text", nullable)]
    pub website: Option<String>,
    /// Price over earnings of the last year.
    pub pe_ratio: Option<f64>,
    /// Price over expected earnings.
    pub forward_pe: Option<f64>,
    /// Dividends of a year over price.
    pub dividend_yield: Option<f64>,
    /// Market beta as the provider says it.
    pub beta: Option<f64>,
    /// Highest price of a year.
    #[sea_orm(column_type = "Decimal(Some((20, 8)))", nullable)]
    pub week_52_high: Option<Decimal>,
    /// Lowest price of a year.
    #[sea_orm(column_type = "Decimal(Some((20, 8)))", nullable)]
    pub week_52_low: Option<Decimal>,
    /// Analysts' mean target.
    #[sea_orm(column_type = "Decimal(Some((20, 8)))", nullable)]
    pub target_mean_price: Option<Decimal>,
    /// Highest target.
    #[sea_orm(column_type = "Decimal(Some((20, 8)))", nullable)]
    pub target_high_price: Option<Decimal>,
    /// Lowest target.
    #[sea_orm(column_type = "Decimal(Some((20, 8)))", nullable)]
    pub target_low_price: Option<Decimal>,
    /// 1 strong buy to 5 sell.
    pub recommendation_mean: Option<f64>,
    /// The same in a word.
    #[sea_orm(column_type = "Text", nullable)]
    pub recommendation_key: Option<String>,
    /// Expected earnings a share.
    #[sea_orm(column_type = "Decimal(Some((20, 8)))", nullable)]
    pub forward_eps: Option<Decimal>,
    /// Of a year, as a fraction.
    pub earnings_growth: Option<f64>,
    /// Of a year, as a fraction.
    pub revenue_growth: Option<f64>,
    /// Net income over revenue.
    pub profit_margins: Option<f64>,
    /// Operating income over revenue.
    pub operating_margins: Option<f64>,
    /// Gross profit over revenue.
    pub gross_margins: Option<f64>,
    /// Net income over assets.
    pub return_on_assets: Option<f64>,
    /// Net income over equity.
    pub return_on_equity: Option<f64>,
    /// Of the last year.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub total_revenue: Option<Decimal>,
    /// Analysts' mean.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub current_year_revenue_avg: Option<Decimal>,
    /// Their lowest.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub current_year_revenue_low: Option<Decimal>,
    /// Their highest.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub current_year_revenue_high: Option<Decimal>,
    /// Mean of earnings a share.
    #[sea_orm(column_type = "Decimal(Some((20, 8)))", nullable)]
    pub current_year_earnings_avg: Option<Decimal>,
    /// Lowest.
    #[sea_orm(column_type = "Decimal(Some((20, 8)))", nullable)]
    pub current_year_earnings_low: Option<Decimal>,
    /// Highest.
    #[sea_orm(column_type = "Decimal(Some((20, 8)))", nullable)]
    pub current_year_earnings_high: Option<Decimal>,
    /// End of that year.
    pub current_year_end_date: Option<Date>,
    /// The same of the year after.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub next_year_revenue_avg: Option<Decimal>,
    /// Lowest.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub next_year_revenue_low: Option<Decimal>,
    /// Highest.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub next_year_revenue_high: Option<Decimal>,
    /// Mean of earnings a share.
    #[sea_orm(column_type = "Decimal(Some((20, 8)))", nullable)]
    pub next_year_earnings_avg: Option<Decimal>,
    /// Lowest.
    #[sea_orm(column_type = "Decimal(Some((20, 8)))", nullable)]
    pub next_year_earnings_low: Option<Decimal>,
    /// Highest.
    #[sea_orm(column_type = "Decimal(Some((20, 8)))", nullable)]
    pub next_year_earnings_high: Option<Decimal>,
    /// End of that year.
    pub next_year_end_date: Option<Date>,
    /// When it reports next.
    pub next_earnings_date: Option<Date>,
    /// What is expected of it.
    #[sea_orm(column_type = "Decimal(Some((20, 8)))", nullable)]
    pub next_earnings_expected_eps: Option<Decimal>,
    /// Where it is from.
    pub data_source: String,
    /// When the row was made.
    pub created_at: DateTimeUtc,
    /// When the row last changed.
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
