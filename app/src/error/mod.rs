//! The one error type.
//!
//! Variants are named by what they mean to a caller, not by the library they
//! came from. `web::problem` turns them into RFC 9457 problem details, the
//! command line prints them with their remedy. A cause (`#[source]`) is logged
//! once, at that boundary, and never sent to a client.

mod quota;

use std::error::Error as StdError;

pub use quota::QuotaFigures;

/// What almost every function of the application returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A cause that is kept for the log.
pub type Cause = Box<dyn StdError + Send + Sync + 'static>;

/// One wrong field of a request.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct FieldError {
    /// Path of the field, for example `items[3].title`.
    pub field: String,
    /// What is wrong with it, for a developer to read.
    pub message: String,
}

/// Every failure of Tandem.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// 400: the request could not be read at all (bad JSON, bad cursor).
    #[error("{0}")]
    Malformed(String),

    /// 401: no credentials, or ones that do not hold.
    #[error("{detail}")]
    Unauthenticated {
        /// Machine-readable reason.
        code: &'static str,
        /// For a developer to read.
        detail: String,
    },

    /// 403: known, but not allowed.
    #[error("{detail}")]
    Forbidden {
        /// Machine-readable reason.
        code: &'static str,
        /// For a developer to read.
        detail: String,
    },

    /// 404: the thing does not exist for this user.
    #[error("{0} not found")]
    NotFound(&'static str),

    /// 404: something named by a client that is not there, with what is.
    #[error("{detail}")]
    Absent {
        /// Machine-readable reason.
        code: &'static str,
        /// For a developer to read.
        detail: String,
    },

    /// 405: the path exists, the method does not.
    #[error("this path does not answer to {0}")]
    MethodNotAllowed(String),

    /// 409: the request contradicts the current state.
    #[error("{detail}")]
    Conflict {
        /// Machine-readable reason.
        code: &'static str,
        /// For a developer to read.
        detail: String,
        /// The row in the way, when naming it helps the caller.
        id: Option<uuid::Uuid>,
    },

    /// 410: it was there once and never comes back.
    #[error("{detail}")]
    Gone {
        /// Machine-readable reason.
        code: &'static str,
        /// For a developer to read.
        detail: String,
    },

    /// 429: too often of late.
    #[error("{detail}")]
    TooMany {
        /// Machine-readable reason.
        code: &'static str,
        /// For a developer to read.
        detail: String,
        /// Seconds until it may be tried again.
        retry_after_s: u64,
    },

    /// 429 `quota_exceeded`: a user's month is used up.
    #[error("{}", .0.detail())]
    OverQuota(Box<QuotaFigures>),

    /// 413: the body is larger than the limit.
    #[error("the body is larger than the limit of {limit_bytes} bytes")]
    TooLarge {
        /// The limit that applies.
        limit_bytes: usize,
    },

    /// 415: the body is not of a type this route reads.
    #[error("{0}")]
    UnsupportedMediaType(String),

    /// 422: one or more fields are wrong.
    #[error("{}", summary(.0))]
    Invalid(Vec<FieldError>),

    /// 502: a model provider failed or answered nonsense.
    #[error("{detail}")]
    Upstream {
        /// Machine-readable reason.
        code: &'static str,
        /// For a developer to read; holds no secret.
        detail: String,
    },

    /// 503: something we depend on is away; trying again later can help.
    #[error("{detail}")]
    Unavailable {
        /// Machine-readable reason.
        code: &'static str,
        /// For a developer to read.
        detail: String,
        /// The underlying failure, for the log.
        #[source]
        source: Option<Cause>,
    },

    /// The process cannot start or a command cannot run, and why.
    #[error("{problem}\n  remedy: {remedy}")]
    Startup {
        /// What is wrong.
        problem: String,
        /// What the operator can do about it.
        remedy: String,
    },

    /// 500 or 503: the database refused or is away.
    #[error("database error: {0}")]
    Database(#[from] sea_orm::DbErr),

    /// 500: a defect, or an environment we did not foresee.
    #[error("{context}: {source}")]
    Internal {
        /// What was being done.
        context: &'static str,
        /// What went wrong.
        #[source]
        source: Cause,
    },
}

impl Error {
    /// A single wrong field.
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError { field: field.into(), message: message.into() }])
    }

    /// A 409 that names no row.
    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::Conflict { code, detail: detail.into(), id: None }
    }

    /// A 401.
    pub fn unauthenticated(code: &'static str, detail: impl Into<String>) -> Self {
        Self::Unauthenticated { code, detail: detail.into() }
    }

    /// A 403.
    pub fn forbidden(code: &'static str, detail: impl Into<String>) -> Self {
        Self::Forbidden { code, detail: detail.into() }
    }

    /// A failure that keeps the process from starting, with what to do about it.
    pub fn startup(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Startup { problem: problem.into(), remedy: remedy.into() }
    }

    /// Whether a database cannot be reached, as opposed to refusing a statement.
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::Database(error) if is_away(error))
    }

    /// Whether the database gave a statement up: it took too long, or stood in
    /// another's way. The same again may succeed.
    pub fn is_given_up(&self) -> bool {
        matches!(self, Self::Database(error) if is_given_up(error))
    }

    /// A failure nobody outside can do anything about.
    pub fn internal(context: &'static str, source: impl Into<Cause>) -> Self {
        Self::Internal { context, source: source.into() }
    }
}

