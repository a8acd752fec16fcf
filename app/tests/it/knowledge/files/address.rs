//! Sources that are fetched: what is found of them, and what nobody is made to fetch.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use futures::stream;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{best, waiting};
use crate::support::TestApp;
use crate::support::files::pdf;
use crate::support::user::TestUser;

/// A site on this machine, which counts how often it is asked.
struct Site {
    port: u16,
    asked: Arc<AtomicUsize>,
}

impl Site {
    async fn start() -> Self {
        let asked = Arc::new(AtomicUsize::new(0));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let routes = Router::new().fallback(answer).with_state((port, Arc::clone(&asked)));
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { port, asked }
    }

    fn at(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// An application that may fetch from it.
    async fn app(&self) -> TestApp {
        let networks = "127.0.0.1,::1";
        self.with(networks).start().await
    }

    fn with(&self, networks: &str) -> crate::support::app::Options {
        TestApp::with()
            .env("SOURCE_NETWORKS", networks)
            .env("SOURCE_PORTS", self.port)
            .env("TANDEM__FILES__URL_TIMEOUT_S", 2)
            .env("TANDEM__FILES__UPLOAD_LIMIT_BYTES", 100_000)
    }
}

async fn answer(State((port, asked)): State<(u16, Arc<AtomicUsize>)>, uri: Uri) -> Response {
    let times = asked.fetch_add(1, Ordering::SeqCst);
    let typed = |content_type: &'static str, body: Vec<u8>| {
        ([(header::CONTENT_TYPE, content_type)], body).into_response()
    };
    match uri.path() {
        "/page" => typed(
            "text/html; charset=utf-8",
            b"<title>Of whales</title><h1>Sea</h1><p>Whales sing.</p>".to_vec(),
        ),
        "/paper" => typed("application/pdf", pdf(&["Gold is a metal.", "Owls hunt at night."])),
        "/limits.csv" => typed("application/octet-stream", b"Instrument,Limit\nCoffee,5\n".to_vec()),
        "/changes" => typed("text/plain", format!("This was asked {times} times.").into_bytes()),
        "/picture" => typed("image/png", b"\x89PNG\r\n\x1a\n\0\0\0\0\0\0\0\0\0\0".to_vec()),
        "/gone" => StatusCode::NOT_FOUND.into_response(),
        "/busy" if times == 0 => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        "/busy" => typed("text/plain", b"Pancakes at eight.".to_vec()),
        "/down" => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        "/nothing" => typed("text/plain", Vec::new()),
        "/packed" => ([(header::CONTENT_ENCODING, "gzip")], vec![1, 2, 3]).into_response(),
        "/large" => typed("text/plain", vec![b'a'; 200_000]),
        "/endless" => {
            Body::from_stream(stream::repeat_with(|| Ok::<_, std::io::Error>("whales ".repeat(1_000))))
                .into_response()
        }
        "/slow" => std::future::pending().await,
        "/hops/0" => Redirect::temporary("/page").into_response(),
        "/loop" => Redirect::temporary("/loop").into_response(),
        "/to/file" => Redirect::temporary("file:///etc/passwd").into_response(),
        "/to/neighbour" => Redirect::temporary(&format!("http://127.0.0.2:{port}/page")).into_response(),
        "/to/mapped" => {
            Redirect::temporary(&format!("http://[::ffff:127.0.0.1]:{port}/page")).into_response()
        }
        "/to/metadata" => {
            Redirect::temporary(&format!("http://169.254.169.254:{port}/latest")).into_response()
        }
        "/to/login" => Redirect::temporary(&format!("http://a:b@127.0.0.1:{port}/page")).into_response(),
        "/to/port" => Redirect::temporary("http://127.0.0.1:22/").into_response(),
        path => match path.strip_prefix("/hops/").and_then(|left| left.parse::<u32>().ok()) {
            Some(left) => Redirect::permanent(&format!("/hops/{}", left - 1)).into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        },
    }
}

/// Sends an address and lets the job run once; the source.
async fn fetched(app: &TestApp, user: &TestUser, body: Value) -> Value {
    let accepted = user.post("/knowledge/sources", body).await.expect(202);
    assert_eq!(accepted["status"], "queued", "{accepted}");
    app.run_jobs().await;
    user.get(&format!("/knowledge/sources/{}", accepted["id"].as_str().unwrap())).await.expect(200)
}

