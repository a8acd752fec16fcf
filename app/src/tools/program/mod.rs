//! Tools as programs call them, where no message of the user's is at hand.
//!
//! In a turn, `remember` stores only what stands in the user's message and
//! `forget` only asks. A program's calls come without that message, so there the
//! API key is the user's word, as it is at `POST /memories`: who gave it
//! `memory:write` lets it write memories. What it writes is marked, can be seen
//! and deleted like any memory, and is data in prompts like any memory. Deleting
//! takes two calls, so that the program can show what would go in between.

mod forget;
mod remember;

pub use forget::Forget;
pub use remember::Remember;
