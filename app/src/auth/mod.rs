//! Who is asking, and what they may touch.
//!
//! A log-in gives a short-lived access token (a JWT, checked without a session
//! store) and a refresh token (a random secret, kept as a hash). The layer
//! [`require_user`] stands in front of every route; a handler that has a
//! [`CurrentUser`] or an [`AdminUser`] has proof.

mod access;
mod account;
mod audience;
mod deletion;
mod email;
pub mod http;
mod keys;
mod layer;
mod login;
mod password;
mod queries;
mod refresh;
mod register;
mod set_password;
mod user;

pub use access::access_token;
pub use account::{ACCOUNT_DELETED, delete_account, require_account};
pub use audience::{Audience, Ownership};
pub use deletion::Deletion;
pub use layer::{Gate, require_user};
pub use password::generate_password;
pub use queries::find_user_by_email;
pub use refresh::delete_expired;
pub use register::{NewUser, create_user, require_registration_open};
pub use set_password::set_password;
pub use user::{AdminUser, CurrentUser};
