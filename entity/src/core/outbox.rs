//! The outbox: what ai has still to learn.

use sea_orm::entity::prelude::*;

use crate::ids::{EventId, UserId};

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "outbox")]
pub struct Model {
    /// Key, UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: EventId,
    /// Order among the events of one aggregate.
    pub position: i64,
    /// What kind of thing it is about.
    pub aggregate_type: String,
    /// Which one.
    pub aggregate_id: Uuid,
    /// What happened.
    pub kind: String,
    /// Ids and bounds.
    #[sea_orm(column_type = "JsonBinary")]
    pub payload: Json,
    /// Who asked.
    pub owner_id: Option<UserId>,
    /// When it was written.
    pub created_at: DateTimeUtc,
    /// Failed deliveries that were not for want of a database.
    pub attempts: i32,
    /// Not before.
    pub run_at: DateTimeUtc,
    /// The delivery that holds it.
    pub lease_owner: Option<Uuid>,
    /// Until when, by the database's clock.
    pub lease_expires_at: Option<DateTimeUtc>,
    /// When both sides knew.
    pub delivered_at: Option<DateTimeUtc>,
    /// When it was given up.
    pub dead_at: Option<DateTimeUtc>,
    /// The last failure.
    #[sea_orm(column_type = "Text", nullable)]
    pub error: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}
