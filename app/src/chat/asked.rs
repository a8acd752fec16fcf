//! A model that was asked: what it takes is recorded, however the turn ends.

use entity::core::message::Status;
use entity::ids::{MessageId, UserId};

use super::ending::SETTLING_FROM;
use crate::error::CanFail;
use crate::llm::{ChatRequest, Usage};
use crate::state::AppState;
use crate::usage::{self, Call, Settling, Spent, settling};

/// The call of a turn. The statement that ends the turn records it; if there is
/// none (the lease was lost, the conversation deleted), it records itself when
/// it is dropped: what was used was used.
#[derive(Debug)]
pub(super) struct Asked {
    state: AppState,
    user: UserId,
    message: MessageId,
    /// The model that answers.
    pub(super) model: String,
    call: Call,
    said: String,
    spent: Option<Spent>,
    is_settled: bool,
}

impl Asked {
    /// The call of this request, which begins now.
    pub(super) fn of(
        state: &AppState,
        user: UserId,
        message: MessageId,
        model: String,
        request: &ChatRequest,
    ) -> Self {
        Self {
            state: state.clone(),
            user,
            message,
            model,
            call: Call::of(request),
            said: String::new(),
            spent: None,
            is_settled: false,
        }
    }

    /// Longest answer, if prompt and answer may take `reserved` tokens together.
    pub(super) fn answer_tokens(&self, reserved: u32) -> u32 {
        self.call.answer_tokens(reserved, self.state.settings.quota.answer_tokens)
    }

    /// More of the answer.
    pub(super) fn said(&mut self, text: &str) {
        self.said.push_str(text);
    }

    fn ended(&mut self, counted: Option<Usage>, status: Status) -> Spent {
        let prices = &self.state.settings.prices;
        let spent = self.call.ended(prices, &self.model, counted, &self.said, status);
        self.spent = Some(spent.clone());
        spent
    }

    /// It is in the ledger.
    pub(super) fn is_settled(&mut self) {
        self.is_settled = true;
    }
}

/// What the end of a turn writes into the ledger; `asked` is none if no model was.
pub(super) fn ledger(
    turn: &super::turn::Turn,
    asked: Option<&mut Asked>,
    counted: Option<Usage>,
    status: Status,
) -> Settling {
    let spent = asked.map(|asked| asked.ended(counted, status));
    // A message that was not answered is not counted.
    let counts = status != Status::Failed;
    settling(SETTLING_FROM, turn.user.id, turn.assistant_message_id, spent, counts)
}

impl Drop for Asked {
    fn drop(&mut self) {
        if self.is_settled {
            return;
        }
        let spent = match self.spent.take() {
            Some(spent) => spent,
            // Called off in the middle: about what was said until then.
            None => {
                self.call.ended(&self.state.settings.prices, &self.model, None, &self.said, Status::Cancelled)
            }
        };
        let (core, user, message) = (self.state.core.clone(), self.user, self.message);
        self.state.tasks.spawn(async move {
            usage::settle_late(&core, user, message, spent).await.can_fail("a call is missing in the ledger");
        });
    }
}
