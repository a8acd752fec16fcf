//! Figures of portfolios: books worked out by hand, laws that hold for all books, and
//! reference figures of another library.

pub(crate) mod golden;
mod laws;
mod reference;
