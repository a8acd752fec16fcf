//! The account of a call that is no message: answers that nobody keeps, and embeddings.

use std::time::Duration;

use entity::core::message::Status;
use entity::ids::{MessageId, UserId};
use uuid::Uuid;

use super::call::Call;
use super::limits::{Limits, limits};
use super::quota::{Held, Wants, hold};
use super::record::{Spent, settle_unstored};
use crate::error::{CanFail, Result};
use crate::llm::{ChatRequest, Counter, ToolCall, Usage};
use crate::state::AppState;

/// No call lasts longer; what a dead process held is given back after it.
const LIFE: Duration = Duration::from_hours(1);

/// What such a call may take, from its reservation to its row. Dropped before
/// it is settled, the call was called off: what was said until then counts.
#[derive(Debug)]
pub struct Unstored {
    state: AppState,
    user: UserId,
    /// Of the reservation.
    id: MessageId,
    call: Option<(String, Call)>,
    is_settled: bool,
}

impl Unstored {
    /// Reserves what an answer may take, or refuses it.
    pub async fn reserve(state: &AppState, user: UserId, wants: Wants) -> Result<(Self, Limits)> {
        Self::hold(state, user, Held { wants, messages: 1, life: Some(LIFE) }).await
    }

    /// The same for what is no answer.
    pub(super) async fn reserve_aside(state: &AppState, user: UserId, wants: Wants) -> Result<Self> {
        Ok(Self::hold(state, user, Held { wants, messages: 0, life: Some(LIFE) }).await?.0)
    }

    async fn hold(state: &AppState, user: UserId, held: Held) -> Result<(Self, Limits)> {
        let id = MessageId(Uuid::now_v7());
        let tx = state.core.begin().await?;
        let limits = limits(&tx, user, &state.settings.quota).await?;
        hold(&tx, &limits, user, id, held).await?;
        tx.commit().await?;
        Ok((Self { state: state.clone(), user, id, call: None, is_settled: false }, limits))
    }

    /// This model is asked this now.
    pub fn ask(&mut self, model: &str, counter: Counter, request: &ChatRequest) -> &Call {
        let call = (model.to_owned(), Call::of(request, counter));
        &self.call.insert(call).1
    }

    /// It is another model that answers.
    pub fn answers(&mut self, model: String) {
        if let Some((asked, _)) = &mut self.call {
            *asked = model;
        }
    }

    /// More of the answer.
    pub fn said(&mut self, text: &str) {
        self.call.iter_mut().for_each(|(_, call)| call.said(text));
    }

    /// Tools that were called.
    pub fn called(&mut self, calls: &[ToolCall]) {
        self.call.iter_mut().for_each(|(_, call)| call.called(calls));
    }

    /// The provider's own count.
    pub fn counted(&mut self, usage: Usage) {
        self.call.iter_mut().for_each(|(_, call)| call.counted(usage));
    }

    /// Writes what an answer took that ended like this. One that failed counts as no message.
    pub async fn settle(&mut self, status: Status) {
        self.is_settled = true;
        let spent = self.spent(status);
        self.write(spent, status != Status::Failed).await;
    }

    /// Writes what something took that is no answer.
    pub(super) async fn settle_aside(&mut self, spent: Spent) {
        self.is_settled = true;
        self.write(Some(spent), false).await;
    }

    async fn write(&self, spent: Option<Spent>, counts: bool) {
        let settled = settle_unstored(&self.state.core, self.user, self.id, spent, counts).await;
        settled.can_fail("a call is missing in the ledger");
    }

    fn spent(&mut self, status: Status) -> Option<Spent> {
        let (model, call) = self.call.take()?;
        Some(call.ended(&self.state.settings.prices, &model, status))
    }
}

impl Drop for Unstored {
    fn drop(&mut self) {
        if self.is_settled {
            return;
        }
        // Before the model was asked nothing was used.
        let counts = self.call.is_some();
        let spent = self.spent(Status::Cancelled);
        let (core, user, id) = (self.state.core.clone(), self.user, self.id);
        self.state.tasks.spawn(async move {
            let settled = settle_unstored(&core, user, id, spent, counts).await;
            settled.can_fail("a call is missing in the ledger");
        });
    }
}