#[tokio::test]
async fn an_address_is_fetched_by_the_job_and_found() {
    let site = Site::start().await;
    let app = site.app().await;
    let user = app.user().await;
    let accepted = user.post("/knowledge/sources", json!({"url": site.at("/page")})).await.expect(202);
    assert_eq!(site.asked(), 0, "the request itself fetches nothing");
    app.run_jobs().await;
    let source =
        user.get(&format!("/knowledge/sources/{}", accepted["id"].as_str().unwrap())).await.expect(200);
    assert_eq!(
        (
            source["status"].as_str(),
            source["title"].as_str(),
            source["media_type"].as_str(),
            source["url"].as_str()
        ),
        (Some("ready"), Some("Of whales"), Some("text/html"), Some(site.at("/page").as_str())),
        "{source}"
    );
    assert_eq!(best(&user, "whales").await["content"], "# Sea\n\nWhales sing.");
    assert_eq!(waiting(&app).await, 0);

    let paper =
        fetched(&app, &user, json!({"url": site.at("/paper"), "title": "Mine", "external_id": "p"})).await;
    assert_eq!(
        (paper["title"].as_str(), paper["media_type"].as_str()),
        (Some("Mine"), Some("application/pdf")),
        "{paper}"
    );
    assert_eq!(best(&user, "owls").await["external_id"], "p");
    let table = fetched(&app, &user, json!({"url": site.at("/limits.csv")})).await;
    assert_eq!(table["media_type"], "text/csv", "{table}");
    assert_eq!(best(&user, "coffee").await["content"], "- Instrument: Coffee; Limit: 5");
    // By name, over redirects, and in a batch.
    let local = format!("http://localhost:{}/hops/4", site.port);
    let batch =
        json!({"items": [{"url": local, "external_id": "hops"}, {"title": "T", "text": "Text beside it."}]});
    let answer = user.post("/knowledge/sources/batch", batch).await.expect(202);
    assert_eq!(answer["items"][0]["status"], "queued", "{answer}");
    app.run_jobs().await;
    let hops = user
        .get(&format!("/knowledge/sources/{}", answer["items"][0]["id"].as_str().unwrap()))
        .await
        .expect(200);
    assert_eq!(
        (hops["status"].as_str(), hops["title"].as_str()),
        (Some("ready"), Some("Of whales")),
        "{hops}"
    );
    // A text under the same id is no longer of that address.
    super::super::ingested(&app, &user, json!({"title": "T", "text": "Mine.", "external_id": "hops"})).await;
    let hops = user.get(&format!("/knowledge/sources/{}", hops["id"].as_str().unwrap())).await.expect(200);
    assert!(hops.get("url").is_none(), "{hops}");
}

#[tokio::test]
async fn an_address_sent_again_is_fetched_again() {
    let site = Site::start().await;
    let app = site.app().await;
    let user = app.user().await;
    let first = fetched(&app, &user, json!({"url": site.at("/changes")})).await;
    assert_eq!(best(&user, "asked").await["content"], "This was asked 0 times.");
    let second = fetched(&app, &user, json!({"url": site.at("/changes")})).await;
    assert_eq!(first["id"], second["id"]);
    assert_eq!(best(&user, "asked").await["content"], "This was asked 1 times.");
}

#[tokio::test]
async fn an_address_that_nobody_may_make_us_fetch_is_refused_at_once() {
    let app = TestApp::start().await;
    let user = app.user().await;
    for (url, words) in [
        ("file:///etc/passwd", "http://"),
        ("ftp://example.com/x", "http://"),
        ("gopher://example.com", "http://"),
        ("example.com", "must be an address"),
        ("http://", "must be an address"),
        ("http://user@example.com/", "no user name"),
        ("https://a:b@example.com/", "no user name"),
        ("http://example.com:8080/", "port 8080"),
        ("http://example.com:22/", "port 22"),
        ("http://127.0.0.1/", "not public"),
        ("http://2130706433/", "not public"),
        ("http://0x7f.1/", "not public"),
        ("http://0177.0.0.1/", "not public"),
        ("http://0/", "not public"),
        ("http://10.0.0.7/", "not public"),
        ("http://100.64.0.1/", "not public"),
        ("http://169.254.169.254/latest/meta-data", "not public"),
        ("http://192.168.1.1/", "not public"),
        ("http://[::1]/", "not public"),
        ("http://[::ffff:10.0.0.1]/", "not public"),
        ("http://[64:ff9b::7f00:1]/", "not public"),
        ("http://[fd00::1]/", "not public"),
        ("http://[fe80::1]/", "not public"),
        ("http://224.0.0.1/", "not public"),
    ] {
        let problem =
            user.post("/knowledge/sources", json!({"url": url})).await.expect_problem(422, "invalid_field");
        let error = &problem["errors"][0];
        assert_eq!(error["field"], "url", "{url}: {problem}");
        assert!(error["message"].as_str().unwrap().contains(words), "{url}: {problem}");
    }
    for (body, field) in [
        (json!({"url": "https://example.com", "text": "x", "title": "x"}), "url"),
        (json!({"url": 7}), "url"),
        (json!({"title": "x"}), "text"),
        (json!({"text": "x"}), "title"),
    ] {
        let problem = user.post("/knowledge/sources", body).await.expect_problem(422, "invalid_field");
        assert_eq!(problem["errors"][0]["field"], field, "{problem}");
    }
    assert_eq!(super::number(&app, "SELECT count(*) FROM ai_kb_sources", []).await, 0);
}

