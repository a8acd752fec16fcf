//! The beginning of a turn: one short transaction, then a task of its own.

use std::time::Duration;

use entity::core::{conversation, message};
use entity::ids::{ConversationId, MessageId};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter};
use tokio::time::Instant;
use uuid::Uuid;

use super::queries::{self, NewAnswer};
use super::turn::{self, Turn};
use crate::auth::CurrentUser;
use crate::db::CoreTx;
use crate::error::{Error, Result};
use crate::state::AppState;
use crate::web::live::Reader;

/// What a user sends.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    /// The answer's id to be. Under an idempotency key it was decided before.
    pub(super) answer_id: Uuid,
    /// The conversation; none begins one.
    pub(super) conversation_id: Option<ConversationId>,
    pub(super) content: String,
    pub(super) ui_context: Option<serde_json::Value>,
    pub(super) parent_id: Option<MessageId>,
}

/// A turn under way.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) assistant_message_id: MessageId,
    pub(super) events: Reader,
}

/// Stores the question, leases the answer's row and starts the turn.
pub(super) async fn begin(state: &AppState, user: &CurrentUser, sent: Sent) -> Result<Begun> {
    let started_at = Instant::now();
    let lease_owner = Uuid::now_v7();
    let (question, answer_id) = store(state, user, &sent, lease_owner).await?;
    let running = state.metrics.turn();
    let writer = state.live.start(answer_id.0);
    let events = writer.reader();
    let turn = Turn {
        state: state.clone(),
        user: user.clone(),
        conversation_id: question.conversation_id,
        user_message_id: question.id,
        position: question.position,
        assistant_message_id: answer_id,
        question: sent.content,
        lease_owner,
        started_at,
        asked_at: question.created_at,
    };
    state.tasks.spawn(async move {
        turn::run(turn, writer).await;
        drop(running);
    });
    Ok(Begun { assistant_message_id: answer_id, events })
}

async fn store(
    state: &AppState,
    user: &CurrentUser,
    sent: &Sent,
    lease_owner: Uuid,
) -> Result<(message::Model, MessageId)> {
    let lease = Duration::from_secs(state.settings.chat.lease_s);
    let tx = state.core.begin().await?;
    let conversation_id = match sent.conversation_id {
        Some(id) => queries::lock_conversation(&tx, user.id, id).await?.id,
        // In the same transaction: a message that is not stored leaves no empty conversation.
        None => crate::conversation::create(&tx, user.id, None).await?.id,
    };
    queries::interrupt_expired(&tx, super::BATCH).await?;
    if let Some(running) = queries::running(&tx, conversation_id).await? {
        return Err(Error::Conflict {
            code: "turn_in_progress",
            detail: "an answer is still being written in this conversation".to_owned(),
            id: Some(running.id.0),
        });
    }
    let newest = queries::newest(&tx, conversation_id).await?;
    let parent_id = parent(&tx, conversation_id, sent, newest.as_ref()).await?;
    let position = newest.map_or(0, |message| message.position) + 1;
    let question = message::ActiveModel {
        id: Set(MessageId(Uuid::now_v7())),
        conversation_id: Set(conversation_id),
        parent_id: Set(parent_id),
        position: Set(position),
        role: Set(message::Role::User),
        status: Set(message::Status::Complete),
        content: Set(sent.content.clone()),
        ui_context: Set(sent.ui_context.clone()),
        ..Default::default()
    }
    .insert(&tx)
    .await?;
    let answer = NewAnswer {
        id: MessageId(sent.answer_id),
        conversation_id,
        parent_id: question.id,
        position: position + 1,
        lease_owner,
    };
    queries::insert_leased(&tx, &answer, lease).await?;
    touch(&tx, conversation_id, sent).await?;
    tx.commit().await?;
    Ok((question, answer.id))
}

/// The message the question follows: the one named, or the newest.
async fn parent(
    tx: &CoreTx,
    conversation: ConversationId,
    sent: &Sent,
    newest: Option<&message::Model>,
) -> Result<Option<MessageId>> {
    let Some(named) = sent.parent_id else {
        return Ok(newest.map(|message| message.id));
    };
    message::Entity::find_by_id(named)
        .filter(message::Column::ConversationId.eq(conversation))
        .one(tx)
        .await?
        .map(|message| Some(message.id))
        .ok_or_else(|| Error::field("parent_id", "no message of this conversation"))
}

/// The conversation remembers when it was used and what the user looked at last.
async fn touch(tx: &CoreTx, conversation: ConversationId, sent: &Sent) -> Result<()> {
    let mut update = conversation::Entity::update_many()
        .col_expr(conversation::Column::UpdatedAt, Expr::cust("now()"))
        .filter(conversation::Column::Id.eq(conversation));
    if let Some(ui_context) = &sent.ui_context {
        let merged = Expr::cust_with_values(
            "metadata || jsonb_build_object('ui_context', coalesce(metadata -> 'ui_context', '{}') || $1::jsonb)",
            [ui_context.clone()],
        );
        update = update.col_expr(conversation::Column::Metadata, merged);
    }
    update.exec(tx).await?;
    Ok(())
}
