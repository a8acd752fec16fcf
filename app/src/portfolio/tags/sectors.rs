//! Tags that are named after sectors.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use entity::core::tag;
use entity::ids::{PortfolioId, TagId, UserId};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QueryOrder, Statement};
use uuid::Uuid;

use super::edit::{self, NewTag, lock_user, lower_name, require_room};
use super::read::own;
use crate::db::{CoreDb, CoreTx};
use crate::error::{Error, Result};
use crate::market::sectors::standard;
use crate::portfolio::find_owned;

/// Longest name of a tag; a sector with a longer one has none.
const NAME_CHARS_MAX: usize = 50;
/// What new ones look like.
const COLOR: &str = "#4A90E2";

/// What was done.
#[derive(Clone, Debug, Default)]
pub(crate) struct Restored {
    /// Open positions that were looked at.
    pub(crate) positions: usize,
    /// Of these, positions of which no sector is known.
    pub(crate) without_sector: usize,
    /// Tags that were made, or taken out of the archive.
    pub(crate) tags_made: usize,
    /// Positions that got a tag.
    pub(crate) assigned: u64,
    /// Positions by sector.
    pub(crate) by_sector: BTreeMap<String, usize>,
}

/// Gives open positions of the user's, of all portfolios or of one, the tag of their company's sector; an option that
/// of its underlying. Tags that are not there are made, archived ones are restored. None is taken off.
/// Again changes nothing. 409 `too_many_tags`.
pub(crate) async fn restore_sectors(
    core: &CoreDb,
    user: UserId,
    portfolio: Option<PortfolioId>,
) -> Result<Restored> {
    let tx = core.begin().await?;
    lock_user(&tx, user).await?;
    if let Some(id) = portfolio {
        find_owned(&tx, user, id).await?;
    }
    let mut restored = Restored::default();
    let mut lots: BTreeMap<String, Vec<Uuid>> = BTreeMap::new();
    for (id, sector) in open(&tx, user, portfolio).await? {
        restored.positions += 1;
        match sector.filter(|name| (1..=NAME_CHARS_MAX).contains(&name.chars().count())) {
            Some(sector) => lots.entry(standard(&sector).to_owned()).or_default().push(id),
            None => restored.without_sector += 1,
        }
    }
    let (tags, made) = tags(&tx, user, &lots.keys().cloned().collect()).await?;
    restored.tags_made = made;
    let pairs = lots.iter().filter_map(|(sector, ids)| Some((tags.get(&sector.to_lowercase())?, ids)));
    let (ids, tags): (Vec<Uuid>, Vec<Uuid>) =
        pairs.flat_map(|(tag, ids)| ids.iter().map(|id| (*id, tag.0))).unzip();
    restored.assigned = assign(&tx, ids, tags).await?;
    tx.commit().await?;
    restored.by_sector = lots.into_iter().map(|(sector, ids)| (sector, ids.len())).collect();
    Ok(restored)
}

/// Open positions with their sectors, locked.
async fn open(
    tx: &CoreTx,
    user: UserId,
    portfolio: Option<PortfolioId>,
) -> Result<Vec<(Uuid, Option<String>)>> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT lot.id, coalesce(profile.sector, known.sector) AS sector
           FROM positions AS lot JOIN portfolios AS portfolio ON portfolio.id = lot.portfolio_id
           LEFT JOIN symbol_universe AS known ON known.symbol = coalesce(lot.underlying_symbol, lot.symbol)
           LEFT JOIN company_profiles AS profile ON profile.symbol = coalesce(lot.underlying_symbol, lot.symbol)
          WHERE portfolio.user_id = $1 AND ($2::uuid IS NULL OR portfolio.id = $2)
            AND portfolio.deleted_at IS NULL AND lot.deleted_at IS NULL AND lot.exit_date IS NULL
          ORDER BY lot.id FOR NO KEY UPDATE OF lot",
        [user.0.into(), portfolio.map(|id| id.0).into()],
    );
    let rows = tx.query_all_raw(statement).await?;
    rows.iter().map(|row| Ok((row.try_get("", "id")?, row.try_get("", "sector")?))).collect()
}

/// The user's tags in use with these names, by their names in small letters; and how many had to be made.
async fn tags(
    tx: &CoreTx,
    user: UserId,
    names: &BTreeSet<String>,
) -> Result<(BTreeMap<String, TagId>, usize)> {
    let lower: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
    let there = own(user)
        .filter(lower_name().is_in(lower))
        .order_by_asc(tag::Column::ArchivedAt)
        .order_by_asc(tag::Column::Id)
        .all(tx)
        .await?;
    let mut tags: BTreeMap<String, TagId> = BTreeMap::new();
    let in_use = there.iter().filter(|row| row.archived_at.is_none());
    tags.extend(in_use.map(|row| (row.name.to_lowercase(), row.id)));
    let mut back = Vec::new();
    for row in there.iter().filter(|row| row.archived_at.is_some()) {
        if let Entry::Vacant(place) = tags.entry(row.name.to_lowercase()) {
            place.insert(row.id);
            back.push(row.id);
        }
    }
    if !back.is_empty() {
        tag::Entity::update_many()
            .col_expr(tag::Column::ArchivedAt, Expr::cust("NULL"))
            .col_expr(tag::Column::UpdatedAt, Expr::current_timestamp())
            .filter(tag::Column::Id.is_in(back.iter().copied()))
            .exec(tx)
            .await?;
    }
    let mut new = Vec::new();
    for name in names {
        if tags.contains_key(&name.to_lowercase()) {
            continue;
        }
        let tag = NewTag {
            name: name.clone(),
            color: COLOR.to_owned(),
            description: Some("Sector of the company".to_owned()),
            display_order: 0,
        };
        let id = TagId(Uuid::now_v7());
        tags.insert(name.to_lowercase(), id);
        new.push(edit::row(id, user, tag));
    }
    let made = back.len() + new.len();
    if !new.is_empty() {
        require_room(tx, user, new.len() as u64).await?;
        tag::Entity::insert_many(new).exec_without_returning(tx).await?;
    }
    Ok((tags, made))
}

async fn assign(tx: &CoreTx, positions: Vec<Uuid>, tags: Vec<Uuid>) -> Result<u64> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "INSERT INTO position_tags (position_id, tag_id) SELECT * FROM unnest($1::uuid[], $2::uuid[])
         ON CONFLICT DO NOTHING",
        [positions.clone().into(), tags.into()],
    );
    let assigned = tx.execute_raw(statement).await?.rows_affected();
    let full = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT 1 FROM position_tags WHERE position_id = ANY ($1) GROUP BY position_id HAVING count(*) > $2 LIMIT 1",
        [positions.into(), super::assign::TAGS_OF_POSITION_MAX.into()],
    );
    if tx.query_one_raw(full).await?.is_some() {
        let detail = format!("a position has at most {} tags", super::assign::TAGS_OF_POSITION_MAX);
        return Err(Error::conflict("too_many_tags", detail));
    }
    Ok(assigned)
}
