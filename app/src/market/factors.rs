//! Factors: what betas are against, and the funds that stand for them.

use entity::core::factor_definition::{Column, Entity, Model};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::db::CoreConn;
use crate::error::Result;

/// Factors that are read.
pub const FACTORS_MAX: u64 = 100;

/// The active factors, in their order.
pub async fn active(core: &impl CoreConn) -> Result<Vec<Model>> {
    let rows = Entity::find()
        .filter(Column::IsActive.eq(true))
        .order_by_asc(Column::DisplayOrder)
        .order_by_asc(Column::Code)
        .limit(FACTORS_MAX);
    Ok(rows.all(core).await?)
}

/// The funds whose returns a factor is made of.
pub fn sides(factor: &Model) -> impl Iterator<Item = &str> {
    [Some(factor.long_symbol.as_str()), factor.short_symbol.as_deref()].into_iter().flatten()
}
