//! Deterministic ids: the same input twice is the same row.
//!
//! Every id is a UUIDv5 in one namespace over its parts, each part preceded by
//! its length, so that no two lists of parts are the same bytes:
//!
//! | id | parts |
//! |---|---|
//! | source with an external id | `source`, audience, external id |
//! | source without one that is fetched | `source-url`, audience, scope, address |
//! | other source without one | `source-text`, audience, scope, title, SHA-256 of the text or file |
//! | passage | `passage`, source id, position, SHA-256 of the passage |
//!
//! The audience is the owner, or the tenant, or nil for everybody: equal texts
//! of two users are two rows. Changing anything here changes every id.

use entity::ids::{DocumentId, SourceId};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use uuid::{Uuid, uuid};

/// The namespace of sources and passages.
const NAMESPACE: Uuid = uuid!("6d1f8a52-54a3-5c0b-9a3e-2f3f7d0c9b11");

/// A SHA-256.
pub(super) type Hash = [u8; 32];

/// What of a source its ids and hash are made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts<'a> {
    /// Whose it is; see `Ownership::audience`.
    pub(super) audience: Uuid,
    /// The caller's own id.
    pub(super) external_id: Option<&'a str>,
    /// Free label.
    pub(super) scope: &'a str,
    /// Title.
    pub(super) title: &'a str,
    /// How the text is written.
    pub(super) media_type: &'a str,
    /// The caller's own fields.
    pub(super) metadata: &'a Map<String, Value>,
    /// The text, or the bytes of the file.
    pub(super) content: &'a [u8],
    /// Where it is fetched from; then there is no content yet.
    pub(super) url: Option<&'a str>,
}

/// The id of a source.
pub(super) fn source(parts: &Parts<'_>) -> SourceId {
    let audience = parts.audience.as_bytes();
    SourceId(match (parts.external_id, parts.url) {
        (Some(external_id), _) => v5(&[b"source", audience, external_id.as_bytes()]),
        (None, Some(url)) => v5(&[b"source-url", audience, parts.scope.as_bytes(), url.as_bytes()]),
        (None, None) => v5(&[
            b"source-text",
            audience,
            parts.scope.as_bytes(),
            parts.title.as_bytes(),
            &sha256(&[parts.content]),
        ]),
    })
}

/// The id of a passage: the same text at the same place of a source.
pub(super) fn passage(source: SourceId, position: i32, content: &str) -> DocumentId {
    DocumentId(v5(&[
        b"passage",
        source.0.as_bytes(),
        &position.to_be_bytes(),
        &sha256(&[content.as_bytes()]),
    ]))
}

/// SHA-256 over everything of a source that is embedded or shown.
pub(super) fn content_hash(parts: &Parts<'_>) -> Hash {
    sha256(&[
        parts.title.as_bytes(),
        parts.scope.as_bytes(),
        parts.media_type.as_bytes(),
        canonical(parts.metadata).as_bytes(),
        parts.content,
    ])
}

/// Keys sorted at every level, so that their order changes nothing.
fn canonical(metadata: &Map<String, Value>) -> String {
    let mut out = String::new();
    write_object(metadata, &mut out);
    out
}

fn write_object(object: &Map<String, Value>, out: &mut String) {
    let mut fields: Vec<_> = object.iter().collect();
    fields.sort_unstable_by_key(|(key, _)| *key);
    out.push('{');
    for (key, value) in fields {
        out.push_str(&Value::from(key.as_str()).to_string());
        out.push(':');
        write_value(value, out);
        out.push(',');
    }
    out.push('}');
}

fn write_value(value: &Value, out: &mut String) {
    match value {
        Value::Object(object) => write_object(object, out),
        Value::Array(items) => {
            out.push('[');
            for item in items {
                write_value(item, out);
                out.push(',');
            }
            out.push(']');
        }
        other => out.push_str(&other.to_string()),
    }
}

fn v5(parts: &[&[u8]]) -> Uuid {
    let mut name = Vec::new();
    for part in parts {
        name.extend_from_slice(&length(part));
        name.extend_from_slice(part);
    }
    Uuid::new_v5(&NAMESPACE, &name)
}

fn sha256(parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(length(part));
        hasher.update(part);
    }
    hasher.finalize().into()
}

fn length(part: &[u8]) -> [u8; 8] {
    u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(value: &Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    fn parts<'a>(external_id: Option<&'a str>, metadata: &'a Map<String, Value>) -> Parts<'a> {
        Parts {
            audience: Uuid::nil(),
            external_id,
            scope: "global",
            title: "Beta",
            media_type: "text/plain",
            metadata,
            content: b"Beta is a slope.",
            url: None,
        }
    }

    /// Ids are stored by callers: these values never change.
    #[test]
    fn golden_ids() {
        let metadata = Map::new();
        let by_id = source(&parts(Some("doc-1"), &metadata));
        let by_text = source(&parts(None, &metadata));
        assert_eq!(by_id.to_string(), "022384b1-33a3-5e8b-8513-a63a4aa7217e");
        assert_eq!(by_text.to_string(), "d7c09d7a-4810-5d84-a7a8-986bdf131009");
        assert_eq!(passage(by_id, 0, "Beta is a slope.").to_string(), "d0d1b5b0-af38-5f74-b608-edddc9a0c4bf");
    }

    #[test]
    fn what_is_fetched_is_known_by_its_address() {
        let metadata = Map::new();
        let page = Parts { url: Some("https://example.com/a"), content: b"", ..parts(None, &metadata) };
        assert_eq!(source(&page), source(&Parts { title: "Another", ..page }));
        assert_ne!(source(&page), source(&Parts { url: Some("https://example.com/b"), ..page }));
        assert_eq!(
            source(&Parts { external_id: Some("doc-1"), ..page }),
            source(&parts(Some("doc-1"), &metadata))
        );
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(v5(&[b"ab", b"c"]), v5(&[b"a", b"bc"]));
        assert_ne!(v5(&[b"a"]), v5(&[b"a", b""]));
    }

    #[test]
    fn two_audiences_have_two_ids() {
        let metadata = Map::new();
        let mine = Parts { audience: Uuid::from_u128(1), ..parts(Some("x"), &metadata) };
        let yours = Parts { audience: Uuid::from_u128(2), ..mine };
        assert_ne!(source(&mine), source(&yours));
    }

    #[test]
    fn the_hash_sees_every_part_but_no_order_of_keys() {
        let (a, b) = (
            map(&json!({"x": 1, "y": {"p": [1, 2], "q": 2}})),
            map(&json!({"y": {"q": 2, "p": [1, 2]}, "x": 1})),
        );
        let hash = content_hash(&parts(None, &a));
        assert_eq!(hash, content_hash(&parts(None, &b)));
        let other = map(&json!({"x": 2}));
        for changed in [
            Parts { title: "B", ..parts(None, &a) },
            Parts { scope: "user", ..parts(None, &a) },
            Parts { media_type: "text/markdown", ..parts(None, &a) },
            Parts { content: b"Beta", ..parts(None, &a) },
            parts(None, &other),
        ] {
            assert_ne!(hash, content_hash(&changed));
        }
    }
}
