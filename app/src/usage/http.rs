//! `/chat/usage`: one's own month.

use axum::extract::State;
use chrono::{DateTime, Utc};
use sea_orm::ConnectionTrait;
use sea_orm::prelude::Decimal;
use sea_orm::{DbBackend, Statement};
use serde::Serialize;
use utoipa::ToSchema;

use super::limits::{Limits, own_limits};
use super::price::text;
use super::quota::month;
use crate::auth::CurrentUser;
use crate::error::Result;
use crate::state::AppState;
use crate::web::{Json, Problems};

/// A user's month so far.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageView {
    /// When the month began, UTC.
    began_at: DateTime<Utc>,
    /// When the next one begins.
    resets_at: DateTime<Utc>,
    /// What answers took; quotas are of this.
    used: Figures,
    /// What running answers may take yet.
    reserved: Figures,
    /// What a month has; null: no limit.
    limits: LimitsView,
    /// What the ledger has of the month, everything that is not answers too.
    calls: Vec<CallsView>,
}

/// Of answers.
#[derive(Debug, Serialize, ToSchema)]
pub struct Figures {
    messages: i64,
    tokens: i64,
    /// US dollars, exact.
    cost_usd: String,
}

/// Of answers a month.
#[derive(Debug, Serialize, ToSchema)]
pub struct LimitsView {
    messages: Option<i64>,
    tokens: Option<i64>,
    /// US dollars, exact.
    cost_usd: Option<String>,
}

/// The calls of a kind.
#[derive(Debug, Serialize, ToSchema)]
pub struct CallsView {
    /// `chat`, `embedding`, `title`, `summary`, `extraction` or `enrichment`.
    kind: String,
    requests: i64,
    prompt_tokens: i64,
    cached_prompt_tokens: i64,
    completion_tokens: i64,
    reasoning_tokens: i64,
    total_tokens: i64,
    /// Of the requests, those whose tokens the provider did not count.
    estimated: i64,
    /// US dollars, exact, of the calls whose price is known.
    cost_usd: String,
    /// Of the requests, those whose price is not known.
    unpriced: i64,
}

/// Your own usage.
///
/// The calendar month so far (UTC), and your limits.
#[utoipa::path(get, path = "/chat/usage", tag = "chat",
    responses((status = 200, body = UsageView), Problems))]
pub async fn usage(State(state): State<AppState>, user: CurrentUser) -> Result<Json<UsageView>> {
    let month = month(&state.core, user.id).await?;
    let own = own_limits(&state.core, vec![user.id]).await?.pop().map(|(_, own)| own).unwrap_or_default();
    let limits = Limits::of(own, &state.settings.quota);
    let some = |limit: i64| (limit > 0).then_some(limit);
    Ok(Json(UsageView {
        began_at: month.began_at,
        resets_at: month.resets_at,
        used: Figures {
            messages: month.used_messages,
            tokens: month.used_tokens,
            cost_usd: text(month.used_cost),
        },
        reserved: Figures {
            messages: month.reserved_messages,
            tokens: month.reserved_tokens,
            cost_usd: text(month.reserved_cost),
        },
        limits: LimitsView {
            messages: some(limits.messages),
            tokens: some(limits.tokens),
            cost_usd: (!limits.cost.is_zero()).then(|| text(limits.cost)),
        },
        calls: calls(&state, &user, month.began_at).await?,
    }))
}

async fn calls(state: &AppState, user: &CurrentUser, since: DateTime<Utc>) -> Result<Vec<CallsView>> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT kind, count(*) AS requests, sum(prompt_tokens)::bigint AS prompt_tokens,
                sum(cached_prompt_tokens)::bigint AS cached_prompt_tokens,
                sum(completion_tokens)::bigint AS completion_tokens,
                sum(reasoning_tokens)::bigint AS reasoning_tokens, sum(total_tokens)::bigint AS total_tokens,
                count(*) FILTER (WHERE estimated) AS estimated, coalesce(sum(cost_usd), 0) AS cost_usd,
                count(*) FILTER (WHERE cost_usd IS NULL) AS unpriced
           FROM usage_records WHERE user_id = $1 AND created_at >= $2 GROUP BY kind ORDER BY kind",
        [user.id.0.into(), since.into()],
    );
    let rows = state.core.query_all_raw(statement).await?;
    rows.iter()
        .map(|row| {
            Ok(CallsView {
                kind: row.try_get("", "kind")?,
                requests: row.try_get("", "requests")?,
                prompt_tokens: row.try_get("", "prompt_tokens")?,
                cached_prompt_tokens: row.try_get("", "cached_prompt_tokens")?,
                completion_tokens: row.try_get("", "completion_tokens")?,
                reasoning_tokens: row.try_get("", "reasoning_tokens")?,
                total_tokens: row.try_get("", "total_tokens")?,
                estimated: row.try_get("", "estimated")?,
                cost_usd: text(row.try_get::<Decimal>("", "cost_usd")?),
                unpriced: row.try_get("", "unpriced")?,
            })
        })
        .collect()
}
