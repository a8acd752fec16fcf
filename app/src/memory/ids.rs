//! Deterministic ids: the same statement for the same reader is the same row.
//!
//! UUIDv5 in a namespace of our own over audience, persona, character, scope,
//! and the caller's external id or else the normalised content. Importers
//! (`memory import`, `memory rebuild`) rest on these values: they never change.

use entity::ids::MemoryId;
use sha2::{Digest, Sha256};
use unicode_normalization::UnicodeNormalization;
use uuid::{Uuid, uuid};

use crate::auth::Ownership;

/// The namespace of memory ids; made once, at random.
const NAMESPACE: Uuid = uuid!("4b0c9e0d-6f6a-4a5e-9a57-0d1f4f6f2c31");

/// What tells memories apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    /// Whom the memory is for.
    pub(super) audience: Uuid,
    /// Who the user is.
    pub(super) persona_id: Option<Uuid>,
    /// Whom the user talks to.
    pub(super) character_id: Option<Uuid>,
    /// Free label.
    pub(super) scope: String,
    /// What it says, or what the caller calls it.
    pub(super) subject: Subject,
}

/// The last part of an identity.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Subject {
    /// The caller's own id.
    External(String),
    /// The content, normalised.
    Content(String),
}

impl Identity {
    pub(super) fn new(
        ownership: Ownership,
        (persona_id, character_id): (Option<Uuid>, Option<Uuid>),
        scope: &str,
        external_id: Option<&str>,
        content: &str,
    ) -> Self {
        Self {
            audience: ownership.audience(),
            persona_id,
            character_id,
            scope: scope.to_owned(),
            subject: match external_id {
                Some(external_id) => Subject::External(external_id.to_owned()),
                None => Subject::Content(normalise(content)),
            },
        }
    }

    /// The id. Each part says its kind and length, so no two identities have
    /// the same bytes.
    pub(super) fn memory_id(&self) -> MemoryId {
        let mut name = self.audience.as_bytes().to_vec();
        for part in [self.persona_id, self.character_id] {
            match part {
                None => name.push(0),
                Some(id) => {
                    name.push(1);
                    name.extend_from_slice(id.as_bytes());
                }
            }
        }
        let (kind, subject) = match &self.subject {
            Subject::External(id) => (b'e', id),
            Subject::Content(content) => (b'c', content),
        };
        name.extend_from_slice(&(self.scope.len() as u64).to_be_bytes());
        name.extend_from_slice(self.scope.as_bytes());
        name.push(kind);
        name.extend_from_slice(subject.as_bytes());
        MemoryId(Uuid::new_v5(&NAMESPACE, &name))
    }
}

/// Lower case, NFC, white space collapsed: what does not change the meaning of
/// a statement does not make another one of it.
pub(super) fn normalise(content: &str) -> String {
    let lower: String = content.nfc().flat_map(char::to_lowercase).nfc().collect();
    lower.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// SHA-256 of the normalised content.
pub(super) fn content_hash(content: &str) -> Vec<u8> {
    Sha256::digest(normalise(content).as_bytes()).to_vec()
}

#[cfg(test)]
mod tests {
    use entity::ids::{TenantId, UserId};

    use super::*;

    const OWNER: Uuid = uuid!("019aa000-0000-7000-8000-000000000001");
    const PERSONA: Uuid = uuid!("019aa000-0000-7000-8000-000000000002");

    fn id(persona: Option<Uuid>, scope: &str, external_id: Option<&str>, content: &str) -> String {
        let ownership = Ownership { owner_id: Some(UserId(OWNER)), tenant_id: Some(TenantId(Uuid::nil())) };
        Identity::new(ownership, (persona, None), scope, external_id, content).memory_id().to_string()
    }

    #[test]
    fn ids_never_change() {
        // Computed by another implementation of UUIDv5 and of the encoding.
        assert_eq!(id(None, "user", None, "I like tea"), "8edeace4-de56-5c4e-b2ba-18d71dbf6298");
        assert_eq!(id(None, "user", Some("note-1"), "I like tea"), "293a313b-d34f-5fca-a4da-6c87d3a70ef8");
        assert_eq!(
            id(Some(PERSONA), "portfolio:7", None, "Crème brûlée"),
            "866a674d-0f33-57d7-92bc-5b02712cff4c"
        );
        let shared = Identity::new(Ownership::EVERYBODY, (None, None), "global", None, "x");
        assert_eq!(shared.memory_id().to_string(), "fcf7be97-5120-535c-a40d-a74d200f38c6");
    }

    #[test]
    fn spelling_does_not_make_another_memory() {
        let one = id(None, "user", None, "I like  café\n au lait");
        assert_eq!(one, id(None, "user", None, " i LIKE cafe\u{301} au\tlait "));
        assert_ne!(one, id(None, "user", None, "I like cafe au lait"));
    }

    #[test]
    fn every_part_counts_and_none_runs_into_the_next() {
        let ids = [
            id(None, "user", None, "a"),
            id(Some(PERSONA), "user", None, "a"),
            id(None, "users", None, "a"),
            id(None, "user", None, "sa"),
            id(None, "user", Some("a"), "a"),
            id(None, "use", None, "ra"),
            id(None, "userca", None, ""),
        ];
        let distinct: std::collections::HashSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len());
    }
}
