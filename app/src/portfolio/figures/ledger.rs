//! What happened: closes, dividends, capital; summed up to any day.

use chrono::NaiveDate;
use entity::core::position::InvestmentClass;
use sea_orm::prelude::Decimal;

use super::amount::amount;
use super::valuation::{Priced, PricedLot};

/// Everything up to a day, in the portfolio's currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Of closes: proceeds less cost.
    pub realized: Decimal,
    /// Dividends received less those paid on short lots.
    pub income: Decimal,
    /// Capital that came in less what went out.
    pub flow: Decimal,
    /// What could not be counted, for want of a rate.
    pub uncounted: u32,
}

impl Totals {
    fn plus(self, entry: &Totals) -> Self {
        Self {
            realized: self.realized + entry.realized,
            income: self.income + entry.income,
            flow: self.flow + entry.flow,
            uncounted: self.uncounted + entry.uncounted,
        }
    }

    /// What came since.
    pub(super) fn since(&self, before: &Totals) -> Self {
        Self {
            realized: self.realized - before.realized,
            income: self.income - before.income,
            flow: self.flow - before.flow,
            uncounted: self.uncounted.saturating_sub(before.uncounted),
        }
    }
}

/// A portfolio's events with running sums.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// By day; each with everything up to its end.
    sums: Vec<(NaiveDate, Totals)>,
}

impl Ledger {
    /// Reads closes, dividends and flows.
    pub fn new(priced: &Priced<'_>) -> Self {
        let mut entries: Vec<(NaiveDate, Totals)> = Vec::new();
        let brings_its_capital = priced.account.equity_balance.is_none();
        for (place, lot) in priced.lots.iter().enumerate() {
            closes(priced, place, lot, brings_its_capital, &mut entries);
            if let InvestmentClass::Public = lot.lot.class {
                dividends(priced, lot, &mut entries);
            }
        }
        let flows = priced.account.flows.iter();
        entries.extend(flows.map(|flow| (flow.day, Totals { flow: flow.amount, ..Totals::default() })));
        entries.sort_by_key(|(day, _)| *day);
        let mut so_far = Totals::default();
        for (_, entry) in &mut entries {
            so_far = so_far.plus(entry);
            *entry = so_far;
        }
        Self { sums: entries }
    }

    /// Everything up to the end of a day.
    pub fn upto(&self, day: NaiveDate) -> Totals {
        let after = self.sums.partition_point(|(of, _)| *of <= day);
        after.checked_sub(1).map(|last| self.sums[last].1).unwrap_or_default()
    }
}

/// A lot's closes. Where each purchase brings its own capital, opening one
/// brings its cost in, and a close takes its proceeds out: the cost that leaves
/// the book, and what was gained on it. So what is left is no cash, to the cent.
fn closes(
    priced: &Priced<'_>,
    place: usize,
    lot: &PricedLot<'_>,
    brings_its_capital: bool,
    entries: &mut Vec<(NaiveDate, Totals)>,
) {
    let mut open = lot.lot.opened;
    let mut cost = lot.cost(open);
    if brings_its_capital {
        entries.push((lot.lot.entry_date, counted(cost, |flow| Totals { flow, ..Totals::default() })));
    }
    for close in &lot.lot.closes {
        open -= lot.lot.sign() * close.quantity;
        let left = lot.cost(open);
        let realized = priced.realized(place, close);
        let released = cost.zip(left).map(|(before, after)| before - after);
        let entry = counted(realized.zip(released), |(realized, released)| Totals {
            realized,
            flow: if brings_its_capital { -(released + realized) } else { Decimal::ZERO },
            ..Totals::default()
        });
        entries.push((close.day, entry));
        cost = left;
    }
}

/// Dividends go to who held at the close before the ex-date; who is short pays them.
fn dividends(priced: &Priced<'_>, lot: &PricedLot<'_>, entries: &mut Vec<(NaiveDate, Totals)>) {
    let entry_date = lot.lot.entry_date;
    for dividend in lot.series.dividends().iter().filter(|dividend| dividend.ex_date > entry_date) {
        let Some(before) = dividend.ex_date.pred_opt() else { continue };
        let held = lot.lot.open_on(before);
        if held.is_zero() {
            continue;
        }
        let paid = || {
            let units = held.checked_mul(lot.series.split_factor(entry_date, before)?)?;
            let rate = priced.rate(lot.event_currency(), dividend.ex_date)?;
            amount(units, dividend.value, lot.lot.multiplier, rate)
        };
        entries.push((dividend.ex_date, counted(paid(), |income| Totals { income, ..Totals::default() })));
    }
}

fn counted<T>(known: Option<T>, entry: impl FnOnce(T) -> Totals) -> Totals {
    known.map_or(Totals { uncounted: 1, ..Totals::default() }, entry)
}
