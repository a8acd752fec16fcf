//! `/positions`: lots.

pub mod change;
pub mod checks;
pub mod close;
pub mod create;
pub mod delete;
pub mod read;
pub mod valuations;
mod view;

pub use view::{CloseView, PositionView};
