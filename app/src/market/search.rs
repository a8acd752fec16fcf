//! Companies and funds by what their profiles say.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::NaiveDate;
use sea_orm::prelude::Decimal;
use sea_orm::{DbBackend, QueryResult, Statement, Value};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::sectors::standard;
use crate::db::CoreConn;
use crate::error::{Error, Result};
use crate::web::Money;

/// Industries that are named as filters.
pub const INDUSTRIES_MAX: u64 = 500;

/// By what equities are ordered; those of which it is not known come last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// Market capitalisation.
    #[default]
    MarketCap,
    /// Symbol.
    Symbol,
    /// Price over earnings.
    PeRatio,
    /// Dividends of a year over the price.
    DividendYield,
    /// Beta, as the provider gives it.
    Beta,
}

impl Sort {
    fn column(self) -> &'static str {
        match self {
            Self::MarketCap => "market_cap",
            // By symbol alone: what decides between equals.
            Self::Symbol => "NULL::numeric",
            Self::PeRatio => "pe_ratio::numeric",
            Self::DividendYield => "dividend_yield::numeric",
            Self::Beta => "beta::numeric",
        }
    }
}

/// Which equities; what is none does not matter.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// In the symbol or the name, whatever its case.
    pub text: Option<String>,
    /// GICS sector, by whatever name.
    pub sector: Option<String>,
    /// Industry, whatever its case.
    pub industry: Option<String>,
    /// Market capitalisation.
    pub market_cap: (Option<Decimal>, Option<Decimal>),
    /// Price over earnings.
    pub pe_ratio: (Option<f64>, Option<f64>),
}

/// A company or a fund.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Equity {
    /// Ticker.
    pub symbol: String,
    /// What it is called.
    pub company_name: Option<String>,
    /// GICS sector.
    pub sector: Option<String>,
    /// Industry.
    pub industry: Option<String>,
    /// Where it is listed.
    pub exchange: Option<String>,
    /// Of its figures.
    pub currency: Option<String>,
    /// It is a fund that is traded like a share.
    pub is_etf: bool,
    /// Market capitalisation.
    pub market_cap: Option<Money>,
    /// Price over earnings.
    pub pe_ratio: Option<f64>,
    /// Price over expected earnings.
    pub forward_pe: Option<f64>,
    /// Dividends of a year over the price, as a fraction.
    pub dividend_yield: Option<f64>,
    /// As the provider gives it.
    pub beta: Option<f64>,
    /// The newest close.
    pub price: Option<Money>,
    /// Its day.
    pub price_date: Option<NaiveDate>,
}

/// Where a page ended: what its last row is ordered by, and its symbol. Opaque to clients.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct After(Option<Decimal>, String);

impl After {
    /// As clients have it.
    pub fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::json!([self.0, self.1]).to_string())
    }

    /// Reads it. 422 `cursor`.
    pub fn read(text: &str) -> Result<Self> {
        let read = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        read.filter(|Self(_, symbol)| symbol.len() <= 32 && !symbol.contains('\0'))
            .ok_or_else(|| Error::field("cursor", "not a cursor of this list"))
    }
}

/// A page of equities, and where it ended if there are more.
pub async fn equities(
    core: &impl CoreConn,
    filter: &Filter,
    sort: Sort,
    is_descending: bool,
    after: Option<&After>,
    limit: u64,
) -> Result<(Vec<Equity>, Option<After>)> {
    let key = sort.column();
    let (direction, past) = if is_descending { ("DESC", "<") } else { ("ASC", ">") };
    let sql = format!(
        "SELECT found.*, price.close, price.date
           FROM (SELECT symbol, company_name, sector, industry, exchange, currency, is_etf, market_cap, pe_ratio,
                        forward_pe, dividend_yield, beta, {key} AS sorted
                   FROM company_profiles
                  WHERE ($1::text IS NULL OR strpos(lower(symbol), lower($1)) > 0 OR strpos(lower(company_name), lower($1)) > 0)
                    AND ($2::text IS NULL OR lower(sector) = lower($2))
                    AND ($3::text IS NULL OR lower(industry) = lower($3))
                    AND ($4::numeric IS NULL OR market_cap >= $4) AND ($5::numeric IS NULL OR market_cap <= $5)
                    AND ($6::float8 IS NULL OR pe_ratio >= $6) AND ($7::float8 IS NULL OR pe_ratio <= $7)
                    AND ($9::text IS NULL OR CASE WHEN $8::numeric IS NULL THEN {key} IS NULL AND symbol {past} $9
                             ELSE {key} IS NULL OR {key} {past} $8 OR ({key} = $8 AND symbol {past} $9) END)
                  ORDER BY {key} {direction} NULLS LAST, symbol {direction} LIMIT $10) AS found
           LEFT JOIN LATERAL (SELECT close, date FROM market_data_cache AS price
                               WHERE price.symbol = found.symbol AND close > 0 ORDER BY date DESC LIMIT 1) AS price ON true
          ORDER BY found.sorted {direction} NULLS LAST, found.symbol {direction}"
    );
    let values: Vec<Value> = vec![
        filter.text.clone().into(),
        filter.sector.as_deref().map(|name| standard(name).to_owned()).into(),
        filter.industry.clone().into(),
        filter.market_cap.0.into(),
        filter.market_cap.1.into(),
        filter.pe_ratio.0.into(),
        filter.pe_ratio.1.into(),
        after.and_then(|after| after.0).into(),
        after.map(|after| after.1.clone()).into(),
        (limit + 1).into(),
    ];
    let rows = core.query_all_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values)).await?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let shown = &rows[..rows.len().min(limit)];
    let last = shown.last().filter(|_| rows.len() > limit);
    let last = last.map(|row| Ok::<_, Error>(After(row.try_get("", "sorted")?, row.try_get("", "symbol")?)));
    Ok((shown.iter().map(equity).collect::<Result<_>>()?, last.transpose()?))
}

