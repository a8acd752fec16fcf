//! How much a user may have: the server's limits, or the user's own.

use entity::core::usage_quota;
use entity::ids::UserId;
use sea_orm::prelude::Decimal;
use sea_orm::{ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, Statement};
use serde::Serialize;
use utoipa::ToSchema;

use super::price::text;
use crate::config::Quota;
use crate::db::{CoreConn, CoreTx};
use crate::error::{Error, Result};

/// What holds for a user; 0 is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Tokens a month.
    pub tokens: i64,
    /// US dollars a month.
    pub cost: Decimal,
    /// Messages a month.
    pub messages: i64,
}

impl Limits {
    /// Whether there is any.
    pub fn any(&self) -> bool {
        self.takes_tokens() || self.messages > 0
    }

    /// Whether an answer's length counts.
    pub fn takes_tokens(&self) -> bool {
        self.tokens > 0 || !self.cost.is_zero()
    }

    /// The server's.
    pub fn of_server(quota: &Quota) -> Self {
        Self::of(Own::default(), quota)
    }

    /// The server's, where the user has none of their own.
    pub(super) fn of(own: Own, quota: &Quota) -> Self {
        let whole = |limit: u64| i64::try_from(limit).unwrap_or(i64::MAX);
        Self {
            tokens: own.monthly_tokens.unwrap_or(whole(quota.monthly_tokens)),
            cost: own.monthly_cost_usd.unwrap_or(quota.monthly_cost_usd.0),
            messages: own.monthly_messages.unwrap_or(whole(quota.monthly_messages)),
        }
    }
}

/// A user's own limits; what is none is the server's, what is 0 is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Own {
    /// Tokens a month.
    pub monthly_tokens: Option<i64>,
    /// US dollars a month.
    pub monthly_cost_usd: Option<Decimal>,
    /// Messages a month.
    pub monthly_messages: Option<i64>,
}

/// The same as administrators see it.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct OwnLimits {
    /// Tokens a month; null: the server's, 0: no limit.
    pub monthly_tokens: Option<i64>,
    /// US dollars a month, exact; null: the server's, 0: no limit.
    pub monthly_cost_usd: Option<String>,
    /// Messages a month; null: the server's, 0: no limit.
    pub monthly_messages: Option<i64>,
}

impl From<Own> for OwnLimits {
    fn from(own: Own) -> Self {
        Self {
            monthly_tokens: own.monthly_tokens,
            monthly_cost_usd: own.monthly_cost_usd.map(text),
            monthly_messages: own.monthly_messages,
        }
    }
}

/// The limits that hold for a user. To be asked first in a transaction: the
/// account is locked against its deletion, which goes from it to its messages.
pub async fn limits(tx: &CoreTx, user: UserId, quota: &Quota) -> Result<Limits> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT own.monthly_tokens, own.monthly_cost_usd, own.monthly_messages
           FROM users LEFT JOIN usage_quotas AS own ON own.user_id = users.id
          WHERE users.id = $1 FOR KEY SHARE OF users",
        [user.0.into()],
    );
    let row = tx.query_one_raw(statement).await?.ok_or(Error::NotFound("user"))?;
    let own = Own {
        monthly_tokens: row.try_get("", "monthly_tokens")?,
        monthly_cost_usd: row.try_get("", "monthly_cost_usd")?,
        monthly_messages: row.try_get("", "monthly_messages")?,
    };
    Ok(Limits::of(own, quota))
}

/// The users among these that have limits of their own.
pub async fn own_limits(core: &impl CoreConn, users: Vec<UserId>) -> Result<Vec<(UserId, Own)>> {
    let rows = usage_quota::Entity::find().filter(usage_quota::Column::UserId.is_in(users)).all(core).await?;
    let own = |row: usage_quota::Model| Own {
        monthly_tokens: row.monthly_tokens,
        monthly_cost_usd: row.monthly_cost_usd,
        monthly_messages: row.monthly_messages,
    };
    Ok(rows.into_iter().map(|row| (row.user_id, own(row))).collect())
}

/// Gives a user limits.
pub async fn set_own_limits(core: &impl CoreConn, user: UserId, own: Own) -> Result<()> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "INSERT INTO usage_quotas (user_id, monthly_tokens, monthly_cost_usd, monthly_messages)
         SELECT id, $2, $3, $4 FROM users WHERE id = $1
         ON CONFLICT ON CONSTRAINT pk_usage_quotas DO UPDATE
            SET monthly_tokens = excluded.monthly_tokens, monthly_cost_usd = excluded.monthly_cost_usd,
                monthly_messages = excluded.monthly_messages, updated_at = now()",
        [user.0.into(), own.monthly_tokens.into(), own.monthly_cost_usd.into(), own.monthly_messages.into()],
    );
    core.execute_raw(statement).await?;
    Ok(())
}
