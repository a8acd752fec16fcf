//! How many units a unit became.

use std::collections::HashMap;

use chrono::NaiveDate;
use entity::core::corporate_action::{Column, CorporateActionKind, Entity};
use sea_orm::prelude::Decimal;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use crate::db::CoreConn;
use crate::error::Result;

/// The splits of some symbols.
#[derive(Clone, Debug, Default)]
pub(super) struct Splits(HashMap<String, Vec<(NaiveDate, Decimal)>>);

impl Splits {
    /// Reads those of these symbols, with one query.
    pub(super) async fn load(core: &impl CoreConn, symbols: impl IntoIterator<Item = &str>) -> Result<Self> {
        let symbols: Vec<&str> = symbols.into_iter().collect();
        let mut splits = Self::default();
        if symbols.is_empty() {
            return Ok(splits);
        }
        let rows = Entity::find()
            .filter(Column::Kind.eq(CorporateActionKind::Split))
            .filter(Column::Symbol.is_in(symbols))
            .all(core)
            .await?;
        for row in rows {
            splits.0.entry(row.symbol).or_default().push((row.ex_date, row.value));
        }
        Ok(splits)
    }

    /// What a unit that was opened on `entry` has become by the end of `day`. What was opened on
    /// the day of a split was opened without it.
    pub(super) fn between(&self, symbol: &str, entry: NaiveDate, day: NaiveDate) -> Decimal {
        let all = self.0.get(symbol).map(Vec::as_slice).unwrap_or_default();
        let since = all.iter().filter(|(ex_date, _)| entry < *ex_date && *ex_date <= day);
        since
            .fold(Decimal::ONE, |product, (_, value)| product.checked_mul(*value).unwrap_or(product))
            .normalize()
    }
}
