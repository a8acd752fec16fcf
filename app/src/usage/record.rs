//! The row of a call, and the parts of statements that write it.
//!
//! What was spent is told to the database as JSON: the statement that ends turns
//! ends those of many users at once.

use entity::ids::{MessageId, UserId};
use sea_orm::prelude::Decimal;
use sea_orm::{DbBackend, Statement, Value};
use serde::Serialize;
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

/// What a turn's end writes here, as [`settling`] takes it.
#[derive(Clone, Debug, Serialize)]
pub struct Spending {
    user_id: Option<Uuid>,
    /// 1 if the message counts against a quota.
    counts: i64,
    /// None if no model was asked.
    #[serde(flatten)]
    call: Option<Row>,
}

/// A row of `usage_records`.
#[derive(Clone, Debug, Serialize)]
struct Row {
    id: Uuid,
    kind: &'static str,
    provider: String,
    model: String,
    prompt_tokens: i32,
    cached_prompt_tokens: i32,
    completion_tokens: i32,
    reasoning_tokens: i32,
    total_tokens: i32,
    estimated: bool,
    /// As text, exact.
    cost_usd: Option<String>,
    outcome: &'static str,
    latency_ms: i32,
    message_id: Option<Uuid>,
}

impl Spending {
    /// What a turn spent. `counts`: whether its message counts against a quota.
    pub fn of(user: UserId, message: MessageId, spent: Option<Spent>, counts: bool) -> Self {
        Self::by(Some(user), Some(message), spent, counts)
    }

    fn by(user: Option<UserId>, message: Option<MessageId>, spent: Option<Spent>, counts: bool) -> Self {
        let call = spent.map(|spent| spent.row(message.map(|message| message.0)));
        Self { user_id: user.map(|user| user.0), counts: i64::from(counts), call }
    }

    fn json(&self) -> Value {
        serde_json::to_string(self).unwrap_or_default().into()
    }
}

/// The parts of a statement that ends turns.
#[derive(Clone, Debug)]
pub struct Settling {
    /// Comes first, after a part `asked` whose `spending` is a [`Spending`]: locks the
    /// accounts before the messages, as their deletion does. `ended` has to wait for it.
    pub payer: String,
    /// Comes after `ended`, which has the `id` of each message that this statement
    /// ended and its `spending`: the records, the months' sums, and the end of the
    /// reservations. Months are locked in order, so that two statements wait for each
    /// other in one direction.
    pub parts: String,
}

const PAYER: &str = "payer AS (
             SELECT id, tenant_id FROM users
              WHERE id IN (SELECT (asked.spending ->> 'user_id')::uuid FROM asked) FOR KEY SHARE)";

/// The rows of what was spent; one that has no call has no `id`.
fn spent(from: &str) -> String {
    format!(
        "spent AS MATERIALIZED (
             SELECT {from}.id AS ended_id, call.*
               FROM {from} CROSS JOIN LATERAL jsonb_to_record({from}.spending)
                    AS call (id uuid, user_id uuid, counts int8, kind text, provider text, model text,
                             prompt_tokens int4, cached_prompt_tokens int4, completion_tokens int4,
                             reasoning_tokens int4, total_tokens int4, estimated bool, cost_usd numeric,
                             outcome text, latency_ms int4, message_id uuid))"
    )
}

/// What has no user, or a user that is gone, is recorded without one.
const RECORD: &str = "INSERT INTO usage_records (id, user_id, tenant_id, kind, provider, model, prompt_tokens,
                cached_prompt_tokens, completion_tokens, reasoning_tokens, total_tokens, estimated, cost_usd,
                outcome, latency_ms, message_id)
         SELECT spent.id, payer.id, payer.tenant_id, spent.kind, spent.provider, spent.model, spent.prompt_tokens,
                spent.cached_prompt_tokens, spent.completion_tokens, spent.reasoning_tokens, spent.total_tokens,
                spent.estimated, spent.cost_usd, spent.outcome, spent.latency_ms, spent.message_id
           FROM spent LEFT JOIN payer ON payer.id = spent.user_id WHERE spent.id IS NOT NULL";

