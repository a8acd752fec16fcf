//! Beginning and changing conversations.

use entity::core::conversation;
use entity::ids::{ConversationId, MessageId, UserId};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{EntityTrait, QueryFilter, QuerySelect};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::path;
use super::queries::{find_owned, owned};
use crate::auth::Change;
use crate::db::{CoreConn, CoreDb};
use crate::error::{Error, Result};
use crate::idempotency::Attempt;

/// Begins a conversation of the user. The title: 1 to 500 characters, not
/// blank, without NUL.
pub async fn create(
    core: &impl CoreConn,
    user: UserId,
    title: Option<String>,
) -> Result<conversation::Model> {
    insert(core, ConversationId(Uuid::now_v7()), user, title, None, Map::new()).await
}

/// The conversation `attempt` is to make: made now, or by an earlier try.
pub(super) async fn make(
    core: &impl CoreConn,
    attempt: Attempt,
    user: UserId,
    title: Option<String>,
    model: Option<String>,
    metadata: Map<String, Value>,
) -> Result<conversation::Model> {
    let id = ConversationId(attempt.id);
    if !attempt.is_first {
        match find_owned(core, user, id).await {
            Err(Error::NotFound(_)) => {}
            found => return found,
        }
    }
    insert(core, id, user, title, model, metadata).await
}

async fn insert(
    core: &impl CoreConn,
    id: ConversationId,
    user: UserId,
    title: Option<String>,
    model: Option<String>,
    metadata: Map<String, Value>,
) -> Result<conversation::Model> {
    let row = conversation::ActiveModel {
        id: Set(id),
        user_id: Set(user),
        title: Set(title),
        model: Set(model),
        metadata: Set(Value::Object(metadata)),
        ..Default::default()
    };
    Ok(conversation::Entity::insert(row).exec_with_returning(core).await?)
}

/// What to change in a conversation.
#[derive(Debug)]
pub(super) struct Changes {
    pub(super) title: Option<String>,
    pub(super) active: Option<MessageId>,
    pub(super) model: Change<String>,
}

/// Changes a conversation of the user.
pub(super) async fn change(
    core: &CoreDb,
    user: UserId,
    id: ConversationId,
    changes: Changes,
) -> Result<conversation::Model> {
    let tx = core.begin().await?;
    // Locked as a turn locks it: whoever comes later says what is active.
    conversation::Entity::find()
        .filter(owned(user, id))
        .lock_exclusive()
        .one(&tx)
        .await?
        .ok_or(Error::NotFound("conversation"))?;
    let mut update = conversation::Entity::update_many()
        .col_expr(conversation::Column::UpdatedAt, Expr::cust("now()"))
        .filter(owned(user, id));
    if let Some(title) = changes.title {
        update = update.col_expr(conversation::Column::Title, Expr::val(title));
    }
    update = match changes.model {
        Change::Keep => update,
        Change::Remove => update.col_expr(conversation::Column::Model, Expr::val(None::<String>)),
        Change::Set(model) => update.col_expr(conversation::Column::Model, Expr::val(model)),
    };
    if let Some(message) = changes.active {
        let leaf = path::leaf_below(&tx, id, message).await?;
        update = update.col_expr(conversation::Column::ActiveMessageId, Expr::val(leaf.0));
    }
    let row = update.exec_with_returning(&tx).await?.pop().ok_or(Error::NotFound("conversation"))?;
    tx.commit().await?;
    Ok(row)
}
