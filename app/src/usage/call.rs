//! The calls of one answer, from the first request to their row.

use entity::core::message::Status;
use tokio::time::Instant;

use super::price::cost;
use super::record::Spent;
use crate::config::Prices;
use crate::llm::{ChatRequest, Counter, ToolCall, Usage};

/// What a message or a tool costs beside its text, about.
const TOKENS_PER_MESSAGE: usize = 4;
/// The provider of chat models: any server that speaks OpenAI's language.
const PROVIDER: &str = "openai";

/// A chat model that was asked, and is asked again after each round of tools.
/// A request that the provider did not count is counted here, by the model's own
/// encoding or an estimate from above, and marked as estimated.
#[derive(Clone, Debug)]
pub struct Call {
    asked_at: Instant,
    counter: Counter,
    /// All that is known of the requests, the open one included.
    sum: Usage,
    /// Some of the sum is estimated.
    estimated: bool,
    /// Of the open request, about.
    prompt_tokens: u32,
    /// The answer to the open request so far, calls of tools included.
    said: String,
    /// Whether the provider counted the open request.
    is_counted: bool,
}

impl Call {
    /// The call of this request, which begins now.
    pub fn of(request: &ChatRequest, counter: Counter) -> Self {
        Self {
            asked_at: Instant::now(),
            counter,
            sum: Usage::default(),
            estimated: false,
            prompt_tokens: prompt_tokens(request, counter),
            said: String::new(),
            is_counted: false,
        }
    }

    /// Tokens of the next request's prompt, about.
    pub fn next_tokens(&self, request: &ChatRequest) -> u32 {
        prompt_tokens(request, self.counter)
    }

    /// The next request of the same answer.
    pub fn again(&mut self, request: &ChatRequest) {
        self.close();
        self.prompt_tokens = prompt_tokens(request, self.counter);
        self.said.clear();
        self.is_counted = false;
    }

    /// More of the answer.
    pub fn said(&mut self, text: &str) {
        self.said.push_str(text);
    }

    /// Tools that the model called.
    pub fn called(&mut self, calls: &[ToolCall]) {
        for call in calls {
            self.said.push_str(&call.name);
            self.said.push_str(&call.arguments);
        }
    }

    /// The provider's count of the open request.
    pub fn counted(&mut self, usage: Usage) {
        self.sum = self.sum.and(usage);
        self.is_counted = true;
    }

    /// Tokens of the open request's prompt, about.
    pub fn prompt_tokens(&self) -> u32 {
        self.prompt_tokens
    }

    /// Longest answer, if prompt and answer may take `reserved` tokens together.
    pub fn answer_tokens(&self, reserved: u32, most: u32) -> u32 {
        reserved.saturating_sub(self.prompt_tokens).clamp(1, most.max(1))
    }

    /// What a call took whose process died: nobody counted.
    pub fn lost(prices: &Prices, model: &str, prompt_tokens: u32, text: &str, status: Status) -> Spent {
        let call = Self {
            asked_at: Instant::now(),
            counter: Counter::of(model),
            sum: Usage::default(),
            estimated: false,
            prompt_tokens,
            said: text.to_owned(),
            is_counted: false,
        };
        // It was asked, if not answered.
        let spent = call.ended(prices, model, Status::Cancelled);
        Spent { outcome: outcome(status), ..spent }
    }

    /// What it took. A request that failed before its first word, and was not
    /// counted, took nothing.
    pub fn ended(mut self, prices: &Prices, model: &str, status: Status) -> Spent {
        if status != Status::Failed || !self.said.is_empty() {
            self.close();
        }
        Spent {
            kind: "chat",
            provider: PROVIDER.to_owned(),
            model: model.to_owned(),
            cost: cost(prices, model, &self.sum),
            usage: self.sum,
            estimated: self.estimated,
            outcome: outcome(status),
            latency_ms: i32::try_from(self.asked_at.elapsed().as_millis()).unwrap_or(i32::MAX),
        }
    }

    fn close(&mut self) {
        if self.is_counted {
            return;
        }
        let (prompt_tokens, completion_tokens) = (self.prompt_tokens, count(self.counter.tokens(&self.said)));
        let total_tokens = prompt_tokens.saturating_add(completion_tokens);
        let about = Usage { prompt_tokens, completion_tokens, total_tokens, ..Usage::default() };
        self.sum = self.sum.and(about);
        self.estimated = true;
    }
}

fn outcome(status: Status) -> &'static str {
    match status {
        Status::Complete => "complete",
        Status::Cancelled => "cancelled",
        Status::Failed | Status::Interrupted | Status::Streaming => "failed",
    }
}

/// About, from above.
fn prompt_tokens(request: &ChatRequest, counter: Counter) -> u32 {
    let messages = request.messages.iter().map(|message| {
        let calls = message.tool_calls.iter();
        let calls = calls.map(|call| counter.tokens(&call.name) + counter.tokens(&call.arguments));
        counter.tokens(&message.content) + calls.sum::<usize>() + TOKENS_PER_MESSAGE
    });
    let tools = request.tools.iter().map(|tool| tool.tokens(counter) + TOKENS_PER_MESSAGE);
    // A client's own tools and the shape of its answer stand in the options.
    let options = if request.options.is_empty() {
        0
    } else {
        serde_json::to_string(&request.options).map_or(0, |options| counter.tokens(&options))
    };
    count(messages.sum::<usize>().saturating_add(tools.sum()).saturating_add(options))
}

pub(super) fn count(tokens: usize) -> u32 {
    u32::try_from(tokens).unwrap_or(u32::MAX)
}
