//! Finders. Each asks for the owner; what belongs to somebody else is 404.

use entity::core::{citation, conversation, message};
use entity::ids::{ConversationId, MessageId, UserId};
use sea_orm::sea_query::{Condition, Expr, ExprTrait};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::{ConversationView, MessageView};
use crate::db::CoreConn;
use crate::error::{Error, Result};
use crate::web::{Cursor, Page, PageQuery};

/// A user's conversation.
pub async fn find_owned(
    core: &impl CoreConn,
    user: UserId,
    id: ConversationId,
) -> Result<conversation::Model> {
    conversation::Entity::find()
        .filter(owned(user, id))
        .one(core)
        .await?
        .ok_or(Error::NotFound("conversation"))
}

/// A message in a user's conversation.
pub async fn find_owned_message(core: &impl CoreConn, user: UserId, id: MessageId) -> Result<message::Model> {
    message::Entity::find_by_id(id)
        .inner_join(conversation::Entity)
        .filter(conversation::Column::UserId.eq(user))
        .one(core)
        .await?
        .ok_or(Error::NotFound("message"))
}

/// A message in a user's conversation as clients see it, with its citations.
pub async fn message_view(core: &impl CoreConn, user: UserId, id: MessageId) -> Result<MessageView> {
    let message = find_owned_message(core, user, id).await?;
    let citations = citation::Entity::find()
        .filter(citation::Column::MessageId.eq(id))
        .order_by_asc(citation::Column::Ordinal)
        .all(core)
        .await?;
    Ok((message, citations).into())
}

/// The row with this id, if it is the user's.
pub(super) fn owned(user: UserId, id: ConversationId) -> Condition {
    Condition::all().add(conversation::Column::Id.eq(id)).add(conversation::Column::UserId.eq(user))
}

/// A page of a user's conversations, newest first.
pub(super) async fn list(
    core: &impl CoreConn,
    user: UserId,
    page: &PageQuery,
) -> Result<Page<ConversationView>> {
    let mut query = conversation::Entity::find()
        .filter(conversation::Column::UserId.eq(user))
        .order_by_desc(conversation::Column::CreatedAt)
        .order_by_desc(conversation::Column::Id)
        .limit(page.limit + 1);
    if let Some(cursor) = page.cursor {
        let row =
            Expr::tuple([Expr::col(conversation::Column::CreatedAt), Expr::col(conversation::Column::Id)]);
        query = query.filter(row.lt(Expr::tuple([Expr::val(cursor.at), Expr::val(cursor.id)])));
    }
    let rows = query.all(core).await?;
    let cursor = |row: &conversation::Model| Cursor { at: row.created_at, id: row.id.0 };
    Ok(Page::of(rows, page.limit, cursor, ConversationView::from))
}
