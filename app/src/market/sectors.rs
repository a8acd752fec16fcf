//! Sectors: eleven by the Global Industry Classification Standard, and what
//! providers call them.

/// The standard's sectors, and the other names that providers have for them.
const SECTORS: [(&str, &[&str]); 11] = [
    ("Communication Services", &["communications", "telecommunication services", "telecommunications"]),
    ("Consumer Discretionary", &["consumer cyclical", "consumer cyclicals"]),
    ("Consumer Staples", &["consumer defensive", "consumer non-cyclicals"]),
    ("Energy", &[]),
    ("Financials", &["financial services", "financial"]),
    ("Health Care", &["healthcare"]),
    ("Industrials", &["industrial goods"]),
    ("Information Technology", &["technology", "info tech"]),
    ("Materials", &["basic materials"]),
    ("Real Estate", &["real-estate"]),
    ("Utilities", &[]),
];

/// The standard's name of a sector; a name that it does not know stays as it is.
pub fn standard(name: &str) -> &str {
    let is_called = |known: &&(&str, &[&str])| {
        known.0.eq_ignore_ascii_case(name) || known.1.iter().any(|other| other.eq_ignore_ascii_case(name))
    };
    SECTORS.iter().find(is_called).map_or(name, |(standard, _)| standard)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_names_become_the_standards() {
        for (given, expected) in [
            ("Technology", "Information Technology"),
            ("HEALTHCARE", "Health Care"),
            ("Financial Services", "Financials"),
            ("utilities", "Utilities"),
            ("Cryptocurrency", "Cryptocurrency"),
        ] {
            assert_eq!(standard(given), expected);
        }
    }
}
