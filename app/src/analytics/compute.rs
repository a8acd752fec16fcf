//! Figures of a portfolio for the days of its plan. No I/O.

use chrono::NaiveDate;
use entity::ids::{PortfolioId, PositionId, RealizedEventId};
use sea_orm::prelude::Decimal;

use super::plan::Work;
use crate::market::Market;
use crate::portfolio::figures::{Account, Before, Ledger, Priced, Snapshot, is_storable, roll};

/// More does not fit the column of a price.
const PRICE_MAX: Decimal = Decimal::from_parts(3_567_587_328, 232, 0, false, 0);

/// A day before every other.
pub(super) const BEGINNING: NaiveDate = match NaiveDate::from_ymd_opt(1, 1, 1) {
    Some(day) => day,
    None => NaiveDate::MIN,
};

/// What is to be written of a portfolio.
#[derive(Clone, Debug)]
pub(super) struct Computed {
    pub(super) id: PortfolioId,
    /// Snapshots from this day on are those below and no others. None: nothing is written.
    pub(super) from: Option<NaiveDate>,
    pub(super) snapshots: Vec<Snapshot>,
    pub(super) valued_on: Option<NaiveDate>,
    pub(super) marks: Vec<LotMark>,
    /// Of each close.
    pub(super) realized: Vec<(RealizedEventId, Option<Decimal>)>,
    /// Why nothing could be computed.
    pub(super) error: Option<&'static str>,
}

/// Columns of a position.
#[derive(Clone, Debug)]
pub(super) struct LotMark {
    pub(super) id: PositionId,
    pub(super) last_price: Option<Decimal>,
    pub(super) last_price_date: Option<NaiveDate>,
    pub(super) market_value: Option<Decimal>,
    pub(super) cost_basis: Option<Decimal>,
    pub(super) unrealized_pnl: Option<Decimal>,
    pub(super) realized_pnl: Option<Decimal>,
}

impl Computed {
    fn nothing(id: PortfolioId) -> Self {
        Self {
            id,
            from: None,
            snapshots: Vec::new(),
            valued_on: None,
            marks: Vec::new(),
            realized: Vec::new(),
            error: None,
        }
    }
}

/// A portfolio, what to do with it, and the snapshot before the first day.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) account: Account,
    pub(super) work: Work,
    pub(super) before: Option<Before>,
}

/// Computes what is to be written.
pub(super) fn compute(task: &Task, market: &Market) -> Computed {
    let Task { account, work, before } = task;
    let nothing = Computed::nothing(account.id);
    let (days, is_beginning): (&[NaiveDate], bool) = match work {
        Work::Nothing => return nothing,
        Work::Clear => (&[], true),
        Work::Days { days, is_beginning } => (days, *is_beginning),
    };
    let priced = Priced::new(account, market);
    let snapshots = roll(&priced, &Ledger::new(&priced), days, *before);
    if !snapshots.iter().all(Snapshot::is_storable) {
        return Computed { error: Some("its sums are beyond what can be stored"), ..nothing };
    }
    let from = if is_beginning { Some(BEGINNING) } else { days.first().copied() };
    let valued_on = days.last().copied();
    let (marks, realized) = marks(account, &priced, valued_on);
    Computed { from, snapshots, valued_on, marks, realized, ..nothing }
}

type Realized = Vec<(RealizedEventId, Option<Decimal>)>;

fn marks(account: &Account, priced: &Priced<'_>, day: Option<NaiveDate>) -> (Vec<LotMark>, Realized) {
    let mut realized = Vec::new();
    let mut marks: Vec<LotMark> = Vec::with_capacity(account.lots.len());
    for (place, lot) in account.lots.iter().enumerate() {
        let of_lot: Realized =
            lot.closes.iter().map(|close| (close.id, priced.realized(place, close))).collect();
        let sum: Option<Decimal> = of_lot.iter().map(|(_, sum)| *sum).sum();
        realized.extend(of_lot);
        // A lot that is not opened yet has no value, one that is closed has none left.
        let is_closed = day.is_some_and(|day| lot.entry_date <= day);
        let zero = is_closed.then_some(Decimal::ZERO);
        marks.push(LotMark {
            id: lot.id,
            last_price: None,
            last_price_date: None,
            market_value: zero,
            cost_basis: zero,
            unrealized_pnl: zero,
            realized_pnl: sum.filter(|sum| is_storable(*sum)),
        });
    }
    let open = day.map(|day| priced.on(day)).into_iter().flatten();
    for valued in open {
        let mark = &mut marks[valued.lot];
        mark.last_price = Some(valued.mark.price).filter(|price| price.abs() < PRICE_MAX);
        mark.last_price_date = Some(valued.mark.day);
        mark.market_value = valued.worth.map(|worth| worth.market_value);
        mark.cost_basis = valued.worth.map(|worth| worth.cost_basis);
        mark.unrealized_pnl = valued.worth.map(|worth| worth.unrealized_pnl);
    }
    (marks, realized)
}
