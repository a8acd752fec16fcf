//! What administrators do. Every handler asks for an [`crate::auth::AdminUser`].

pub mod invitations;
pub mod users;
