//! What is known of companies and funds: profiles, statements, what analysts expect.
//!
//! Rows are read as JSON objects of the table's columns: they are shown, never computed with. Ratios that
//! follow from a statement are computed here and stored nowhere.

use chrono::NaiveDate;
use sea_orm::{DbBackend, Statement as Sql};
use serde_json::{Map, Value};

use crate::db::CoreConn;
use crate::error::Result;

/// A row, by the names of its columns.
pub type Fields = Map<String, Value>;

/// Which statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statement {
    /// Income.
    Income,
    /// Balance sheet.
    Balance,
    /// Cash flow.
    CashFlow,
}

impl Statement {
    fn table(self) -> &'static str {
        match self {
            Self::Income => "income_statements",
            Self::Balance => "balance_sheets",
            Self::CashFlow => "cash_flows",
        }
    }

    /// What follows from its figures.
    fn ratios(self) -> &'static str {
        match self {
            Self::Income => {
                "'gross_margin', round(gross_profit / nullif(total_revenue, 0), 6),
                 'operating_margin', round(operating_income / nullif(total_revenue, 0), 6),
                 'net_margin', round(net_income / nullif(total_revenue, 0), 6)"
            }
            Self::Balance => {
                "'working_capital', current_assets - current_liabilities,
                 'net_debt', total_debt - cash_and_cash_equivalents,
                 'current_ratio', round(current_assets / nullif(current_liabilities, 0), 4),
                 'debt_to_equity', round(total_debt / nullif(total_stockholders_equity, 0), 4)"
            }
            Self::CashFlow => "'cash_flow_after_investing', operating_cash_flow + investing_cash_flow",
        }
    }
}

/// How long a period is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frequency {
    /// A quarter.
    Quarter,
    /// A year.
    Year,
}

impl Frequency {
    /// As it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Quarter => "q",
            Self::Year => "a",
        }
    }
}

/// The newest statements of a company, newest first.
pub async fn statements(
    core: &impl CoreConn,
    statement: Statement,
    symbol: &str,
    frequency: Frequency,
    limit: u64,
) -> Result<Vec<Fields>> {
    let sql = format!(
        "SELECT to_jsonb(shown) - '{{symbol,created_at}}'::text[] || jsonb_build_object({}) FROM {} AS shown
          WHERE symbol = $1 AND frequency = $2 ORDER BY period_date DESC LIMIT $3",
        statement.ratios(),
        statement.table()
    );
    read(core, &sql, [symbol.into(), frequency.as_str().into(), limit.into()].into()).await
}

/// Profiles of these symbols, by symbol; those that have none are left out.
pub async fn profiles(core: &impl CoreConn, symbols: &[String]) -> Result<Vec<Fields>> {
    let sql = "SELECT to_jsonb(shown) - 'created_at' FROM company_profiles AS shown WHERE symbol = ANY ($1) ORDER BY symbol";
    read(core, sql, vec![symbols.to_vec().into()]).await
}

/// What analysts expect of a company; none if nothing is known of it.
pub async fn estimates(core: &impl CoreConn, symbol: &str) -> Result<Option<Fields>> {
    let sql = "SELECT jsonb_build_object(
            'currency', currency, 'data_source', data_source, 'updated_at', updated_at,
            'current_year', jsonb_build_object('end_date', current_year_end_date,
                'revenue', jsonb_build_object('avg', current_year_revenue_avg, 'low', current_year_revenue_low, 'high', current_year_revenue_high),
                'earnings', jsonb_build_object('avg', current_year_earnings_avg, 'low', current_year_earnings_low, 'high', current_year_earnings_high)),
            'next_year', jsonb_build_object('end_date', next_year_end_date,
                'revenue', jsonb_build_object('avg', next_year_revenue_avg, 'low', next_year_revenue_low, 'high', next_year_revenue_high),
                'earnings', jsonb_build_object('avg', next_year_earnings_avg, 'low', next_year_earnings_low, 'high', next_year_earnings_high)),
            'target_price', jsonb_build_object('mean', target_mean_price, 'low', target_low_price, 'high', target_high_price),
            'recommendation', jsonb_build_object('mean', recommendation_mean, 'key', recommendation_key),
            'forward_eps', forward_eps, 'earnings_growth', earnings_growth, 'revenue_growth', revenue_growth,
            'next_earnings', jsonb_build_object('date', next_earnings_date, 'expected_eps', next_earnings_expected_eps))
          FROM company_profiles WHERE symbol = $1";
    Ok(read(core, sql, vec![symbol.into()]).await?.pop())
}

async fn read(core: &impl CoreConn, sql: &str, values: Vec<sea_orm::Value>) -> Result<Vec<Fields>> {
    let mut rows = Vec::new();
    for row in core.query_all_raw(Sql::from_sql_and_values(DbBackend::Postgres, sql, values)).await? {
        if let Value::Object(fields) = row.try_get_by_index(0)? {
            rows.push(fields);
        }
    }
    Ok(rows)
}

/// The newest day that a column of rows names.
pub(super) fn newest(rows: &[Fields], column: &str) -> Option<NaiveDate> {
    rows.iter().filter_map(|row| row.get(column)?.as_str()?.get(..10)?.parse().ok()).max()
}
