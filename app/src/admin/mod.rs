//! What administrators do. Every handler asks for an [`crate::auth::AdminUser`].

pub mod ai;
pub mod batch;
pub mod delete_user;
pub mod embedding_spaces;
pub mod invitations;
pub mod links;
pub mod mcp_servers;
pub mod users;
