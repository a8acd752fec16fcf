//! Target prices as CSV, out and in.

use entity::core::target_price;
use entity::ids::{PortfolioId, TargetPriceId, UserId};
use sea_orm::prelude::Decimal;
use sea_orm::sea_query::prelude::rust_decimal::prelude::FromPrimitive;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::outlook::{Book, Gain};
use super::write::{self, NewTarget};
use crate::db::CoreDb;
use crate::error::{Context, Result};
use crate::portfolio::import::{self, Issue};
use crate::portfolio::{day, find_owned};
use crate::web::csv::{Cell, Csv};

/// Findings that are listed.
const LISTED_MAX: usize = 1000;

/// The first line of an export; an import reads the first eight.
const COLUMNS: [&str; 17] = [
    "symbol",
    "position_type",
    "target_price_eoy",
    "target_price_next_year",
    "downside_target_price",
    "current_price",
    "analyst_notes",
    "data_source",
    "price",
    "quantity",
    "expected_return_eoy",
    "expected_return_next_year",
    "downside_return",
    "target_upside_eoy_value",
    "target_upside_next_year_value",
    "target_downside_value",
    "position_weight",
];

/// What became of a file of target prices.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct TargetPriceImport {
    /// Target prices that are new.
    pub created: usize,
    /// Target prices that were other ones.
    pub updated: usize,
    /// Target prices that were there so.
    pub unchanged: usize,
    /// What is wrong; at most 1,000 are listed. With an error nothing is stored.
    pub errors: Vec<Issue>,
    /// How many there are.
    pub error_count: usize,
}

/// All of a portfolio as a file.
pub(super) fn export(rows: &[target_price::Model], book: &Book<'_>) -> Csv {
    let mut csv = Csv::new(&COLUMNS);
    for row in rows {
        let outlook = book.outlook(row);
        let percent = |gain: Gain| gain.percent.and_then(number);
        csv.row(&[
            row.symbol.as_str().into(),
            row.position_type.map(super::http::type_name).into(),
            row.target_price_eoy.into(),
            row.target_price_next_year.into(),
            row.downside_target_price.into(),
            row.current_price.into(),
            Cell::text(row.analyst_notes.as_deref()),
            Cell::text(row.data_source.as_deref()),
            outlook.price.into(),
            outlook.quantity.into(),
            percent(outlook.eoy).into(),
            percent(outlook.next_year).into(),
            percent(outlook.downside).into(),
            outlook.eoy.value.into(),
            outlook.next_year.value.into(),
            outlook.downside.value.into(),
            outlook.weight.and_then(number).into(),
        ]);
    }
    csv
}

/// A figure to four digits.
fn number(figure: f64) -> Option<Decimal> {
    Decimal::from_f64(figure).map(|figure| figure.round_dp(4))
}

/// Stores a file of target prices: those of a symbol and type that are there are replaced. All or nothing.
pub(super) async fn read(
    core: &CoreDb,
    user: UserId,
    portfolio: PortfolioId,
    bytes: bytes::Bytes,
) -> Result<TargetPriceImport> {
    find_owned(core, user, portfolio).await?;
    let today = day::today(core).await?;
    let reading = tokio::task::spawn_blocking(move || import::targets(&bytes, today));
    let rows = match reading.await.context("reading target prices")? {
        Ok(rows) => rows,
        Err(errors) => {
            let error_count = errors.len();
            let errors = errors.into_iter().take(LISTED_MAX).collect();
            return Ok(TargetPriceImport { errors, error_count, ..TargetPriceImport::default() });
        }
    };
    let given = rows.into_iter().map(|row| NewTarget {
        id: TargetPriceId(Uuid::now_v7()),
        position_id: None,
        symbol: row.symbol,
        position_type: row.position_type,
        eoy: row.eoy,
        next_year: row.next_year,
        downside: row.downside,
        current_price: row.current_price,
        notes: row.notes,
        data_source: row.data_source.or_else(|| Some("csv".to_owned())),
    });
    let written = write::put(core, user, portfolio, given.collect()).await?;
    Ok(TargetPriceImport {
        created: written.created,
        updated: written.updated,
        unchanged: written.unchanged,
        ..TargetPriceImport::default()
    })
}
