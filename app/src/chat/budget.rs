//! How many tokens each part of a prompt may have.
//!
//! Instructions, tools and the question always go in whole. Of what they leave,
//! memories and documents have a share each, and never less than their floor,
//! however long the question is; what memories leave over goes to the documents,
//! and the rest to the earlier turns. Tokens are counted by the model's own encoding
//! where that is known; else they are an estimate from above with a margin.

use crate::config::Chat;
use crate::llm::{Counter, ToolSpec};

/// What a message or a block costs beside its text.
const TOKENS_PER_MESSAGE: usize = 4;

/// How many tokens a text costs as a message or a block.
pub(super) fn tokens(counter: Counter, text: &str) -> usize {
    counter.tokens_with_margin(text) + TOKENS_PER_MESSAGE
}

/// How many tokens a tool costs.
pub(super) fn tokens_of(counter: Counter, tool: &ToolSpec) -> usize {
    counter.add_margin(tool.tokens(counter)) + TOKENS_PER_MESSAGE
}

/// What is left to whom.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget<'a> {
    settings: &'a Chat,
    /// What the fixed parts leave; `usize::MAX` if there is no limit.
    left: usize,
    spent: usize,
}

impl<'a> Budget<'a> {
    /// The budget of a prompt whose fixed parts cost `fixed`.
    pub(super) fn new(settings: &'a Chat, fixed: usize) -> Self {
        let left = match settings.prompt_tokens {
            0 => usize::MAX,
            limit => limit.saturating_sub(fixed),
        };
        Self { settings, left, spent: 0 }
    }

    /// For memories.
    pub(super) fn memories(&self) -> usize {
        share(self.left, self.settings.memory_percent).max(self.settings.memory_floor_tokens)
    }

    /// For documents, once memories have spent.
    pub(super) fn documents(&self) -> usize {
        let unspent = self.memories().saturating_sub(self.spent);
        let own = share(self.left, self.settings.document_percent).saturating_add(unspent);
        own.min(self.left.saturating_sub(self.spent)).max(self.settings.document_floor_tokens)
    }

    /// For earlier turns, once everybody else has spent.
    pub(super) fn history(&self) -> usize {
        self.left.saturating_sub(self.spent).min(self.settings.history_tokens)
    }

    /// Counts what went in.
    pub(super) fn spend(&mut self, tokens: usize) {
        self.spent = self.spent.saturating_add(tokens);
    }
}

fn share(whole: usize, percent: usize) -> usize {
    (whole / 100).saturating_mul(percent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Env, Settings};

    fn settings(prompt_tokens: usize) -> Chat {
        let chat = Settings::load(&Env::new()).unwrap().chat;
        Chat {
            prompt_tokens,
            history_tokens: 500,
            memory_percent: 10,
            memory_floor_tokens: 100,
            document_percent: 50,
            document_floor_tokens: 200,
            ..chat
        }
    }

    #[test]
    fn each_part_has_its_share_its_floor_and_what_others_leave() {
        let settings = settings(5000);
        let mut budget = Budget::new(&settings, 1000);
        assert_eq!(budget.memories(), 400);
        budget.spend(100);
        assert_eq!(budget.documents(), 2000 + 300);
        budget.spend(2300);
        assert_eq!(budget.history(), 500);
        budget.spend(1400);
        assert_eq!(budget.history(), 200);
    }

    #[test]
    fn a_long_question_leaves_the_floors_and_no_history() {
        let settings = settings(5000);
        let mut budget = Budget::new(&settings, 9000);
        assert_eq!(budget.memories(), 100);
        budget.spend(100);
        assert_eq!(budget.documents(), 200);
        assert_eq!(budget.history(), 0);
    }

    #[test]
    fn zero_is_no_limit_and_a_history_of_zero_is_none() {
        let mut settings = settings(0);
        let budget = Budget::new(&settings, 9000);
        assert!(budget.memories() > 1_000_000 && budget.documents() > 1_000_000);
        assert_eq!(budget.history(), 500);
        settings.history_tokens = 0;
        assert_eq!(Budget::new(&settings, 0).history(), 0);
    }
}
