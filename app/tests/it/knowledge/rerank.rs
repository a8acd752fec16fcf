//! A reranking server that answers, lies, is slow, or is away.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{all_ingested, hits};
use crate::support::TestApp;
use crate::support::user::TestUser;

const TEXTS: [(&str, &str); 4] = [
    ("gold", "Gold is a metal."),
    ("iron", "Iron is a metal that rusts."),
    ("zinc", "Zinc is a metal too, the best of all."),
    ("whale", "Whales live in the sea."),
];

/// How the server answers.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mood {
    /// The texts with "best" first, else in the order of their places.
    Cohere,
    /// The same in the other format.
    Tei,
    Slow,
    Refuses,
    /// One score is missing.
    Lies,
}

type Seen = Arc<Mutex<Vec<(HeaderMap, Value)>>>;

async fn answer(
    State((mood, seen)): State<(Mood, Seen)>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let texts = body.get("documents").or_else(|| body.get("texts")).unwrap().as_array().unwrap().clone();
    seen.lock().unwrap().push((headers, body));
    let score = |text: &Value| if text.as_str().unwrap().contains("best") { 0.9 } else { 0.1 };
    let named = |name: &str| -> Vec<Value> {
        texts.iter().enumerate().map(|(index, text)| json!({"index": index, name: score(text)})).collect()
    };
    match mood {
        Mood::Cohere => Json(json!({ "results": named("relevance_score") })).into_response(),
        Mood::Tei => Json(json!(named("score"))).into_response(),
        Mood::Slow => {
            tokio::time::sleep(Duration::from_secs(20)).await;
            StatusCode::OK.into_response()
        }
        Mood::Refuses => (StatusCode::SERVICE_UNAVAILABLE, "busy").into_response(),
        Mood::Lies => Json(json!({ "results": named("relevance_score")[1..] })).into_response(),
    }
}

async fn with(mood: Mood) -> (TestApp, TestUser, Seen) {
    let seen = Seen::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1/rerank", listener.local_addr().unwrap());
    let router = Router::new().route("/v1/rerank", post(answer)).with_state((mood, seen.clone()));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let style = if mood == Mood::Tei { "tei" } else { "cohere" };
    let app = TestApp::with()
        .env("RERANK_URL", &url)
        .env("RERANK_STYLE", style)
        .env("RERANK_MODEL", "reads-again")
        .env("RERANK_API_KEY", "a-key-of-the-tests")
        .env("TANDEM__RERANK__TIMEOUT_MS", "700")
        .start()
        .await;
    let user = app.user().await;
    all_ingested(&app, &user, &TEXTS).await;
    (app, user, seen)
}

fn ids(result: &Value) -> Vec<&str> {
    hits(result).iter().map(|hit| hit["external_id"].as_str().unwrap()).collect()
}

async fn search(user: &TestUser, more: Value) -> Value {
    let mut body = json!({"query": "gold metal", "explain": true});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    user.post("/knowledge/search", body).await.expect(200)
}

#[tokio::test]
async fn the_reranker_orders_what_was_found() {
    for mood in [Mood::Cohere, Mood::Tei] {
        let (_app, user, seen) = with(mood).await;
        let result = search(&user, json!({"limit": 2})).await;
        assert_eq!(ids(&result), ["zinc", "gold"], "the best, then the order of the search");
        assert_eq!(result["explain"]["reranked_by"], "reads-again");
        assert_eq!(hits(&result)[0]["score"], 0.9);
        let asked = seen.lock().unwrap().clone();
        let (headers, body) = &asked[0];
        assert_eq!(headers["authorization"], "Bearer a-key-of-the-tests");
        assert_eq!(body["query"], "gold metal");
        let texts = body.get("documents").or_else(|| body.get("texts")).unwrap();
        assert_eq!(texts.as_array().unwrap().len(), 4, "more than the page are read");
        // Unless it is not wanted, or there is nothing to read.
        let plain = search(&user, json!({"limit": 2, "rerank": false})).await;
        assert_eq!(ids(&plain)[0], "gold");
        assert!(plain["explain"]["reranked_by"].is_null());
        for mode in ["dense", "lexical"] {
            assert_eq!(ids(&search(&user, json!({ "mode": mode })).await)[0], "gold");
        }
        assert_eq!(seen.lock().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn without_its_word_passages_keep_their_order() {
    for mood in [Mood::Slow, Mood::Refuses, Mood::Lies] {
        let (_app, user, seen) = with(mood).await;
        let began = std::time::Instant::now();
        let result = search(&user, json!({"limit": 2})).await;
        assert_eq!(ids(&result)[0], "gold", "{mood:?}");
        assert!(result["explain"]["reranked_by"].is_null());
        assert!(began.elapsed() < Duration::from_secs(10), "{mood:?}");
        assert_eq!(seen.lock().unwrap().len(), 1);
    }
}
