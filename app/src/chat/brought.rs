//! A turn that a client of another API begins: it brings its own messages and
//! tools, and what it asked is kept beside the answer.
//!
//! The answer is a message like any other: followed and cancelled from any
//! replica, part of a conversation, gone when that goes. Only the words the user
//! asked with stand in the conversation; the client's items are in `responses`.

use entity::core::message::{self, Role};
use entity::core::response;
use entity::ids::{ConversationId, MessageId, UserId};
use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, Statement};
use serde_json::{Value, json};
use uuid::Uuid;

use super::begin::{self, Sent};
use super::events::{TurnLog, lease_lost};
use super::follow::Follower;
use super::path::{self, Follows};
use super::question::Question;
use super::retrieve::Wanted;
use super::turn::{Draft, Turn};
use super::{answer, budget, stop};
use crate::auth::CurrentUser;
use crate::conversation::{self, MessageView};
use crate::db::CoreTx;
use crate::error::{Error, Result};
use crate::llm::{Counter, Cut, ToolCall};
use crate::persona::Pair;
use crate::state::AppState;

/// Messages above an answer that are looked at.
const EARLIER_MESSAGES: u64 = 1000;

/// What a client brings.
#[derive(Clone, Debug)]
pub struct Brought {
    /// What the model is asked, earlier turns included.
    pub question: Question,
    /// What the client is told again of its request: an object.
    pub request: Value,
    /// What it gave, item by item: a list.
    pub input: Value,
}

/// What is kept of an answer that was brought.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The answer as it is now.
    pub message: MessageView,
    /// Why it failed.
    pub error: Option<Value>,
    /// What was asked, and which tools of the client were called.
    pub response: response::Model,
}

/// A question and its answer, earlier in a conversation.
#[derive(Clone, Debug)]
pub struct Earlier {
    /// The client's items, if it brought any.
    pub input: Option<Value>,
    /// Else what the user asked.
    pub question: String,
    /// What was answered.
    pub answer: String,
    /// The client's own tools that were called: `{id, name, arguments}`.
    pub calls: Value,
}

/// Begins a turn whose answer has this id: after the answer `previous`, or in a
/// conversation of its own. Its events follow.
pub async fn begin(
    state: &AppState,
    user: &CurrentUser,
    answer_id: Uuid,
    previous: Option<MessageId>,
    brought: Brought,
) -> Result<Follower> {
    let words = brought.question.words().to_owned();
    let (length, limit) = (words.chars().count(), state.settings.chat.message_characters);
    if length > limit {
        let message = format!("the last message has {length} characters, at most {limit} are stored");
        return Err(Error::field("input", message));
    }
    let conversation_id = match previous {
        Some(id) => Some(conversation::find_owned_message(&state.core, user.id, id).await?.conversation_id),
        None => None,
    };
    let follows = previous.map_or(Follows::Active, |id| Follows::Message(id.0));
    let sent = Sent {
        answer_id,
        conversation_id,
        content: words,
        ui_context: None,
        follows,
        // Its tools are the client's own.
        can_ask: false,
        pair: Pair::default(),
    };
    let begun = Box::pin(begin::begin_with(state, user, sent, Some(brought))).await?;
    Ok(Follower::of(state, begun.assistant_message_id, begun.events))
}

/// Follows such an answer of the user's from its first event on.
pub async fn follow(state: &AppState, user: UserId, id: MessageId) -> Result<Follower> {
    super::follow::follow(state, user, id, 0).await
}

/// Cancels it, wherever it is written. True: it has ended.
pub async fn cancel(state: &AppState, user: UserId, id: MessageId) -> Result<bool> {
    stop::cancel(state, user, id).await
}

/// What is kept of it.
pub async fn kept(state: &AppState, user: UserId, id: MessageId) -> Result<Kept> {
    let core = &state.core;
    let row = conversation::find_owned_message(core, user, id).await?;
    let response = response::Entity::find_by_id(id).one(core).await?.ok_or(Error::NotFound("response"))?;
    let message = conversation::message_view(core, user, id).await?;
    Ok(Kept { message, error: row.error, response })
}

/// Whether no other answer stands in its conversation.
pub async fn is_alone(state: &AppState, id: MessageId, conversation: ConversationId) -> Result<bool> {
    let others = message::Entity::find()
        .filter(message::Column::ConversationId.eq(conversation))
        .filter(message::Column::Role.eq(Role::Assistant))
        .filter(message::Column::Id.ne(id));
    Ok(others.one(&state.core).await?.is_none())
}

