//! On which days New York's exchange trades: by rule for any year, with
//! closures that no rule tells, and whatever the table `trading_calendar` says
//! against both.
//!
//! The rules are those of the exchange (NYSE Rule 7.2 and its holiday
//! schedules), with the years in which they changed. They hold from 1971 on, when the
//! Monday holidays began; for earlier years they are the nearest there is.

use std::collections::BTreeMap;

use chrono::{Datelike, Days, NaiveDate, Weekday};
use entity::core::calendar_day;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::db::CoreConn;
use crate::error::Result;

/// The exchange whose days are counted.
const EXCHANGE: &str = "XNYS";
/// Overrides that are read: the newest.
const OVERRIDES_MAX: u64 = 10_000;
/// No closure lasts longer, not even one in the table.
const CLOSED_DAYS_MAX: usize = 366;

/// Closed for once: elections until 1980, mourning, blackout, storms, attacks.
const CLOSED_ONCE: [(i32, u32, u32); 18] = [
    (1972, 11, 7),
    (1972, 12, 28),
    (1973, 1, 25),
    (1976, 11, 2),
    (1977, 7, 14),
    (1980, 11, 4),
    (1985, 9, 27),
    (1994, 4, 27),
    (2001, 9, 11),
    (2001, 9, 12),
    (2001, 9, 13),
    (2001, 9, 14),
    (2004, 6, 11),
    (2007, 1, 2),
    (2012, 10, 29),
    (2012, 10, 30),
    (2018, 12, 5),
    (2025, 1, 9),
];

/// Trading days.
#[derive(Clone, Debug, Default)]
pub struct Calendar {
    overrides: BTreeMap<NaiveDate, bool>,
}

impl Calendar {
    /// By rule alone.
    pub fn by_rule() -> Self {
        Self::default()
    }

    /// By rule, but for these days, which are open (true) or closed.
    pub fn with_overrides(overrides: impl IntoIterator<Item = (NaiveDate, bool)>) -> Self {
        Self { overrides: overrides.into_iter().collect() }
    }

    /// By rule, but for what the table says.
    pub async fn load(core: &impl CoreConn) -> Result<Self> {
        let rows = calendar_day::Entity::find()
            .filter(calendar_day::Column::Exchange.eq(EXCHANGE))
            .order_by_desc(calendar_day::Column::Date)
            .limit(OVERRIDES_MAX)
            .all(core)
            .await?;
        Ok(Self::with_overrides(rows.into_iter().map(|row| (row.date, row.is_open))))
    }

    /// Whether the exchange trades on this day.
    pub fn is_open(&self, date: NaiveDate) -> bool {
        self.overrides.get(&date).copied().unwrap_or_else(|| is_open_by_rule(date))
    }

    /// Every trading day from `from` to `to`, both included.
    pub fn days(&self, from: NaiveDate, to: NaiveDate) -> impl Iterator<Item = NaiveDate> + '_ {
        from.iter_days().take_while(move |date| *date <= to).filter(|date| self.is_open(*date))
    }

    /// This day if the exchange trades on it, else the last one before it.
    pub fn on_or_before(&self, date: NaiveDate) -> Option<NaiveDate> {
        let mut days = std::iter::successors(Some(date), NaiveDate::pred_opt).take(CLOSED_DAYS_MAX);
        days.find(|date| self.is_open(*date))
    }

    /// This day if the exchange trades on it, else the first one after it.
    pub fn on_or_after(&self, date: NaiveDate) -> Option<NaiveDate> {
        date.iter_days().take(CLOSED_DAYS_MAX).find(|date| self.is_open(*date))
    }

    /// The last trading day before this day.
    pub fn previous(&self, date: NaiveDate) -> Option<NaiveDate> {
        self.on_or_before(date.pred_opt()?)
    }

    /// The first trading day after this day.
    pub fn next(&self, date: NaiveDate) -> Option<NaiveDate> {
        self.on_or_after(date.succ_opt()?)
    }
}

fn is_open_by_rule(date: NaiveDate) -> bool {
    !is_weekend(date) && !CLOSED_ONCE.contains(&(date.year(), date.month(), date.day())) && !is_holiday(date)
}

fn is_weekend(date: NaiveDate) -> bool {
    matches!(date.weekday(), Weekday::Sat | Weekday::Sun)
}

/// Whether a weekday is a holiday, or stands in for one that falls on a weekend.
fn is_holiday(date: NaiveDate) -> bool {
    let year = date.year();
    match date.month() {
        // A New Year's Day on a Saturday is made up for by no Friday: the year's books close on it.
        1 => {
            date.day() == 1
                || (date.day() == 2 && date.weekday() == Weekday::Mon)
                || (year >= 1998 && is_nth(date, Weekday::Mon, 3))
        }
        2 => is_nth(date, Weekday::Mon, 3),
        3 | 4 => easter(year).and_then(|easter| easter.checked_sub_days(Days::new(2))) == Some(date),
        5 => date.weekday() == Weekday::Mon && date.day() > 24,
        6 => year >= 2022 && is_observed(date, 19),
        7 => is_observed(date, 4),
        9 => is_nth(date, Weekday::Mon, 1),
        11 => is_nth(date, Weekday::Thu, 4),
        12 => is_observed(date, 25),
        _ => false,
    }
}

/// The `nth` such weekday of its month.
fn is_nth(date: NaiveDate, weekday: Weekday, nth: u32) -> bool {
    date.weekday() == weekday && (date.day() - 1) / 7 + 1 == nth
}

