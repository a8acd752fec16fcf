//! A panic while a request is answered is a problem like any other.

use std::any::Any;

use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::{CatchPanicLayer, ResponseForPanic};

use crate::error::Error;
use crate::telemetry::metrics::Metrics;

/// Answers 500 `internal`. The panic's place was logged by the panic hook; its
/// words may hold anything, so they are neither sent nor logged.
#[derive(Clone, Debug)]
pub struct Answer {
    metrics: Metrics,
}

impl ResponseForPanic for Answer {
    type ResponseBody = axum::body::Body;

    fn response_for_panic(&mut self, _: Box<dyn Any + Send + 'static>) -> Response {
        self.metrics.panicked();
        Error::internal("answering a request", "it panicked").into_response()
    }
}

/// The layer.
pub fn layer(metrics: Metrics) -> CatchPanicLayer<Answer> {
    CatchPanicLayer::custom(Answer { metrics })
}
