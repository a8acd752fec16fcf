//! Drawdown: how far a level is below the highest before it.

/// The worst drawdown of a series of returns. Level 0 is the beginning, level `n` that after `n` returns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drawdown {
    /// Level over highest level so far, less 1; 0 or negative.
    pub worst: f64,
    /// The level it fell from.
    pub peak: usize,
    /// The level it fell to.
    pub trough: usize,
    /// The first level after it that is as high as the peak.
    pub recovery: Option<usize>,
    /// The drawdown at the end.
    pub current: f64,
}

/// Of a series of returns; that of none is 0.
pub fn drawdown(returns: &[f64]) -> Drawdown {
    let (mut level, mut highest, mut highest_at) = (1.0_f64, 1.0_f64, 0);
    let mut found = Drawdown { worst: 0.0, peak: 0, trough: 0, recovery: None, current: 0.0 };
    let mut fell_from = 1.0_f64;
    for (index, day) in returns.iter().enumerate() {
        level *= 1.0 + day;
        let at = index + 1;
        if level >= highest {
            (highest, highest_at) = (level, at);
        }
        found.current = level / highest - 1.0;
        if found.current < found.worst {
            fell_from = highest;
            found = Drawdown { worst: found.current, peak: highest_at, trough: at, recovery: None, ..found };
        } else if found.worst < 0.0 && found.recovery.is_none() && level >= fell_from {
            found.recovery = Some(at);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_fall_is_found() {
        // 1, 1.1, 0.88, 0.968, 1.1616, 1.04544
        let found = drawdown(&[0.1, -0.2, 0.1, 0.2, -0.1]);
        assert!((found.worst + 0.2).abs() < 1e-12);
        assert_eq!((found.peak, found.trough, found.recovery), (1, 2, Some(4)));
        assert!((found.current + 0.1).abs() < 1e-12);
        // A loss on the first day falls from the beginning.
        let first = drawdown(&[-0.5]);
        assert_eq!((first.peak, first.trough, first.recovery), (0, 1, None));
        assert!(drawdown(&[]).worst >= 0.0);
        assert!(drawdown(&[0.1, 0.1]).worst >= 0.0);
    }
}
