//! New lots of a user: one, or several at once, all or none.

use entity::core::position;
use entity::ids::{PortfolioId, PositionId, UserId};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use uuid::Uuid;

use super::draft::Draft;
use super::insert::insert;
use super::read::{self, Known};
use crate::db::{CoreDb, CoreTx};
use crate::error::{Error, FieldError, Result};
use crate::idempotency::Attempt;
use crate::portfolio::{day, lock_owned};

/// Stores lots in a portfolio of the user's, all or none, and answers them in their order. `field` is
/// what the request calls the list of them; none: it gives a single one.
pub(crate) async fn create(
    core: &CoreDb,
    attempt: Attempt,
    user: UserId,
    portfolio: PortfolioId,
    drafts: Vec<Draft>,
    field: Option<&str>,
) -> Result<Vec<Known>> {
    let ids: Vec<PositionId> =
        (0..drafts.len()).map(|index| PositionId(numbered(attempt.id, index))).collect();
    let tx = core.begin().await?;
    let portfolio = lock_owned(&tx, user, portfolio).await?;
    let is_made = !attempt.is_first && !made(&tx, portfolio.id, &ids).await?.is_empty();
    if !is_made {
        let today = day::today(&tx).await?;
        let mut faults = Vec::new();
        let mut lots = Vec::with_capacity(drafts.len());
        for (index, (draft, id)) in drafts.into_iter().zip(&ids).enumerate() {
            let within = field.map(|field| format!("{field}[{index}].")).unwrap_or_default();
            match draft.check(*id, &portfolio, today) {
                Ok(lot) => lots.push(lot),
                Err(wrong) => faults.extend(wrong.into_iter().map(|fault| fault.wrong(&within))),
            }
        }
        refuse(faults)?;
        insert(&tx, &portfolio, lots).await?;
    }
    let mut rows = made(&tx, portfolio.id, &ids).await?;
    // The ids are in the order of the request.
    rows.sort_by_key(|row| row.id);
    let known = read::with_splits(&tx, rows).await?;
    tx.commit().await?;
    Ok(known.into_iter().map(|known| Known { closes: Some(Vec::new()), ..known }).collect())
}

/// The id of a request's lot: the first has the attempt's own, the next ones follow it.
fn numbered(first: Uuid, index: usize) -> Uuid {
    Uuid::from_u128(first.as_u128().wrapping_add(index as u128))
}

fn refuse(faults: Vec<FieldError>) -> Result<()> {
    if faults.is_empty() { Ok(()) } else { Err(Error::Invalid(faults)) }
}

async fn made(tx: &CoreTx, portfolio: PortfolioId, ids: &[PositionId]) -> Result<Vec<position::Model>> {
    Ok(position::Entity::find()
        .filter(position::Column::PortfolioId.eq(portfolio))
        .filter(position::Column::Id.is_in(ids.iter().copied()))
        .filter(position::Column::DeletedAt.is_null())
        .all(tx)
        .await?)
}
