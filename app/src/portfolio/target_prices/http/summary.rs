//! What all target prices of a portfolio come to.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use entity::core::target_price;
use entity::ids::PortfolioId;
use sea_orm::prelude::Decimal;
use sea_orm::sea_query::prelude::rust_decimal::prelude::ToPrimitive;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::CurrentUser;
use crate::error::Result;
use crate::portfolio::find_owned;
use crate::portfolio::target_prices::outlook::{Book, Gain, Outlook, Today};
use crate::portfolio::target_prices::queries;
use crate::state::AppState;
use crate::web::{Json, Money, Path, Problems};

/// What the target prices of a portfolio come to today. Sums are in the portfolio's currency, returns
/// and coverage in percent. A lot counts once: by its own target price, else by the one of its type,
/// else by the one of its symbol.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TargetPriceSummary {
    portfolio_id: Uuid,
    /// ISO 4217 code of the sums.
    currency: String,
    /// Target prices.
    targets: usize,
    /// Open lots.
    open_positions: usize,
    /// Of these, lots with a target price.
    positions_with_target: usize,
    /// The value of these over the value of all, without signs.
    coverage: Option<f64>,
    /// Equity today.
    equity: Money,
    /// What the target prices at the end of the year would bring.
    upside_eoy_value: Money,
    /// What those at the end of the next would.
    upside_next_year_value: Money,
    /// What would be if it goes badly.
    downside_value: Money,
    /// The first over the equity.
    expected_return_eoy: Option<f64>,
    /// The second over the equity.
    expected_return_next_year: Option<f64>,
    /// The third over the equity.
    downside_return: Option<f64>,
}

/// Sum up target prices.
///
/// Computed when it is read; nothing is stored.
#[utoipa::path(get, path = "/target-prices/{id}/summary", tag = "target-prices",
    params(("id" = Uuid, Path, description = "The portfolio")),
    responses((status = 200, body = TargetPriceSummary), Problems))]
pub async fn summary(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
) -> Result<Json<TargetPriceSummary>> {
    let id = PortfolioId(id);
    let portfolio = find_owned(&state.core, user.id, id).await?;
    let rows = queries::all(&state.core, id).await?;
    let today = Today::load(&state.core, id, &rows).await?;
    Ok(Json(summed(&rows, &today.book(), id, portfolio.currency)))
}

fn summed(
    rows: &[target_price::Model],
    book: &Book<'_>,
    id: PortfolioId,
    currency: String,
) -> TargetPriceSummary {
    let mut by_lot: BTreeMap<usize, &target_price::Model> = BTreeMap::new();
    for row in rows {
        for place in book.places(row) {
            let nearer = by_lot.get(&place).is_none_or(|other| nearness(other) < nearness(row));
            if nearer {
                by_lot.insert(place, row);
            }
        }
    }
    let outlooks: Vec<Outlook> = by_lot.iter().map(|(place, row)| book.of_lot(*place, row)).collect();
    let sum = |gain: fn(&Outlook) -> Gain| -> Decimal {
        outlooks.iter().filter_map(|outlook| gain(outlook).value).sum()
    };
    let (eoy, next_year, downside) =
        (sum(|outlook| outlook.eoy), sum(|outlook| outlook.next_year), sum(|outlook| outlook.downside));
    let covered: Decimal =
        outlooks.iter().filter_map(|outlook| outlook.market_value).map(|value| value.abs()).sum();
    let equity = book.equity();
    let places: BTreeSet<usize> = by_lot.into_keys().collect();
    TargetPriceSummary {
        portfolio_id: id.0,
        currency,
        targets: rows.len(),
        open_positions: book.open_lots(),
        positions_with_target: places.len(),
        coverage: percent(covered, book.gross()),
        equity: Money(equity),
        upside_eoy_value: Money(eoy),
        upside_next_year_value: Money(next_year),
        downside_value: Money(downside),
        expected_return_eoy: percent(eoy, equity),
        expected_return_next_year: percent(next_year, equity),
        downside_return: percent(downside, equity),
    }
}

/// How closely a target price is about a lot.
fn nearness(row: &target_price::Model) -> u8 {
    match (row.position_id, row.position_type) {
        (Some(_), _) => 2,
        (None, Some(_)) => 1,
        (None, None) => 0,
    }
}

fn percent(part: Decimal, whole: Decimal) -> Option<f64> {
    if whole <= Decimal::ZERO {
        return None;
    }
    part.checked_mul(Decimal::ONE_HUNDRED)?.checked_div(whole)?.to_f64()
}
