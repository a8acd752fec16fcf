//! stub
pub fn chat_from_settings(_: &crate::config::Models)->crate::error::Result<Option<std::sync::Arc<dyn super::ChatModel>>>{Ok(None)}
pub fn embedder_from_settings(_: &crate::config::Models)->crate::error::Result<std::sync::Arc<dyn super::Embedder>>{Err(crate::error::Error::startup("",""))}
