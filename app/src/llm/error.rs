//! What can go wrong with a model, in words that hold no secret.

use crate::error::Error;

/// A failure of a model or of the way to it.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// No connection, or it broke.
    #[error("the model provider cannot be reached: {detail}")]
    Unreachable {
        /// Host and reason.
        detail: String,
    },
    /// Nothing came in time.
    #[error("the model provider sent nothing for {waited_s} s")]
    TimedOut {
        /// How long was waited.
        waited_s: u64,
    },
    /// It went on and on.
    #[error("the model provider's answer took longer than {limit_s} s")]
    TooLong {
        /// The limit.
        limit_s: u64,
    },
    /// 429 after all retries.
    #[error("the model provider refuses more requests for now: {detail}")]
    RateLimited {
        /// The provider's words.
        detail: String,
        /// Its Retry-After, in seconds.
        retry_after_s: Option<u64>,
    },
    /// Another refusal: wrong key, unknown model, context too long, 5xx.
    #[error("the model provider answered {status}: {detail}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// The provider's words.
        detail: String,
    },
    /// Bytes that are not what the wire format promises.
    #[error("the model provider's answer is malformed: {detail}")]
    Malformed {
        /// What was wrong with it.
        detail: String,
    },
    /// The stream ended before the provider said it was complete.
    #[error("the model provider's stream was cut off")]
    Cut,
    /// A text that cannot be embedded, or a local model that failed.
    #[error("{detail}")]
    Local {
        /// What was wrong.
        detail: String,
    },
}

impl ModelError {
    /// Machine-readable reason, as sent in problems and `error` events.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "provider_unreachable",
            Self::TimedOut { .. } | Self::TooLong { .. } => "provider_timeout",
            Self::RateLimited { .. } => "provider_rate_limited",
            Self::Refused { .. } => "provider_refused",
            Self::Malformed { .. } => "provider_malformed",
            Self::Cut => "provider_stream_cut",
            Self::Local { .. } => "embedding_failed",
        }
    }

    /// Whether the same request may succeed later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::RateLimited { .. } | Self::Cut => true,
            Self::Refused { status, .. } => *status >= 500,
            Self::TooLong { .. } | Self::Malformed { .. } | Self::Local { .. } => false,
        }
    }
}

impl From<ModelError> for Error {
    fn from(error: ModelError) -> Self {
        Self::Upstream { code: error.code(), detail: error.to_string() }
    }
}
