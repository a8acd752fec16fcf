//! Who is asking, and what they may touch.
//!
//! A log-in gives a short-lived access token (a JWT, checked without a session
//! store) and a refresh token (a random secret, kept as a hash); programs use
//! API keys with scopes. [`require_user`] stands in front of every
//! route; a handler that has a [`CurrentUser`] or an [`AdminUser`] has proof.
//! Accounts come from the setup (the first administrator), registration,
//! invitations and the command line.

mod access;
mod account;
mod accounts;
mod api_keys;
mod audience;
mod confirmation;
mod deletion;
mod email;
mod grants;
pub mod http;
mod invitations;
mod keys;
mod layer;
mod login;
mod password;
mod queries;
mod refresh;
mod register;
mod scope;
mod set_password;
mod setup;
mod sweep;
mod throttle;
mod tickets;
mod user;

pub use access::{access_token, sign_access_token};
pub use account::{ACCOUNT_DELETED, ACCOUNT_SHARES_DELETED, delete_account, require_account};
pub use accounts::{
    AccountChange, Change, change_account, find_account, find_account_by_email, list_accounts,
    require_other_admin,
};
pub use audience::{Audience, Ownership};
pub use confirmation::{confirmation, confirms};
pub use deletion::Deletion;
pub use grants::Grants;
pub use invitations::{NewInvitation, delete_invitation, invite, list_invitations};
pub use layer::{Gate, require_user};
pub use password::generate_password;
pub use queries::{again, find_user_by_email};
pub use register::{NewUser, create_user, require_registration_open};
pub use set_password::set_password;
pub use setup::setup_token;
pub use sweep::delete_expired;
pub use tickets::{STREAM_TICKET_LIFE, stream_ticket};
pub use user::{AdminUser, CurrentUser};
