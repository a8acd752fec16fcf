//! A conversation is a tree by `parent_id`; its active path is what one reads.
//!
//! Positions grow from parent to child, so every way up or down ends, whatever
//! the rows hold.

use std::collections::HashMap;

use chrono::DateTime;
use entity::core::{citation, conversation, message};
use entity::ids::{ConversationId, MessageId};
use sea_orm::{ColumnTrait, DbBackend, EntityLoaderTrait, QueryFilter, QueryOrder, Statement};
use uuid::Uuid;

use super::{ListedMessage, MessageView};
use crate::db::CoreConn;
use crate::error::{Error, Result};
use crate::web::{Cursor, Page, PageQuery};

/// Which messages of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// Those of the active path.
    Active,
    /// Those of every branch.
    All,
}

/// The messages after position $2, and who else follows the same message. $4
/// is the end of the path; without one that is there, the newest is.
const ACTIVE: &str = "WITH RECURSIVE leaf AS (
        SELECT coalesce(
            (SELECT m.id FROM messages AS m WHERE m.id = $4 AND m.conversation_id = $1),
            (SELECT m.id FROM messages AS m WHERE m.conversation_id = $1 ORDER BY m.position DESC LIMIT 1)) AS id),
    chosen AS (
        SELECT m.id, m.parent_id, m.position FROM messages AS m JOIN leaf ON leaf.id = m.id
        UNION ALL
        SELECT m.id, m.parent_id, m.position
          FROM chosen JOIN messages AS m ON m.id = chosen.parent_id AND m.position < chosen.position)";
const ALL: &str = "WITH chosen AS (
        SELECT m.id, m.parent_id, m.position FROM messages AS m
         WHERE m.conversation_id = $1 AND m.position > $2 AND $4::uuid IS NOT DISTINCT FROM $4
         ORDER BY m.position LIMIT $3)";
const WITH_SIBLINGS: &str = "SELECT chosen.id, CASE WHEN chosen.parent_id IS NULL
        THEN ARRAY(SELECT s.id FROM messages AS s
                    WHERE s.conversation_id = $1 AND s.parent_id IS NULL ORDER BY s.position)
        ELSE ARRAY(SELECT s.id FROM messages AS s WHERE s.parent_id = chosen.parent_id ORDER BY s.position)
        END AS siblings
    FROM chosen WHERE chosen.position > $2 ORDER BY chosen.position LIMIT $3";

/// A page of a conversation's messages, oldest first. Having the conversation
/// is having the right to read it.
pub(super) async fn messages(
    core: &impl CoreConn,
    conversation: &conversation::Model,
    which: Which,
    page: &PageQuery,
) -> Result<Page<ListedMessage>> {
    let after = page.cursor.map_or(Ok(0), position_of)?;
    // One more than asked for, to know whether there is a next page.
    let limit = page.limit + 1;
    let chosen = match which {
        Which::Active => ACTIVE,
        Which::All => ALL,
    };
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        format!("{chosen} {WITH_SIBLINGS}"),
        [
            conversation.id.0.into(),
            after.into(),
            i64::try_from(limit).unwrap_or(i64::MAX).into(),
            conversation.active_message_id.map(Uuid::from).into(),
        ],
    );
    let mut siblings: HashMap<Uuid, Vec<Uuid>> = HashMap::new();
    for row in core.query_all_raw(statement).await? {
        siblings.insert(row.try_get("", "id")?, row.try_get("", "siblings")?);
    }
    let rows = message::Entity::load()
        .filter(message::Column::Id.is_in(siblings.keys().copied()))
        .order_by_asc(message::Column::Position)
        .with(citation::Entity)
        .paginate(core, limit)
        .fetch()
        .await?;
    Ok(Page::of(rows, page.limit, cursor_at, |row| {
        let siblings = siblings.get(&row.id.0).cloned().unwrap_or_default();
        ListedMessage { message: MessageView::from(row), siblings }
    }))
}

/// The newest message at or below one of a conversation: as positions grow, a leaf.
pub(super) async fn leaf_below(
    core: &impl CoreConn,
    conversation: ConversationId,
    id: MessageId,
) -> Result<MessageId> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "WITH RECURSIVE below AS (
             SELECT m.id, m.position FROM messages AS m WHERE m.id = $1 AND m.conversation_id = $2
             UNION ALL
             SELECT m.id, m.position
               FROM below JOIN messages AS m ON m.parent_id = below.id AND m.position > below.position)
         SELECT id FROM below ORDER BY position DESC LIMIT 1",
        [id.0.into(), conversation.0.into()],
    );
    let row = core.query_one_raw(statement).await?;
    let row = row.ok_or_else(|| Error::field("active_message_id", "no message of this conversation"))?;
    Ok(MessageId(row.try_get("", "id")?))
}

/// Both messages of a turn are made at the same instant, so the cursor of this
/// list carries the position in the place of the time.
fn cursor_at(row: &message::ModelEx) -> Cursor {
    Cursor { at: DateTime::from_timestamp_micros(i64::from(row.position)).unwrap_or_default(), id: row.id.0 }
}

fn position_of(cursor: Cursor) -> Result<i32> {
    i32::try_from(cursor.at.timestamp_micros())
        .map_err(|_| Error::field("cursor", "not a cursor of this list"))
}
