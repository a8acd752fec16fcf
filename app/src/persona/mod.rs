//! Whom one talks to, and who one is to it.
//!
//! A *character* has a name, a system prompt and perhaps a model. It is a
//! user's own, or an administrator shared it with the tenant. A *persona* is
//! who a user is to characters, with the ids by which other systems know that
//! person. A conversation is between one of each, or has none: its [`Pair`].
//!
//! Rows of ai are bound to pairs by plain ids. What is deleted here goes there
//! by an event, and an id never comes back: whoever writes a bound row asks
//! [`require_alive`] in the same transaction.

mod cast;
mod characters;
mod delete;
pub mod http;
mod personas;

pub use cast::{Cast, Pair, cast, hold};
pub use delete::{CHARACTER_DELETED, PERSONA_DELETED, aggregates, owner_of, require_alive};
