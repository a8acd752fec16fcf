//! The databases.

pub mod embedded;
