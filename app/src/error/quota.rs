//! What a refusal for a quota says.

/// How far a user's quota is, of the measure that stood in the way.
#[derive(Clone, Debug, PartialEq, serde::Serialize, utoipa::ToSchema)]
pub struct QuotaFigures {
    /// `tokens`, `cost_usd` or `messages`.
    pub measure: &'static str,
    /// What a month has; US dollars are text, to be exact.
    #[schema(value_type = Object)]
    pub limit: serde_json::Value,
    /// What was used of it.
    #[schema(value_type = Object)]
    pub used: serde_json::Value,
    /// What running answers may take yet.
    #[schema(value_type = Object)]
    pub reserved: serde_json::Value,
    /// When the next month begins.
    pub resets_at: chrono::DateTime<chrono::Utc>,
    /// Seconds until it is worth trying again.
    #[serde(skip)]
    pub retry_after_s: u64,
}

impl QuotaFigures {
    /// For a developer to read.
    pub(super) fn detail(&self) -> String {
        let Self { measure, limit, used, reserved, .. } = self;
        format!("the month's {measure}: {limit}, used {used}, reserved {reserved}")
    }
}
