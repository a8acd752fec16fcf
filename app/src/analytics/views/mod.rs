//! What is read of portfolios: computed from lots and prices when it is asked,
//! by the functions of the batch, so both say the same; history comes from snapshots.

mod complete;
mod concentration;
mod exposure;
mod holdings;
pub mod http;
mod load;
mod overview;
mod past;

pub use complete::{Complete, Parts, complete, figures, quality, tag};
pub use concentration::{Concentration, concentration};
pub use exposure::{BENCHMARK, SectorExposure, sectors};
pub use holdings::{Holding, holdings, movers};
pub use load::{PORTFOLIOS_MAX, View, view, views};
pub use overview::{DAYS_MAX, Overview, overview};
pub use past::{Day, days};
