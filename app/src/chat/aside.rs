//! What a model is asked beside the answer, in the background: a title, a
//! summary. It is in the ledger like every call. Quotas are of answers: a user
//! under a limit of tokens or cost is spent nothing else on.

use std::time::Duration;

use entity::core::message::Status;
use entity::ids::{MessageId, UserId};
use futures::StreamExt;

use super::turn::Turn;
use super::{summary, titles};
use crate::error::{CanFail, Result};
use crate::jobs::NewJob;
use crate::llm::{ChatDelta, ChatMessage, ChatModel, ChatRequest, Counter, ModelError, Role};
use crate::state::AppState;
use crate::usage::{self, Call, Spent};

/// What is asked, and for whom.
pub(super) struct Aside<'a> {
    /// Under which it is in the ledger.
    pub(super) kind: &'static str,
    pub(super) user: UserId,
    /// The answer that it follows.
    pub(super) message: MessageId,
    pub(super) instructions: &'a str,
    /// Delimited, at user level.
    pub(super) data: String,
    /// A model that takes longer is not waited for.
    pub(super) patience: Duration,
    /// A model that says more is not listened to.
    pub(super) bytes_max: usize,
}

/// What follows a complete turn; `fallen` is up to where a summary is to be made.
pub(super) fn jobs(turn: &Turn, fallen: Option<MessageId>) -> Vec<NewJob> {
    let title = turn.is_untitled.then(|| titles::job(turn));
    let summary = fallen.map(|through| summary::job(turn, through));
    title.into_iter().chain(summary).collect()
}

/// What the model says; none if there is no model for this user, or it fails or
/// takes too long.
pub(super) async fn ask(state: &AppState, aside: Aside<'_>) -> Result<Option<String>> {
    let Some(chat) = &state.models.chat else { return Ok(None) };
    if is_limited(state, aside.user).await? {
        return Ok(None);
    }
    let messages = vec![
        ChatMessage::new(Role::System, aside.instructions),
        ChatMessage::new(Role::User, aside.data.as_str()),
    ];
    let request = ChatRequest { messages, ..Default::default() };
    let mut call = Call::of(&request, Counter::of(chat.model()));
    let said = listen(chat.as_ref(), request, &mut call, aside.bytes_max);
    let (said, status) = match tokio::time::timeout(aside.patience, said).await {
        Ok(Ok(said)) => (Some(said), Status::Complete),
        Ok(Err(error)) => {
            tracing::warn!(%error, kind = aside.kind, "the model did not say it");
            (None, Status::Failed)
        }
        Err(_) => {
            tracing::warn!(kind = aside.kind, "the model did not say it in time");
            (None, Status::Cancelled)
        }
    };
    let spent = Spent { kind: aside.kind, ..call.ended(&state.settings.prices, chat.model(), status) };
    usage::record(&state.core, Some(aside.user), Some(aside.message), spent)
        .await
        .can_fail("a call is missing in the ledger");
    Ok(said)
}

async fn is_limited(state: &AppState, user: UserId) -> Result<bool> {
    let tx = state.core.begin().await?;
    let limits = usage::limits(&tx, user, &state.settings.quota).await?;
    tx.commit().await?;
    Ok(limits.takes_tokens())
}

async fn listen(
    chat: &dyn ChatModel,
    request: ChatRequest,
    call: &mut Call,
    bytes_max: usize,
) -> Result<String, ModelError> {
    let mut stream = chat.stream(request).await?;
    let mut said = String::new();
    while let Some(delta) = stream.next().await {
        match delta? {
            ChatDelta::Text(text) => {
                call.said(&text);
                said.push_str(&text);
                if said.len() > bytes_max {
                    break;
                }
            }
            ChatDelta::Usage(usage) => call.counted(usage),
            // None were declared, so nothing is called.
            ChatDelta::ToolCalls(_) | ChatDelta::Cut(_) => {}
        }
    }
    Ok(said)
}