#[tokio::test]
async fn names_and_redirects_lead_nowhere_private() {
    let site = Site::start().await;
    // A name that resolves to this machine is refused when it is resolved.
    let app = site.with("192.0.2.1").start().await;
    let user = app.user().await;
    let local = format!("http://localhost:{}/page", site.port);
    let source = fetched(&app, &user, json!({"url": local})).await;
    assert_eq!(source["status"], "failed", "{source}");
    assert!(source["error"].as_str().unwrap().contains("not public"), "{source}");
    assert_eq!(site.asked(), 0);

    let app = site.app().await;
    let user = app.user().await;
    for (path, words) in [
        ("/to/file", "must begin with http"),
        ("/to/neighbour", "not public"),
        ("/to/mapped", "not public"),
        ("/to/metadata", "not public"),
        ("/to/login", "no user name"),
        ("/to/port", "port 22"),
        ("/loop", "more than 5 times"),
        ("/hops/5", "more than 5 times"),
    ] {
        let source = fetched(&app, &user, json!({"url": site.at(path)})).await;
        assert_eq!(source["status"], "failed", "{path}: {source}");
        assert!(source["error"].as_str().unwrap().contains(words), "{path}: {source}");
    }
}

#[tokio::test]
async fn what_an_address_answers_is_bounded_and_told() {
    let site = Site::start().await;
    let app = site.app().await;
    let user = app.user().await;
    for (path, words) in [
        ("/gone", "answers with the status 404"),
        ("/nothing", "answers with nothing"),
        ("/packed", "packed content"),
        ("/large", "more than 100000 bytes"),
        ("/endless", "more than 100000 bytes"),
        ("/picture", "answers with image/png, which cannot be read"),
    ] {
        let source = fetched(&app, &user, json!({"url": site.at(path)})).await;
        assert_eq!(source["status"], "failed", "{path}: {source}");
        assert!(source["error"].as_str().unwrap().contains(words), "{path}: {source}");
    }
    assert_eq!(waiting(&app).await, 0);
}

#[tokio::test]
async fn an_address_that_is_away_is_tried_again_and_then_given_up() {
    let site = Site::start().await;
    let app = site.app().await;
    let user = app.user().await;
    let source = fetched(&app, &user, json!({"url": site.at("/busy")})).await;
    assert_eq!(source["status"], "processing", "it waits for the next try: {source}");
    let due = "UPDATE jobs SET run_at = now() WHERE status = 'queued'";
    app.core().execute_unprepared(due).await.unwrap();
    app.run_jobs().await;
    assert_eq!(best(&user, "pancakes").await["content"], "Pancakes at eight.");
    for (path, words) in [("/down", "answers with the status 503"), ("/slow", "within 2 seconds")] {
        let mut source = fetched(&app, &user, json!({"url": site.at(path)})).await;
        let address = format!("/knowledge/sources/{}", source["id"].as_str().unwrap());
        for _ in 0..20 {
            if source["status"] == "failed" {
                break;
            }
            app.core().execute_unprepared(due).await.unwrap();
            app.run_jobs().await;
            source = user.get(&address).await.expect(200);
        }
        assert!(source["error"].as_str().unwrap_or_default().contains(words), "{path}: {source}");
    }
    assert_eq!(waiting(&app).await, 0);
}
