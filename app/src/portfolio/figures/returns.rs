//! Returns. Double precision: they are ratios, not money.

use chrono::NaiveDate;

/// The money-weighted rate is sought between a loss of everything and this many times the capital a year.
const RATE_MAX: f64 = 1e6;
const RATE_MIN: f64 = -0.999_999_999;
/// Bisection alone needs 60 halvings for this interval.
const STEPS_MAX: u32 = 200;
const PRECISION: f64 = 1e-12;
/// A year of a money-weighted rate, in days.
const YEAR_DAYS: f64 = 365.0;

/// The return of a day: what was gained over the capital it was gained with.
/// What comes in counts as there from the day's beginning, what goes out leaves at its end.
/// None: there was no capital.
pub fn day_return(pnl: f64, equity_before: f64, flow: f64) -> Option<f64> {
    let capital = equity_before + flow.max(0.0);
    (capital > 0.0).then(|| pnl / capital)
}

/// A cumulative return with one more day: a day without a return changes nothing.
pub fn chained(so_far: Option<f64>, day: Option<f64>) -> Option<f64> {
    match (so_far, day) {
        (so_far, None) => so_far,
        (None, Some(day)) => Some(day),
        (Some(so_far), Some(day)) => Some((1.0 + so_far) * (1.0 + day) - 1.0),
    }
}

/// Simple returns from level to level: one fewer than levels.
pub fn daily(levels: &[f64]) -> Vec<f64> {
    levels.windows(2).map(|pair| pair[1] / pair[0] - 1.0).collect()
}

/// The time-weighted return of all days together: the product of `1 + r`, less 1.
pub fn cumulative(returns: &[f64]) -> f64 {
    returns.iter().fold(1.0, |level, day| level * (1.0 + day)) - 1.0
}

/// The steady yearly rate that comes to the same, with so many returns a year (252 of trading
/// days). None without returns, or if everything was lost.
pub fn annualized(returns: &[f64], a_year: f64) -> Option<f64> {
    let level = 1.0 + cumulative(returns);
    let count = u32::try_from(returns.len()).ok()?;
    (count > 0 && level > 0.0).then(|| level.powf(a_year / f64::from(count)) - 1.0)
}

/// The money-weighted rate a year (XIRR): at which all flows together are worth
/// nothing. What the owner put in is negative; what came back, and what it is
/// worth in the end, positive. None: there is no such rate, or no single one can be found.
pub fn money_weighted(flows: &[(NaiveDate, f64)]) -> Option<f64> {
    let first = flows.iter().map(|(day, _)| *day).min()?;
    let timed: Vec<(f64, f64)> = flows
        .iter()
        .map(|(day, sum)| {
            (f64::from(i32::try_from((*day - first).num_days()).unwrap_or(i32::MAX)) / YEAR_DAYS, *sum)
        })
        .collect();
    let worth = |rate: f64| timed.iter().map(|(years, sum)| sum * (1.0 + rate).powf(-years)).sum::<f64>();
    let slope = |rate: f64| {
        timed.iter().map(|(years, sum)| -years * sum * (1.0 + rate).powf(-years - 1.0)).sum::<f64>()
    };
    let (mut low, mut high) = bracket(&worth)?;
    let is_low_positive = worth(low) > 0.0;
    let mut rate = 0.1_f64.clamp(low, high);
    // Newton's step where it stays between the bounds, else half of what is left.
    for _ in 0..STEPS_MAX {
        let value = worth(rate);
        if value == 0.0 {
            return Some(rate);
        }
        if (value > 0.0) == is_low_positive {
            low = rate;
        } else {
            high = rate;
        }
        let newton = rate - value / slope(rate);
        let next = if newton > low && newton < high { newton } else { f64::midpoint(low, high) };
        if (next - rate).abs() <= PRECISION * (1.0 + rate.abs()) {
            return Some(next);
        }
        rate = next;
    }
    None
}

/// Two rates between which the worth changes its sign: the nearest to 0 on either side.
fn bracket(worth: &impl Fn(f64) -> f64) -> Option<(f64, f64)> {
    let at_zero = worth(0.0);
    if !at_zero.is_finite() {
        return None;
    }
    let differs = |value: f64| value.is_finite() && (value > 0.0) != (at_zero > 0.0);
    let (mut up, mut down) = (0.0_f64, 0.0_f64);
    loop {
        let (last_up, last_down) = (up, down);
        up = (1.0 + up) * 1.25 - 1.0 + 0.01;
        down = ((1.0 + down) * 0.8 - 1.0).max(RATE_MIN);
        if up < RATE_MAX && differs(worth(up)) {
            return Some((last_up, up));
        }
        if last_down > RATE_MIN && differs(worth(down)) {
            return Some((down, last_down));
        }
        if up >= RATE_MAX && down <= RATE_MIN {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn a_day_counts_what_came_in_and_not_what_went_out() {
        assert_eq!(day_return(11.0, 100.0, 10.0), Some(0.1));
        assert_eq!(day_return(10.0, 100.0, -50.0), Some(0.1));
        assert_eq!(day_return(1.0, 0.0, 0.0), None);
        assert_eq!(day_return(1.0, -5.0, 3.0), None);
    }

    #[test]
    fn returns_are_chained() {
        assert_eq!(chained(None, None), None);
        assert_eq!(chained(None, Some(0.5)), Some(0.5));
        assert_eq!(chained(Some(0.5), None), Some(0.5));
        assert_eq!(chained(Some(0.5), Some(-0.5)), Some(-0.25));
        assert!((cumulative(&[0.5, -0.5]) + 0.25).abs() < 1e-12);
        assert_eq!(daily(&[100.0, 150.0, 75.0]), [0.5, -0.5]);
        assert!((annualized(&[0.01; 252], 252.0).unwrap() - (1.01_f64.powi(252) - 1.0)).abs() < 1e-12);
        assert_eq!(annualized(&[], 252.0), None);
        assert_eq!(annualized(&[-1.0], 252.0), None);
    }

    #[test]
    fn the_money_weighted_rate_is_that_of_the_literature() {
        // The example of the spreadsheet function's own documentation: 37.34 %.
        let flows = [
            (day("2008-01-01"), -10_000.0),
            (day("2008-03-01"), 2_750.0),
            (day("2008-10-30"), 4_250.0),
            (day("2009-02-15"), 3_250.0),
            (day("2009-04-01"), 2_750.0),
        ];
        assert!((money_weighted(&flows).unwrap() - 0.373_362_535).abs() < 1e-8);
        // A year, exactly: the rate is the gain.
        let year = [(day("2023-01-01"), -100.0), (day("2024-01-01"), 108.0)];
        assert!((money_weighted(&year).unwrap() - 0.08).abs() < 1e-10);
        let loss = [(day("2023-01-01"), -100.0), (day("2024-01-01"), 1.0)];
        assert!((money_weighted(&loss).unwrap() + 0.99).abs() < 1e-9);
        // Nothing ever came back, or nothing ever went in.
        assert_eq!(money_weighted(&[(day("2023-01-01"), -100.0), (day("2024-01-01"), -1.0)]), None);
        assert_eq!(money_weighted(&[]), None);
    }
}
