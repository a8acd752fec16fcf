//! `GET /auth/me`: who one is, and what the account comprises.

use axum::extract::State;
use entity::core::user::Tier;
use serde::Serialize;
use utoipa::ToSchema;

use super::limits::{Limits, own_limits};
use super::quota::month;
use crate::auth::http::UserView;
use crate::auth::{self, CurrentUser};
use crate::error::Result;
use crate::state::AppState;
use crate::web::{Json, Problems};

/// An account, as its owner sees it.
#[derive(Debug, Serialize, ToSchema)]
pub struct MeView {
    /// The account.
    #[serde(flatten)]
    account: UserView,
    /// `free` or `paid`.
    #[schema(value_type = String)]
    tier: Tier,
    /// What it comprises.
    limits: AccountLimits,
}

/// What an account comprises. Messages are of the calendar month (UTC); see `/chat/usage`.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccountLimits {
    /// Portfolios, deleted ones aside.
    max_portfolios: u64,
    /// Messages a month; null: no limit.
    max_ai_messages: Option<i64>,
    /// Of these, what was used.
    ai_messages_used: i64,
    /// And what is left, running answers aside; null: no limit.
    ai_messages_remaining: Option<i64>,
}

/// Who am I.
///
/// With the tier of the account and what it comprises.
#[utoipa::path(get, path = "/auth/me", tag = "auth", responses((status = 200, body = MeView), Problems))]
pub async fn me(State(state): State<AppState>, user: CurrentUser) -> Result<Json<MeView>> {
    let account = auth::find_account(&state.core, user.id).await?;
    let month = month(&state.core, user.id).await?;
    let own = own_limits(&state.core, vec![user.id]).await?.pop().map(|(_, own)| own).unwrap_or_default();
    let messages = Limits::of(own, &state.settings.quota).messages;
    let max_ai_messages = (messages > 0).then_some(messages);
    let taken = month.used_messages + month.reserved_messages;
    Ok(Json(MeView {
        tier: account.tier,
        limits: AccountLimits {
            max_portfolios: state.settings.portfolio.most(account.tier),
            max_ai_messages,
            ai_messages_used: month.used_messages,
            ai_messages_remaining: max_ai_messages.map(|most| most.saturating_sub(taken).max(0)),
        },
        account: account.into(),
    }))
}
