//! What was said: conversations, their messages, and the citations in answers.
//!
//! This module keeps and shows it; who writes answers is the chat's business.
//! Everything belongs to a user, and every finder asks for that user: a row of
//! somebody else does not exist.

mod delete;
mod figures;
pub mod http;
mod logs;
mod metadata;
mod path;
mod queries;
pub mod search;
mod snippet;
pub mod transfer;
mod view;
mod write;

pub use delete::{
    CONVERSATION_DELETED, ON_CONVERSATION_DELETED, delete, finish_deletions, is_gone, messages_of,
};
pub use figures::{forget_portfolio, living_portfolios};
pub use logs::{SOURCE, forget_bound, forget_memories, forget_memory, forget_source};
pub use queries::{find_owned, find_owned_message, message_view};
pub use view::{CitationView, ConversationView, ListedMessage, MemoryUsed, MessageView};
