//! Results that are too long for a prompt.

use serde_json::{Value, json};

use super::report::Found;

/// Stands where something was cut off.
pub(super) const MARK: &str = " [truncated]";
/// Room for the word that items fell out.
const OMITTED_CHARACTERS: usize = 50;

/// Long texts are cut first, then the last items fall out; true if anything did.
pub(super) fn fit(found: &mut Found, limit: usize) -> bool {
    if characters(&found.data) <= limit {
        return false;
    }
    shorten(&mut found.data, (limit / 4).max(100));
    let limit = limit.saturating_sub(OMITTED_CHARACTERS);
    let mut omitted = 0;
    while characters(&found.data) > limit {
        match found.data.get_mut("items").and_then(Value::as_array_mut) {
            Some(items) if !items.is_empty() => {
                items.pop();
                omitted += 1;
                found.passages.truncate(items.len());
                if found.figures.len() > 1 {
                    found.figures.truncate(items.len().max(1));
                }
            }
            _ => {
                let text: String = found.data.to_string().chars().take(limit).collect();
                found.data = Value::String(text + MARK);
                found.passages.clear();
                if found.figures.len() > 1 {
                    found.figures.clear();
                }
                break;
            }
        }
    }
    if omitted > 0 && found.data.is_object() {
        found.data["omitted"] = json!(format!("{omitted} items{MARK}"));
    }
    if let Some(records) = found.record.get_mut("items").and_then(Value::as_array_mut) {
        let kept = found.data.get("items").and_then(Value::as_array).map_or(0, Vec::len);
        records.truncate(kept);
    }
    true
}

fn shorten(value: &mut Value, limit: usize) {
    match value {
        Value::String(text) => {
            if let Some((at, _)) = text.char_indices().nth(limit) {
                text.truncate(at);
                text.push_str(MARK);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| shorten(item, limit)),
        Value::Object(fields) => fields.values_mut().for_each(|field| shorten(field, limit)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Characters of a value as JSON.
pub(super) fn characters(value: &Value) -> usize {
    value.to_string().chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(items: &[Value]) -> Found {
        Found { record: json!({ "items": items }), data: json!({ "items": items }), ..Found::default() }
    }

    #[test]
    fn results_are_cut_to_their_limit_and_marked() {
        let mut short = found(&[json!({ "content": "short" })]);
        assert!(!fit(&mut short, 500));
        let mut long = found(&[json!({ "content": "x".repeat(5000) })]);
        assert!(fit(&mut long, 500));
        assert!(long.data["items"][0]["content"].as_str().unwrap().ends_with(MARK));
        let mut many =
            found(&(0..100).map(|n| json!({ "n": n, "content": "x".repeat(50) })).collect::<Vec<_>>());
        assert!(fit(&mut many, 500));
        assert!(characters(&many.data) <= 500);
        assert!(many.data["omitted"].as_str().unwrap().ends_with(MARK));
        assert_eq!(many.data["items"][0]["n"], 0);
        assert_eq!(
            many.data["items"].as_array().unwrap().len(),
            many.record["items"].as_array().unwrap().len()
        );
    }
}
