//! What was said: conversations, their messages, and the citations in answers.
//!
//! This module keeps and shows it; who writes answers is the chat's business.
//! Everything belongs to a user, and every finder asks for that user: a row of
//! somebody else does not exist.

pub mod http;
mod metadata;
mod queries;
mod view;
mod write;

pub use queries::{find_owned, find_owned_message, message_view};
pub use view::{CitationView, ConversationView, MemoryUsed, MessageView};
pub use write::{create, delete};
