//! A response as clients see it, whole.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::openai::numbers;

/// What of a response never changes.
#[derive(Clone, Debug)]
pub(super) struct Head {
    id: Uuid,
    /// What is told again of the request.
    request: Value,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    InProgress,
    Completed,
    /// As long as it may be, or stopped by the provider's filter.
    Incomplete,
    Cancelled,
    Failed,
}

impl Stage {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Incomplete => "incomplete",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }

    /// The event that says so. Clients know none of its own for a cancelled
    /// one: it is incomplete, and its status says why.
    pub(super) fn event(self) -> &'static str {
        match self {
            Self::InProgress => "response.in_progress",
            Self::Completed => "response.completed",
            Self::Incomplete | Self::Cancelled => "response.incomplete",
            Self::Failed => "response.failed",
        }
    }
}

/// The changing part.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) stage: Stage,
    pub(super) output: Vec<Value>,
    pub(super) usage: Value,
    /// Why it failed: code and message.
    pub(super) error: Value,
    /// Why it is incomplete, as providers say it.
    pub(super) cut: Option<String>,
}

/// The name of a response.
pub(super) fn name_of(id: Uuid) -> String {
    format!("resp_{}", id.simple())
}

/// The id behind a name; none if it is none.
pub(super) fn id_of(name: &str) -> Option<Uuid> {
    let digits = name.strip_prefix("resp_").filter(|digits| digits.len() == 32)?;
    Uuid::try_parse(digits).ok()
}

impl Head {
    pub(super) fn new(id: Uuid, request: Value) -> Self {
        Self { id, request }
    }

    /// The id of its message among the output.
    pub(super) fn message_id(&self) -> String {
        format!("msg_{}", self.id.simple())
    }

    /// The id of a call among the output.
    pub(super) fn call_id(&self, index: usize) -> String {
        format!("fc_{}_{index}", self.id.simple())
    }

    /// The whole response.
    pub(super) fn object(&self, state: &State) -> Value {
        let mut object: Map<String, Value> = self.request.as_object().cloned().unwrap_or_default();
        let reason = state.cut.as_deref().filter(|_| state.stage == Stage::Incomplete);
        let reason = reason.map(|cut| if cut == "length" { "max_output_tokens" } else { cut });
        let changing = json!({
            "id": name_of(self.id),
            "object": "response",
            "created_at": numbers::created(self.id),
            "status": state.stage.name(),
            "output": state.output,
            "usage": state.usage,
            "error": state.error,
            "incomplete_details": reason.map(|reason| json!({ "reason": reason })),
        });
        if let Value::Object(changing) = changing {
            object.extend(changing);
        }
        Value::Object(object)
    }
}

/// A failure in the words that clients know; Tandem's own code stands before the detail.
pub(super) fn error(code: &str, detail: &str) -> Value {
    let known = if code == "provider_rate_limited" { "rate_limit_exceeded" } else { "server_error" };
    json!({ "code": known, "message": format!("{code}: {detail}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_back_and_nothing_else_is_one() {
        let id = Uuid::now_v7();
        assert_eq!(id_of(&name_of(id)), Some(id));
        for wrong in
            ["", "resp_", "resp_1", &id.to_string(), &format!("resp_{id}"), &format!("msg_{}", id.simple())]
        {
            assert_eq!(id_of(wrong), None, "{wrong}");
        }
    }
}
