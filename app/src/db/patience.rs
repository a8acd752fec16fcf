//! How long a request waits for core before it is told so.
//!
//! The pool itself waits longer: work in the background may. A request's first
//! word with core goes through here, so that a core that is away, or whose
//! connections are all taken, is a clear answer within seconds.

use std::time::Duration;

use super::handle::CoreDb;
use crate::error::{Cause, Error, Result};

/// Longest wait of a request for its first answer from core.
const PATIENCE: Duration = Duration::from_secs(5);

impl CoreDb {
    /// Does `work` on core, or says within seconds why that cannot be done now:
    /// 503 `core_unavailable`, or `core_busy` when all connections are taken.
    pub async fn promptly<T>(&self, work: impl Future<Output = Result<T>> + Send) -> Result<T> {
        match tokio::time::timeout(PATIENCE, work).await {
            Ok(Err(error)) if error.is_outage() => Err(unavailable(error.into())),
            Ok(outcome) => outcome,
            Err(elapsed) if self.pool_state().is_exhausted() => Err(Error::Unavailable {
                code: "core_busy",
                detail: "all connections to the core database are in use; try again shortly".to_owned(),
                source: Some(elapsed.into()),
            }),
            Err(elapsed) => Err(unavailable(elapsed.into())),
        }
    }
}

fn unavailable(cause: Cause) -> Error {
    Error::Unavailable {
        code: "core_unavailable",
        detail: "the core database is not available; try again shortly".to_owned(),
        source: Some(cause),
    }
}
