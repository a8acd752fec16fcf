//! What only administrators do.

pub mod delete_user;
pub mod links;
