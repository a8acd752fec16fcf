//! The turn: a message comes in, an answer goes out.
//!
//! The question and the answer's row are stored at once, under a lease; from then on
//! the turn belongs to the server. It retrieves, asks the model and stores with no
//! database connection held while anything slow is awaited. Clients follow its log;
//! one that leaves loses nothing.

mod abandoned;
mod amounts;
mod answer;
mod approval;
mod aside;
mod asked;
mod attribution;
mod begin;
pub mod brought;
mod budget;
mod citations;
mod complete;
pub mod decide;
mod ended;
mod ending;
mod events;
mod figures;
mod finish;
mod first;
mod follow;
mod history;
pub mod http;
mod lease;
mod markers;
pub mod models;
mod path;
mod pieces;
mod place;
mod prompt;
mod queries;
mod question;
pub mod regenerate;
mod respond;
mod retrieve;
mod rounds;
mod routing;
mod signals;
mod sources;
mod stop;
pub mod stream;
pub mod summary;
pub mod titles;
mod turn;

use uuid::Uuid;

pub use answer::{has_words, model_name};
pub use complete::{Answering, Piece, complete};
pub use follow::{Follower, failure};
use path::Follows;
pub use respond::made_before;

use crate::auth::CurrentUser;
use crate::db::CoreDb;
use crate::error::Result;
use crate::persona::Pair;
use crate::state::{AppState, TurnStatements};
use crate::web::live::Reader;

pub use question::Question;
pub use signals::listen;

/// Rows one run of a schedule touches at most.
const BATCH: i64 = 500;

/// The statements by which turns begin and end.
pub fn turn_statements() -> TurnStatements {
    TurnStatements { beginning: first::statement(), ending: ended::statement() }
}

/// Asks in a new conversation of the user; the answer's events follow.
pub async fn ask(state: &AppState, user: &CurrentUser, question: String) -> Result<Reader> {
    let sent = begin::Sent {
        answer_id: Uuid::now_v7(),
        conversation_id: None,
        pair: Pair::default(),
        content: question,
        ui_context: None,
        follows: Follows::Active,
        can_ask: false,
    };
    Ok(begin::begin(state, user, sent).await?.events)
}

/// Ends turns whose process died. Returns how many.
pub async fn interrupt_expired(state: &AppState) -> Result<u64> {
    let tx = state.core.begin().await?;
    let ended = abandoned::interrupt_expired(&tx, &state.settings.prices, BATCH).await?;
    tx.commit().await?;
    Ok(ended)
}

/// Deletes a batch of events that are past their day. Returns how many.
pub async fn delete_old_events(core: &CoreDb) -> Result<u64> {
    abandoned::delete_old_events(core, BATCH).await
}
