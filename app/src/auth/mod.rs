//! Who is asking, and what they may touch.

mod audience;
mod layer;
mod user;

pub use audience::{Audience, Ownership};
pub use layer::require_user;
pub use user::{AdminUser, CurrentUser};
