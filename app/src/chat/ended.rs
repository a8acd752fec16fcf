//! The statement that ends turns: the answers become final, their leases are freed,
//! and ledger, jobs and last events are stored with them, of each turn all or nothing.
//!
//! Each turn is a JSON document, so that one statement ends as many as wait (see
//! [`crate::db::documents`]). It is fenced: a turn ends only while its row is still
//! streaming under its lease, by the database's clock.

use std::sync::LazyLock;

use entity::core::message::Status;
use entity::ids::MessageId;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::db::CoreConn;
use crate::db::documents::{self, Document};
use crate::error::{Context, Result};
use crate::jobs::{self, JobToBe};
use crate::usage::{self, Spending};
use crate::web::live::Entry;

/// A turn's end.
#[derive(Debug, Serialize)]
pub(super) struct Ended<'a> {
    pub(super) id: MessageId,
    pub(super) lease_owner: Uuid,
    pub(super) status: Status,
    pub(super) content: &'a str,
    pub(super) mode: &'static str,
    pub(super) model: &'a str,
    pub(super) memories: &'a [Uuid],
    pub(super) prompt_tokens: Option<u32>,
    pub(super) completion_tokens: Option<u32>,
    pub(super) total_tokens: Option<u32>,
    pub(super) cached_prompt_tokens: Option<u32>,
    pub(super) reasoning_tokens: Option<u32>,
    pub(super) first_token_ms: Option<i32>,
    pub(super) latency_ms: i32,
    pub(super) error: Option<Value>,
    /// What goes into the ledger.
    pub(super) spending: Spending,
    /// What is done after it.
    pub(super) jobs: Vec<JobToBe>,
    /// Its last events.
    pub(super) events: Vec<Line<'a>>,
}

/// A row of `message_events`.
#[derive(Debug, Serialize)]
pub(super) struct Line<'a> {
    seq: i32,
    event: &'a str,
    data: &'a Value,
}

impl<'a> From<&'a Entry> for Line<'a> {
    fn from(entry: &'a Entry) -> Self {
        Self { seq: entry.seq, event: &entry.event, data: &entry.data }
    }
}

impl Ended<'_> {
    /// As the statement takes it.
    pub(super) fn document(&self) -> Result<Document> {
        Ok(Document { id: self.id.0, json: serde_json::to_string(self).context("storing an answer")? })
    }
}

/// Ends a turn in a transaction. False: its lease is lost.
pub(super) async fn end_in(tx: &impl CoreConn, ended: &Document) -> Result<bool> {
    Ok(documents::store_in(tx, statement(), ended).await?.is_some())
}

/// See [`crate::db::documents`].
pub(super) fn statement() -> &'static str {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        let usage::Settling { payer, parts } = usage::settling();
        format!(
            "WITH patience AS MATERIALIZED (
                 SELECT set_config('lock_timeout', coalesce($2::text, current_setting('lock_timeout')), true)),
             asked AS MATERIALIZED (
                 SELECT turn.*
                   FROM patience CROSS JOIN jsonb_to_recordset($1::text::jsonb)
                        AS turn (id uuid, lease_owner uuid, status text, content text, mode text, model text,
                                 memories jsonb, prompt_tokens int4, completion_tokens int4, total_tokens int4,
                                 cached_prompt_tokens int4, reasoning_tokens int4, first_token_ms int4,
                                 latency_ms int4, error jsonb, spending jsonb, jobs jsonb, events jsonb)),
             {payer},
             ended AS (
                 UPDATE messages AS message
                    SET status = asked.status, content = asked.content, mode = asked.mode, model = asked.model,
                        memories = asked.memories, prompt_tokens = asked.prompt_tokens,
                        completion_tokens = asked.completion_tokens, total_tokens = asked.total_tokens,
                        cached_prompt_tokens = asked.cached_prompt_tokens,
                        reasoning_tokens = asked.reasoning_tokens, first_token_ms = asked.first_token_ms,
                        latency_ms = asked.latency_ms, error = asked.error,
                        lease_owner = NULL, lease_expires_at = NULL, completed_at = now()
                   FROM asked
                  WHERE message.id = asked.id AND message.lease_owner = asked.lease_owner
                    AND message.status = 'streaming' AND message.lease_expires_at > now()
                    AND (SELECT count(*) FROM payer) >= 0
                 RETURNING message.id, asked.spending, asked.jobs, asked.events),
             {parts},
             {queueing},
             logged AS (
                 INSERT INTO message_events (message_id, seq, event, data)
                 SELECT ended.id, line.seq, line.event, line.data
                   FROM ended CROSS JOIN LATERAL jsonb_to_recordset(ended.events)
                        AS line (seq int4, event text, data jsonb))
             SELECT id FROM ended WHERE (SELECT kinds FROM woken) >= 0",
            queueing = jobs::queueing(),
        )
    });
    &SQL
}
