//! Making, changing and deleting target prices.

use std::collections::{HashMap, HashSet};

use entity::core::position::PositionType;
use entity::core::target_price::{self, Column, Entity, Model};
use entity::ids::{PortfolioId, PositionId, TargetPriceId, UserId};
use sea_orm::ActiveValue::Set;
use sea_orm::prelude::Decimal;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use uuid::Uuid;

use super::queries::{self, TARGETS_MAX};
use crate::auth::Change;
use crate::db::{CoreDb, CoreTx};
use crate::error::{Error, FieldError, Result};
use crate::market::{self, Watched};
use crate::portfolio::lock_owned;

/// A target price to be.
#[derive(Clone, Debug)]
pub(super) struct NewTarget {
    pub(super) id: TargetPriceId,
    pub(super) position_id: Option<PositionId>,
    /// As [`market::normalised`].
    pub(super) symbol: String,
    pub(super) position_type: Option<PositionType>,
    pub(super) eoy: Option<Decimal>,
    pub(super) next_year: Option<Decimal>,
    pub(super) downside: Option<Decimal>,
    pub(super) current_price: Option<Decimal>,
    pub(super) notes: Option<String>,
    pub(super) data_source: Option<String>,
}

/// What to change in one.
#[derive(Clone, Debug, Default)]
pub(super) struct Edit {
    pub(super) eoy: Change<Decimal>,
    pub(super) next_year: Change<Decimal>,
    pub(super) downside: Change<Decimal>,
    pub(super) current_price: Change<Decimal>,
    pub(super) notes: Change<String>,
    pub(super) data_source: Change<String>,
}

/// How many rows came of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) created: usize,
    pub(super) updated: usize,
    pub(super) unchanged: usize,
}

/// Which lots a target is about: a portfolio has one for each.
type Key = (String, Option<PositionType>);

fn key(row: &Model) -> Key {
    (row.symbol.clone(), row.position_type)
}

/// Makes target prices, all or none. `within` names each in what is wrong with it. 404, 409
/// `target_price_exists`, `too_many_target_prices`, 422.
pub(super) async fn make(
    core: &CoreDb,
    user: UserId,
    portfolio: PortfolioId,
    new: Vec<NewTarget>,
    within: fn(usize) -> String,
) -> Result<Vec<Model>> {
    let tx = core.begin().await?;
    lock_owned(&tx, user, portfolio).await?;
    let there = queries::all(&tx, portfolio).await?;
    // A request that is sent again under its key meets what it made.
    let made: Vec<Model> =
        there.iter().filter(|row| new.iter().any(|target| target.id == row.id)).cloned().collect();
    if !new.is_empty() && made.len() == new.len() {
        return Ok(made);
    }
    if (there.len() + new.len()) as u64 > TARGETS_MAX {
        let detail = format!("a portfolio has at most {TARGETS_MAX} target prices");
        return Err(Error::conflict("too_many_target_prices", detail));
    }
    let mut taken: HashMap<Key, Uuid> = there.iter().map(|row| (key(row), row.id.0)).collect();
    for target in &new {
        let key = (target.symbol.clone(), target.position_type);
        if let Some(id) = taken.insert(key, target.id.0) {
            let detail = format!("there is a target price of {} for these positions", target.symbol);
            return Err(Error::Conflict { code: "target_price_exists", detail, id: Some(id) });
        }
    }
    check_lots(&tx, portfolio, &new, within).await?;
    let rows = insert(&tx, portfolio, new).await?;
    tx.commit().await?;
    Ok(rows)
}

