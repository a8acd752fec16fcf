//! The ledger: one row a call of a model.

use sea_orm::entity::prelude::*;

use crate::ids::{MessageId, TenantId, UsageRecordId, UserId};

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "usage_records")]
pub struct Model {
    /// Key, UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: UsageRecordId,
    /// Who it was for; none once the account is gone.
    pub user_id: Option<UserId>,
    /// The tenant of that user.
    pub tenant_id: Option<TenantId>,
    /// `chat`, `embedding`, `title`, `summary`, `extraction` or `enrichment`.
    pub kind: String,
    /// Kind of provider: `openai` is any server that speaks so.
    pub provider: String,
    /// Model that was asked.
    pub model: String,
    /// Tokens of the prompt.
    pub prompt_tokens: i32,
    /// Of these, what the provider had cached.
    pub cached_prompt_tokens: i32,
    /// Tokens of the answer.
    pub completion_tokens: i32,
    /// Of these, what was thought and not said.
    pub reasoning_tokens: i32,
    /// Their sum, as the provider says it.
    pub total_tokens: i32,
    /// The provider did not count.
    pub estimated: bool,
    /// US dollars; none when the price is not known.
    #[sea_orm(column_type = "Decimal(Some((18, 9)))", nullable)]
    pub cost_usd: Option<Decimal>,
    /// `complete`, `failed` or `cancelled`.
    pub outcome: String,
    /// The answer it was for.
    pub message_id: Option<MessageId>,
    /// From the request to the end.
    pub latency_ms: i32,
    /// When the row was made.
    pub created_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
