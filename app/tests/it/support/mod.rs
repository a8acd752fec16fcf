//! The tests' small vocabulary.

pub(crate) mod app;
pub(crate) mod files;
pub(crate) mod hostile;
pub(crate) mod mcp_server;
pub(crate) mod model;
pub(crate) mod office;
pub(crate) mod postgres;
pub(crate) mod response;
pub(crate) mod user;
pub(crate) mod wire;

pub(crate) use app::TestApp;