/// A holiday on a Saturday is kept on Friday, one on a Sunday on Monday.
fn is_observed(date: NaiveDate, holiday: u32) -> bool {
    let day = date.day();
    day == holiday
        || (day + 1 == holiday && date.weekday() == Weekday::Fri)
        || (day == holiday + 1 && date.weekday() == Weekday::Mon)
}

/// Easter Sunday of the Gregorian calendar (Meeus, Jones and Butcher).
fn easter(year: i32) -> Option<NaiveDate> {
    let golden = year.rem_euclid(19);
    let (century, of_century) = (year.div_euclid(100), year.rem_euclid(100));
    let correction = (century - (century + 8) / 25 + 1) / 3;
    let epact = (19 * golden + century - century / 4 - correction + 15).rem_euclid(30);
    let weekday = (32 + 2 * (century % 4) + 2 * (of_century / 4) - epact - of_century % 4).rem_euclid(7);
    let shift = (golden + 11 * epact + 22 * weekday) / 451;
    let days = epact + weekday - 7 * shift + 114;
    NaiveDate::from_ymd_opt(year, u32::try_from(days / 31).ok()?, u32::try_from(days % 31).ok()? + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    /// Weekdays of a year on which the exchange is closed, as month-day.
    fn closed(year: i32) -> Vec<String> {
        let calendar = Calendar::by_rule();
        let first = NaiveDate::from_ymd_opt(year, 1, 1).unwrap();
        let days = first.iter_days().take_while(|date| date.year() == year);
        days.filter(|date| !is_weekend(*date) && !calendar.is_open(*date))
            .map(|date| date.format("%m-%d").to_string())
            .collect()
    }

    /// As the exchange published them.
    #[test]
    fn holidays_are_those_of_the_exchange() {
        for (year, holidays) in [
            (1976, "01-01 02-16 04-16 05-31 07-05 09-06 11-02 11-25 12-24"),
            (1997, "01-01 02-17 03-28 05-26 07-04 09-01 11-27 12-25"),
            (1998, "01-01 01-19 02-16 04-10 05-25 07-03 09-07 11-26 12-25"),
            (2001, "01-01 01-15 02-19 04-13 05-28 07-04 09-03 09-11 09-12 09-13 09-14 11-22 12-25"),
            (2011, "01-17 02-21 04-22 05-30 07-04 09-05 11-24 12-26"),
            (2012, "01-02 01-16 02-20 04-06 05-28 07-04 09-03 10-29 10-30 11-22 12-25"),
            (2021, "01-01 01-18 02-15 04-02 05-31 07-05 09-06 11-25 12-24"),
            (2022, "01-17 02-21 04-15 05-30 06-20 07-04 09-05 11-24 12-26"),
            (2024, "01-01 01-15 02-19 03-29 05-27 06-19 07-04 09-02 11-28 12-25"),
            (2025, "01-01 01-09 01-20 02-17 04-18 05-26 06-19 07-04 09-01 11-27 12-25"),
            (2026, "01-01 01-19 02-16 04-03 05-25 06-19 07-03 09-07 11-26 12-25"),
            (2027, "01-01 01-18 02-15 03-26 05-31 06-18 07-05 09-06 11-25 12-24"),
            (2028, "01-17 02-21 04-14 05-29 06-19 07-04 09-04 11-23 12-25"),
        ] {
            assert_eq!(closed(year).join(" "), holidays, "{year}");
        }
        for year in [1971, 2100, 2400, 9999] {
            assert!((7..=12).contains(&closed(year).len()), "{year}: {:?}", closed(year));
        }
    }

    #[test]
    fn days_are_found_around_closures() {
        let calendar = Calendar::by_rule();
        assert_eq!(calendar.on_or_before(day("2024-03-31")), Some(day("2024-03-28")));
        assert_eq!(calendar.on_or_before(day("2024-03-28")), Some(day("2024-03-28")));
        assert_eq!(calendar.on_or_after(day("2024-03-29")), Some(day("2024-04-01")));
        assert_eq!(calendar.previous(day("2024-04-01")), Some(day("2024-03-28")));
        assert_eq!(calendar.next(day("2024-03-28")), Some(day("2024-04-01")));
        assert_eq!(calendar.days(day("2023-01-01"), day("2023-12-31")).count(), 250);
        assert_eq!(calendar.days(day("2024-01-01"), day("2024-12-31")).count(), 252);
        assert_eq!(calendar.days(day("2024-01-02"), day("2024-01-01")).count(), 0);
        assert_eq!(calendar.next(NaiveDate::MAX), None);
        assert_eq!(
            calendar.on_or_before(NaiveDate::MIN),
            Some(NaiveDate::MIN).filter(|date| calendar.is_open(*date))
        );
    }

    #[test]
    fn an_override_wins_over_the_rule() {
        let calendar = Calendar::with_overrides([(day("2024-07-04"), true), (day("2024-07-05"), false)]);
        assert!(calendar.is_open(day("2024-07-04")));
        assert!(!calendar.is_open(day("2024-07-05")));
        assert_eq!(calendar.next(day("2024-07-04")), Some(day("2024-07-08")));
        let always_closed =
            Calendar::with_overrides(day("2000-01-01").iter_days().take(5000).map(|date| (date, false)));
        assert_eq!(always_closed.next(day("2001-01-01")), None);
    }
}
