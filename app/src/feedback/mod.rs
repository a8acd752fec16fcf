//! Votes on answers: one a user and message.
//!
//! The message lives in core and the vote in ai, with no foreign key between
//! them: that the message exists, is an answer, and belongs to the voter is
//! checked in core first.

mod delete;
pub mod http;
mod queries;
mod vote;

pub use delete::{ON_ACCOUNT_DELETED, ON_CONVERSATION_DELETED};
