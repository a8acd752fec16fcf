//! `[market]`: where prices come from.

use std::path::PathBuf;

use secrecy::SecretString;
use serde::Deserialize;

use crate::error::{Error, Result};

/// `[market]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Market {
    /// Who is asked for prices.
    pub provider: MarketProvider,
    /// Folder of the `file` provider; none: it has nothing.
    pub data_dir: Option<PathBuf>,
    /// Key of the `tiingo` provider.
    pub tiingo_api_key: Option<SecretString>,
    /// Where it answers.
    pub tiingo_base_url: url::Url,
    /// To the provider.
    pub connect_timeout_s: u64,
    /// Whole request.
    pub request_timeout_s: u64,
    /// After a failure that may pass.
    pub retries: u32,
    /// Most requests a minute, of this process.
    pub requests_per_minute: u32,
}

/// Who is asked for prices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MarketProvider {
    /// CSV files of a folder.
    File,
    /// The service of this name.
    Tiingo,
}

/// Key, value and allowed range of every number.
pub(super) fn ranges(market: &Market) -> [(&'static str, u64, u64, u64); 4] {
    [
        ("market.connect_timeout_s", market.connect_timeout_s, 1, 120),
        ("market.request_timeout_s", market.request_timeout_s, 1, 600),
        ("market.retries", u64::from(market.retries), 0, 10),
        ("market.requests_per_minute", u64::from(market.requests_per_minute), 1, 1_000_000),
    ]
}

/// A provider without its key answers nothing.
pub(super) fn check(market: &Market) -> Result<()> {
    if market.provider == MarketProvider::Tiingo && market.tiingo_api_key.is_none() {
        return Err(Error::startup(
            "MARKET_PROVIDER=tiingo needs TIINGO_API_KEY",
            "set TIINGO_API_KEY (or TIINGO_API_KEY_FILE), or MARKET_PROVIDER=file",
        ));
    }
    Ok(())
}
