//! Sums over the ledger, for administrators.

use chrono::NaiveDate;
use entity::ids::UserId;
use sea_orm::prelude::Decimal;
use sea_orm::{DbBackend, QueryResult, Statement};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::price::text;
use crate::db::CoreConn;
use crate::error::Result;

/// Rows of a part of a report at most; the largest come first.
const ROWS_MAX: i64 = 1000;

/// Days from the first to the last, both included, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Days {
    /// The first.
    pub from: NaiveDate,
    /// The last.
    pub to: NaiveDate,
}

/// Requests and tokens of the calls with something in common.
#[derive(Debug, Serialize, ToSchema)]
pub struct MetricsRow {
    /// The model; null: all of them.
    model: Option<String>,
    /// The day (UTC); null: all of them.
    day: Option<NaiveDate>,
    requests: i64,
    /// Of the requests, those that failed.
    errors: i64,
    prompt_tokens: i64,
    cached_prompt_tokens: i64,
    completion_tokens: i64,
    reasoning_tokens: i64,
    total_tokens: i64,
    /// Of the requests, those whose tokens the provider did not count.
    estimated: i64,
    /// Milliseconds from request to end that half the requests took at most; null without requests.
    latency_p50_ms: Option<f64>,
    latency_p95_ms: Option<f64>,
    latency_p99_ms: Option<f64>,
}

/// Requests, tokens, errors and latencies: the sum, by model, by day, and by both.
pub async fn metrics(core: &impl CoreConn, days: Days) -> Result<Vec<(bool, bool, MetricsRow)>> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT grouping(model) = 0 AS by_model, grouping(day) = 0 AS by_day, model, day, count(*) AS requests,
                count(*) FILTER (WHERE outcome = 'failed') AS errors,
                coalesce(sum(prompt_tokens), 0)::bigint AS prompt_tokens,
                coalesce(sum(cached_prompt_tokens), 0)::bigint AS cached_prompt_tokens,
                coalesce(sum(completion_tokens), 0)::bigint AS completion_tokens,
                coalesce(sum(reasoning_tokens), 0)::bigint AS reasoning_tokens,
                coalesce(sum(total_tokens), 0)::bigint AS total_tokens,
                count(*) FILTER (WHERE estimated) AS estimated,
                percentile_cont(0.5) WITHIN GROUP (ORDER BY latency_ms) AS p50,
                percentile_cont(0.95) WITHIN GROUP (ORDER BY latency_ms) AS p95,
                percentile_cont(0.99) WITHIN GROUP (ORDER BY latency_ms) AS p99
           FROM (SELECT *, (created_at AT TIME ZONE 'UTC')::date AS day FROM usage_records
                  WHERE created_at >= $1::date::timestamp AT TIME ZONE 'UTC'
                    AND created_at < ($2::date + 1)::timestamp AT TIME ZONE 'UTC') AS calls
          GROUP BY GROUPING SETS ((), (model), (day))
          ORDER BY by_model, by_day, day, requests DESC, model LIMIT $3",
        [days.from.into(), days.to.into(), ROWS_MAX.into()],
    );
    let row = |row: QueryResult| {
        let metrics = MetricsRow {
            model: row.try_get("", "model")?,
            day: row.try_get("", "day")?,
            requests: row.try_get("", "requests")?,
            errors: row.try_get("", "errors")?,
            prompt_tokens: row.try_get("", "prompt_tokens")?,
            cached_prompt_tokens: row.try_get("", "cached_prompt_tokens")?,
            completion_tokens: row.try_get("", "completion_tokens")?,
            reasoning_tokens: row.try_get("", "reasoning_tokens")?,
            total_tokens: row.try_get("", "total_tokens")?,
            estimated: row.try_get("", "estimated")?,
            latency_p50_ms: row.try_get("", "p50")?,
            latency_p95_ms: row.try_get("", "p95")?,
            latency_p99_ms: row.try_get("", "p99")?,
        };
        Ok((row.try_get("", "by_model")?, row.try_get("", "by_day")?, metrics))
    };
    core.query_all_raw(statement).await?.into_iter().map(row).collect()
}

/// By what costs are summed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Period {
    /// Days, UTC.
    #[default]
    Day,
    /// Months, UTC.
    Month,
}

/// The cost of the calls with something in common.
#[derive(Debug, Serialize, ToSchema)]
pub struct CostRow {
    /// The user; null: all of them, or, in a row by user, deleted accounts.
    user_id: Option<Uuid>,
    /// The model; null: all of them.
    model: Option<String>,
    /// The day, or the month's first day (UTC); null: all of them.
    period: Option<NaiveDate>,
    requests: i64,
    total_tokens: i64,
    /// US dollars, exact, of the calls whose price is known.
    cost_usd: String,
    /// Of the requests, those whose price is not known.
    unpriced: i64,
}

/// What a row of costs is by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Everything.
    All,
    /// A user.
    User,
    /// A model.
    Model,
    /// A day or month.
    Period,
}

/// Costs: the sum, by user, by model, and by day or month; of one user or of all.
pub async fn costs(
    core: &impl CoreConn,
    days: Days,
    period: Period,
    user: Option<UserId>,
) -> Result<Vec<(By, CostRow)>> {
    let unit = match period {
        Period::Day => "day",
        Period::Month => "month",
    };
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT grouping(user_id) = 0 AS by_user, grouping(model) = 0 AS by_model, grouping(period) = 0 AS by_period,
                user_id, model, period, count(*) AS requests,
                coalesce(sum(total_tokens), 0)::bigint AS total_tokens,
                coalesce(sum(cost_usd), 0) AS cost_usd, count(*) FILTER (WHERE cost_usd IS NULL) AS unpriced
           FROM (SELECT *, date_trunc($3, created_at AT TIME ZONE 'UTC')::date AS period FROM usage_records
                  WHERE created_at >= $1::date::timestamp AT TIME ZONE 'UTC'
                    AND created_at < ($2::date + 1)::timestamp AT TIME ZONE 'UTC'
                    AND ($4::uuid IS NULL OR user_id = $4)) AS calls
          GROUP BY GROUPING SETS ((), (user_id), (model), (period))
          ORDER BY by_user, by_model, by_period, period, cost_usd DESC, requests DESC LIMIT $5",
        [
            days.from.into(),
            days.to.into(),
            unit.into(),
            user.map(|user| user.0).into(),
            ROWS_MAX.into(),
        ],
    );
    let row = |row: QueryResult| {
        let is = |name: &str| row.try_get::<bool>("", name);
        let by = match (is("by_user")?, is("by_model")?, is("by_period")?) {
            (true, ..) => By::User,
            (_, true, _) => By::Model,
            (_, _, true) => By::Period,
            _ => By::All,
        };
        let costs = CostRow {
            user_id: row.try_get("", "user_id")?,
            model: row.try_get("", "model")?,
            period: row.try_get("", "period")?,
            requests: row.try_get("", "requests")?,
            total_tokens: row.try_get("", "total_tokens")?,
            cost_usd: text(row.try_get::<Decimal>("", "cost_usd")?),
            unpriced: row.try_get("", "unpriced")?,
        };
        Ok((by, costs))
    };
    core.query_all_raw(statement).await?.into_iter().map(row).collect()
}
