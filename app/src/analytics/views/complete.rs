//! Everything about a portfolio in one answer.

use std::collections::HashMap;

use chrono::NaiveDate;
use entity::ids::{PortfolioId, UserId};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::holdings::{Holding, holdings, ratio};
use super::load::{View, view};
use super::past::{Day, days};
use crate::db::CoreDb;
use crate::error::Result;
use crate::portfolio::figures::Quality;
use crate::web::Money;

/// Positions of an answer.
pub(super) const HOLDINGS_MAX: usize = 1_000;
/// Days of an answer.
pub(super) const DAYS_MAX: u64 = 400;

/// Which parts are wanted.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the request")]
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Parts {
    /// The positions.
    pub holdings: bool,
    /// Their tags.
    pub tags: bool,
    /// The history.
    pub timeseries: bool,
    /// What each position contributed.
    pub attribution: bool,
}

/// A portfolio.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PortfolioFigures {
    /// Key.
    pub id: Uuid,
    /// What it is called.
    pub name: String,
    /// The account it stands for.
    pub account_name: String,
    /// Kind of account.
    pub account_type: String,
    /// Of every sum.
    pub currency: String,
    /// Equity: positions and cash.
    pub total_value: Money,
    /// Positions, long and short.
    pub market_value: Money,
    /// What is not in positions.
    pub cash_value: Money,
    /// What the open positions cost, signed.
    pub cost_basis: Money,
    /// Market value less cost.
    pub unrealized_pnl: Money,
    /// Of closes since the beginning.
    pub realized_pnl: Money,
    /// Of dividends since the beginning.
    pub income: Money,
    /// All three.
    pub total_pnl: Money,
    /// Unrealised P&L since the close before the newest one.
    pub day_pnl: Money,
    /// Put in less taken out since the beginning.
    pub net_contributions: Money,
}

/// How many positions of which kind.
#[derive(Clone, Copy, Debug, Default, Serialize, ToSchema)]
pub struct PositionsSummary {
    /// Open lots.
    pub total: usize,
    /// Of shares, bought.
    pub long: usize,
    /// Of shares, sold.
    pub short: usize,
    /// Options.
    pub options: usize,
    /// Without a market.
    pub private: usize,
}

/// What a position contributed.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PositionPart {
    /// The position.
    pub position_id: Uuid,
    /// Its symbol.
    pub symbol: String,
    /// Unrealised P&L.
    pub unrealized_pnl: Option<Money>,
    /// The same over the portfolio's total value.
    pub contribution: Option<f64>,
}

/// How the figures came about.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DataQuality {
    /// Every position could be valued and counted.
    pub is_complete: bool,
    /// The newest close of its symbols.
    pub prices_as_of: Option<NaiveDate>,
    /// How positions were priced: counts.
    pub positions: Quality,
    /// Its newest snapshot; none: the batch has not run.
    pub last_snapshot: Option<NaiveDate>,
    /// Its snapshots from this day on are out of date until the next batch.
    pub snapshots_stale_from: Option<NaiveDate>,
}

/// Everything about a portfolio, without the description of the answer.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Complete {
    /// Its sums.
    pub portfolio: PortfolioFigures,
    /// How many positions of which kind.
    pub positions_summary: PositionsSummary,
    /// Open lots, the largest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holdings: Option<Vec<Holding>>,
    /// Its days, oldest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeseries: Option<Vec<Day>>,
    /// What each position contributed, the most first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attribution: Option<Vec<PositionPart>>,
    /// How the figures came about.
    pub data_quality: DataQuality,
    /// A limit kept rows out.
    #[serde(skip)]
    pub is_truncated: bool,
}

/// Everything about a portfolio of the user's on a day; without one on the last trading day.
pub async fn complete(
    core: &CoreDb,
    user: UserId,
    id: PortfolioId,
    day: Option<NaiveDate>,
    parts: Parts,
) -> Result<(NaiveDate, Complete)> {
    let view = view(core, user, id, day).await?;
    let day = view.book.day;
    let mut rows = holdings(core, &view).await?;
    let attribution = parts.attribution.then(|| attribution(&view, &rows));
    let mut is_truncated = rows.len() > HOLDINGS_MAX;
    rows.truncate(HOLDINGS_MAX);
    if parts.holdings && parts.tags {
        tag(core, &mut rows).await?;
    }
    let wanted = if parts.timeseries { DAYS_MAX } else { 1 };
    let (past, has_more) = days(core, id, day, wanted).await?;
    is_truncated |= parts.timeseries && has_more;
    let last_snapshot = past.last().map(|day| day.date);
    let complete = Complete {
        portfolio: figures(&view),
        positions_summary: summary(&view),
        holdings: parts.holdings.then_some(rows),
        timeseries: parts.timeseries.then_some(past),
        attribution,
        data_quality: quality(&view, last_snapshot),
        is_truncated,
    };
    Ok((day, complete))
}

