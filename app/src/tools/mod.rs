//! What the model may call while it answers.
//!
//! Each tool is a Rust type for its arguments: serde reads them strictly, garde
//! checks them, and the JSON schema that the model is told follows from the type.
//! Tools run in this process for one user ([`Caller`]): no argument can name
//! another owner. Whatever goes wrong (no such tool, wrong arguments, time-out,
//! failure) is the call's result, which the model reads; no call fails a turn.
//!
//! A model can be made to call anything by a document it read. So no tool can
//! do what the user did not ask for: [`remember`](Remember) stores words of the
//! user's own message only, [`forget`](Forget) deletes nothing but asks the user, and
//! what [reaches out](needs_approval) waits for the user once foreign text is part
//! of the turn.
//!
//! A program with an API key, behind `/mcp`, has no turn: it calls the same
//! registry, within its scopes, with [its own](program) `remember` and `forget`.

mod cut;
pub mod external;
mod forget;
mod portfolio;
pub mod program;
mod recall;
mod registry;
mod remember;
mod report;
mod search_conversations;
mod search_knowledge;
mod web_search;

use std::sync::Arc;

use entity::ids::{ConversationId, MessageId};

pub use external::ExternalTools;
pub use forget::{Forget, forget_confirmed};
pub use portfolio::{
    GetAnalyticsOverview, GetCompanyProfile, GetConcentrationMetrics, GetCurrentQuotes, GetDailyMovers,
    GetFactorEtfPrices, GetPortfolioComplete, GetPortfolioDataQuality, GetPositionTags, GetPricesHistorical,
    GetSectorExposure, GetTargetPrices, ListUserPortfolios,
};
pub use recall::Recall;
pub use registry::{CALLS_MAX, Offer, Verdicts, declared, needs_approval, offered, run};
pub use remember::Remember;
pub use report::{FiguresOf, Report, ToolError, Verdict, is_shown_whole, shown_arguments};
pub use search_conversations::SearchConversations;
pub use search_knowledge::SearchKnowledge;
pub use web_search::WebSearch;

use crate::auth::{CurrentUser, Grants};
use crate::persona::Pair;
use crate::state::AppState;

/// For whom a tool is called. Made by the server only.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The application.
    pub state: AppState,
    /// Whose rows are read and written.
    pub user: CurrentUser,
    /// What the credentials allow: tools of other scopes do not exist for it.
    pub grants: Grants,
    /// Whom the conversation is with, and who the user is in it: what was told to
    /// others is not shown.
    pub pair: Pair,
    /// The turn that is being answered; none for a program.
    pub turn: Option<InTurn>,
}

/// The turn in which a tool is called.
#[derive(Clone, Debug)]
pub struct InTurn {
    /// Its conversation.
    pub conversation_id: ConversationId,
    /// Which conversation of that id.
    pub generation: i64,
    /// The user's message that is answered.
    pub user_message_id: MessageId,
    /// Its text: the user's own words.
    pub said: Arc<str>,
    /// Foreign text is part of the turn: documents, memories, a character or
    /// persona, results of tools, or earlier answers, which may repeat them.
    pub has_foreign_text: bool,
    /// Tools of external servers; their words are foreign text.
    pub external: ExternalTools,
}