/// The turns up to and with an answer of the user's, oldest first: what of them
/// fits into the tokens of a history, and whatever the last one needs.
pub async fn earlier(state: &AppState, user: UserId, id: MessageId) -> Result<Vec<Earlier>> {
    let core = &state.core;
    let last = conversation::find_owned_message(core, user, id).await?;
    let mut messages = path::history(core, id, EARLIER_MESSAGES).await?;
    messages.insert(0, last);
    let ids = messages.iter().map(|message| message.id);
    let mut brought =
        response::Entity::find().filter(response::Column::MessageId.is_in(ids)).all(core).await?;
    let mut turns: Vec<Earlier> = Vec::new();
    let mut left = state.settings.chat.history_tokens;
    // Which model answers next is not known here.
    let counter = Counter::default();
    let mut above = messages.into_iter().peekable();
    while let Some(answer) = above.next() {
        if answer.role == Role::User {
            continue;
        }
        let parent =
            above.next_if(|message| message.role == Role::User && Some(message.id) == answer.parent_id);
        let at = brought.iter().position(|response| response.message_id == answer.id);
        let turn = turn(answer, parent, at.map(|at| brought.swap_remove(at)));
        let rest = left.checked_sub(turn.tokens(counter));
        // Results of tools stand behind the calls they answer, or nowhere.
        let is_needed = turns.last().is_none_or(Earlier::begins_with_results);
        if rest.is_none() && !is_needed {
            break;
        }
        left = rest.unwrap_or(0);
        turns.push(turn);
    }
    turns.reverse();
    Ok(turns)
}

fn turn(answer: message::Model, parent: Option<message::Model>, brought: Option<response::Model>) -> Earlier {
    let (input, calls) = brought.map_or((None, json!([])), |row| (Some(row.input), row.calls));
    let question = parent.map(|parent| parent.content).unwrap_or_default();
    Earlier { input, question, answer: answer.content, calls }
}

impl Earlier {
    fn tokens(&self, counter: Counter) -> usize {
        let input = self.input.as_ref().map_or_else(|| self.question.clone(), Value::to_string);
        let calls =
            if self.calls == json!([]) { 0 } else { budget::tokens(counter, &self.calls.to_string()) };
        budget::tokens(counter, &input) + budget::tokens(counter, &self.answer) + calls
    }

    fn begins_with_results(&self) -> bool {
        self.input.as_ref().is_some_and(|input| input[0]["type"] == "function_call_output")
    }
}

/// Keeps what was brought, in the transaction that stores the turn.
pub(super) async fn keep(tx: &CoreTx, answer: MessageId, brought: &Brought) -> Result<()> {
    let row = response::ActiveModel {
        message_id: Set(answer),
        request: Set(brought.request.clone()),
        input: Set(brought.input.clone()),
        calls: Set(json!([])),
        cut: Set(None),
    };
    response::Entity::insert(row).exec_without_returning(tx).await?;
    Ok(())
}

/// What a turn looks for.
pub(super) fn wanted(turn: &Turn) -> Wanted {
    let state = &turn.state;
    turn.brought.as_ref().map_or_else(|| Wanted::of(state), |brought| brought.question.wanted(state))
}

/// Earlier messages, newest first; a client that brings its own has them among them.
pub(super) async fn history(turn: &Turn, limit: u64) -> Result<Vec<message::Model>> {
    match turn.brought {
        Some(_) => Ok(Vec::new()),
        None if turn.is_first => Ok(Vec::new()),
        None => path::history(&turn.state.core, turn.user_message_id, limit).await,
    }
}

/// The words of the user that may ask to remember something.
pub(super) fn told(turn: &Turn) -> &str {
    match &turn.brought {
        Some(brought) if brought.question.memory => brought.question.words(),
        Some(_) => "",
        None => &turn.question,
    }
}

/// The end of such an answer: tools it calls are the client's to run.
pub(super) async fn ended(
    turn: &Turn,
    log: &mut TurnLog,
    draft: &Draft,
    calls: Vec<ToolCall>,
    cut: Option<Cut>,
) -> Result<()> {
    if calls.is_empty() && cut.is_none() {
        return answer::has_words(&draft.text);
    }
    // What was cut off in the middle of a call is none.
    let calls = if cut.is_some() { Vec::new() } else { calls };
    let calls: Vec<Value> = calls
        .into_iter()
        .map(|call| json!({ "id": call.id, "name": call.name, "arguments": call.arguments }))
        .collect();
    for call in &calls {
        log.event("client_call", call.clone());
    }
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "UPDATE responses SET calls = $3, cut = $4 FROM messages
          WHERE responses.message_id = messages.id AND messages.id = $1 AND messages.lease_owner = $2
            AND messages.status = 'streaming' AND messages.lease_expires_at > now()",
        [
            turn.assistant_message_id.0.into(),
            turn.lease_owner.into(),
            Value::Array(calls).into(),
            cut.map(Cut::name).into(),
        ],
    );
    let stored = turn.state.core.execute_raw(statement).await?.rows_affected();
    if stored == 0 { Err(lease_lost()) } else { Ok(()) }
}
