//! The one retry layer.

use std::time::Duration;

use crate::llm::ModelError;

const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(8);
/// A provider that wants a longer pause gets no retry: the failure says how
/// long it wants, and whoever waits for the answer can decide.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(20);

/// Calls `attempt` until it succeeds, up to `retries` times more than once,
/// and only for failures that a pause can cure.
pub(super) async fn with_retries<T, F>(retries: u32, mut attempt: impl FnMut() -> F) -> Result<T, ModelError>
where
    F: Future<Output = Result<T, ModelError>>,
{
    let mut tried = 0;
    loop {
        let error = match attempt().await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let Some(wait) = wait(&error, tried).filter(|_| tried < retries) else {
            return Err(error);
        };
        tried += 1;
        tracing::info!(%error, tried, wait_ms = wait.as_millis(), "trying the model provider again");
        tokio::time::sleep(wait).await;
    }
}

/// How long to wait before the next attempt; none means there is no use in one.
fn wait(error: &ModelError, tried: u32) -> Option<Duration> {
    match error {
        ModelError::RateLimited { retry_after_s: Some(seconds), .. } => {
            Some(Duration::from_secs(*seconds)).filter(|wait| *wait <= LONGEST_RETRY_AFTER)
        }
        ModelError::RateLimited { .. } | ModelError::Unreachable { .. } | ModelError::Cut => {
            Some(pause(tried))
        }
        ModelError::Refused { status, .. } if *status >= 500 => Some(pause(tried)),
        // A time-out has cost its time already.
        ModelError::TimedOut { .. }
        | ModelError::TooLong { .. }
        | ModelError::Refused { .. }
        | ModelError::Malformed { .. }
        | ModelError::Local { .. } => None,
    }
}

/// Doubles from attempt to attempt; a random half keeps callers from coming back together.
fn pause(tried: u32) -> Duration {
    let full = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(tried)).min(LONGEST_WAIT);
    full.mul_f64(rand::random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limited(retry_after_s: Option<u64>) -> ModelError {
        ModelError::RateLimited { detail: String::new(), retry_after_s }
    }

    #[test]
    fn waits_as_long_as_the_provider_asks_within_reason() {
        assert_eq!(wait(&limited(Some(3)), 0), Some(Duration::from_secs(3)));
        assert_eq!(wait(&limited(Some(21)), 0), None);
    }

    #[test]
    fn pauses_grow_and_stay_bounded() {
        for tried in 0..40 {
            let pause = wait(&limited(None), tried).unwrap();
            assert!(pause >= FIRST_WAIT / 2 && pause <= LONGEST_WAIT);
        }
        assert!(wait(&ModelError::Cut, 3).unwrap() >= FIRST_WAIT * 4);
    }

    #[test]
    fn what_a_pause_cannot_cure_is_not_tried_again() {
        let refused = |status| ModelError::Refused { status, detail: String::new() };
        assert!(wait(&refused(401), 0).is_none());
        assert!(wait(&refused(503), 0).is_some());
        assert!(wait(&ModelError::TimedOut { waited_s: 60 }, 0).is_none());
    }
}
