//! Providers: a stub of the service, a folder of files, the shipped prices.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tandem::market::provider::{Provider, configured, shipped};
use tandem::market::{fetch, fetch_from};
use tokio::task::JoinSet;

use super::{day, owned, texts};
use crate::process::run;
use crate::support::TestApp;
use crate::support::app::Options;

const KEY: &str = "tiingo-key-canary";

/// What the stub answers to a path, in turn; the last answer stays.
type Answers = HashMap<&'static str, Vec<(u16, Value)>>;

struct Stub {
    base: String,
    requests: Arc<Mutex<Vec<String>>>,
    _task: JoinSet<()>,
}

#[derive(Clone)]
struct Shared {
    answers: Arc<Mutex<Answers>>,
    requests: Arc<Mutex<Vec<String>>>,
}

async fn answer(State(shared): State<Shared>, OriginalUri(uri): OriginalUri, headers: HeaderMap) -> Response {
    shared.requests.lock().unwrap().push(uri.to_string());
    if headers.get("authorization").and_then(|value| value.to_str().ok()) != Some(&format!("Token {KEY}")) {
        return (StatusCode::UNAUTHORIZED, "{}").into_response();
    }
    let found = shared
        .answers
        .lock()
        .unwrap()
        .get_mut(uri.path())
        .map(|queue| if queue.len() > 1 { queue.remove(0) } else { queue[0].clone() });
    let Some((status, body)) = found else {
        return (StatusCode::NOT_FOUND, "{\"detail\": \"not found\"}").into_response();
    };
    if status == 0 {
        tokio::time::sleep(Duration::from_secs(30)).await;
        return StatusCode::OK.into_response();
    }
    let status = StatusCode::from_u16(status).unwrap();
    let body = body.as_str().map_or_else(|| body.to_string(), str::to_owned);
    (status, [("retry-after", "1")], body).into_response()
}

impl Stub {
    async fn start(answers: Answers) -> Self {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let shared = Shared { answers: Arc::new(Mutex::new(answers)), requests: Arc::clone(&requests) };
        let router = Router::new().fallback(answer).with_state(shared);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let mut task = JoinSet::new();
        task.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { base, requests, _task: task }
    }

    fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }

    fn app(&self) -> Options {
        TestApp::with()
            .env("MARKET_PROVIDER", "tiingo")
            .env("TIINGO_API_KEY", KEY)
            .env("TIINGO_BASE_URL", &self.base)
            .env("TANDEM__MARKET__REQUEST_TIMEOUT_S", 1)
            .env("TANDEM__MARKET__REQUESTS_PER_MINUTE", 60_000)
    }
}

/// Days as the service answers them; the digits are its own.
fn days(days: &[(&str, &str, &str, &str)]) -> Value {
    let rows: Vec<String> = days
        .iter()
        .map(|(date, close, cash, split)| {
            format!(
                "{{\"date\":\"{date}T00:00:00.000Z\",\"open\":{close},\"high\":{close},\"low\":{close},\"close\":{close},
                   \"volume\":58414460,\"adjClose\":1.0,\"divCash\":{cash},\"splitFactor\":{split}}}"
            )
        })
        .collect();
    Value::String(format!("[{}]", rows.join(",")))
}

