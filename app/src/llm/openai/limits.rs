//! How long a provider wants to be left alone, by the headers of its refusal.

use chrono::DateTime;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

/// What a provider limits; each has a header for what is left and one for when it is full again.
const LIMITED: [&str; 2] = ["requests", "tokens"];

/// The pause in whole seconds: what `Retry-After` says (in seconds, in
/// milliseconds or as a date), else when what is used up is there again.
pub(super) fn wanted_pause(headers: &HeaderMap) -> Option<u64> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let milliseconds = || text("retry-after-ms")?.parse::<f64>().ok().map(|wait| wait / 1000.0);
    let seconds = || text(RETRY_AFTER.as_str())?.parse::<f64>().ok();
    // Both times are the provider's own, so its clock may be wrong.
    let until = || {
        let moment = |name: &str| DateTime::parse_from_rfc2822(text(name)?).ok();
        let wait = moment(RETRY_AFTER.as_str())? - moment(DATE.as_str())?;
        u32::try_from(wait.num_seconds().max(0)).ok().map(f64::from)
    };
    let refilled = || {
        let used_up = |what: &&&str| {
            text(&format!("x-ratelimit-remaining-{what}")).is_some_and(|left| left.parse::<f64>() == Ok(0.0))
        };
        let reset = |what: &&str| span(text(&format!("x-ratelimit-reset-{what}"))?);
        LIMITED.iter().filter(used_up).filter_map(reset).reduce(f64::max)
    };
    milliseconds()
        .or_else(seconds)
        .or_else(until)
        .or_else(refilled)
        .filter(|wait| *wait >= 0.0)
        .map(whole_seconds)
}

/// Seconds of a span such as `1m30.5s`, `20ms` or `17`.
fn span(text: &str) -> Option<f64> {
    if let Ok(seconds) = text.parse::<f64>() {
        return Some(seconds);
    }
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let end = rest.find(|letter: char| letter.is_ascii_digit()).unwrap_or(rest.len());
        seconds += number
            * match &rest[..end] {
                "ms" => 0.001,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                "d" => 86_400.0,
                _ => return None,
            };
        rest = &rest[end..];
    }
    Some(seconds).filter(|_| !text.is_empty())
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, which is right here"
)]
fn whole_seconds(seconds: f64) -> u64 {
    seconds.ceil() as u64
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    fn pause(headers: &[(&'static str, &'static str)]) -> Option<u64> {
        let header = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        wanted_pause(&headers.iter().map(header).collect())
    }

    #[test]
    fn every_way_to_name_a_pause_is_understood() {
        assert_eq!(pause(&[("retry-after", "1.2")]), Some(2));
        assert_eq!(pause(&[("retry-after-ms", "2500"), ("retry-after", "9")]), Some(3));
        let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(pause(&[("retry-after", "Sun, 06 Nov 1994 08:49:50 GMT"), date]), Some(13));
        assert_eq!(pause(&[("retry-after", "Sun, 06 Nov 1994 08:49:00 GMT"), date]), Some(0));
        assert_eq!(pause(&[("retry-after", "soon")]), None);
        assert_eq!(pause(&[]), None);
    }

    #[test]
    fn what_is_used_up_says_when_it_is_there_again() {
        let requests = [("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "1m30.5s")];
        let tokens = [("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "120ms")];
        assert_eq!(pause(&requests), Some(91));
        assert_eq!(pause(&tokens), Some(1));
        assert_eq!(pause(&[requests, tokens].concat()), Some(91));
        assert_eq!(pause(&[("x-ratelimit-remaining-tokens", "7"), ("x-ratelimit-reset-tokens", "6m")]), None);
        assert_eq!(pause(&[requests[0], requests[1], ("retry-after", "4")]), Some(4));
        for wrong in ["", "x", "5x", "m", "1m2"] {
            assert_eq!(span(wrong), None, "{wrong}");
        }
    }
}
