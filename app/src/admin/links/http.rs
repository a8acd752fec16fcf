//! `/admin/links`

use axum::extract::State;
use chrono::{DateTime, Utc};
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Report, last_report};
use crate::auth::AdminUser;
use crate::error::Result;
use crate::jobs::outbox::{self, Counts, Event};
use crate::state::AppState;
use crate::web::{Cursor, Json, Page, PageQuery, Problems, Query};

/// An event that was given up.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DeadLetter {
    /// Key.
    pub id: Uuid,
    /// What happened.
    pub kind: String,
    /// What kind of thing it is about.
    pub aggregate_type: String,
    /// Which one.
    pub aggregate_id: Uuid,
    /// Failed deliveries.
    pub attempts: i32,
    /// The last failure.
    pub error: Option<String>,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    /// When it was given up.
    pub dead_at: Option<DateTime<Utc>>,
}

/// How the two databases hang together.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LinksView {
    /// The last check: the nightly one, or `tandem doctor links`.
    pub report: Option<Report>,
    /// Events that wait or were given up, now.
    pub outbox: Counts,
    /// Events that were given up, the last first.
    pub dead_letters: Page<DeadLetter>,
}

/// Which events to try again.
#[derive(Clone, Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetryRequest {
    /// At most 500; without them all that were given up.
    #[garde(length(max = 500))]
    #[schema(max_items = 500)]
    pub ids: Option<Vec<Uuid>>,
}

/// How many events are tried again.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Retried {
    /// Events.
    pub retried: u64,
}

/// See how the databases hang together.
///
/// The last check of links, what waits in the outbox, and what was given up.
#[utoipa::path(
    get,
    path = "/admin/links",
    tag = "admin",
    params(PageQuery),
    responses((status = 200, description = "As it is", body = LinksView), Problems)
)]
pub async fn links(
    State(state): State<AppState>,
    _: AdminUser,
    Query(page): Query<PageQuery>,
) -> Result<Json<LinksView>> {
    let dead =
        outbox::dead_letters(&state.core, page.limit, page.cursor.map(|after| (after.at, after.id))).await?;
    let position = |event: &Event| Cursor { at: event.dead_at.unwrap_or(event.created_at), id: event.id.0 };
    Ok(Json(LinksView {
        report: last_report(&state).await?,
        outbox: outbox::counts(&state.core).await?,
        dead_letters: Page::of(dead, page.limit, position, DeadLetter::from),
    }))
}

/// Try events again that were given up.
#[utoipa::path(
    post,
    path = "/admin/links/retry",
    tag = "admin",
    request_body = RetryRequest,
    responses((status = 200, description = "They are under way", body = Retried), Problems)
)]
pub async fn retry(
    State(state): State<AppState>,
    _: AdminUser,
    Json(request): Json<RetryRequest>,
) -> Result<Json<Retried>> {
    Ok(Json(Retried { retried: outbox::retry(&state.core, request.ids).await? }))
}

impl From<Event> for DeadLetter {
    fn from(event: Event) -> Self {
        Self {
            id: event.id.0,
            kind: event.kind,
            aggregate_type: event.aggregate_type,
            aggregate_id: event.aggregate_id,
            attempts: event.attempts,
            error: event.error,
            created_at: event.created_at,
            dead_at: event.dead_at,
        }
    }
}
