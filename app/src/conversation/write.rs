//! Beginning and changing conversations.

use entity::core::{conversation, message};
use entity::ids::{CharacterId, ConversationId, MessageId, PersonaId, UserId};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::path;
use super::queries::{find_owned, owned};
use crate::auth::{Change, CurrentUser};
use crate::db::{CoreConn, CoreDb, CoreTx};
use crate::error::{Error, Result};
use crate::idempotency::Attempt;
use crate::persona::{self, Pair};

/// A conversation to be.
#[derive(Debug, Default)]
pub(super) struct New {
    pub(super) title: Option<String>,
    pub(super) model: Option<String>,
    pub(super) pair: Pair,
    pub(super) metadata: Map<String, Value>,
}

/// The conversation `attempt` is to make: made now, or by an earlier try.
pub(super) async fn make(
    core: &CoreDb,
    attempt: Attempt,
    user: &CurrentUser,
    new: New,
) -> Result<conversation::Model> {
    let id = ConversationId(attempt.id);
    if !attempt.is_first {
        match find_owned(core, user.id, id).await {
            Err(Error::NotFound(_)) => {}
            found => return found,
        }
    }
    if new.pair.is_empty() {
        return insert(core, id, user.id, new).await;
    }
    let tx = core.begin().await?;
    persona::hold(&tx, user, new.pair).await?;
    let made = insert(&tx, id, user.id, new).await?;
    tx.commit().await?;
    Ok(made)
}

async fn insert(
    core: &impl CoreConn,
    id: ConversationId,
    user: UserId,
    new: New,
) -> Result<conversation::Model> {
    let row = conversation::ActiveModel {
        id: Set(id),
        user_id: Set(user),
        title: Set(new.title),
        model: Set(new.model),
        character_id: Set(new.pair.character_id),
        persona_id: Set(new.pair.persona_id),
        metadata: Set(Value::Object(new.metadata)),
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
    pub(super) character: Change<CharacterId>,
    pub(super) persona: Change<PersonaId>,
}

impl Changes {
    /// Nothing is to change.
    pub(super) fn are_none(&self) -> bool {
        self.title.is_none()
            && self.active.is_none()
            && self.model == Change::Keep
            && self.character == Change::Keep
            && self.persona == Change::Keep
    }

    /// The pair of a conversation that has this one.
    fn pair(&self, now: Pair) -> Pair {
        Pair {
            character_id: self.character.clone().apply(now.character_id),
            persona_id: self.persona.clone().apply(now.persona_id),
        }
    }
}

/// Changes a conversation of the user. 409 `conversation_begun` for another
/// pair than the one that has spoken in it: what was told to one stays with it.
pub(super) async fn change(
    core: &CoreDb,
    user: &CurrentUser,
    id: ConversationId,
    changes: Changes,
) -> Result<conversation::Model> {
    let tx = core.begin().await?;
    persona::hold(&tx, user, changes.pair(Pair::default())).await?;
    // Locked as a turn locks it: whoever comes later says what is active.
    let before = conversation::Entity::find()
        .filter(owned(user.id, id))
        .lock_exclusive()
        .one(&tx)
        .await?
        .ok_or(Error::NotFound("conversation"))?;
    let mut update = conversation::Entity::update_many()
        .col_expr(conversation::Column::UpdatedAt, Expr::cust("now()"))
        .filter(owned(user.id, id));
    let pair = changes.pair(Pair::of(&before));
    if pair != Pair::of(&before) {
        refuse_begun(&tx, id).await?;
        update = update
            .col_expr(conversation::Column::CharacterId, Expr::val(pair.character_id.map(Uuid::from)))
            .col_expr(conversation::Column::PersonaId, Expr::val(pair.persona_id.map(Uuid::from)));
    }
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

async fn refuse_begun(tx: &CoreTx, id: ConversationId) -> Result<()> {
    let said = message::Entity::find().filter(message::Column::ConversationId.eq(id)).one(tx).await?;
    if said.is_some() {
        let detail = "character and persona are chosen before the first message; begin another conversation";
        return Err(Error::conflict("conversation_begun", detail));
    }
    Ok(())
}
