//! Statements on `ai_feedback`. Whose vote it is, is an argument of each.

use entity::ai::feedback::{self, Column, Entity, Model};
use entity::core::message;
use entity::ids::{FeedbackId, MessageId, UserId};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QuerySelect, QueryTrait};
use serde_json::json;
use uuid::Uuid;

use super::vote::Vote;
use crate::db::AiConn;
use crate::error::Result;

/// The user's vote on a message.
pub(super) async fn find(ai: &impl AiConn, user_id: UserId, message_id: MessageId) -> Result<Option<Model>> {
    Ok(Entity::find()
        .filter(Column::UserId.eq(user_id))
        .filter(Column::MessageId.eq(message_id))
        .one(ai)
        .await?)
}

/// Stores the user's vote; an earlier one gives way and keeps its key.
pub(super) async fn upsert(
    ai: &impl AiConn,
    user_id: UserId,
    message: &message::Model,
    vote: Vote,
) -> Result<Model> {
    let row = feedback::ActiveModel {
        id: Set(FeedbackId(Uuid::now_v7())),
        message_id: Set(message.id),
        conversation_id: Set(message.conversation_id),
        user_id: Set(user_id),
        rating: Set(vote.rating),
        comment: Set(vote.comment),
        edited_text: Set(vote.edited_text),
        tags: Set(json!(vote.tags)),
        ..Default::default()
    };
    let conflict = OnConflict::columns([Column::MessageId, Column::UserId])
        .update_columns([Column::Rating, Column::Comment, Column::EditedText, Column::Tags])
        .value(Column::UpdatedAt, Expr::current_timestamp())
        .to_owned();
    Ok(Entity::insert(row).on_conflict(conflict).exec_with_returning(ai).await?)
}

/// Deletes at most `limit` of the rows that match.
pub(super) async fn delete_some(ai: &impl AiConn, rows: Expr, limit: u64) -> Result<u64> {
    let some = Entity::find().select_only().column(Column::Id).filter(rows).limit(limit).into_query();
    let deleted = Entity::delete_many().filter(Column::Id.in_subquery(some)).exec(ai).await?;
    Ok(deleted.rows_affected)
}

/// Removes the user's vote on a message, if there is one.
pub(super) async fn delete(ai: &impl AiConn, user_id: UserId, message_id: MessageId) -> Result<()> {
    Entity::delete_many()
        .filter(Column::UserId.eq(user_id))
        .filter(Column::MessageId.eq(message_id))
        .exec(ai)
        .await?;
    Ok(())
}
