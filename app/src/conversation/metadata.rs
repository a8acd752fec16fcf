//! What a client may attach to a conversation.

use serde_json::{Map, Value};

use crate::web::text::fields_within;

/// Largest metadata, in bytes of JSON.
const BYTES_MAX: usize = 16_384;

/// For `#[garde(custom(..))]`: small and storable.
pub(super) fn is_storable<C>(metadata: &Map<String, Value>, _: &C) -> garde::Result {
    fields_within(metadata, BYTES_MAX)
}
