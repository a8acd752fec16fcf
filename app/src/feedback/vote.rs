//! Casts, reads and withdraws a vote.

use entity::ai::feedback::{Model, Rating};
use entity::core::message::{self, Role};
use entity::ids::{MessageId, UserId};

use super::queries;
use crate::auth::require_account;
use crate::conversation::{self, find_owned, find_owned_message};
use crate::db::{AiTx, Reach};
use crate::error::{Error, Result};
use crate::state::AppState;

/// A vote with what goes with it.
#[derive(Clone, Debug)]
pub(super) struct Vote {
    pub(super) rating: Rating,
    pub(super) comment: Option<String>,
    pub(super) edited_text: Option<String>,
    pub(super) tags: Vec<String>,
}

/// Stores the vote in place of an earlier one of the same user on the same answer.
pub(super) async fn cast(
    state: &AppState,
    user_id: UserId,
    message_id: MessageId,
    vote: Vote,
) -> Result<Model> {
    let message = find_answer(state, user_id, message_id).await?;
    let conversation = find_owned(&state.core, user_id, message.conversation_id).await?;
    // An import that was deleted and made again: the deletion is not to take this vote.
    conversation::finish_deletions(state, conversation.id).await?;
    let transaction = begin(state, user_id).await?;
    // Both may have gone while the message was looked at.
    require_account(&transaction, user_id).await?;
    if conversation::is_gone(&transaction, conversation.id, conversation.generation).await? {
        return Err(Error::NotFound("message"));
    }
    let row = queries::upsert(&transaction, user_id, &message, vote).await?;
    transaction.commit().await?;
    Ok(row)
}

/// The user's vote on an own answer.
pub(super) async fn read(state: &AppState, user_id: UserId, message_id: MessageId) -> Result<Model> {
    find_answer(state, user_id, message_id).await?;
    state.outbox.settle(user_id).await?;
    let transaction = begin(state, user_id).await?;
    queries::find(&transaction, user_id, message_id).await?.ok_or(Error::NotFound("feedback"))
}

/// Takes the user's vote back; without a vote there is nothing to do.
pub(super) async fn withdraw(state: &AppState, user_id: UserId, message_id: MessageId) -> Result<()> {
    find_answer(state, user_id, message_id).await?;
    let transaction = begin(state, user_id).await?;
    queries::delete(&transaction, user_id, message_id).await?;
    transaction.commit().await
}

async fn find_answer(state: &AppState, user_id: UserId, message_id: MessageId) -> Result<message::Model> {
    let message = find_owned_message(&state.core, user_id, message_id).await?;
    if message.role == Role::Assistant {
        return Ok(message);
    }
    Err(Error::field("id", "only answers are voted on, this is a user's message"))
}

/// Votes are the user's own rows.
async fn begin(state: &AppState, user_id: UserId) -> Result<AiTx> {
    state.ai.begin_for(&Reach::default().and_writing([user_id.0])).await
}
