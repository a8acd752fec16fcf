//! Series as they are read for computing.

use tandem::market::import::Kind;
use tandem::market::{load, load_in};

use super::{day, import, money, owned};
use crate::support::TestApp;

const PRICES: &str = "\
symbol,date,close
AAPL,2023-12-01,191.24
AAPL,2023-12-29,192.53
AAPL,2024-01-02,185.64
AAPL,2024-01-05,181.18
EUR/USD,2020-01-02,1.1172
EUR/USD,2024-01-02,1.0942
USD/JPY,2024-01-02,142.0
MSFT,2024-01-03,370.6
";

const ACTIONS: &str = "\
symbol,ex_date,kind,value
AAPL,2020-08-31,split,4
AAPL,2014-06-09,split,7
AAPL,2023-11-10,dividend,0.24
AAPL,2030-01-02,split,2
";

#[tokio::test]
async fn a_range_brings_the_close_before_it_and_all_that_is_needed_besides() {
    let app = TestApp::start().await;
    import(&app, Kind::Prices, PRICES).await;
    import(&app, Kind::Actions, ACTIONS).await;
    let symbols = owned(&["MSFT", "AAPL", "UNKNOWN", "AAPL"]);
    let market = load(app.core(), &symbols, day("2024-01-01"), day("2024-01-31")).await.unwrap();
    let aapl = market.index_of("AAPL").unwrap();
    let dates: Vec<String> = market.series(aapl).closes().map(|close| close.date.to_string()).collect();
    assert_eq!(dates, ["2023-12-29", "2024-01-02", "2024-01-05"]);
    let close = market.close_on_or_before(aapl, day("2024-01-04")).unwrap();
    assert_eq!((close.date, close.price), (day("2024-01-02"), money("185.64")));
    assert_eq!(market.close_on_or_before(aapl, day("2024-01-01")).unwrap().price, money("192.53"));
    assert_eq!(market.series(aapl).split_factor(day("2010-01-01"), day("2024-01-31")), Some(money("28")));
    assert_eq!(market.series(aapl).splits().len(), 2, "what happens after the range is not known yet");
    assert_eq!(market.series(aapl).dividends()[0].value, money("0.24"));
    let unknown = market.index_of("UNKNOWN").unwrap();
    assert!(market.latest(unknown).is_none());
    assert!(market.index_of("EUR/USD").is_none());
    // Rates from their beginning: lots were opened long before the range.
    assert_eq!(market.fx("EUR", "USD", day("2021-01-01")), Some(money("1.1172")));
    assert_eq!(market.fx("EUR", "JPY", day("2024-01-31")), Some(money("1.0942") * money("142")));
    assert_eq!(market.fx("EUR", "CHF", day("2024-01-31")), None);

    let dollars =
        load_in(app.core(), &symbols, &owned(&["USD", "USD"]), day("2024-01-01"), day("2024-01-31"))
            .await
            .unwrap();
    assert_eq!(dollars.fx("EUR", "USD", day("2024-01-31")), None);
    let two = load_in(app.core(), &symbols, &owned(&["EUR", "USD"]), day("2024-01-01"), day("2024-01-31"))
        .await
        .unwrap();
    assert!(
        two.fx("USD", "EUR", day("2024-01-31")).is_some()
            && two.fx("USD", "JPY", day("2024-01-31")).is_none()
    );
    // In a transaction it sees what the transaction wrote.
    let tx = app.core().begin().await.unwrap();
    let inside = load(&tx, &symbols, day("2024-01-01"), day("2024-01-31")).await.unwrap();
    assert_eq!(inside.latest(aapl), market.latest(aapl));
}

/// Many symbols are read in several queries, none of them lost.
#[tokio::test]
async fn a_thousand_symbols_are_all_there() {
    let app = TestApp::start().await;
    let names: Vec<String> = (0..1001).map(|nth| format!("S{nth:04}")).collect();
    let line = |(nth, name): (usize, &String)| format!("{name},2024-01-02,{}\n", nth + 1);
    let lines: Vec<String> = names.iter().enumerate().map(line).collect();
    let file = "symbol,date,close\n".to_owned() + &lines.concat();
    assert_eq!(import(&app, Kind::Prices, file).await.new, 1001);
    let market = load(app.core(), &names, day("2024-01-02"), day("2024-01-02")).await.unwrap();
    for (nth, name) in names.iter().enumerate() {
        let index = market.index_of(name).unwrap();
        assert_eq!(market.latest(index).unwrap().price, (nth as u64 + 1).into(), "{name}");
    }
}
