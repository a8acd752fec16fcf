//! The statement that begins conversations: each with its first question and the
//! answer's row, leased from now, all or nothing.
//!
//! Each is a JSON document, so that one statement begins as many as wait (see
//! [`crate::db::documents`]).

use std::sync::LazyLock;

use entity::ids::{CharacterId, ConversationId, MessageId, PersonaId, UserId};
use serde::Serialize;
use uuid::Uuid;

use super::queries::{BEGUN, Begun, NewTurn};
use crate::db::CoreConn;
use crate::db::documents::{self, Document};
use crate::error::{Context, Error, Result};
use crate::persona::Pair;
use crate::state::AppState;

/// A conversation that begins with a turn.
#[derive(Debug, Serialize)]
pub(super) struct First<'a> {
    /// The answer's.
    id: MessageId,
    conversation_id: ConversationId,
    user_id: UserId,
    title: Option<&'a str>,
    character_id: Option<CharacterId>,
    persona_id: Option<PersonaId>,
    question_id: MessageId,
    content: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ui_context: Option<&'a serde_json::Value>,
    lease_owner: Uuid,
    lease_s: u64,
    /// Nothing begins if the user has limits of their own: then they are to be kept first.
    only_unlimited: bool,
}

impl<'a> First<'a> {
    pub(super) fn new(
        user: UserId,
        pair: Pair,
        title: Option<&'a str>,
        turn: &'a NewTurn,
        lease_s: u64,
    ) -> Self {
        Self {
            id: turn.answer_id,
            conversation_id: turn.conversation_id,
            user_id: user,
            title,
            character_id: pair.character_id,
            persona_id: pair.persona_id,
            question_id: turn.question_id,
            content: &turn.content,
            ui_context: turn.ui_context.as_ref(),
            lease_owner: turn.lease_owner,
            lease_s,
            only_unlimited: false,
        }
    }

    /// Begins it together with others that begin at the same time. None: the user is
    /// gone, or has limits that are to be kept first.
    pub(super) async fn begin_unlimited(self, state: &AppState) -> Result<Option<Begun>> {
        let document = Self { only_unlimited: true, ..self }.document()?;
        state.beginnings.store(document).await?.map(|row| Begun::of(&row)).transpose()
    }

    /// Begins it in a transaction that has seen to the limits.
    pub(super) async fn begin_in(self, tx: &impl CoreConn) -> Result<Begun> {
        let row = documents::store_in(tx, statement(), &self.document()?).await?;
        Begun::of(&row.ok_or(Error::NotFound("user"))?)
    }

    fn document(&self) -> Result<Document> {
        Ok(Document { id: self.id.0, json: serde_json::to_string(self).context("storing a question")? })
    }
}

/// See [`crate::db::documents`]. Accounts are locked before anything of theirs, as
/// their deletion does.
pub(super) fn statement() -> &'static str {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        format!(
            "WITH patience AS MATERIALIZED (
                 SELECT set_config('lock_timeout', coalesce($2::text, current_setting('lock_timeout')), true)),
             asked AS MATERIALIZED (
                 SELECT first.*
                   FROM patience CROSS JOIN jsonb_to_recordset($1::text::jsonb)
                        AS first (id uuid, conversation_id uuid, user_id uuid, title text, character_id uuid,
                                  persona_id uuid, question_id uuid, content text, ui_context jsonb,
                                  lease_owner uuid, lease_s int8, only_unlimited bool)),
             owner AS (
                 SELECT users.id FROM users WHERE users.id IN (SELECT user_id FROM asked)
                  ORDER BY users.id FOR KEY SHARE),
             begun AS (
                 INSERT INTO conversations (id, user_id, title, character_id, persona_id, active_message_id, metadata)
                 SELECT asked.conversation_id, owner.id, asked.title, asked.character_id, asked.persona_id, asked.id,
                        CASE WHEN asked.ui_context IS NULL THEN '{{}}'
                             ELSE jsonb_build_object('ui_context', asked.ui_context) END
                   FROM asked JOIN owner ON owner.id = asked.user_id
                  WHERE NOT (asked.only_unlimited
                             AND EXISTS (SELECT FROM usage_quotas AS own WHERE own.user_id = owner.id))
                 RETURNING id, user_id, active_message_id, generation, updated_at),
             question AS (
                 INSERT INTO messages (id, conversation_id, position, role, status, content, ui_context)
                 SELECT asked.question_id, begun.id, 1, 'user', 'complete', asked.content, asked.ui_context
                   FROM begun JOIN asked ON asked.id = begun.active_message_id),
             answer AS (
                 INSERT INTO messages (id, conversation_id, parent_id, position, role, status, lease_owner,
                                       lease_expires_at)
                 SELECT asked.id, begun.id, asked.question_id, 2, 'assistant', 'streaming', asked.lease_owner,
                        now() + make_interval(secs => asked.lease_s)
                   FROM begun JOIN asked ON asked.id = begun.active_message_id)
             SELECT begun.active_message_id AS id, {BEGUN} FROM begun"
        )
    });
    &SQL
}
