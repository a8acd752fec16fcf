//! Tables of the core database.

pub mod api_key;
pub mod character;
pub mod citation;
pub mod conversation;
pub mod conversation_summary;
pub mod idempotency_key;
pub mod invitation;
pub mod job;
pub mod login_failure;
pub mod mcp_server;
pub mod message;
pub mod message_event;
pub mod outbox;
pub mod persona;
pub mod persona_identity;
pub mod refresh_token;
pub mod response;
pub mod setting;
pub mod stream_ticket;
pub mod tenant;
pub mod tool_approval;
pub mod usage_month;
pub mod usage_quota;
pub mod usage_record;
pub mod usage_reservation;
pub mod user;
