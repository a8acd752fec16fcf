//! The row of a call, and the statement that writes it.

use entity::ids::{MessageId, UserId};
use sea_orm::prelude::Decimal;
use sea_orm::{DbBackend, Statement, Value};
use uuid::Uuid;

use super::quota::THIS_MONTH;
use crate::db::CoreConn;
use crate::error::Result;
use crate::llm::Usage;

/// What a call took.
#[derive(Clone, Debug)]
pub struct Spent {
    /// `chat`, `embedding`, `title`, `summary`, `extraction` or `enrichment`.
    pub kind: &'static str,
    /// Kind of provider.
    pub provider: String,
    /// Model that was asked.
    pub model: String,
    /// What it took.
    pub usage: Usage,
    /// The provider did not count.
    pub estimated: bool,
    /// US dollars; none when the price is not known.
    pub cost: Option<Decimal>,
    /// `complete`, `failed` or `cancelled`.
    pub outcome: &'static str,
    /// From the request to the end.
    pub latency_ms: i32,
}

/// A statement's part that inserts the row, its values being numbered from
/// `first`. What has no user, or a user that is gone, is recorded without one.
fn insert(first: usize, rows: &str) -> String {
    let numbers: Vec<String> = (first + 1..first + 14).map(|number| format!("${number}")).collect();
    format!(
        "INSERT INTO usage_records (id, user_id, tenant_id, kind, provider, model, prompt_tokens,
                cached_prompt_tokens, completion_tokens, reasoning_tokens, total_tokens, estimated, cost_usd,
                outcome, latency_ms, message_id)
         SELECT ${first}, payer.id, payer.tenant_id, {} FROM {rows} LEFT JOIN payer ON true",
        numbers.join(", ")
    )
}

/// Records a call that is no turn of its own.
pub async fn record(
    core: &impl CoreConn,
    user: Option<UserId>,
    message: Option<MessageId>,
    spent: Spent,
) -> Result<()> {
    let sql = format!(
        "WITH payer AS (SELECT id, tenant_id FROM users WHERE id = $1 FOR KEY SHARE) {}",
        insert(2, "(SELECT 1) AS one")
    );
    let mut values: Vec<Value> = vec![user.map(|user| user.0).into()];
    values.extend(spent.values(message.map(|message| message.0)));
    core.execute_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values)).await?;
    Ok(())
}

/// Parts of the statement that ends a turn.
#[derive(Debug)]
pub struct Settling {
    /// Comes first: locks the account before the message, as its deletion does.
    /// `ended` has to wait for it.
    pub payer: String,
    /// Comes after `ended`, which has the `id` of the message if it was ended
    /// by this statement: the record, the month's sums, and the end of the reservation.
    pub parts: String,
    /// The values of both.
    pub values: Vec<Value>,
}

/// What a turn's end writes here. `spent` is none if no model was asked;
/// `counts`: whether the message counts against a quota.
pub fn settling(
    first: usize,
    user: UserId,
    message: MessageId,
    spent: Option<Spent>,
    counts: bool,
) -> Settling {
    settling_as(first, user, Some(message), spent, counts)
}

/// The same; without a message the record names none.
fn settling_as(
    first: usize,
    user: UserId,
    message: Option<MessageId>,
    spent: Option<Spent>,
    counts: bool,
) -> Settling {
    let tokens = spent.as_ref().map_or(0, |spent| i64::from(spent.usage.total_tokens));
    let cost = spent.as_ref().and_then(|spent| spent.cost).unwrap_or_default();
    let mut values: Vec<Value> = vec![user.0.into(), tokens.into(), cost.into(), i64::from(counts).into()];
    let (user, tokens, cost, messages) = (first, first + 1, first + 2, first + 3);
    let recorded = match spent {
        Some(spent) => {
            values.extend(spent.values(message.map(|message| message.0)));
            format!("recorded AS ({}),", insert(first + 4, "ended"))
        }
        None => String::new(),
    };
    // A turn counts in the month in which it began, if it reserved.
    let parts = format!(
        "released AS (
             DELETE FROM usage_reservations WHERE message_id IN (SELECT id FROM ended)
             RETURNING month, tokens, cost, messages),
         {recorded}
         counted AS (
             INSERT INTO usage_months AS month (user_id, month, used_tokens, used_cost, used_messages)
             SELECT payer.id, coalesce((SELECT month FROM released), {THIS_MONTH}),
                    ${tokens}, ${cost}, ${messages}
               FROM ended CROSS JOIN payer
             ON CONFLICT ON CONSTRAINT pk_usage_months DO UPDATE
                SET used_tokens = month.used_tokens + excluded.used_tokens,
                    used_cost = month.used_cost + excluded.used_cost,
                    used_messages = month.used_messages + excluded.used_messages,
                    reserved_tokens = month.reserved_tokens - coalesce((SELECT tokens FROM released), 0),
                    reserved_cost = month.reserved_cost - coalesce((SELECT cost FROM released), 0),
                    reserved_messages = month.reserved_messages - coalesce((SELECT messages FROM released), 0))"
    );
    let payer = format!("payer AS (SELECT id, tenant_id FROM users WHERE id = ${user} FOR KEY SHARE)");
    Settling { payer, parts, values }
}

/// Writes the same for a turn that its own last statement did not end. What is
/// in the ledger already stays: whoever notices first writes it.
pub async fn settle_late(
    core: &impl CoreConn,
    user: UserId,
    message: MessageId,
    spent: Spent,
    counts: bool,
) -> Result<()> {
    let Settling { payer, parts, mut values } = settling(2, user, message, Some(spent), counts);
    let sql = format!(
        "WITH {payer}, ended AS (
             SELECT $1::uuid AS id
              WHERE NOT EXISTS (SELECT FROM usage_records WHERE message_id = $1 AND kind = 'chat')), {parts}
         SELECT 1"
    );
    values.insert(0, message.0.into());
    core.execute_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values)).await?;
    Ok(())
}

/// Writes what a call took that is no message, and ends its reservation.
pub(super) async fn settle_unstored(
    core: &impl CoreConn,
    user: UserId,
    id: MessageId,
    spent: Option<Spent>,
    counts: bool,
) -> Result<()> {
    let Settling { payer, parts, mut values } = settling_as(2, user, None, spent, counts);
    let sql = format!("WITH {payer}, ended AS (SELECT $1::uuid AS id), {parts} SELECT 1");
    values.insert(0, id.0.into());
    core.execute_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values)).await?;
    Ok(())
}

impl Spent {
    fn values(self, message: Option<Uuid>) -> [Value; 14] {
        let count = |tokens: u32| i32::try_from(tokens).unwrap_or(i32::MAX).into();
        [
            Uuid::now_v7().into(),
            self.kind.into(),
            self.provider.into(),
            self.model.into(),
            count(self.usage.prompt_tokens),
            count(self.usage.cached_prompt_tokens),
            count(self.usage.completion_tokens),
            count(self.usage.reasoning_tokens),
            count(self.usage.total_tokens),
            self.estimated.into(),
            self.cost.into(),
            self.outcome.into(),
            self.latency_ms.into(),
            message.into(),
        ]
    }
}
