//! Sectors of benchmarks.

use sea_orm::entity::prelude::*;

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "benchmarks_sector_weights")]
pub struct Model {
    /// The benchmark, for example `SP500`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub benchmark_code: String,
    /// As of.
    #[sea_orm(primary_key, auto_increment = false)]
    pub asof_date: Date,
    /// GICS sector.
    #[sea_orm(primary_key, auto_increment = false)]
    pub sector: String,
    /// Its share, 0 to 1.
    pub weight: f64,
    /// Of its members.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub market_cap: Option<Decimal>,
    /// How many they are.
    pub num_constituents: Option<i32>,
    /// Where it is from.
    pub data_source: String,
    /// When the row was made.
    pub created_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
