//! Many target prices at once: all or none.

use axum::extract::State;
use axum::http::StatusCode;
use entity::ids::{PortfolioId, TargetPriceId};
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::one::shown;
use super::shape::{ChangeTargetPrice, CreateTargetPrice, TargetPriceRow};
use crate::auth::CurrentUser;
use crate::error::{Error, Result};
use crate::idempotency::Attempt;
use crate::portfolio::find_owned;
use crate::portfolio::target_prices::write;
use crate::state::AppState;
use crate::web::{Json, Path, Problems};

/// Target prices of a request.
const BULK_MAX: usize = 500;

/// Up to 500 target prices to be.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateTargetPrices {
    /// 1 to 500.
    #[garde(length(min = 1, max = BULK_MAX), dive)]
    #[schema(min_items = 1, max_items = 500)]
    pub target_prices: Vec<CreateTargetPrice>,
}

/// Up to 500 changes.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeTargetPrices {
    /// At most 500.
    #[garde(length(max = BULK_MAX), dive)]
    #[schema(max_items = 500)]
    pub target_prices: Vec<ChangeOfTargetPrice>,
}

/// A change of one of many.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeOfTargetPrice {
    /// Which.
    #[garde(skip)]
    pub id: Uuid,
    /// What of it.
    #[garde(dive)]
    pub change: ChangeTargetPrice,
}

/// Target prices that were made or changed, in the order of the request.
#[derive(Debug, Serialize, ToSchema)]
pub struct TargetPrices {
    /// Each with what it means today.
    items: Vec<TargetPriceRow>,
}

/// Make many target prices.
///
/// All or none. 409 `target_price_exists` with the id of the one in the way.
#[utoipa::path(post, path = "/target-prices/{id}/bulk", tag = "target-prices",
    params(("id" = Uuid, Path, description = "The portfolio")), request_body = CreateTargetPrices,
    responses((status = 201, body = TargetPrices), Problems))]
pub async fn create(
    State(state): State<AppState>,
    user: CurrentUser,
    attempt: Attempt,
    Path(id): Path<Uuid>,
    Json(request): Json<CreateTargetPrices>,
) -> Result<(StatusCode, Json<TargetPrices>)> {
    let id = PortfolioId(id);
    find_owned(&state.core, user.id, id).await?;
    let (mut new, mut wrong) = (Vec::with_capacity(request.target_prices.len()), Vec::new());
    for (place, target) in request.target_prices.into_iter().enumerate() {
        // The ids follow from the try, so that the same request again meets its rows.
        let own = Uuid::new_v5(&attempt.id, &place.to_be_bytes());
        match target.checked(own, &within(place)) {
            Ok(target) => new.push(target),
            Err(error) => wrong.push(error),
        }
    }
    if !wrong.is_empty() {
        return Err(Error::Invalid(wrong));
    }
    let rows = write::make(&state.core, user.id, id, new, within).await?;
    Ok((StatusCode::CREATED, Json(TargetPrices { items: shown(&state, id, rows).await? })))
}

/// Change many target prices.
///
/// All or none, of one portfolio.
#[utoipa::path(put, path = "/target-prices/{id}/bulk-update", tag = "target-prices",
    params(("id" = Uuid, Path, description = "The portfolio")), request_body = ChangeTargetPrices,
    responses((status = 200, body = TargetPrices), Problems))]
pub async fn change(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
    Json(request): Json<ChangeTargetPrices>,
) -> Result<Json<TargetPrices>> {
    let id = PortfolioId(id);
    find_owned(&state.core, user.id, id).await?;
    let edits = request.target_prices.into_iter().map(|one| (TargetPriceId(one.id), one.change.into()));
    let rows = write::change(&state.core, user.id, Some(id), edits.collect(), within).await?;
    Ok(Json(TargetPrices { items: shown(&state, id, rows).await? }))
}

fn within(place: usize) -> String {
    format!("target_prices[{place}].")
}
