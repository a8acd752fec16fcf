//! Prices of tiingo.com: its end-of-day API (raw closes, cash dividends,
//! split factors) and its API of exchange rates.
//!
//! One request a symbol, not more than so many a minute. What may pass
//! (time-outs, 5xx, a short wait after 429) is tried again; a limit that is
//! reached or a server that stays away ends the work, with what there is.

use std::time::Duration;

use chrono::NaiveDate;
use entity::core::corporate_action::CorporateActionKind;
use futures::future::BoxFuture;
use reqwest::{StatusCode, header, redirect};
use sea_orm::prelude::Decimal;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{Action, Bar, Daily, Failed, Provider, Wanted};
use crate::config::Market;
use crate::error::{Error, Result};
use crate::market::import::cell;

/// Symbols between two writes.
const SYMBOLS_MAX: usize = 20;
/// Largest answer: a hundred years of days are 8 MB.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// Pause before the first further try; each next one is twice as long.
const PAUSE: Duration = Duration::from_millis(500);
/// Longest `Retry-After` that is waited for.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// Symbols in a row that cannot be reached, then the server is away.
const UNREACHED_MAX: u32 = 3;

/// The service.
#[derive(Debug)]
pub(super) struct Tiingo {
    http: reqwest::Client,
    base: url::Url,
    key: SecretString,
    retries: u32,
    /// Between two requests.
    pace: Duration,
    /// When the next request may go.
    next: Mutex<Instant>,
}

/// Why a symbol has no answer.
enum Refusal {
    /// It alone.
    Symbol(String),
    /// The service cannot be reached or fails.
    Unreached(String),
    /// No more for now.
    Limit,
    /// The key is wrong.
    Key,
}

impl Tiingo {
    /// Prepares the connection of the settings; nothing is sent yet.
    pub(super) fn new(settings: &Market) -> Result<Self> {
        let base = settings.tiingo_base_url.clone();
        let mut builder = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(settings.connect_timeout_s))
            .timeout(Duration::from_secs(settings.request_timeout_s))
            // A redirect could send the key somewhere else.
            .redirect(redirect::Policy::none())
            .user_agent(concat!("tandem/", env!("CARGO_PKG_VERSION")));
        if matches!(base.host_str(), Some("127.0.0.1" | "localhost" | "[::1]")) {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|_| {
            Error::startup(
                "the HTTP client cannot be made",
                "check that the system's certificates are installed (package ca-certificates)",
            )
        })?;
        let key = settings.tiingo_api_key.clone().ok_or_else(|| {
            Error::startup("MARKET_PROVIDER=tiingo needs TIINGO_API_KEY", "set TIINGO_API_KEY")
        })?;
        let pace = Duration::from_mins(1) / settings.requests_per_minute.max(1);
        Ok(Self { http, base, key, retries: settings.retries, pace, next: Mutex::new(Instant::now()) })
    }

    async fn all(&self, wanted: &[Wanted], to: NaiveDate) -> Result<Daily> {
        let mut daily = Daily::default();
        let mut unreached = 0;
        for symbol in wanted {
            if daily.is_exhausted {
                daily.failed.push(Failed::of(symbol, "not asked any more"));
                continue;
            }
            match self.one(symbol, to).await {
                Ok(rows) => {
                    unreached = 0;
                    collect(&symbol.symbol, rows, &mut daily);
                }
                Err(Refusal::Symbol(why)) => daily.failed.push(Failed::of(symbol, why)),
                Err(Refusal::Unreached(why)) => {
                    unreached += 1;
                    daily.is_exhausted = unreached == UNREACHED_MAX;
                    daily.failed.push(Failed::of(symbol, why));
                }
                Err(Refusal::Limit) => {
                    daily.is_exhausted = true;
                    daily.failed.push(Failed::of(symbol, "the provider's limit of requests is reached"));
                }
                Err(Refusal::Key) => {
                    return Err(Error::Upstream {
                        code: "market_provider_key",
                        detail: "the market data provider refused the key (TIINGO_API_KEY)".to_owned(),
                    });
                }
            }
        }
        Ok(daily)
    }

    async fn one(&self, wanted: &Wanted, to: NaiveDate) -> Result<Vec<Row>, Refusal> {
        let address = self
            .address(wanted, to)
            .ok_or_else(|| Refusal::Symbol("this provider has no such prices".to_owned()))?;
        let mut pause = PAUSE;
        let mut tries = 0;
        loop {
            let answered = self.ask(address.clone()).await;
            tries += 1;
            let wait = match &answered {
                Err((Refusal::Unreached(_), _)) => pause,
                Err((Refusal::Limit, Some(wait))) if *wait <= WAIT_MAX => *wait,
                _ => return answered.map_err(|(refusal, _)| refusal),
            };
            if tries > self.retries {
                return answered.map_err(|(refusal, _)| refusal);
            }
            tokio::time::sleep(wait).await;
            pause *= 2;
        }
    }

    fn address(&self, wanted: &Wanted, to: NaiveDate) -> Option<url::Url> {
        let symbol = &wanted.symbol;
        let mut address = self.base.clone();
        let is_share = symbol.len() <= 12
            && symbol.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
        let is_pair = symbol.len() == 7 && symbol.as_bytes()[3] == b'/';
        let (area, name) = match (is_pair, is_share) {
            (true, _) => ("fx", symbol.replace('/', "").to_lowercase()),
            // A class of shares is written with a hyphen there.
            (false, true) => ("daily", symbol.replace('.', "-").to_lowercase()),
            (false, false) => return None,
        };
        address.path_segments_mut().ok()?.pop_if_empty().extend(["tiingo", area, &name, "prices"]);
        let mut query = address.query_pairs_mut();
        query.append_pair("startDate", &wanted.from.to_string()).append_pair("endDate", &to.to_string());
        if is_pair {
            query.append_pair("resampleFreq", "1day");
        }
        query.append_pair("format", "json");
        drop(query);
        Some(address)
    }

    /// One request; with a refusal the wait that was asked for.
    async fn ask(&self, address: url::Url) -> Result<Vec<Row>, (Refusal, Option<Duration>)> {
        self.turn().await;
        let unreached = |error: &reqwest::Error| {
            let why = if error.is_timeout() { "did not answer in time" } else { "cannot be reached" };
            (Refusal::Unreached(format!("the provider {why}")), None)
        };
        let authorization = format!("Token {}", self.key.expose_secret());
        let request = self.http.get(address).header(header::AUTHORIZATION, authorization);
        let mut response = request
            .header(header::ACCEPT, "application/json")
            .send()
            .await
            .map_err(|error| unreached(&error))?;
        match response.status() {
            status if status.is_success() => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err((Refusal::Key, None)),
            StatusCode::NOT_FOUND => {
                return Err((Refusal::Symbol("the provider does not know it".to_owned()), None));
            }
            StatusCode::TOO_MANY_REQUESTS => {
                let wait = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
                return Err((Refusal::Limit, wait.and_then(|s| s.parse().ok()).map(Duration::from_secs)));
            }
            status if status.is_server_error() => {
                return Err((Refusal::Unreached(format!("the provider answered {}", status.as_u16())), None));
            }
            status => {
                return Err((Refusal::Symbol(format!("the provider answered {}", status.as_u16())), None));
            }
        }
        let mut body = Vec::new();
        while let Some(bytes) = response.chunk().await.map_err(|error| unreached(&error))? {
            if body.len() + bytes.len() > ANSWER_BYTES_MAX {
                return Err((Refusal::Symbol("the provider's answer is too long".to_owned()), None));
            }
            body.extend_from_slice(&bytes);
        }
        serde_json::from_slice(&body)
            .map_err(|_| (Refusal::Symbol("the provider's answer cannot be read".to_owned()), None))
    }

    /// Waits until the next request may go.
    async fn turn(&self) {
        let mut next = self.next.lock().await;
        tokio::time::sleep_until(*next).await;
        *next = Instant::now() + self.pace;
    }
}

