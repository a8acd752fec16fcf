//! Events of core that ai has applied.

use sea_orm::entity::prelude::*;

use crate::ids::EventId;

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "ai_inbox")]
pub struct Model {
    /// The event (core).
    #[sea_orm(primary_key, auto_increment = false)]
    pub event_id: EventId,
    /// What happened.
    pub kind: String,
    /// What kind of thing it is about.
    pub aggregate_type: String,
    /// Which one.
    pub aggregate_id: Uuid,
    /// What applying it did; none while it is applied in batches.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub outcome: Option<Json>,
    /// When it first arrived.
    pub received_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
