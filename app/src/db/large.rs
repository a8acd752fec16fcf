//! Which filters are known to let many rows pass.
//!
//! Before a search its filter is counted, up to a bound, and that count costs
//! more than walking the index. What was large a moment ago is large still, so
//! the answer is kept for a while. When it is wrong, nothing is lost: a page that
//! comes back short is asked for again exactly, and the filter is forgotten.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// An answer is counted anew after this.
const KEPT_FOR: Duration = Duration::from_secs(30);

/// Filters remembered at once; and the longest one that is, in bytes.
const FILTERS_MAX: usize = 1024;
const LENGTH_MAX: usize = 4096;

/// The filters that let many rows pass, and until when that is believed.
#[derive(Clone, Debug, Default)]
pub struct LargeFilters {
    until: Arc<Mutex<HashMap<String, Instant>>>,
}

impl LargeFilters {
    /// Whether this filter was large a moment ago.
    pub(super) fn holds(&self, filter: &str) -> bool {
        self.lock().get(filter).is_some_and(|until| *until > Instant::now())
    }

    pub(super) fn remember(&self, filter: String) {
        if filter.len() > LENGTH_MAX {
            return;
        }
        let now = Instant::now();
        let mut known = self.lock();
        if known.len() >= FILTERS_MAX {
            known.retain(|_, until| *until > now);
        }
        if known.len() >= FILTERS_MAX {
            known.clear();
        }
        known.insert(filter, now + KEPT_FOR);
    }

    pub(super) fn forget(&self, filter: &str) {
        self.lock().remove(filter);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_remembered_until_it_is_forgotten() {
        let known = LargeFilters::default();
        known.remember("a".to_owned());
        assert!(known.holds("a") && !known.holds("b"));
        known.forget("a");
        assert!(!known.holds("a"));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let known = LargeFilters::default();
        for number in 0..FILTERS_MAX * 3 {
            known.remember(number.to_string());
        }
        known.remember("x".repeat(LENGTH_MAX + 1));
        assert!(known.lock().len() <= FILTERS_MAX);
        assert!(!known.holds(&"x".repeat(LENGTH_MAX + 1)));
    }
}