#[tokio::test]
async fn what_is_missing_is_asked_for_and_stored_with_its_events() {
    let answers = Answers::from([
        (
            "/tiingo/daily/aapl/prices",
            vec![(
                200,
                days(&[("2020-08-28", "499.23", "0.0", "1.0"), ("2020-08-31", "129.04", "0.205", "4.0")]),
            )],
        ),
        ("/tiingo/daily/brk-b/prices", vec![(200, days(&[("2020-08-28", "217.1234567891234", "0", "1")]))]),
        (
            "/tiingo/fx/eurusd/prices",
            vec![(
                200,
                json!([{"date": "2020-08-31T00:00:00.000Z", "ticker": "eurusd", "open": 1.19, "high": 1.2, "low": 1.18, "close": 1.1935}]),
            )],
        ),
    ]);
    let stub = Stub::start(answers).await;
    let app = stub.app().start().await;
    let symbols = owned(&["AAPL", "BRK.B", "EUR/USD", "NOBODY", "AAPL240621C00190000", "^GSPC"]);
    let fetched = fetch(&app.state, &symbols, day("2020-08-28"), day("2020-08-31")).await.unwrap();
    assert_eq!((fetched.provider, fetched.asked, fetched.new, fetched.events), (Some("tiingo"), 6, 4, 2));
    let failed: Vec<&str> = fetched.failed.iter().map(|failed| failed.symbol.as_str()).collect();
    assert_eq!(failed, ["AAPL240621C00190000", "NOBODY", "^GSPC"]);
    let asked = stub.requests();
    assert_eq!(asked.len(), 4, "{asked:?}");
    assert!(
        asked[0].contains("startDate=2020-08-28") && asked[0].contains("endDate=2020-08-31"),
        "{asked:?}"
    );
    assert!(asked.iter().all(|request| !request.contains(KEY)), "the key is no part of an address");
    let stored = texts(&app, "SELECT symbol || ' ' || date || ' ' || close || ' ' || data_source FROM market_data_cache ORDER BY symbol, date").await;
    assert_eq!(
        stored,
        [
            "AAPL 2020-08-28 499.23000000 tiingo",
            "AAPL 2020-08-31 129.04000000 tiingo",
            "BRK.B 2020-08-28 217.12345679 tiingo",
            "EUR/USD 2020-08-31 1.19350000 tiingo",
        ]
    );
    let events = texts(
        &app,
        "SELECT ex_date || ' ' || kind || ' ' || value::numeric(9,3) FROM corporate_actions ORDER BY kind",
    )
    .await;
    assert_eq!(events, ["2020-08-31 dividend 0.205", "2020-08-31 split 4.000"]);

    // Only what is missing is asked for, from its day on.
    let again =
        fetch(&app.state, &owned(&["AAPL", "BRK.B"]), day("2020-08-28"), day("2020-08-31")).await.unwrap();
    let asked = stub.requests();
    assert_eq!((again.asked, asked.len()), (1, 1), "{asked:?}");
    assert!(
        asked[0].starts_with("/tiingo/daily/brk-b/") && asked[0].contains("startDate=2020-08-29"),
        "{asked:?}"
    );
    // A range without a trading day lacks nothing.
    let weekend = fetch(&app.state, &owned(&["MSFT"]), day("2020-08-29"), day("2020-08-30")).await.unwrap();
    assert_eq!((weekend.asked, stub.requests().len()), (0, 0));
}

#[tokio::test]
async fn what_may_pass_is_tried_again_and_what_does_not_ends_the_work() {
    let good = || (200, days(&[("2020-08-28", "10.5", "0", "1")]));
    let answers = Answers::from([
        ("/tiingo/daily/busy/prices", vec![(503, json!({})), (500, json!({})), good()]),
        ("/tiingo/daily/limited/prices", vec![(429, json!({})), good()]),
        ("/tiingo/daily/broken/prices", vec![(200, json!("no JSON"))]),
        (
            "/tiingo/daily/odd/prices",
            vec![(200, days(&[("2020-08-28", "-1", "0", "1"), ("2020-08-31", "2", "0", "1")]))],
        ),
        ("/tiingo/daily/slow/prices", vec![(0, json!({})), good()]),
    ]);
    let stub = Stub::start(answers).await;
    let app = stub.app().start().await;
    let symbols = owned(&["BROKEN", "BUSY", "LIMITED", "ODD", "SLOW"]);
    let fetched = fetch(&app.state, &symbols, day("2020-08-28"), day("2020-08-28")).await.unwrap();
    assert_eq!(fetched.new, 4, "{fetched:?}");
    let failed: HashMap<&str, &str> =
        fetched.failed.iter().map(|failed| (failed.symbol.as_str(), failed.reason.as_str())).collect();
    assert_eq!(failed.len(), 2, "{failed:?}");
    assert!(failed["BROKEN"].contains("cannot be read") && failed["ODD"].contains("1 days"), "{failed:?}");

    // A limit that stays: what came before it is stored, nothing more is asked.
    let answers = Answers::from([
        ("/tiingo/daily/a/prices", vec![good()]),
        ("/tiingo/daily/b/prices", vec![(429, json!({}))]),
        ("/tiingo/daily/c/prices", vec![good()]),
    ]);
    let stub = Stub::start(answers).await;
    let app = stub.app().env("TANDEM__MARKET__RETRIES", 0).start().await;
    let fetched =
        fetch(&app.state, &owned(&["A", "B", "C"]), day("2020-08-28"), day("2020-08-28")).await.unwrap();
    assert_eq!((fetched.new, fetched.failed.len(), stub.requests().len()), (1, 2, 2));

    // A server that stays away ends the work too, and a wrong key is said to be one.
    let answers = Answers::from([
        ("/tiingo/daily/a/prices", vec![(502, json!({}))]),
        ("/tiingo/daily/b/prices", vec![(502, json!({}))]),
        ("/tiingo/daily/c/prices", vec![(502, json!({}))]),
    ]);
    let stub = Stub::start(answers).await;
    let app = stub.app().env("TANDEM__MARKET__RETRIES", 0).start().await;
    let fetched =
        fetch(&app.state, &owned(&["A", "B", "C", "D"]), day("2020-08-28"), day("2020-08-28")).await.unwrap();
    assert_eq!((fetched.failed.len(), stub.requests().len()), (4, 3));
    let app = stub.app().env("TIINGO_API_KEY", "another").start().await;
    let error = fetch(&app.state, &owned(&["A"]), day("2020-08-28"), day("2020-08-28")).await.unwrap_err();
    assert!(
        error.to_string().contains("TIINGO_API_KEY") && !format!("{error:?}").contains("another"),
        "{error:?}"
    );
}

