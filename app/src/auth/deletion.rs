//! Who may delete what in ai, written into the event that asks for it: when ai
//! was away at the request, it is checked at the delivery.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::CurrentUser;
use crate::error::{Context, Result};
use crate::jobs::outbox::Event;

/// What an event that deletes rows of ai carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deletion {
    /// The row must be for one of these.
    pub audiences: Vec<Uuid>,
    /// The row as it was seen; none when ai was away. What was made again
    /// since has a higher one, and stays.
    pub generation: Option<i64>,
    /// Others may have been shown it: an administrator asks, or it was in a collection.
    pub admin: bool,
}

impl Deletion {
    /// What this user may ask for: own rows, and shared ones as an administrator.
    pub fn by(user: &CurrentUser, generation: Option<i64>) -> Self {
        let admin = user.is_admin();
        let audiences = if admin { vec![user.id.0, user.tenant_id.0, Uuid::nil()] } else { vec![user.id.0] };
        Self { audiences, generation, admin }
    }

    /// Others may have been shown it, if so.
    #[must_use]
    pub fn shown_to_others(self, shown: bool) -> Self {
        Self { admin: self.admin || shown, ..self }
    }

    /// For the event.
    pub fn payload(&self) -> Result<serde_json::Value> {
        serde_json::to_value(self).context("writing an event")
    }

    /// From the event.
    pub fn of(event: &Event) -> Result<Self> {
        serde_json::from_value(event.payload.clone()).context("reading an event")
    }

    /// Whether a row of this generation is one that was seen.
    pub fn saw(&self, generation: i64) -> bool {
        self.generation.is_none_or(|seen| generation <= seen)
    }
}
