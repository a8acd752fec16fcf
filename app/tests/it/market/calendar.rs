//! Trading days: the table against the rule, and the rule against thirty years of prices.

use std::collections::BTreeSet;

use tandem::market::Calendar;
use tandem::market::provider::{Wanted, shipped};

use super::{day, execute};
use crate::support::TestApp;

/// P-CA-15: by rule for any year; the table has the last word.
#[tokio::test]
async fn the_table_wins_over_the_rule() {
    let app = TestApp::start().await;
    let by_rule = Calendar::load(app.core()).await.unwrap();
    assert!(!by_rule.is_open(day("2031-12-25")) && by_rule.is_open(day("2031-12-24")));
    execute(
        &app,
        "INSERT INTO trading_calendar (exchange, date, is_open, note)
         VALUES ('XNYS', '2031-12-24', false, 'mourning'), ('XNYS', '2031-12-27', true, 'a Saturday')",
    )
    .await;
    let calendar = Calendar::load(app.core()).await.unwrap();
    assert!(!calendar.is_open(day("2031-12-24")) && calendar.is_open(day("2031-12-27")));
    assert_eq!(calendar.next(day("2031-12-23")), Some(day("2031-12-26")));
}

/// P-CA-15: the days of the S&P 500 from 1990 to 2022 are the days of the rule, each of them.
#[tokio::test]
async fn the_rule_tells_every_day_of_thirty_three_years() {
    let app = TestApp::start().await;
    let provider = shipped(&app.state.settings).unwrap();
    let (first, last) = (day("1990-01-02"), day("2022-12-28"));
    let wanted = [Wanted { symbol: "SP500".to_owned(), from: first }];
    let daily = provider.daily(&wanted, last).await.unwrap();
    let traded: BTreeSet<_> = daily.bars.iter().map(|bar| bar.date).collect();
    let told: BTreeSet<_> = Calendar::by_rule().days(first, last).collect();
    assert_eq!(told.difference(&traded).collect::<Vec<_>>(), Vec::<&chrono::NaiveDate>::new());
    assert_eq!(traded.difference(&told).collect::<Vec<_>>(), Vec::<&chrono::NaiveDate>::new());
    assert_eq!(traded.len(), 8313);
}
