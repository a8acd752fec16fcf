//! Reserving before a turn, and giving back what a dead one reserved.

use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::ids::{MessageId, UserId};
use sea_orm::prelude::Decimal;
use sea_orm::{ConnectionTrait, DbBackend, Statement, Value};
use serde_json::json;
use uuid::Uuid;

use super::limits::Limits;
use super::price::{self, text};
use crate::config::Settings;
use crate::db::{CoreDb, CoreTx};
use crate::error::{Error, QuotaFigures, Result};
use crate::llm::Usage;

/// The month it is, by the database's clock.
pub(super) const THIS_MONTH: &str = "date_trunc('month', now() AT TIME ZONE 'UTC')::date";
/// Tokens of the application's note on a turn, and of a memory, at most.
const NOTE_TOKENS: usize = 64;
const MEMORY_TOKENS: usize = 256;
/// Reservations one run of the sweep gives back at most.
const BATCH: i64 = 500;
/// A running answer may give back what it reserved.
const RETRY_AFTER_RUNNING_S: u64 = 30;

/// What a turn may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// Of the prompt and the answer together.
    pub tokens: i64,
    /// US dollars; 0 when the model's price is not known.
    pub cost: Decimal,
}

impl Wants {
    /// A prompt of this many tokens, and the longest answer.
    pub fn of(settings: &Settings, model: &str, prompt_tokens: u32) -> Self {
        let completion_tokens = settings.quota.answer_tokens;
        let total_tokens = prompt_tokens.saturating_add(completion_tokens);
        let usage = Usage { prompt_tokens, completion_tokens, total_tokens, ..Usage::default() };
        let cost = price::cost(&settings.prices, model, &usage).unwrap_or_default();
        Self { tokens: i64::from(total_tokens), cost }
    }
}

/// Tokens of a turn's first prompt, from above: what is fixed, and everything
/// that may come with it.
pub fn prompt_tokens(settings: &Settings, fixed: usize, has_history: bool) -> u32 {
    let (chat, whole) = (&settings.chat, |count: u64| usize::try_from(count).unwrap_or(usize::MAX));
    let history = if has_history { chat.history_tokens } else { 0 };
    let passages = whole(chat.retrieved_passages).saturating_mul(settings.knowledge.passage_tokens);
    let memories = whole(chat.retrieved_memories).saturating_mul(MEMORY_TOKENS);
    let tokens = [NOTE_TOKENS, history, passages, memories].into_iter().fold(fixed, usize::saturating_add);
    u32::try_from(tokens).unwrap_or(u32::MAX)
}

/// Reserves what a turn may take, or refuses it: the condition is checked on
/// the row that is changed, so no two turns see the same rest.
pub async fn reserve(
    tx: &CoreTx,
    limits: &Limits,
    user: UserId,
    message: MessageId,
    wants: Wants,
) -> Result<()> {
    hold(tx, limits, user, message, Held { wants, messages: 1, life: None }).await
}

/// What is set aside.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub(super) wants: Wants,
    /// 1, or 0 for what is no answer.
    pub(super) messages: i16,
    /// How long at most; none: while the message is written.
    pub(super) life: Option<Duration>,
}

