//! Calls that wait for their user.
//!
//! Before such a call is shown, its row is there; whoever owns the answer decides
//! it, once, at any replica, and the process that writes the turn hears of it or
//! looks. The call's id is unique in its answer and its arguments are fixed and
//! shown whole, so that what is approved is exactly this call. While it waits no
//! connection is held, the lease goes on, and the turn can be cancelled.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use entity::core::tool_approval::{self, Decision};
use entity::ids::{MessageId, UserId};
use sea_orm::{ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, Statement};
use tokio::time::Instant;
use uuid::Uuid;

use super::events::lease_lost;
use super::signals::TURNS;
use super::turn::Turn;
use crate::conversation;
use crate::db::CoreDb;
use crate::error::{Error, Result};
use crate::llm::ToolCall;
use crate::state::AppState;
use crate::tools::{self, Caller, Verdict, Verdicts};

/// A decision whose word is lost is found after this long.
const POLL: Duration = Duration::from_secs(1);
/// Longest id of a call that is kept as the model's server gave it.
const ID_CHARACTERS_MAX: usize = 64;

/// How calls that reach outside stand.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// By the id of the call: it waits for the user, or why it cannot.
    pub(super) calls: HashMap<String, &'static str>,
}

/// The call waits for the user.
pub(super) const REQUIRED: &str = "required";
/// Nobody can be asked: the answer is not streamed.
const UNAVAILABLE: &str = "unavailable";
/// Its arguments are too long to be shown whole.
const TOO_LONG: &str = "too_long";

impl Waiting {
    /// Which calls have to wait, and which cannot be asked about.
    pub(super) fn of(turn: &Turn, caller: &Caller, calls: &[ToolCall]) -> Self {
        let standing = |call: &ToolCall| {
            if !turn.can_ask {
                UNAVAILABLE
            } else if tools::is_shown_whole(call) {
                REQUIRED
            } else {
                TOO_LONG
            }
        };
        let calls = calls.iter().take(tools::CALLS_MAX);
        let calls = calls.filter(|call| tools::needs_approval(caller, &call.name));
        Self { calls: calls.map(|call| (call.id.clone(), standing(call))).collect() }
    }

    fn ids(&self) -> Vec<String> {
        self.calls.iter().filter(|(_, standing)| **standing == REQUIRED).map(|(id, _)| id.clone()).collect()
    }

    /// Notes which calls wait, before anybody is shown them. True if any does.
    pub(super) async fn note(&self, turn: &Turn) -> Result<bool> {
        let ids = self.ids();
        if ids.is_empty() {
            return Ok(false);
        }
        let life = turn.state.settings.tools.approval_timeout();
        let statement = Statement::from_sql_and_values(
            DbBackend::Postgres,
            "INSERT INTO tool_approvals (message_id, call_id, expires_at)
             SELECT m.id, call.id, now() + make_interval(secs => $4)
               FROM messages AS m CROSS JOIN unnest($3::text[]) AS call (id)
              WHERE m.id = $1 AND m.lease_owner = $2 AND m.status = 'streaming' AND m.lease_expires_at > now()",
            [
                turn.assistant_message_id.0.into(),
                turn.lease_owner.into(),
                ids.into(),
                life.as_secs_f64().into(),
            ],
        );
        let noted = turn.state.core.execute_raw(statement).await?.rows_affected();
        if noted == 0 { Err(lease_lost()) } else { Ok(true) }
    }

    /// Waits until every waiting call is decided, or their time is over.
    pub(super) async fn verdicts(&self, turn: &Turn) -> Result<Verdicts> {
        let mut verdicts: Verdicts = HashMap::new();
        for (id, standing) in &self.calls {
            let verdict = if *standing == TOO_LONG { Verdict::TooLong } else { Verdict::Unasked };
            verdicts.insert(id.clone(), verdict);
        }
        let ids = self.ids();
        if ids.is_empty() {
            return Ok(verdicts);
        }
        for (id, decision) in decided(turn, &ids).await? {
            let verdict = match decision {
                Decision::Approved => Verdict::Approved,
                Decision::Denied => Verdict::Denied,
                Decision::Expired => Verdict::Unanswered,
            };
            verdicts.insert(id, verdict);
        }
        Ok(verdicts)
    }
}

