//! A model that was asked: what it takes is recorded, however the turn ends.

use entity::core::message::Status;
use entity::ids::{MessageId, UserId};

use crate::error::CanFail;
use crate::llm::{ChatRequest, Counter, ToolCall, Usage};
use crate::state::AppState;
use crate::usage::{self, Call, Spending, Spent};

/// The calls of a turn. The statement that ends the turn records them; if there is
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
        counter: Counter,
        request: &ChatRequest,
    ) -> Self {
        Self {
            state: state.clone(),
            user,
            message,
            model,
            call: Call::of(request, counter),
            spent: None,
            is_settled: false,
        }
    }

    /// Tokens of the prompt, about.
    pub(super) fn prompt_tokens(&self) -> u32 {
        self.call.prompt_tokens()
    }

    /// Longest answer, if prompt and answer may take `reserved` tokens together.
    pub(super) fn answer_tokens(&self, reserved: u32) -> u32 {
        self.call.answer_tokens(reserved, self.state.settings.quota.answer_tokens)
    }

    /// Tokens of the next prompt, about.
    pub(super) fn next_tokens(&self, request: &ChatRequest) -> u32 {
        self.call.next_tokens(request)
    }

    /// The same model is asked again.
    pub(super) fn again(&mut self, request: &ChatRequest) {
        self.call.again(request);
    }

    /// More of the answer.
    pub(super) fn said(&mut self, text: &str) {
        self.call.said(text);
    }

    /// Tools that were called.
    pub(super) fn called(&mut self, calls: &[ToolCall]) {
        self.call.called(calls);
    }

    /// The provider's own count of one request.
    pub(super) fn counted(&mut self, usage: Usage) {
        self.call.counted(usage);
    }

    fn ended(&mut self, status: Status) -> Spent {
        let spent = self.call.clone().ended(&self.state.settings.prices, &self.model, status);
        self.spent = Some(spent.clone());
        spent
    }

    /// It is in the ledger.
    pub(super) fn is_settled(&mut self) {
        self.is_settled = true;
    }
}

/// What the end of a turn writes into the ledger; `asked` is none if no model was.
pub(super) fn ledger(turn: &super::turn::Turn, asked: Option<&mut Asked>, status: Status) -> Spending {
    let spent = asked.map(|asked| asked.ended(status));
    // A message that was not answered is not counted.
    let counts = !matches!(status, Status::Failed | Status::Interrupted);
    Spending::of(turn.user.id, turn.assistant_message_id, spent, counts)
}

impl Drop for Asked {
    fn drop(&mut self) {
        if self.is_settled {
            return;
        }
        let spent = match self.spent.take() {
            Some(spent) => spent,
            // Called off in the middle: about what was said until then.
            None => self.ended(Status::Cancelled),
        };
        let (core, user, message) = (self.state.core.clone(), self.user, self.message);
        self.state.tasks.spawn(async move {
            usage::settle_late(&core, user, message, spent, true)
                .await
                .can_fail("a call is missing in the ledger");
        });
    }
}