fn equity(row: &QueryResult) -> Result<Equity> {
    let money = |column: &str| row.try_get::<Option<Decimal>>("", column).map(|sum| sum.map(Money));
    Ok(Equity {
        symbol: row.try_get("", "symbol")?,
        company_name: row.try_get("", "company_name")?,
        sector: row.try_get("", "sector")?,
        industry: row.try_get("", "industry")?,
        exchange: row.try_get("", "exchange")?,
        currency: row.try_get("", "currency")?,
        is_etf: row.try_get("", "is_etf")?,
        market_cap: money("market_cap")?,
        pe_ratio: row.try_get("", "pe_ratio")?,
        forward_pe: row.try_get("", "forward_pe")?,
        dividend_yield: row.try_get("", "dividend_yield")?,
        beta: row.try_get("", "beta")?,
        price: money("close")?,
        price_date: row.try_get("", "date")?,
    })
}

/// A sector or an industry.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Named {
    /// What it is called.
    pub name: String,
    /// Equities in it.
    pub equities: i64,
}

/// What equities can be filtered by.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Filters {
    /// Equities there are.
    pub equities: i64,
    /// Sectors, by name.
    pub sectors: Vec<Named>,
    /// Industries, the largest first, at most 500.
    pub industries: Vec<Named>,
    /// The smallest market capitalisation.
    pub market_cap_min: Option<Money>,
    /// The largest.
    pub market_cap_max: Option<Money>,
    /// The lowest price over earnings.
    pub pe_ratio_min: Option<f64>,
    /// The highest.
    pub pe_ratio_max: Option<f64>,
}

/// What equities can be filtered by, of those there are.
pub async fn filters(core: &impl CoreConn) -> Result<Filters> {
    let sql = "SELECT count(*) AS equities, min(market_cap) AS cap_min, max(market_cap) AS cap_max,
                      min(pe_ratio) AS pe_min, max(pe_ratio) AS pe_max FROM company_profiles";
    let row = core.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await?;
    let row = row.ok_or(Error::NotFound("profile"))?;
    let money = |column: &str| row.try_get::<Option<Decimal>>("", column).map(|sum| sum.map(Money));
    Ok(Filters {
        equities: row.try_get("", "equities")?,
        sectors: named(core, "sector", "name", 100).await?,
        industries: named(core, "industry", "equities DESC, name", INDUSTRIES_MAX).await?,
        market_cap_min: money("cap_min")?,
        market_cap_max: money("cap_max")?,
        pe_ratio_min: row.try_get("", "pe_min")?,
        pe_ratio_max: row.try_get("", "pe_max")?,
    })
}

async fn named(core: &impl CoreConn, column: &str, order: &str, limit: u64) -> Result<Vec<Named>> {
    let sql = format!(
        "SELECT {column} AS name, count(*) AS equities FROM company_profiles
          WHERE {column} IS NOT NULL GROUP BY 1 ORDER BY {order} LIMIT $1"
    );
    let rows = core.query_all_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, [limit.into()]));
    let named = |row: &QueryResult| {
        Ok(Named { name: row.try_get("", "name")?, equities: row.try_get("", "equities")? })
    };
    rows.await?.iter().map(named).collect()
}
