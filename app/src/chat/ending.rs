//! The ways in which a turn ends.

use entity::core::message::Status;
use serde_json::json;

use crate::error::Error;
use crate::web::signals::Stop;

/// How a turn ends.
#[derive(Debug)]
pub(super) enum End {
    Complete,
    Failed(Error),
    Stopped(Stop),
}

impl End {
    pub(super) fn status(&self) -> Status {
        match self {
            Self::Complete => Status::Complete,
            Self::Failed(_) => Status::Failed,
            Self::Stopped(Stop::Cancelled) => Status::Cancelled,
            Self::Stopped(Stop::Shutdown) => Status::Interrupted,
        }
    }

    /// As metrics name it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Failed(_) => "failed",
            Self::Stopped(Stop::Cancelled) => "cancelled",
            Self::Stopped(Stop::Shutdown) => "interrupted",
        }
    }

    /// What is stored of a failure.
    pub(super) fn problem(&self) -> Option<serde_json::Value> {
        match self {
            Self::Failed(error) => Some(problem_of(error)),
            Self::Complete | Self::Stopped(_) => None,
        }
    }
}

/// The error as clients see it.
pub(super) fn problem_of(error: &Error) -> serde_json::Value {
    json!({
        "code": error.code(),
        "detail": error.public_detail(),
        "retryable": error.status().is_server_error(),
    })
}
