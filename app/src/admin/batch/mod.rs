//! `/admin/batch`: runs of the batch, their history, and when they run by themselves.

pub mod history;
pub mod run;
pub mod schedules;
