//! The turn: a message comes in, an answer goes out.
//!
//! One short core transaction stores the question and the answer's row under a
//! lease; from then on the turn belongs to the server. It retrieves, asks the
//! model and stores with no database connection held while anything slow is
//! awaited. Clients follow its log; one that leaves loses nothing.

mod answer;
mod asked;
mod begin;
mod citations;
mod ending;
mod events;
mod follow;
pub mod http;
mod lease;
mod markers;
pub mod models;
mod prompt;
mod queries;
mod retrieve;
mod routing;
mod turn;

use uuid::Uuid;

use crate::auth::CurrentUser;
use crate::db::CoreDb;
use crate::error::Result;
use crate::state::AppState;
use crate::web::live::Reader;

/// Rows one run of a schedule touches at most.
const BATCH: i64 = 500;

/// Asks in a new conversation of the user; the answer's events follow.
pub async fn ask(state: &AppState, user: &CurrentUser, question: String) -> Result<Reader> {
    let sent = begin::Sent {
        answer_id: Uuid::now_v7(),
        conversation_id: None,
        content: question,
        ui_context: None,
        parent_id: None,
    };
    Ok(begin::begin(state, user, sent).await?.events)
}

/// Ends turns whose process died. Returns how many.
pub async fn interrupt_expired(core: &CoreDb) -> Result<u64> {
    queries::interrupt_expired(core, BATCH).await
}

/// Deletes a batch of events that are past their day. Returns how many.
pub async fn delete_old_events(core: &CoreDb) -> Result<u64> {
    queries::delete_old_events(core, BATCH).await
}
