//! What the events of the outbox do. Registered here, in the top tier, so that
//! lower tiers can publish what higher ones act on.

use crate::auth::{ACCOUNT_DELETED, ACCOUNT_SHARES_DELETED};
use crate::jobs::outbox::Registry;
use crate::persona::{CHARACTER_DELETED, PERSONA_DELETED};
use crate::{conversation, feedback, knowledge, memory};

/// Every kind of event with its consumers.
pub fn events() -> Registry {
    Registry::default()
        .on(knowledge::SOURCE_DELETED, knowledge::ON_SOURCE_DELETED)
        .on(knowledge::COLLECTION_DELETED, knowledge::ON_COLLECTION_DELETED)
        .on(memory::MEMORY_DELETED, memory::ON_MEMORY_DELETED)
        .on(memory::MEMORIES_CLEARED, memory::ON_MEMORIES_CLEARED)
        .on(CHARACTER_DELETED, memory::ON_CHARACTER_DELETED)
        .on(PERSONA_DELETED, memory::ON_PERSONA_DELETED)
        .on(conversation::CONVERSATION_DELETED, conversation::ON_CONVERSATION_DELETED)
        .on(conversation::CONVERSATION_DELETED, feedback::ON_CONVERSATION_DELETED)
        .on(conversation::CONVERSATION_DELETED, memory::ON_CONVERSATION_DELETED)
        .on(ACCOUNT_SHARES_DELETED, knowledge::ON_ACCOUNT_SHARES_DELETED)
        .on(ACCOUNT_DELETED, knowledge::ON_ACCOUNT_DELETED)
        .on(ACCOUNT_DELETED, memory::ON_ACCOUNT_DELETED)
        .on(ACCOUNT_DELETED, feedback::ON_ACCOUNT_DELETED)
}
