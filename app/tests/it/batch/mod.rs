//! The batch: golden books through the databases, runs, leases, replicas, schedules, routes.

mod fixture;
mod golden;
mod indexes;
mod outages;
mod processes;
mod routes;
mod runs;
mod schedules;