/// The sums of a portfolio.
pub fn figures(view: &View) -> PortfolioFigures {
    let View { row, standing, book, .. } = view;
    let day_pnl = book.positions.iter().filter_map(|valued| view.day_pnl(valued)).sum();
    PortfolioFigures {
        id: row.id.0,
        name: row.name.clone(),
        account_name: row.account_name.clone(),
        account_type: row.account_type.clone(),
        currency: row.currency.clone(),
        total_value: Money(standing.total_value),
        market_value: Money(standing.exposures.net()),
        cash_value: Money(standing.cash_value),
        cost_basis: Money(standing.exposures.cost_basis),
        unrealized_pnl: Money(standing.exposures.unrealized_pnl),
        realized_pnl: Money(standing.cumulative.realized),
        income: Money(standing.cumulative.income),
        total_pnl: Money(standing.cumulative_pnl),
        day_pnl: Money(day_pnl),
        net_contributions: Money(standing.cumulative.flow),
    }
}

/// How many positions of which kind.
pub(super) fn summary(view: &View) -> PositionsSummary {
    use entity::core::position::InvestmentClass::{Options, Private, Public};

    let mut summary = PositionsSummary::default();
    for valued in &view.book.positions {
        let class = view.account.lots[valued.lot].class;
        summary.total += 1;
        match class {
            Options => summary.options += 1,
            Public | Private if valued.quantity.is_sign_negative() => summary.short += 1,
            Public | Private => summary.long += 1,
        }
        summary.private += usize::from(class == Private);
    }
    summary
}

/// How the figures of a portfolio came about.
pub fn quality(view: &View, last_snapshot: Option<NaiveDate>) -> DataQuality {
    DataQuality {
        is_complete: view.standing.quality.is_complete(),
        prices_as_of: view.priced_on,
        positions: view.standing.quality,
        last_snapshot,
        snapshots_stale_from: view.row.stale_from,
    }
}

fn attribution(view: &View, holdings: &[Holding]) -> Vec<PositionPart> {
    let mut contributions: Vec<PositionPart> = holdings
        .iter()
        .take(HOLDINGS_MAX)
        .map(|holding| PositionPart {
            position_id: holding.id,
            symbol: holding.symbol.clone(),
            unrealized_pnl: holding.unrealized_pnl,
            contribution: holding.unrealized_pnl.and_then(|pnl| ratio(pnl.0, view.standing.total_value)),
        })
        .collect();
    let size = |one: &PositionPart| one.unrealized_pnl.map(|pnl| pnl.0.abs()).unwrap_or_default();
    contributions.sort_by(|one, other| {
        size(other).cmp(&size(one)).then_with(|| one.position_id.cmp(&other.position_id))
    });
    contributions
}

/// Gives holdings the names of their tags that are in use, in the owner's order.
pub async fn tag(core: &CoreDb, holdings: &mut [Holding]) -> Result<()> {
    let ids: Vec<Uuid> = holdings.iter().map(|holding| holding.id).collect();
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT link.position_id, tag.name FROM position_tags AS link JOIN tags AS tag ON tag.id = link.tag_id
          WHERE link.position_id = ANY ($1) AND tag.archived_at IS NULL
          ORDER BY tag.display_order, tag.name, tag.id",
        [ids.into()],
    );
    let mut names: HashMap<Uuid, Vec<String>> = HashMap::new();
    for row in core.query_all_raw(statement).await? {
        names.entry(row.try_get("", "position_id")?).or_default().push(row.try_get("", "name")?);
    }
    for holding in holdings {
        holding.tags = Some(names.remove(&holding.id).unwrap_or_default());
    }
    Ok(())
}
