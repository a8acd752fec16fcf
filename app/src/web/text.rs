//! Checks of text that comes from outside, for `#[garde(custom(..))]`.

use serde_json::{Map, Value};

/// Postgres text holds every character but NUL.
pub fn no_nul<T: AsRef<str>>(value: &T, _: &()) -> garde::Result {
    if value.as_ref().contains('\0') {
        return Err(garde::Error::new("must not contain the NUL character"));
    }
    Ok(())
}

/// Text that says something.
pub fn not_blank<T: AsRef<str>>(value: &T, context: &()) -> garde::Result {
    if value.as_ref().trim().is_empty() {
        return Err(garde::Error::new("must not be blank"));
    }
    no_nul(value, context)
}

/// A JSON object of bounded size, storable as jsonb: which, like text, holds
/// every character but NUL.
pub fn fields_within(fields: &Map<String, Value>, bytes_max: usize) -> garde::Result {
    let size = serde_json::to_vec(fields).map_or(usize::MAX, |json| json.len());
    if size > bytes_max {
        return Err(garde::Error::new(format!("has {size} bytes of JSON, at most {bytes_max} are allowed")));
    }
    if fields.iter().any(|(key, value)| key.contains('\0') || holds_nul(value)) {
        return Err(garde::Error::new("must not contain the NUL character"));
    }
    Ok(())
}

/// Whether any text of a value has the character that Postgres refuses. As deep as the JSON reader lets values nest.
pub fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Object(fields) => fields.iter().any(|(key, value)| key.contains('\0') || holds_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
