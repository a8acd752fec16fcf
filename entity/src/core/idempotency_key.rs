//! What was done under an idempotency key.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::ids::UserId;

/// How far a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Somebody holds its lease, or its lease ran out.
    Running,
    /// Its answer is known.
    Done,
}

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "idempotency_keys")]
pub struct Model {
    /// Row key, UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Whose request it was.
    pub user_id: UserId,
    /// Its method.
    pub method: String,
    /// Its path, with ids.
    pub path: String,
    /// The caller's key.
    pub key: String,
    /// SHA-256 over what was sent.
    pub request_hash: Vec<u8>,
    /// The id of what it makes.
    pub resource_id: Uuid,
    /// How far it is.
    pub state: State,
    /// The request that holds it.
    pub lease_owner: Option<Uuid>,
    /// Until when, by the database's clock.
    pub lease_expires_at: Option<DateTimeUtc>,
    /// Status of the answer.
    pub status: Option<i32>,
    /// Type of its body.
    pub content_type: Option<String>,
    /// Its body; absent when it was too large to keep, or is derived from what was made.
    pub body: Option<Vec<u8>>,
    /// When the row was made.
    pub created_at: DateTimeUtc,
    /// When the key may be used for something else.
    pub expires_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