pub(super) async fn hold(
    tx: &CoreTx,
    limits: &Limits,
    user: UserId,
    id: MessageId,
    held: Held,
) -> Result<()> {
    if !limits.any() {
        return Ok(());
    }
    let Held { wants, messages, life } = held;
    let values: Vec<Value> = vec![
        user.0.into(),
        id.0.into(),
        wants.tokens.into(),
        wants.cost.into(),
        limits.tokens.into(),
        limits.cost.into(),
        limits.messages.into(),
        messages.into(),
        life.map(|life| life.as_secs_f64()).into(),
    ];
    let sql = format!(
        "WITH held AS (
             INSERT INTO usage_months AS month (user_id, month, reserved_tokens, reserved_cost, reserved_messages)
             SELECT $1, {THIS_MONTH}, $3::bigint, $4::numeric, $8::smallint
              WHERE ($5::bigint = 0 OR $3::bigint <= $5) AND ($6::numeric = 0 OR $4::numeric <= $6)
             ON CONFLICT ON CONSTRAINT pk_usage_months DO UPDATE
                SET reserved_tokens = month.reserved_tokens + excluded.reserved_tokens,
                    reserved_cost = month.reserved_cost + excluded.reserved_cost,
                    reserved_messages = month.reserved_messages + excluded.reserved_messages
              WHERE ($5 = 0 OR month.used_tokens + month.reserved_tokens + $3 <= $5)
                AND ($6 = 0 OR month.used_cost + month.reserved_cost + $4 <= $6)
                AND ($7::bigint = 0 OR $8 = 0 OR month.used_messages + month.reserved_messages + $8 <= $7)
             RETURNING user_id, month)
         INSERT INTO usage_reservations (message_id, user_id, month, tokens, cost, messages, expires_at)
         SELECT $2, held.user_id, held.month, $3, $4, $8, now() + make_interval(secs => $9::float8) FROM held"
    );
    let reserved = tx.execute_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values)).await?;
    if reserved.rows_affected() == 1 {
        return Ok(());
    }
    Err(refusal(tx, limits, user, wants).await?)
}

/// Adds to what a running turn reserved, or refuses it.
pub async fn reserve_more(
    core: &CoreDb,
    limits: &Limits,
    user: UserId,
    message: MessageId,
    wants: Wants,
) -> Result<()> {
    // The reservation is locked before the month, as whoever gives it back does.
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "WITH held AS (SELECT message_id, user_id, month FROM usage_reservations WHERE message_id = $1 FOR UPDATE),
         room AS (
             UPDATE usage_months AS month
                SET reserved_tokens = month.reserved_tokens + $2::bigint,
                    reserved_cost = month.reserved_cost + $3::numeric
               FROM held
              WHERE month.user_id = held.user_id AND month.month = held.month
                AND ($4::bigint = 0 OR month.used_tokens + month.reserved_tokens + $2 <= $4)
                AND ($5::numeric = 0 OR month.used_cost + month.reserved_cost + $3 <= $5)
             RETURNING held.message_id)
         UPDATE usage_reservations AS held SET tokens = held.tokens + $2, cost = held.cost + $3
           FROM room WHERE held.message_id = room.message_id",
        [message.0.into(), wants.tokens.into(), wants.cost.into(), limits.tokens.into(), limits.cost.into()],
    );
    if core.execute_raw(statement).await?.rows_affected() == 1 {
        return Ok(());
    }
    Err(refusal(core, limits, user, wants).await?)
}

async fn refusal(core: &impl ConnectionTrait, limits: &Limits, user: UserId, wants: Wants) -> Result<Error> {
    let month = month(core, user).await?;
    Ok(Error::OverQuota(Box::new(month.in_the_way(limits, wants))))
}

/// A user's month.
#[derive(Clone, Debug)]
pub(super) struct Month {
    pub(super) used_tokens: i64,
    pub(super) used_cost: Decimal,
    pub(super) used_messages: i64,
    pub(super) reserved_tokens: i64,
    pub(super) reserved_cost: Decimal,
    pub(super) reserved_messages: i64,
    pub(super) began_at: DateTime<Utc>,
    pub(super) resets_at: DateTime<Utc>,
    resets_in_s: f64,
}

