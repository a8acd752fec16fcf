//! What was approved of a server's tool.

use std::fmt::Write;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// Longest name of a tool: with its server's it fits into what models take.
const NAME_CHARACTERS_MAX: usize = 42;
const DESCRIPTION_CHARACTERS_MAX: usize = 4000;
/// Largest schema, in bytes of JSON.
const SCHEMA_BYTES_MAX: usize = 16 * 1024;
/// Fields of a tool that say nothing to a model.
const UNHEEDED: [&str; 2] = ["_meta", "icons"];

/// How a tool of a server stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Nobody approved it yet.
    New,
    /// It is as it was approved, and offered.
    Approved,
    /// It is described otherwise than it was approved; not offered.
    Changed,
    /// The server has it no more; not offered.
    Gone,
    /// It cannot be offered: its name, description or schema is too long or has another form.
    Unusable,
}

/// A tool as it is described.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pin {
    /// Its name at the server.
    pub name: String,
    /// When to call it, in the server's words.
    pub description: String,
    /// The schema of its arguments.
    pub schema: Value,
    /// SHA-256 of all that is said about it, in hexadecimal digits.
    pub hash: String,
    /// How it stands.
    pub standing: Standing,
}

impl Pin {
    /// A tool as a server lists it; none if it has no name.
    pub(super) fn of(tool: &Value) -> Option<Self> {
        let name = tool.get("name")?.as_str()?.to_owned();
        let description = tool.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
        let schema = tool.get("inputSchema").cloned().unwrap_or_default();
        let hash = hash(tool);
        let mut pin = Self { name, description, schema, hash, standing: Standing::New };
        if !pin.is_usable() {
            pin.standing = Standing::Unusable;
            // What is not offered need not be kept or shown at length.
            pin.name = pin.name.chars().filter(|c| *c != '\0').take(NAME_CHARACTERS_MAX).collect();
            pin.description = String::new();
            pin.schema = json!({});
        }
        Some(pin)
    }

    fn is_usable(&self) -> bool {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        let schema = self.schema.to_string();
        (1..=NAME_CHARACTERS_MAX).contains(&self.name.len())
            && self.name.bytes().all(is_plain)
            && self.description.chars().count() <= DESCRIPTION_CHARACTERS_MAX
            && !self.description.contains('\0')
            && self.schema.get("type").and_then(Value::as_str) == Some("object")
            && schema.len() <= SCHEMA_BYTES_MAX
            && !schema.contains("\\u0000")
    }
}

/// How the approved tools stand against what the server says now.
pub(super) fn compared(approved: &[Pin], now: &[Pin]) -> Vec<Pin> {
    let standing = |pin: &Pin| match now.iter().find(|found| found.name == pin.name) {
        None => Standing::Gone,
        Some(found) if found.hash == pin.hash => Standing::Approved,
        Some(_) => Standing::Changed,
    };
    approved
        .iter()
        .map(|pin| {
            // Who changed once is looked at by a person, even if it changed back.
            let standing = if pin.standing == Standing::Approved { standing(pin) } else { pin.standing };
            Pin { standing, ..pin.clone() }
        })
        .collect()
}

/// A hash of everything that is said about a tool, in whatever order it is said.
fn hash(tool: &Value) -> String {
    let mut said = tool.as_object().cloned().unwrap_or_default();
    said.retain(|field, _| !UNHEEDED.contains(&field.as_str()));
    let digest = Sha256::digest(sorted(&Value::Object(said)).to_string().as_bytes());
    digest.iter().fold(String::new(), |mut digits, byte| {
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut names: Vec<&String> = fields.keys().collect();
            names.sort_unstable();
            let fields = names.into_iter().map(|name| (name.clone(), sorted(&fields[name])));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(description: &str, schema: &Value) -> Pin {
        Pin::of(&json!({ "name": "look-up", "description": description, "inputSchema": schema })).unwrap()
    }

    #[test]
    fn every_word_of_a_tool_is_pinned() {
        let schema = json!({ "type": "object", "properties": { "q": { "type": "string" } } });
        let pinned = Pin { standing: Standing::Approved, ..tool("Looks up.", &schema) };
        let stands = |now: Vec<Pin>| compared(std::slice::from_ref(&pinned), &now)[0].standing;
        assert_eq!(stands(vec![tool("Looks up.", &schema)]), Standing::Approved);
        assert_eq!(stands(vec![tool("Looks up!", &schema)]), Standing::Changed);
        let wider = json!({ "type": "object", "properties": { "q": { "type": "string", "description": "send all" } } });
        assert_eq!(stands(vec![tool("Looks up.", &wider)]), Standing::Changed);
        assert_eq!(stands(Vec::new()), Standing::Gone);
        // Changed back, it stays changed until somebody has looked.
        let changed = Pin { standing: Standing::Changed, ..pinned.clone() };
        let again = compared(&[changed], &[tool("Looks up.", &schema)]);
        assert_eq!(again[0].standing, Standing::Changed);
    }

    #[test]
    fn what_is_too_long_or_oddly_named_is_not_usable() {
        let schema = json!({ "type": "object" });
        for (name, description, schema) in [
            ("a b", "x", schema.clone()),
            ("", "x", schema.clone()),
            (&"n".repeat(43), "x", schema.clone()),
            ("nul\0", "x", schema.clone()),
            ("fine", &"x".repeat(4001), schema.clone()),
            ("fine", "x", json!({ "type": "string" })),
            ("fine", "x", json!(null)),
            ("fine", "x", json!({ "type": "object", "title": "x".repeat(17_000) })),
        ] {
            let found = Pin::of(&json!({ "name": name, "description": description, "inputSchema": schema }));
            assert_eq!(found.unwrap().standing, Standing::Unusable, "{name}");
        }
        assert_eq!(Pin::of(&json!({ "description": "no name" })), None);
    }
}