impl Provider for Tiingo {
    fn name(&self) -> &'static str {
        "tiingo"
    }

    fn symbols_max(&self) -> usize {
        SYMBOLS_MAX
    }

    fn daily<'a>(&'a self, wanted: &'a [Wanted], to: NaiveDate) -> BoxFuture<'a, Result<Daily>> {
        Box::pin(self.all(wanted, to))
    }
}

/// A day as it is answered. Numbers stay the digits that they are.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    date: String,
    open: Option<Box<RawValue>>,
    high: Option<Box<RawValue>>,
    low: Option<Box<RawValue>>,
    close: Option<Box<RawValue>>,
    volume: Option<Box<RawValue>>,
    div_cash: Option<Box<RawValue>>,
    split_factor: Option<Box<RawValue>>,
}

fn collect(symbol: &str, rows: Vec<Row>, daily: &mut Daily) {
    let mut unusable = 0_u32;
    for row in rows {
        let date = cell::day(&row.date, NaiveDate::MAX, true).ok();
        let Some((date, close)) = date.zip(positive(row.close.as_deref())) else {
            unusable += 1;
            continue;
        };
        let volume = row.volume.as_ref().and_then(|volume| cell::decimal(volume.get(), 19, false).ok());
        daily.bars.push(Bar {
            symbol: symbol.to_owned(),
            date,
            open: positive(row.open.as_deref()),
            high: positive(row.high.as_deref()),
            low: positive(row.low.as_deref()),
            close,
            volume: volume
                .and_then(|volume| i64::try_from(volume.trunc()).ok())
                .filter(|volume| *volume >= 0),
        });
        let mut happened = |kind, value| {
            daily.actions.push(Action { symbol: symbol.to_owned(), ex_date: date, kind, value });
        };
        if let Some(cash) = positive(row.div_cash.as_deref()) {
            happened(CorporateActionKind::Dividend, cash);
        }
        if let Some(factor) = positive(row.split_factor.as_deref()).filter(|factor| *factor != Decimal::ONE) {
            happened(CorporateActionKind::Split, factor);
        }
    }
    if unusable > 0 {
        daily
            .failed
            .push(Failed { symbol: symbol.to_owned(), reason: format!("{unusable} days cannot be used") });
    }
}

fn positive(number: Option<&RawValue>) -> Option<Decimal> {
    cell::decimal(number?.get(), 12, true).ok()
}
