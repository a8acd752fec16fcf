//! stub
pub fn from_settings(
    _: &crate::config::Models,
    _: &std::path::Path,
) -> crate::error::Result<std::sync::Arc<dyn super::Embedder>> {
    Err(crate::error::Error::NotFound("x"))
}