/// What the end of turns writes here.
pub fn settling() -> Settling {
    // A turn counts in the month in which it began, if it reserved.
    let parts = format!(
        "released AS (
             DELETE FROM usage_reservations WHERE message_id IN (SELECT id FROM ended)
             RETURNING message_id, user_id, month, tokens, cost, messages),
         {spent},
         recorded AS ({RECORD}),
         counted AS (
             INSERT INTO usage_months AS month (user_id, month, used_tokens, used_cost, used_messages)
             SELECT payer.id, coalesce(released.month, {THIS_MONTH}), coalesce(sum(spent.total_tokens), 0),
                    coalesce(sum(spent.cost_usd), 0), sum(spent.counts)
               FROM spent JOIN payer ON payer.id = spent.user_id
               LEFT JOIN released ON released.message_id = spent.ended_id
              GROUP BY 1, 2 ORDER BY 1, 2
             ON CONFLICT ON CONSTRAINT pk_usage_months DO UPDATE
                SET used_tokens = month.used_tokens + excluded.used_tokens,
                    used_cost = month.used_cost + excluded.used_cost,
                    used_messages = month.used_messages + excluded.used_messages,
                    (reserved_tokens, reserved_cost, reserved_messages) =
                        (SELECT month.reserved_tokens - coalesce(sum(back.tokens), 0),
                                month.reserved_cost - coalesce(sum(back.cost), 0),
                                month.reserved_messages - coalesce(sum(back.messages), 0)
                           FROM released AS back
                          WHERE back.user_id = month.user_id AND back.month = month.month))",
        spent = spent("ended"),
    );
    Settling { payer: PAYER.to_owned(), parts }
}

/// Records a call that is no turn of its own.
pub async fn record(
    core: &impl CoreConn,
    user: Option<UserId>,
    message: Option<MessageId>,
    call: Spent,
) -> Result<()> {
    let sql = format!(
        "WITH asked AS (SELECT NULL::uuid AS id, $1::text::jsonb AS spending), {PAYER}, {} {RECORD}",
        spent("asked")
    );
    let spending = Spending::by(user, message, Some(call), false).json();
    core.execute_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, [spending])).await?;
    Ok(())
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
    let condition = "WHERE NOT EXISTS (SELECT FROM usage_records WHERE message_id = $1 AND kind = 'chat')";
    settle_one(core, message, &Spending::of(user, message, Some(spent), counts), condition).await
}

/// Writes what a call took that is no message, and ends its reservation.
pub(super) async fn settle_unstored(
    core: &impl CoreConn,
    user: UserId,
    id: MessageId,
    spent: Option<Spent>,
    counts: bool,
) -> Result<()> {
    settle_one(core, id, &Spending::by(Some(user), None, spent, counts), "").await
}

async fn settle_one(core: &impl CoreConn, id: MessageId, spending: &Spending, condition: &str) -> Result<()> {
    let Settling { payer, parts } = settling();
    let sql = format!(
        "WITH asked AS (SELECT $2::text::jsonb AS spending), {payer},
         ended AS (SELECT $1::uuid AS id, asked.spending FROM asked {condition}), {parts}
         SELECT 1"
    );
    let values = [id.0.into(), spending.json()];
    core.execute_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values)).await?;
    Ok(())
}

impl Spent {
    fn row(self, message_id: Option<Uuid>) -> Row {
        let count = |tokens: u32| i32::try_from(tokens).unwrap_or(i32::MAX);
        Row {
            id: Uuid::now_v7(),
            kind: self.kind,
            provider: self.provider,
            model: self.model,
            prompt_tokens: count(self.usage.prompt_tokens),
            cached_prompt_tokens: count(self.usage.cached_prompt_tokens),
            completion_tokens: count(self.usage.completion_tokens),
            reasoning_tokens: count(self.usage.reasoning_tokens),
            total_tokens: count(self.usage.total_tokens),
            estimated: self.estimated,
            cost_usd: self.cost.map(|cost| cost.to_string()),
            outcome: self.outcome,
            latency_ms: self.latency_ms,
            message_id,
        }
    }
}
