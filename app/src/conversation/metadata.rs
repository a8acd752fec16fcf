//! What a client may attach to a conversation.

use serde_json::{Map, Value};

/// Largest metadata, in bytes of JSON.
const BYTES_MAX: usize = 16_384;

/// For `#[garde(custom(..))]`: small, and storable as jsonb, which holds every
/// character but NUL.
pub(super) fn is_storable(metadata: &Map<String, Value>, _: &()) -> garde::Result {
    let text = serde_json::to_string(metadata).map_err(|_| garde::Error::new("must be a JSON object"))?;
    if text.len() > BYTES_MAX {
        return Err(garde::Error::new(format!("must have at most {BYTES_MAX} bytes of JSON")));
    }
    if metadata.iter().any(|(key, value)| key.contains('\0') || holds_nul(value)) {
        return Err(garde::Error::new("must not contain the NUL character"));
    }
    Ok(())
}

/// As deep as the JSON reader lets values nest.
fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Object(fields) => fields.iter().any(|(key, value)| key.contains('\0') || holds_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
