//! Sectors of a portfolio, beside those of a benchmark.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use sea_orm::prelude::Decimal;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde::Serialize;
use utoipa::ToSchema;

use super::concentration::values;
use super::holdings::{known, ratio};
use super::load::View;
use crate::db::CoreDb;
use crate::error::Result;
use crate::market::sectors::standard;
use crate::web::Money;

/// The benchmark when none is asked for.
pub const BENCHMARK: &str = "SP500";
/// Positions of which no sector is known.
const UNKNOWN: &str = "Unknown";

/// A sector.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SectorPart {
    /// GICS sector, or `Unknown`.
    pub sector: String,
    /// Values, signed.
    pub net_value: Money,
    /// Values without their sign.
    pub gross_value: Money,
    /// Gross value over the gross exposure.
    pub weight: Option<f64>,
    /// Net value over the total value.
    pub net_weight: Option<f64>,
    /// Its weight in the benchmark.
    pub benchmark_weight: Option<f64>,
    /// Weight less that of the benchmark.
    pub active_weight: Option<f64>,
    /// Open lots.
    pub positions: u32,
}

/// Sectors of a portfolio.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct SectorExposure {
    /// The largest first, then by name; those that only the benchmark has come last.
    pub sectors: Vec<SectorPart>,
    /// The benchmark; null: its weights are not known.
    pub benchmark: Option<String>,
    /// The day of its weights.
    pub benchmark_as_of: Option<NaiveDate>,
    /// Share of the gross exposure whose sector is known.
    pub coverage: Option<f64>,
}

#[derive(Default)]
struct Sum {
    net: Decimal,
    gross: Decimal,
    positions: u32,
}

/// Sectors of a portfolio; an option counts to its underlying's.
pub async fn sectors(core: &CoreDb, view: &View, benchmark: &str) -> Result<SectorExposure> {
    let values = values(view, Decimal::ONE).collect();
    of(core, values, view.standing.total_value, benchmark, view.book.day).await
}

/// The same of symbols and values, whosever they are, with the equity that stands behind them.
pub(super) async fn of(
    core: &CoreDb,
    values: Vec<(String, Option<Decimal>)>,
    equity: Decimal,
    benchmark: &str,
    day: NaiveDate,
) -> Result<SectorExposure> {
    let known = known(core, values.iter().map(|(symbol, _)| symbol.clone()).collect()).await?;
    let mut sums: BTreeMap<String, Sum> = BTreeMap::new();
    for (symbol, value) in values {
        let found = known.get(&symbol).and_then(|known| known.sector.clone());
        let sum = sums.entry(found.unwrap_or_else(|| UNKNOWN.to_owned())).or_default();
        sum.positions += 1;
        if let Some(value) = value {
            sum.net += value;
            sum.gross += value.abs();
        }
    }
    let (as_of, mut weights) = weights(core, benchmark, day).await?;
    let gross: Decimal = sums.values().map(|sum| sum.gross).sum();
    let unknown = sums.get(UNKNOWN).map(|sum| sum.gross).unwrap_or_default();
    let row = |sector, sum: &Sum, own| part(sector, sum, gross, equity, own);
    let mut rows: Vec<SectorPart> = sums
        .into_iter()
        .map(|(sector, sum)| {
            let own = weights.remove(&sector).or_else(|| as_of.map(|_| 0.0));
            row(sector, &sum, own)
        })
        .collect();
    rows.extend(weights.into_iter().map(|(sector, weight)| row(sector, &Sum::default(), Some(weight))));
    rows.sort_by(|one, other| {
        other.gross_value.cmp(&one.gross_value).then_with(|| one.sector.cmp(&other.sector))
    });
    Ok(SectorExposure {
        sectors: rows,
        benchmark: as_of.map(|_| benchmark.to_owned()),
        benchmark_as_of: as_of,
        coverage: ratio(gross - unknown, gross),
    })
}

fn part(
    sector: String,
    sum: &Sum,
    gross: Decimal,
    equity: Decimal,
    benchmark_weight: Option<f64>,
) -> SectorPart {
    let weight = ratio(sum.gross, gross);
    SectorPart {
        sector,
        net_value: Money(sum.net),
        gross_value: Money(sum.gross),
        weight,
        net_weight: ratio(sum.net, equity),
        benchmark_weight,
        active_weight: weight.zip(benchmark_weight).map(|(own, other)| own - other),
        positions: sum.positions,
    }
}

/// The newest weights of a benchmark up to a day.
async fn weights(
    core: &CoreDb,
    benchmark: &str,
    day: NaiveDate,
) -> Result<(Option<NaiveDate>, BTreeMap<String, f64>)> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT asof_date, sector, weight FROM benchmarks_sector_weights
          WHERE benchmark_code = $1
            AND asof_date = (SELECT max(asof_date) FROM benchmarks_sector_weights
                              WHERE benchmark_code = $1 AND asof_date <= $2)",
        [benchmark.into(), day.into()],
    );
    let (mut as_of, mut weights) = (None, BTreeMap::new());
    for row in core.query_all_raw(statement).await? {
        as_of = Some(row.try_get("", "asof_date")?);
        let sector: String = row.try_get("", "sector")?;
        *weights.entry(standard(&sector).to_owned()).or_default() += row.try_get::<f64>("", "weight")?;
    }
    Ok((as_of, weights))
}
