//! Equities by their profiles.

use serde_json::{Value, json};
use tandem::market::import::Kind;

use super::import;
use crate::support::TestApp;
use crate::support::user::TestUser;

const PROFILES: &str = "\
symbol,company_name,sector,industry,market_cap,pe_ratio,dividend_yield,beta
AAPL,Apple Inc.,Technology,Consumer Electronics,3000000000000,30.5,0.005,1.2
MSFT,Microsoft,Technology,Software,2900000000000,35,0.008,0.9
XOM,Exxon Mobil,Energy,Oil & Gas,450000000000,12,0.034,0.9
NEW,Newcomer,Energy,Oil & Gas,,,,
PINE,Pineapple Energy,Energy,Solar,20000000,,,2.5
";

async fn symbols(user: &TestUser, query: &str) -> Vec<String> {
    let found = user.get(&format!("/equity-search?{query}")).await.expect(200);
    let items = found["items"].as_array().unwrap().clone();
    items.iter().map(|item| item["symbol"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn equities_are_found_filtered_and_ordered() {
    let app = TestApp::start().await;
    let user = app.user().await;
    import(&app, Kind::Profiles, PROFILES).await;
    import(&app, Kind::Prices, "symbol,date,close\nAAPL,2024-01-03,184.25\nAAPL,2024-01-02,185.64\n").await;
    let found = user.get("/equity-search?q=apple").await.expect(200);
    let apple = &found["items"][0];
    assert_eq!(
        (&apple["symbol"], &apple["sector"], &apple["price"], &apple["price_date"], &apple["pe_ratio"]),
        (
            &json!("AAPL"),
            &json!("Information Technology"),
            &json!(184.25),
            &json!("2024-01-03"),
            &json!(30.5)
        )
    );
    for (query, expected) in [
        // In a name or a symbol, by size; what is not known comes last.
        ("q=APPLE", vec!["AAPL", "PINE"]),
        ("q=100%25", vec![]),
        ("", vec!["AAPL", "MSFT", "XOM", "PINE", "NEW"]),
        ("order=asc", vec!["PINE", "XOM", "MSFT", "AAPL", "NEW"]),
        ("sort=symbol&order=asc", vec!["AAPL", "MSFT", "NEW", "PINE", "XOM"]),
        ("sort=symbol", vec!["XOM", "PINE", "NEW", "MSFT", "AAPL"]),
        ("sort=pe_ratio", vec!["MSFT", "AAPL", "XOM", "PINE", "NEW"]),
        ("sort=dividend_yield", vec!["XOM", "MSFT", "AAPL", "PINE", "NEW"]),
        ("sort=beta&order=asc", vec!["MSFT", "XOM", "AAPL", "PINE", "NEW"]),
        ("sector=Technology", vec!["AAPL", "MSFT"]),
        ("sector=information%20technology&max_pe=31", vec!["AAPL"]),
        ("industry=oil%20%26%20gas", vec!["XOM", "NEW"]),
        ("min_market_cap=450000000000", vec!["AAPL", "MSFT", "XOM"]),
        ("max_market_cap=449999999999.99", vec!["PINE"]),
        ("min_pe=30.5", vec!["AAPL", "MSFT"]),
    ] {
        assert_eq!(symbols(&user, query).await, expected, "{query}");
    }
    for wrong in ["min_pe=NaN", "max_pe=inf"] {
        user.get(&format!("/equity-search?{wrong}")).await.expect_wrong_field(&wrong[..6]);
    }
    user.get("/equity-search?sort=size").await.expect_wrong_field("sort");

    let filters = user.get("/equity-search/filters").await.expect(200);
    assert_eq!(
        filters["sectors"],
        json!([{ "name": "Energy", "equities": 3 }, { "name": "Information Technology", "equities": 2 }])
    );
    assert_eq!(filters["industries"][0], json!({ "name": "Oil & Gas", "equities": 2 }));
    assert_eq!(
        (&filters["equities"], &filters["market_cap_min"], &filters["pe_ratio_max"]),
        (&json!(5), &json!(20_000_000.0), &json!(35.0))
    );
}

/// Every order, page by page, is the same order at once.
#[tokio::test]
async fn pages_of_equities_leave_none_out_and_repeat_none() {
    let app = TestApp::start().await;
    let user = app.user().await;
    import(&app, Kind::Profiles, PROFILES).await;
    for sort in ["market_cap", "symbol", "pe_ratio", "dividend_yield", "beta"] {
        for order in ["asc", "desc"] {
            let query = format!("sort={sort}&order={order}");
            let mut paged = Vec::new();
            let mut cursor = String::new();
            loop {
                let page = user.get(&format!("/equity-search?{query}&limit=2{cursor}")).await.expect(200);
                let items = page["items"].as_array().unwrap();
                paged.extend(items.iter().map(|item| item["symbol"].as_str().unwrap().to_owned()));
                match &page["next_cursor"] {
                    Value::String(next) => cursor = format!("&cursor={next}"),
                    _ => break,
                }
                assert!(paged.len() < 10, "{query} has no end");
            }
            assert_eq!(paged, symbols(&user, &query).await, "{query}");
        }
    }
}