async fn decided(turn: &Turn, ids: &[String]) -> Result<HashMap<String, Decision>> {
    let (core, message) = (&turn.state.core, turn.assistant_message_id);
    let signals = turn.state.live.signals(message.0);
    let deadline = Instant::now() + turn.state.settings.tools.approval_timeout();
    while Instant::now() < deadline {
        match decisions(core, message, ids).await {
            Ok(decisions) if decisions.len() == ids.len() => return Ok(decisions),
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "the turn cannot see whether its calls are approved"),
        }
        let pause = tokio::time::sleep_until(deadline.min(Instant::now() + POLL));
        match &signals {
            Some(signals) => tokio::select! { () = pause => {}, () = signals.decided() => {} },
            None => pause.await,
        }
    }
    expire(core, message, ids).await?;
    decisions(core, message, ids).await
}

async fn decisions(core: &CoreDb, message: MessageId, ids: &[String]) -> Result<HashMap<String, Decision>> {
    let rows = tool_approval::Entity::find()
        .filter(tool_approval::Column::MessageId.eq(message))
        .filter(tool_approval::Column::CallId.is_in(ids))
        .all(core)
        .await?;
    Ok(rows.into_iter().filter_map(|row| row.decision.map(|decision| (row.call_id, decision))).collect())
}

/// Whoever decides later is told that it is too late.
async fn expire(core: &CoreDb, message: MessageId, ids: &[String]) -> Result<()> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "UPDATE tool_approvals SET decision = 'expired', decided_at = now()
          WHERE message_id = $1 AND call_id = ANY ($2) AND decision IS NULL",
        [message.0.into(), ids.to_vec().into()],
    );
    core.execute_raw(statement).await?;
    Ok(())
}

/// Decides a call of an answer of the user's. The same again changes nothing;
/// 409 if it was decided otherwise or is too late, 404 if it does not wait.
pub(super) async fn decide(
    state: &AppState,
    user: UserId,
    id: MessageId,
    call_id: &str,
    decision: Decision,
) -> Result<()> {
    conversation::find_owned_message(&state.core, user, id).await?;
    if !is_plain(call_id) {
        return Err(Error::NotFound("tool call"));
    }
    let word = if decision == Decision::Approved { "approved" } else { "denied" };
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "WITH decided AS (
             UPDATE tool_approvals AS a SET decision = $4, decided_at = now()
               FROM messages AS m JOIN conversations AS c ON c.id = m.conversation_id AND c.user_id = $2
              WHERE a.message_id = $1 AND a.call_id = $3 AND a.decision IS NULL AND a.expires_at > now()
                AND m.id = a.message_id AND m.status = 'streaming' AND m.lease_expires_at > now()
             RETURNING a.message_id)
         SELECT pg_notify($5, 'decide ' || message_id)::text FROM decided",
        [id.0.into(), user.0.into(), call_id.into(), word.into(), TURNS.into()],
    );
    if state.core.query_one_raw(statement).await?.is_some() {
        if let Some(signals) = state.live.signals(id.0) {
            signals.decide();
        }
        return Ok(());
    }
    let row = tool_approval::Entity::find_by_id((id, call_id.to_owned())).one(&state.core).await?;
    match row.ok_or(Error::NotFound("tool call"))?.decision {
        Some(before) if before == decision => Ok(()),
        Some(Decision::Approved | Decision::Denied) => {
            Err(Error::conflict("already_decided", "the call was decided otherwise"))
        }
        Some(Decision::Expired) | None => {
            Err(Error::conflict("approval_expired", "the call does not wait any more"))
        }
    }
}

/// Gives calls whose id cannot stand in a URL, or was there before in this
/// answer, another.
pub(super) fn name_apart(seen: &mut HashSet<String>, calls: &mut [ToolCall]) {
    for call in calls {
        if !is_plain(&call.id) || !seen.insert(call.id.clone()) {
            call.id = format!("call_{}", Uuid::now_v7().simple());
            seen.insert(call.id.clone());
        }
    }
}

fn is_plain(id: &str) -> bool {
    (1..=ID_CHARACTERS_MAX).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_fit_into_a_url() {
        let call = |id: &str| ToolCall { id: id.to_owned(), name: String::new(), arguments: String::new() };
        let long = "x".repeat(65);
        let mut seen = HashSet::new();
        let mut calls = [call("call_1"), call("a/b"), call(""), call(&long), call("call_1"), call("nul\0")];
        name_apart(&mut seen, &mut calls);
        assert_eq!(calls[0].id, "call_1");
        let mut again = [call("call_1")];
        name_apart(&mut seen, &mut again);
        let ids: HashSet<&str> = calls.iter().chain(&again).map(|call| call.id.as_str()).collect();
        assert_eq!(ids.len(), 7);
        assert!(ids.iter().all(|id| id.len() <= 64 && !id.contains(['/', '\0'])), "{ids:?}");
    }
}