/// Lots that are named must be of the portfolio, and of the symbol.
async fn check_lots(
    tx: &CoreTx,
    portfolio: PortfolioId,
    new: &[NewTarget],
    within: fn(usize) -> String,
) -> Result<()> {
    let named: Vec<PositionId> = new.iter().filter_map(|target| target.position_id).collect();
    let lots: HashMap<PositionId, String> = queries::lots(tx, portfolio, named).await?.into_iter().collect();
    let mut wrong = Vec::new();
    for (place, target) in new.iter().enumerate() {
        let Some(id) = target.position_id else { continue };
        match lots.get(&id) {
            None => return Err(Error::NotFound("position")),
            Some(symbol) if *symbol == target.symbol => {}
            Some(symbol) => wrong.push(FieldError {
                field: format!("{}symbol", within(place)),
                message: format!("the position is of {symbol}"),
            }),
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(Error::Invalid(wrong)) }
}

async fn insert(tx: &CoreTx, portfolio: PortfolioId, new: Vec<NewTarget>) -> Result<Vec<Model>> {
    if new.is_empty() {
        return Ok(Vec::new());
    }
    let symbols: HashSet<&str> = new.iter().map(|target| target.symbol.as_str()).collect();
    let watched: Vec<Watched> = symbols
        .into_iter()
        .map(|symbol| Watched { symbol: symbol.to_owned(), asset_type: "equity", currency: None })
        .collect();
    market::watch(tx, &watched, None).await?;
    let rows = new.into_iter().map(|target| target_price::ActiveModel {
        id: Set(target.id),
        portfolio_id: Set(portfolio),
        position_id: Set(target.position_id),
        symbol: Set(target.symbol),
        position_type: Set(target.position_type),
        target_price_eoy: Set(target.eoy),
        target_price_next_year: Set(target.next_year),
        downside_target_price: Set(target.downside),
        current_price: Set(target.current_price),
        analyst_notes: Set(target.notes),
        data_source: Set(target.data_source),
        ..Default::default()
    });
    Ok(Entity::insert_many(rows).exec_with_returning(tx).await?)
}

/// Changes target prices of one portfolio, all or none; none: of any of the user's. `within` names
/// each in what is wrong with it. 404, 422 when one is left without a price.
pub(super) async fn change(
    core: &CoreDb,
    user: UserId,
    portfolio: Option<PortfolioId>,
    edits: Vec<(TargetPriceId, Edit)>,
    within: fn(usize) -> String,
) -> Result<Vec<Model>> {
    let tx = core.begin().await?;
    let mut changed = Vec::with_capacity(edits.len());
    for (place, (id, edit)) in edits.into_iter().enumerate() {
        let row = queries::find(&tx, user, id).await?;
        if portfolio.is_some_and(|portfolio| portfolio != row.portfolio_id) {
            return Err(Error::NotFound("target price"));
        }
        lock_owned(&tx, user, row.portfolio_id).await?;
        // Somebody may have changed it before the lock was had.
        let row = queries::find(&tx, user, id).await?;
        changed.push(apply(&tx, row, edit, &within(place)).await?);
    }
    tx.commit().await?;
    Ok(changed)
}

async fn apply(tx: &CoreTx, row: Model, edit: Edit, within: &str) -> Result<Model> {
    let eoy = edit.eoy.apply(row.target_price_eoy);
    let next_year = edit.next_year.apply(row.target_price_next_year);
    let downside = edit.downside.apply(row.downside_target_price);
    if eoy.is_none() && next_year.is_none() && downside.is_none() {
        return Err(Error::field(
            format!("{within}target_price_eoy"),
            "one of the three target prices must stay",
        ));
    }
    let set = target_price::ActiveModel {
        target_price_eoy: Set(eoy),
        target_price_next_year: Set(next_year),
        downside_target_price: Set(downside),
        current_price: Set(edit.current_price.apply(row.current_price)),
        analyst_notes: Set(edit.notes.apply(row.analyst_notes)),
        data_source: Set(edit.data_source.apply(row.data_source)),
        ..Default::default()
    };
    let written = Entity::update_many()
        .set(set)
        .col_expr(Column::UpdatedAt, Expr::current_timestamp())
        .filter(Column::Id.eq(row.id))
        .exec_with_returning(tx)
        .await?;
    written.into_iter().next().ok_or(Error::NotFound("target price"))
}

/// Deletes one of the user's. 404.
pub(super) async fn delete(core: &CoreDb, user: UserId, id: TargetPriceId) -> Result<()> {
    let tx = core.begin().await?;
    let row = queries::find(&tx, user, id).await?;
    lock_owned(&tx, user, row.portfolio_id).await?;
    Entity::delete_by_id(row.id).exec(&tx).await?;
    crate::idempotency::forget(&tx, user, id.0).await?;
    tx.commit().await
}

/// Makes or replaces target prices, one for each symbol and type. 404, 409 `too_many_target_prices`.
pub(super) async fn put(
    core: &CoreDb,
    user: UserId,
    portfolio: PortfolioId,
    given: Vec<NewTarget>,
) -> Result<Written> {
    let tx = core.begin().await?;
    lock_owned(&tx, user, portfolio).await?;
    let there: HashMap<Key, Model> =
        queries::all(&tx, portfolio).await?.into_iter().map(|row| (key(&row), row)).collect();
    let mut written = Written::default();
    let mut new = Vec::new();
    for target in given {
        let Some(row) = there.get(&(target.symbol.clone(), target.position_type)) else {
            new.push(target);
            continue;
        };
        let is_same = row.target_price_eoy == target.eoy
            && row.target_price_next_year == target.next_year
            && row.downside_target_price == target.downside
            && row.current_price == target.current_price
            && row.analyst_notes == target.notes;
        if is_same {
            written.unchanged += 1;
            continue;
        }
        let edit = Edit {
            eoy: set(target.eoy),
            next_year: set(target.next_year),
            downside: set(target.downside),
            current_price: set(target.current_price),
            notes: set(target.notes),
            data_source: set(target.data_source),
        };
        apply(&tx, row.clone(), edit, "").await?;
        written.updated += 1;
    }
    if (there.len() + new.len()) as u64 > TARGETS_MAX {
        let detail = format!("a portfolio has at most {TARGETS_MAX} target prices");
        return Err(Error::conflict("too_many_target_prices", detail));
    }
    written.created = new.len();
    insert(&tx, portfolio, new).await?;
    tx.commit().await?;
    Ok(written)
}

fn set<T>(value: Option<T>) -> Change<T> {
    value.map_or(Change::Remove, Change::Set)
}
