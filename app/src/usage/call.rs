//! A call of a chat model, from its request to its row.

use entity::core::message::Status;
use tokio::time::Instant;

use super::price::cost;
use super::record::Spent;
use crate::config::Prices;
use crate::llm::{ChatRequest, Usage, estimate};

/// What a message costs beside its text, about.
const TOKENS_PER_MESSAGE: usize = 4;
/// The provider of chat models: any server that speaks OpenAI's language.
const PROVIDER: &str = "openai";

/// A chat model that was asked.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// About, from above.
    prompt_tokens: u32,
    asked_at: Instant,
}

impl Call {
    /// The call of this request, which begins now.
    pub fn of(request: &ChatRequest) -> Self {
        let tokens =
            request.messages.iter().map(|message| estimate::tokens(&message.content) + TOKENS_PER_MESSAGE);
        Self { prompt_tokens: count(tokens.sum()), asked_at: Instant::now() }
    }

    /// Longest answer, if prompt and answer may take `reserved` tokens together.
    pub fn answer_tokens(&self, reserved: u32, most: u32) -> u32 {
        reserved.saturating_sub(self.prompt_tokens).clamp(1, most.max(1))
    }

    /// What it took: as the provider counted, or about. A call that failed
    /// before its first word, and was not counted, took nothing.
    pub fn ended(
        self,
        prices: &Prices,
        model: &str,
        counted: Option<Usage>,
        text: &str,
        status: Status,
    ) -> Spent {
        let estimated = counted.is_none() && (status != Status::Failed || !text.is_empty());
        let usage = match counted {
            Some(usage) => usage,
            None if estimated => self.estimate(text),
            None => Usage::default(),
        };
        Spent {
            kind: "chat",
            provider: PROVIDER.to_owned(),
            model: model.to_owned(),
            cost: cost(prices, model, &usage),
            usage,
            estimated,
            outcome: match status {
                Status::Complete => "complete",
                Status::Cancelled => "cancelled",
                Status::Failed | Status::Interrupted | Status::Streaming => "failed",
            },
            latency_ms: i32::try_from(self.asked_at.elapsed().as_millis()).unwrap_or(i32::MAX),
        }
    }

    fn estimate(self, text: &str) -> Usage {
        let completion_tokens = count(estimate::tokens(text));
        let total_tokens = self.prompt_tokens.saturating_add(completion_tokens);
        Usage { prompt_tokens: self.prompt_tokens, completion_tokens, total_tokens, ..Usage::default() }
    }
}

pub(super) fn count(tokens: usize) -> u32 {
    u32::try_from(tokens).unwrap_or(u32::MAX)
}
