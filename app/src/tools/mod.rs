//! What the model may call while it answers.
//!
//! Each tool is a Rust type for its arguments: serde reads them strictly, garde
//! checks them, and the JSON schema that the model is told follows from the type.
//! Tools run in this process for the user of the turn ([`Caller`]): no argument can
//! name another owner. Whatever goes wrong (no such tool, wrong arguments,
//! time-out, failure) is the call's result, which the model reads; no call fails a turn.
//!
//! A model can be made to call anything by a document it read. So no tool can
//! do what the user did not ask for: [`remember`](Remember) stores words of the
//! user's own message only, [`forget`](Forget) deletes nothing but asks the user, and the
//! [web](WebSearch) is not searched once foreign text is part of the turn.

mod forget;
mod recall;
mod registry;
mod remember;
mod report;
mod search_conversations;
mod search_knowledge;
mod web_search;

use std::sync::Arc;

use entity::ids::{ConversationId, MessageId};

pub use forget::{Forget, forget_confirmed};
pub use recall::Recall;
pub use registry::{CALLS_MAX, declared, run};
pub use remember::Remember;
pub use report::{Report, ToolError, shown_arguments};
pub use search_conversations::SearchConversations;
pub use search_knowledge::SearchKnowledge;
pub use web_search::WebSearch;

use crate::auth::CurrentUser;
use crate::state::AppState;

/// For whom and in which turn a tool is called. Made by the server only.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The application.
    pub state: AppState,
    /// Whose rows are read and written.
    pub user: CurrentUser,
    /// The conversation of the turn.
    pub conversation_id: ConversationId,
    /// The user's message that is answered.
    pub user_message_id: MessageId,
    /// Its text: the user's own words.
    pub said: Arc<str>,
    /// Foreign text is part of the turn: documents, memories, results of tools,
    /// or earlier answers, which may repeat them.
    pub has_foreign_text: bool,
}
