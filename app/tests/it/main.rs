//! The integration tests, in one binary.

#![expect(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions; here the helpers beside them are tests too"
)]

mod llm;
mod support;
