//! Tables of the core database.

pub mod citation;
pub mod conversation;
pub mod job;
pub mod message;
pub mod message_event;
pub mod outbox;
pub mod refresh_token;
pub mod setting;
pub mod tenant;
pub mod user;
