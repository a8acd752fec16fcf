//! `/target-prices`

pub mod bulk;
pub mod file;
pub mod one;
mod shape;
pub mod summary;

pub(super) use shape::type_name;