/// The user's month so far.
pub(super) async fn month(core: &impl ConnectionTrait, user: UserId) -> Result<Month> {
    let sql = format!(
        "SELECT coalesce(used_tokens, 0) AS used_tokens, coalesce(used_cost, 0) AS used_cost,
                coalesce(used_messages, 0) AS used_messages, coalesce(reserved_tokens, 0) AS reserved_tokens,
                coalesce(reserved_cost, 0) AS reserved_cost, coalesce(reserved_messages, 0) AS reserved_messages,
                this.began_at AT TIME ZONE 'UTC' AS began_at,
                (this.began_at + interval '1 month') AT TIME ZONE 'UTC' AS resets_at,
                extract(epoch FROM (this.began_at + interval '1 month') AT TIME ZONE 'UTC' - now())::float8 AS resets_in_s
           FROM (SELECT {THIS_MONTH}::timestamp AS began_at) AS this
           LEFT JOIN usage_months ON user_id = $1 AND month = this.began_at::date"
    );
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [user.0.into()]);
    let row = core.query_one_raw(statement).await?.ok_or(Error::NotFound("month"))?;
    Ok(Month {
        used_tokens: row.try_get("", "used_tokens")?,
        used_cost: row.try_get("", "used_cost")?,
        used_messages: row.try_get("", "used_messages")?,
        reserved_tokens: row.try_get("", "reserved_tokens")?,
        reserved_cost: row.try_get("", "reserved_cost")?,
        reserved_messages: row.try_get("", "reserved_messages")?,
        began_at: row.try_get("", "began_at")?,
        resets_at: row.try_get("", "resets_at")?,
        resets_in_s: row.try_get("", "resets_in_s")?,
    })
}

impl Month {
    /// The measure that refuses a turn.
    fn in_the_way(&self, limits: &Limits, wants: Wants) -> QuotaFigures {
        let is_full = |limit: i64, used: i64, reserved: i64, needed: i64| {
            limit > 0 && used.saturating_add(reserved).saturating_add(needed) > limit
        };
        let costs = self.used_cost + self.reserved_cost + wants.cost;
        let (measure, limit, used, reserved) =
            if is_full(limits.tokens, self.used_tokens, self.reserved_tokens, wants.tokens) {
                ("tokens", json!(limits.tokens), json!(self.used_tokens), json!(self.reserved_tokens))
            } else if !limits.cost.is_zero() && costs > limits.cost {
                let [limit, used, reserved] =
                    [limits.cost, self.used_cost, self.reserved_cost].map(|cost| json!(text(cost)));
                ("cost_usd", limit, used, reserved)
            } else {
                ("messages", json!(limits.messages), json!(self.used_messages), json!(self.reserved_messages))
            };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
        let resets_in_s = self.resets_in_s.ceil() as u64;
        let retry_after_s =
            if self.reserved_messages > 0 { resets_in_s.min(RETRY_AFTER_RUNNING_S) } else { resets_in_s };
        QuotaFigures { measure, limit, used, reserved, resets_at: self.resets_at, retry_after_s }
    }
}

/// Gives back what turns reserved that run no more. Returns how many.
pub async fn refund_lost(core: &CoreDb) -> Result<u64> {
    let lost = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT held.message_id, held.user_id
           FROM usage_reservations AS held LEFT JOIN messages ON messages.id = held.message_id
          WHERE CASE WHEN held.expires_at IS NOT NULL THEN held.expires_at < now()
                     ELSE messages.id IS NULL OR messages.status <> 'streaming' OR messages.lease_expires_at < now() END
          ORDER BY held.created_at LIMIT $1",
        [BATCH.into()],
    );
    let mut refunded = 0;
    // One by one: no statement holds the months of two users.
    for row in core.query_all_raw(lost).await? {
        let (message, user): (Uuid, Uuid) = (row.try_get("", "message_id")?, row.try_get("", "user_id")?);
        let refund = Statement::from_sql_and_values(
            DbBackend::Postgres,
            "WITH payer AS (SELECT id FROM users WHERE id = $2 FOR KEY SHARE),
             released AS (
                 DELETE FROM usage_reservations
                  WHERE message_id = $1 AND user_id IN (SELECT id FROM payer)
                 RETURNING user_id, month, tokens, cost, messages)
             UPDATE usage_months AS month
                SET reserved_tokens = month.reserved_tokens - released.tokens,
                    reserved_cost = month.reserved_cost - released.cost,
                    reserved_messages = month.reserved_messages - released.messages
               FROM released WHERE month.user_id = released.user_id AND month.month = released.month",
            [message.into(), user.into()],
        );
        refunded += core.execute_raw(refund).await?.rows_affected();
    }
    Ok(refunded)
}
