//! `/admin/users`: list, read, change.

use std::collections::HashMap;

use axum::extract::State;
use chrono::{DateTime, Utc};
use entity::core::user::{self, Role, Tier};
use entity::ids::UserId;
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::auth::{self, AccountChange, AdminUser, Change};
use crate::config::Money;
use crate::error::Result;
use crate::state::AppState;
use crate::usage::{self, Own, OwnLimits};
use crate::web::{Cursor, Json, Page, PageQuery, Path, Problems, Query, page, text};

/// Which accounts to list.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListUsers {
    /// Only addresses that begin so; case does not matter.
    #[garde(length(chars, max = 254), inner(custom(text::no_nul)))]
    #[serde(default)]
    #[param(max_length = 254)]
    pub q: Option<String>,
    /// Rows a page, 1 to 200.
    #[garde(range(min = 1, max = page::LIMIT_MAX))]
    #[serde(default = "page::limit_default")]
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: u64,
    /// `next_cursor` of the page before.
    #[garde(skip)]
    #[serde(default)]
    #[param(value_type = Option<String>)]
    pub cursor: Option<Cursor>,
}

/// What to change in an account; what is absent stays.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeUser {
    /// False shuts the account out from the next request on: its sessions end,
    /// its API keys rest. An answer that is being written is finished.
    #[garde(skip)]
    pub is_active: Option<bool>,
    /// `user` or `admin`.
    #[garde(skip)]
    #[schema(value_type = Option<String>)]
    pub role: Option<Role>,
    /// `free` or `paid`: how many portfolios the user may have. Those there are stay.
    #[garde(skip)]
    #[schema(value_type = Option<String>)]
    pub tier: Option<Tier>,
    /// Display name, 1 to 200 characters; null removes it.
    #[garde(skip)]
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200)]
    pub full_name: Change<String>,
    /// Limits of the user's own; what is absent stays, null goes back to the server's, 0 is no limit.
    #[garde(dive)]
    pub quota: Option<ChangeQuota>,
}

/// Limits of a user's own, a calendar month (UTC).
#[derive(Debug, Default, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeQuota {
    /// Tokens of answers.
    #[garde(custom(amount))]
    #[serde(default)]
    #[schema(value_type = Option<i64>, minimum = 0)]
    pub monthly_tokens: Change<i64>,
    /// US dollars of answers, as a number or, to be exact, as text.
    #[garde(skip)]
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub monthly_cost_usd: Change<Money>,
    /// Messages.
    #[garde(custom(amount))]
    #[serde(default)]
    #[schema(value_type = Option<i64>, minimum = 0)]
    pub monthly_messages: Change<i64>,
}

impl ChangeQuota {
    fn apply(self, own: &mut Own) {
        own.monthly_tokens = self.monthly_tokens.apply(own.monthly_tokens);
        own.monthly_messages = self.monthly_messages.apply(own.monthly_messages);
        let cost = self.monthly_cost_usd.apply(own.monthly_cost_usd.map(Money));
        own.monthly_cost_usd = cost.map(|cost| cost.0);
    }
}

/// More is a mistake, and sums of it must fit.
const AMOUNT_MAX: i64 = 1_000_000_000_000;

fn amount<C>(given: &Change<i64>, _: &C) -> garde::Result {
    match given {
        Change::Set(given) if !(0..=AMOUNT_MAX).contains(given) => {
            Err(garde::Error::new(format!("must be from 0 to {AMOUNT_MAX}")))
        }
        _ => Ok(()),
    }
}

/// An account as administrators see it.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccountView {
    /// Key.
    id: Uuid,
    /// Address, in lower case.
    email: String,
    /// Display name.
    full_name: Option<String>,
    /// `user` or `admin`.
    #[schema(value_type = String)]
    role: Role,
    /// `free` or `paid`.
    #[schema(value_type = String)]
    tier: Tier,
    /// Whether it may log in.
    is_active: bool,
    /// The tenant it belongs to.
    tenant_id: Uuid,
    /// Limits of the user's own.
    quota: OwnLimits,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// When it last changed.
    updated_at: DateTime<Utc>,
}

impl AccountView {
    fn of(row: user::Model, own: Own) -> Self {
        Self {
            id: row.id.0,
            email: row.email,
            full_name: row.full_name,
            role: row.role,
            tier: row.tier,
            is_active: row.is_active,
            tenant_id: row.tenant_id.0,
            quota: own.into(),
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// List accounts.
///
/// Oldest first.
#[utoipa::path(get, path = "/admin/users", tag = "admin", params(ListUsers),
    responses((status = 200, body = Page<AccountView>), Problems))]
pub async fn list(
    State(state): State<AppState>,
    _: AdminUser,
    Query(query): Query<ListUsers>,
) -> Result<Json<Page<AccountView>>> {
    let page = PageQuery { limit: query.limit, cursor: query.cursor };
    let Page { items, next_cursor } = auth::list_accounts(&state.core, query.q.as_deref(), &page).await?;
    let own: HashMap<UserId, Own> =
        usage::own_limits(&state.core, items.iter().map(|row| row.id).collect()).await?.into_iter().collect();
    let view = |row: user::Model| {
        let own = own.get(&row.id).copied().unwrap_or_default();
        AccountView::of(row, own)
    };
    Ok(Json(Page { items: items.into_iter().map(view).collect(), next_cursor }))
}

/// Read an account.
#[utoipa::path(get, path = "/admin/users/{id}", tag = "admin", params(("id" = Uuid, Path, description = "The user")),
    responses((status = 200, body = AccountView), Problems))]
pub async fn read(
    State(state): State<AppState>,
    _: AdminUser,
    Path(id): Path<Uuid>,
) -> Result<Json<AccountView>> {
    let row = auth::find_account(&state.core, UserId(id)).await?;
    Ok(Json(AccountView::of(row, own_of(&state, UserId(id)).await?)))
}

/// Change an account.
///
/// 409 `last_admin` rather than leave nobody who administers.
#[utoipa::path(patch, path = "/admin/users/{id}", tag = "admin", params(("id" = Uuid, Path, description = "The user")),
    request_body = ChangeUser, responses((status = 200, body = AccountView), Problems))]
pub async fn change(
    State(state): State<AppState>,
    _: AdminUser,
    Path(id): Path<Uuid>,
    Json(request): Json<ChangeUser>,
) -> Result<Json<AccountView>> {
    let change = AccountChange {
        is_active: request.is_active,
        role: request.role,
        tier: request.tier,
        full_name: request.full_name,
    };
    let row = auth::change_account(&state.core, UserId(id), change).await?;
    let mut own = own_of(&state, row.id).await?;
    if let Some(quota) = request.quota {
        quota.apply(&mut own);
        usage::set_own_limits(&state.core, row.id, own).await?;
    }
    Ok(Json(AccountView::of(row, own)))
}

async fn own_of(state: &AppState, id: UserId) -> Result<Own> {
    Ok(usage::own_limits(&state.core, vec![id]).await?.pop().map(|(_, own)| own).unwrap_or_default())
}
