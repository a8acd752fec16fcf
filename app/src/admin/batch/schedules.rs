//! When runs begin by themselves.

use axum::extract::State;
use chrono::{DateTime, Utc};
use entity::core::batch_schedule;
use entity::ids::BatchScheduleId;
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::analytics::schedule::{self, Edit};
use crate::auth::AdminUser;
use crate::error::Result;
use crate::state::AppState;
use crate::web::{Json, Path, Problems, text};

/// A schedule.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ScheduleView {
    /// Key.
    id: Uuid,
    /// Its name.
    job_name: String,
    /// Minute, hour, day of month, month, day of week.
    cron_expression: String,
    /// IANA zone in which the expression is read.
    timezone: String,
    /// It runs.
    is_active: bool,
    /// For people.
    description: Option<String>,
    /// When it last began a run.
    last_run_at: Option<DateTime<Utc>>,
    /// When it begins the next.
    next_run_at: Option<DateTime<Utc>>,
}

/// All schedules.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ScheduleList {
    /// By name.
    items: Vec<ScheduleView>,
}

/// When a schedule is to begin runs.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeSchedule {
    /// Minute, hour, day of month, month, day of week, as cron reads them.
    #[garde(length(max = 100))]
    #[schema(max_length = 100)]
    pub cron_expression: String,
    /// IANA zone in which the expression is read.
    #[garde(length(max = 64))]
    #[serde(default = "new_york")]
    #[schema(max_length = 64, default = "America/New_York")]
    pub timezone: String,
    /// False switches it off.
    #[garde(skip)]
    pub is_active: bool,
    /// For people, at most 500 characters.
    #[garde(length(chars, max = 500), inner(custom(text::no_nul)))]
    #[schema(max_length = 500)]
    pub description: Option<String>,
}

fn new_york() -> String {
    "America/New_York".to_owned()
}

impl From<batch_schedule::Model> for ScheduleView {
    fn from(row: batch_schedule::Model) -> Self {
        Self {
            id: row.id.0,
            job_name: row.job_name,
            cron_expression: row.cron_expression,
            timezone: row.timezone,
            is_active: row.is_active,
            description: row.description,
            last_run_at: row.last_run_at,
            next_run_at: row.next_run_at,
        }
    }
}

/// List the schedules of the batch.
#[utoipa::path(get, path = "/admin/batch/schedules", tag = "admin",
    responses((status = 200, body = ScheduleList), Problems))]
pub async fn list(State(state): State<AppState>, _: AdminUser) -> Result<Json<ScheduleList>> {
    let items = schedule::list(&state.core).await?.into_iter().map(ScheduleView::from).collect();
    Ok(Json(ScheduleList { items }))
}

/// Change a schedule of the batch.
///
/// What is due several times while no server runs is begun once.
#[utoipa::path(put, path = "/admin/batch/schedules/{id}", tag = "admin",
    params(("id" = Uuid, Path, description = "The schedule")), request_body = ChangeSchedule,
    responses((status = 200, body = ScheduleView), Problems))]
pub async fn change(
    State(state): State<AppState>,
    _: AdminUser,
    Path(id): Path<Uuid>,
    Json(request): Json<ChangeSchedule>,
) -> Result<Json<ScheduleView>> {
    let edit = Edit {
        cron_expression: request.cron_expression,
        timezone: request.timezone,
        is_active: request.is_active,
        description: request.description,
    };
    Ok(Json(schedule::change(&state.core, BatchScheduleId(id), edit).await?.into()))
}