/// Says in which step something unexpected failed.
pub trait Context<T> {
    /// Wraps the error as [`Error::Internal`] with `context`.
    fn context(self, context: &'static str) -> Result<T>;
}

impl<T, E: Into<Cause>> Context<T> for std::result::Result<T, E> {
    fn context(self, context: &'static str) -> Result<T> {
        self.map_err(|source| Error::internal(context, source))
    }
}

/// The only way to drop an error: it says why, and leaves a trace.
pub trait CanFail {
    /// Logs the error, if any, at warning level and goes on.
    fn can_fail(self, why: &'static str);
}

impl<T, E: std::fmt::Display> CanFail for std::result::Result<T, E> {
    #[track_caller]
    fn can_fail(self, why: &'static str) {
        if let Err(error) = self {
            let at = std::panic::Location::caller();
            tracing::warn!(%error, why, at = %at, "ignored a failure");
        }
    }
}

fn summary(errors: &[FieldError]) -> String {
    errors.iter().map(|error| format!("{}: {}", error.field, error.message)).collect::<Vec<_>>().join("; ")
}

fn is_away(error: &sea_orm::DbErr) -> bool {
    match error {
        sea_orm::DbErr::ConnectionAcquire(_) | sea_orm::DbErr::Conn(_) => true,
        sea_orm::DbErr::Exec(runtime) | sea_orm::DbErr::Query(runtime) => is_driver_away(runtime),
        _ => false,
    }
}

fn is_driver_away(error: &sea_orm::RuntimeErr) -> bool {
    use sea_orm::sqlx::Error as Driver;
    let sea_orm::RuntimeErr::SqlxError(error) = error else {
        return false;
    };
    match error.as_ref() {
        Driver::Io(_)
        | Driver::Tls(_)
        | Driver::PoolTimedOut
        | Driver::PoolClosed
        | Driver::WorkerCrashed => true,
        // 08: connection failures. 53: no room for more, or no memory or disk.
        // 57P: the server is stopping or starting.
        Driver::Database(error) => {
            error.code().is_some_and(|code| ["08", "53", "57P"].iter().any(|class| code.starts_with(class)))
        }
        _ => false,
    }
}

fn is_given_up(error: &sea_orm::DbErr) -> bool {
    use sea_orm::sqlx::Error as Driver;
    let (sea_orm::DbErr::Exec(sea_orm::RuntimeErr::SqlxError(error))
    | sea_orm::DbErr::Query(sea_orm::RuntimeErr::SqlxError(error))) = error
    else {
        return false;
    };
    match error.as_ref() {
        // Cancelled by a time-out; serialisation failure; deadlock; lock not available.
        Driver::Database(error) => {
            error.code().is_some_and(|code| ["57014", "40001", "40P01", "55P03"].contains(&code.as_ref()))
        }
        _ => false,
    }
}
