//! Calls of tools that wait, or waited, for their user.

use crate::ids::MessageId;
use sea_orm::entity::prelude::*;

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum Decision {
    /// The user lets it run.
    Approved,
    /// The user does not.
    Denied,
    /// The user did not say in time.
    Expired,
}

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "tool_approvals")]
pub struct Model {
    /// The answer that is being written.
    #[sea_orm(primary_key, auto_increment = false)]
    pub message_id: MessageId,
    /// The call, by the id it has in that answer.
    #[sea_orm(primary_key, auto_increment = false)]
    pub call_id: String,
    /// Until when it waits.
    pub expires_at: DateTimeUtc,
    /// What was said; none while it waits.
    pub decision: Option<Decision>,
    /// When it was asked.
    pub created_at: DateTimeUtc,
    /// When it was said.
    pub decided_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}
