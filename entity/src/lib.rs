//! sea-orm entities, one table a file, in the folder of the database that owns it.
//!
//! No relation crosses `core` and `ai`: a link between the two is a plain id
//! of [`ids`]. No logic lives here.

pub mod ai;
pub mod core;
pub mod ids;
