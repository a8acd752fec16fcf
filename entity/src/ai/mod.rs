//! Tables of the ai database.

pub mod embedding_space;
pub mod feedback;
pub mod inbox;
pub mod kb_document;
pub mod kb_file;
pub mod kb_source;
pub mod kb_word;
pub mod kb_word_change;
pub mod kb_word_count;
pub mod memory;
pub mod quarantine;
pub mod setting;
