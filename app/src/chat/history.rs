//! Earlier turns in a prompt: the newest that fit, and in their place a summary
//! of those that do not, if there is one.

use entity::core::message::{self, Role as MessageRole};
use entity::ids::MessageId;

use super::budget::tokens;
use super::prompt::inert;
use super::summary::Summary;
use crate::llm::{ChatMessage, Counter, Role};

/// What stands around an imported message.
const IMPORTED_TOKENS: usize = 24;
/// What stands around a summary.
const SUMMARY_TOKENS: usize = 24;

/// What was said before a question.
#[derive(Clone, Copy, Debug)]
pub(super) struct Past<'a> {
    /// The oldest first.
    pub(super) messages: &'a [message::Model],
    /// Of the beginning of the path.
    pub(super) summary: Option<&'a Summary>,
    /// Whether what falls out is to be summarised.
    pub(super) is_summarised: bool,
}

/// The messages of a prompt that tell of the past, and up to where a summary is
/// to be made if something fell out of which none tells.
pub(super) fn within(
    past: Past<'_>,
    counter: Counter,
    budget: usize,
) -> (Vec<ChatMessage>, Option<MessageId>) {
    let mut kept = newest(past.messages, counter, budget);
    let is_missed = |summary: &&Summary| {
        kept.first().is_none_or(|oldest| oldest.position > summary.through_position)
            || past.messages.len() > kept.len()
    };
    let summary = past.summary.filter(is_missed);
    let mut told = Vec::new();
    if let Some(summary) = summary {
        let cost = tokens(counter, &summary.content) + SUMMARY_TOKENS;
        if let Some(left) = budget.checked_sub(cost) {
            kept = newest(past.messages, counter, left);
            told.push(ChatMessage::new(Role::User, summary_block(summary)));
        }
    }
    told.extend(as_messages(kept));
    (told, past.is_summarised.then(|| fallen(past, kept.len())).flatten())
}

/// The newest messages that fit; the oldest fall out first, and an answer whose
/// question fell out goes with it.
fn newest(messages: &[message::Model], counter: Counter, budget: usize) -> &[message::Model] {
    let mut left = budget;
    let fits = |message: &&message::Model| {
        let around = if message.imported { IMPORTED_TOKENS } else { 0 };
        let rest = left.checked_sub(tokens(counter, &message.content) + around);
        left = rest.unwrap_or_default();
        rest.is_some()
    };
    let fitting = messages.iter().rev().take_while(fits).count();
    let kept = &messages[messages.len() - fitting..];
    let answers = kept.iter().take_while(|message| message.role == MessageRole::Assistant).count();
    &kept[answers..]
}

/// Up to where a summary is to be made: half of what is still in, too, so that
/// the next turns need none.
fn fallen(past: Past<'_>, kept: usize) -> Option<MessageId> {
    let messages = past.messages;
    let out = messages.len() - kept;
    let told = past.summary.map_or(0, |summary| summary.through_position);
    let is_missed = match messages[..out].last() {
        Some(newest) => newest.position > told,
        // What was not even looked at.
        None => messages.first().is_some_and(|oldest| {
            let follows = past.summary.map(|summary| summary.through_id);
            oldest.position > told && oldest.parent_id.is_some() && oldest.parent_id != follows
        }),
    };
    let until = &messages[..out + kept / 2];
    let end = until.iter().rev().find(|message| message.role == MessageRole::Assistant).or(until.last());
    end.filter(|_| is_missed).map(|message| message.id)
}

/// Those that come from a file are data.
fn as_messages(kept: &[message::Model]) -> Vec<ChatMessage> {
    let mut messages = Vec::with_capacity(kept.len());
    for run in kept.chunk_by(|one, next| one.imported == next.imported) {
        if run.iter().any(|message| message.imported) {
            messages.push(ChatMessage::new(Role::User, imported_block(run)));
            continue;
        }
        // An answer can be nothing but calls of a client's own tools.
        let worded = run.iter().filter(|message| !message.content.trim().is_empty());
        messages.extend(worded.map(|message| {
            let role = match message.role {
                MessageRole::User => Role::User,
                MessageRole::Assistant => Role::Assistant,
            };
            ChatMessage::new(role, message.content.as_str())
        }));
    }
    messages
}

/// Words of a file: what it says the user and an assistant said.
fn imported_block(messages: &[message::Model]) -> String {
    use std::fmt::Write;

    let mut block =
        String::from("Earlier messages of this conversation, imported from a file:\n<imported>\n");
    for message in messages {
        let by = match message.role {
            MessageRole::User => "user",
            MessageRole::Assistant => "assistant",
        };
        let _ = writeln!(block, "<message by=\"{by}\">\n{}\n</message>", inert(&message.content));
    }
    block.push_str("</imported>\n");
    block
}

/// Words of a model about what documents and files may have said.
fn summary_block(summary: &Summary) -> String {
    let words = inert(&summary.content);
    format!("What was said before, summarised by a model:\n<summary>\n{words}\n</summary>\n")
}
