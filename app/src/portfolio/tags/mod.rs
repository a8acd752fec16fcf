//! Tags: a user's own words on positions.

mod assign;
mod edit;
mod read;
mod sectors;

pub(super) use assign::{Assigned, assign, of_position, of_symbol, remove, replace};
pub(super) use edit::{Edit, NewTag, archive, change, delete, make, make_defaults, restore};
pub(super) use read::{Filter, Known, find, list, positions};
pub(super) use sectors::{Restored, restore_sectors};
