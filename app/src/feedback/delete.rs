//! Votes go with the conversation and with the account.

use futures::FutureExt;
use sea_orm::ColumnTrait;
use serde_json::json;

use entity::ai::feedback::Column;
use entity::ids::{ConversationId, UserId};

use super::queries;
use crate::db::AiTx;
use crate::error::Result;
use crate::jobs::outbox::{Applied, Consumer, Event};

/// Rows a transaction deletes.
const BATCH: u64 = 1000;

/// Takes part in the end of a conversation.
pub const ON_CONVERSATION_DELETED: Consumer =
    Consumer { name: "feedback", apply: |ai, event| of_conversation(ai, event).boxed(), complete: None };

/// Takes part in the end of an account.
pub const ON_ACCOUNT_DELETED: Consumer =
    Consumer { name: "feedback", apply: |ai, event| of_account(ai, event).boxed(), complete: None };

async fn of_conversation(ai: &AiTx, event: &Event) -> Result<Applied> {
    let rows = Column::ConversationId.eq(ConversationId(event.aggregate_id));
    Ok(applied(queries::delete_some(ai, rows, BATCH).await?))
}

async fn of_account(ai: &AiTx, event: &Event) -> Result<Applied> {
    let rows = Column::UserId.eq(UserId(event.aggregate_id));
    Ok(applied(queries::delete_some(ai, rows, BATCH).await?))
}

fn applied(deleted: u64) -> Applied {
    if deleted == BATCH { Applied::More } else { Applied::Done(json!({})) }
}