/// No connection is held while the provider is asked.
#[tokio::test]
async fn a_slow_provider_holds_no_connection() {
    let stub = Stub::start(Answers::from([("/tiingo/daily/slow/prices", vec![(0, json!({}))])])).await;
    let app = stub.app().env("TANDEM__MARKET__RETRIES", 0).start().await;
    let symbols = owned(&["SLOW"]);
    let asking = fetch(&app.state, &symbols, day("2020-08-28"), day("2020-08-28"));
    let watching = async {
        while stub.requests().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        app.core().pool_state().in_use()
    };
    let (fetched, in_use) = tokio::join!(asking, watching);
    assert_eq!((fetched.unwrap().failed.len(), in_use), (1, 0));
}

#[tokio::test]
async fn a_folder_of_files_is_a_provider() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        (
            "prices-1.csv",
            "symbol,date,close\nAAPL,2024-01-02,1\nAAPL,2024-01-03,184.25\nMSFT,2024-01-02,370.87\n",
        ),
        ("prices-2.csv", "Date,AAPL\n2024-01-02,185.64\n2024-01-09,185.14\nnever,1\n"),
        (
            "actions.csv",
            "symbol,ex_date,kind,value\nAAPL,2024-01-03,dividend,0.24\nMSFT,2024-01-03,dividend,0.75\n",
        ),
        ("notes.txt", "nothing of ours"),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let path = folder.path().display().to_string();
    let app = TestApp::with().env("MARKET_DATA_DIR", &path).start().await;
    let fetched =
        fetch(&app.state, &owned(&["AAPL", "TSLA"]), day("2024-01-02"), day("2024-01-05")).await.unwrap();
    assert_eq!((fetched.provider, fetched.new, fetched.events), (Some("file"), 2, 1));
    assert_eq!(fetched.failed.iter().map(|failed| failed.symbol.as_str()).collect::<Vec<_>>(), ["TSLA"]);
    let stored =
        texts(&app, "SELECT date || ' ' || close::numeric(9,2) FROM market_data_cache ORDER BY date").await;
    assert_eq!(stored, ["2024-01-02 185.64", "2024-01-03 184.25"]);

    // The program asks for what somebody holds; here for what is named.
    let mut env = app.urls.env();
    env.insert("MARKET_DATA_DIR".to_owned(), path);
    let said = run(
        &env,
        &[
            "market",
            "fetch",
            "--from",
            "2024-01-01",
            "--to",
            "2024-01-09",
            "--symbols",
            "aapl,MSFT",
            "--json",
        ],
    );
    let report: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&report["asked"], &report["new"]), (&json!(2), &json!(2)), "{report}");

    let nowhere = TestApp::with().env("MARKET_DATA_DIR", "/nowhere/at/all").start().await;
    let error =
        fetch(&nowhere.state, &owned(&["AAPL"]), day("2024-01-02"), day("2024-01-05")).await.unwrap_err();
    assert!(error.to_string().contains("/nowhere/at/all"), "{error}");
    let nobody = TestApp::start().await;
    assert!(configured(&nobody.state.settings).unwrap().is_none());
    let nothing =
        fetch(&nobody.state, &owned(&["AAPL"]), day("2024-01-02"), day("2024-01-05")).await.unwrap();
    assert_eq!((nothing.provider, nothing.asked), (None, 0));
}

/// S1-18: the prices of the demo come with the product, and never by themselves.
#[tokio::test]
async fn the_shipped_prices_are_there_when_asked_for() {
    let app = TestApp::start().await;
    let provider: Box<dyn Provider> = shipped(&app.state.settings).unwrap();
    let symbols = owned(&["AAPL", "JPM", "SP500", "MTUM"]);
    let fetched = fetch_from(app.core(), provider.as_ref(), &symbols, day("2021-12-27"), day("2022-12-28"))
        .await
        .unwrap();
    assert!(fetched.failed.is_empty(), "{fetched:?}");
    let counted = texts(&app, "SELECT symbol || ' ' || count(*) || ' ' || min(data_source) FROM market_data_cache GROUP BY symbol ORDER BY symbol").await;
    assert_eq!(counted, ["AAPL 254 skfolio", "JPM 254 skfolio", "MTUM 254 skfolio", "SP500 254 skfolio"]);
    let empty = tempfile::tempdir().unwrap();
    let without = TestApp::with()
        .env("TANDEM_CACHE_DIR", empty.path().display())
        .env("EMBEDDING_MODEL", "pocket")
        .start()
        .await;
    let error = shipped(&without.state.settings).unwrap_err().to_string();
    assert!(error.contains("make setup"), "{error}");
}
