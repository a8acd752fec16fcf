//! What the users told: memories, found again by meaning.
//!
//! A memory's id follows from whom it is for and what it says ([`ids`]), so
//! the same statement twice is one row. Every write embeds what it changed
//! before it opens a transaction; an edit keeps the id and gets a new vector.
//! Readers go through an [`Audience`](crate::auth::Audience): own rows, the
//! tenant's, everybody's.
//!
//! The chat uses [`recall`] before it answers, and [`remember_request`] with
//! [`remember`] when a user asks for something to be remembered.

mod delete;
mod edit;
pub mod http;
mod ids;
mod phrases;
mod plan;
mod queries;
mod recall;
mod remember;
mod request;
mod search;
mod sensitive;
mod store;

pub use delete::{
    MEMORIES_CLEARED, MEMORY_DELETED, ON_ACCOUNT_DELETED, ON_CHARACTER_DELETED, ON_CONVERSATION_DELETED,
    ON_MEMORIES_CLEARED, ON_MEMORY_DELETED, ON_PERSONA_DELETED, forget,
};
pub use plan::Said;
pub use recall::{Recollection, find_own, recall};
pub use remember::{note, remember};
pub use request::{memorable, remember_request};

/// The scope of a memory that names none.
const SCOPE_DEFAULT: &str = "user";
