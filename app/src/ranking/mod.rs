//! From words to scores: what a search by words rests on. Pure functions.
//!
//! [`words`] takes a text apart the same way whether it is stored or asked
//! for, [`keys`] makes numbers of words that only readers of the text can make,
//! [`bm25`] scores, and [`fusion`] brings meaning and words together. [`alike`] tells texts
//! that repeat each other.

pub mod alike;
pub mod bm25;
pub mod fusion;
pub mod keys;
mod language;
mod scan;
pub mod words;
