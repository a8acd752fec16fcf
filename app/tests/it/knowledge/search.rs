//! Searching by words, by a vector, under filters, by source.

use serde_json::{Value, json};

use super::{all_ingested, found, hits, ingested};
use crate::support::TestApp;

const TEXTS: [(&str, &str); 4] = [
    ("gold", "Gold is a precious metal that does not rust."),
    ("whales", "Whales are mammals that live in the sea."),
    ("beta", "Beta is the slope of an asset's returns over the market's."),
    ("bread", "Bread is baked from flour, water and yeast."),
];

async fn embedded(app: &TestApp, text: &str) -> Vec<f32> {
    tandem::usage::embed_query(&app.state, uuid::Uuid::nil().into(), text).await.unwrap().vector
}

#[tokio::test]
async fn the_nearest_text_comes_first_with_its_exact_cosine() {
    let app = TestApp::start().await;
    let user = app.user().await;
    all_ingested(&app, &user, &TEXTS).await;
    let query = "which animals live in water";
    let result = user.post("/knowledge/search", json!({ "query": query, "mode": "dense" })).await.expect(200);
    assert_eq!(hits(&result)[0]["external_id"], "whales");
    let asked = embedded(&app, query).await;
    for hit in hits(&result) {
        let vector = embedded(&app, hit["content"].as_str().unwrap()).await;
        let exact: f64 = asked.iter().zip(&vector).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
        let told = hit["similarity"].as_f64().unwrap();
        assert!((exact - told).abs() < 1e-5, "{exact} {told}");
    }
    let told: Vec<f64> = hits(&result).iter().map(|hit| hit["similarity"].as_f64().unwrap()).collect();
    assert!(told.is_sorted_by(|a, b| a >= b));
}

#[tokio::test]
async fn a_given_vector_is_searched_for_whatever_its_length() {
    let app = TestApp::start().await;
    let user = app.user().await;
    all_ingested(&app, &user, &TEXTS).await;
    let vector = embedded(&app, TEXTS[2].1).await;
    for factor in [1.0_f32, 1e-20, 1e30] {
        let scaled: Vec<f32> = vector.iter().map(|number| number * factor).collect();
        let result =
            user.post("/knowledge/search", json!({"embedding": scaled, "limit": 1})).await.expect(200);
        assert_eq!(hits(&result)[0]["external_id"], "beta");
        let similarity = hits(&result)[0]["similarity"].as_f64().unwrap();
        assert!((similarity - 1.0).abs() < 1e-5, "{similarity}");
        assert_eq!(result["under_filled"], false);
    }
}

#[tokio::test]
async fn a_vector_that_cannot_be_searched_for_is_refused() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let send = async |body| user.post("/knowledge/search", body).await;
    let problem = send(json!({"embedding": [1.0, 2.0]})).await.expect_wrong_field("embedding");
    let message = problem["errors"][0]["message"].as_str().unwrap();
    assert!(message.contains('2') && message.contains("384"), "{message}");
    send(json!({"embedding": vec![0.0; 384]})).await.expect_wrong_field("embedding");
    send(json!({"embedding": vec![1e39; 384]})).await.expect_wrong_field("embedding");
}

#[tokio::test]
async fn wrong_requests_name_the_field() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let send = async |body| user.post("/knowledge/search", body).await;
    send(json!({})).await.expect_wrong_field("query");
    send(json!({"query": " "})).await.expect_wrong_field("query");
    send(json!({"query": "x", "embedding": vec![1.0; 384]})).await.expect_wrong_field("embedding");
    send(json!({"query": "x", "limit": 0})).await.expect_wrong_field("limit");
    send(json!({"query": "x", "limit": 201})).await.expect_wrong_field("limit");
    send(json!({"query": "x", "scopes": []})).await.expect_wrong_field("scopes");
    send(json!({"query": "x", "group_by": "page"})).await.expect_wrong_field("group_by");
    send(json!({"query": "x", "explain": 1})).await.expect_wrong_field("explain");
    let problem = send(json!({"query": "x", "mode": "fuzzy"})).await.expect_wrong_field("mode");
    assert!(problem["errors"][0]["message"].as_str().unwrap().contains("dense"));
    for mode in ["lexical", "hybrid"] {
        send(json!({"embedding": vec![1.0; 384], "mode": mode})).await.expect_wrong_field("mode");
    }
    for mode in ["dense", "lexical", "hybrid"] {
        send(json!({"query": "x", "mode": mode})).await.expect(200);
    }
}

#[tokio::test]
async fn scopes_and_metadata_narrow_a_search() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let items: Vec<Value> = (0..6)
        .map(|n| {
            json!({
                "title": "T", "external_id": n.to_string(), "text": format!("Gold bar number {n}."),
                "scope": if n < 3 { "page:a" } else { "page:b" },
                "metadata": {"year": 2020 + n % 2, "tags": ["x", format!("t{n}")], "who": {"name": "ann"}},
            })
        })
        .collect();
    user.post("/knowledge/sources/batch", json!({ "items": items })).await.expect(202);
    app.run_jobs().await;
    let sorted = async |body| {
        let mut ids = found(&user, body).await;
        ids.sort();
        ids
    };
    assert_eq!(sorted(json!({"query": "gold", "scopes": ["page:a"]})).await, ["0", "1", "2"]);
    assert_eq!(sorted(json!({"query": "gold", "scopes": ["page:a", "page:b"]})).await.len(), 6);
    assert_eq!(sorted(json!({"query": "gold", "filter": {"year": 2021}})).await, ["1", "3", "5"]);
    assert_eq!(
        sorted(json!({"query": "gold", "filter": {"year": 2021}, "scopes": ["page:b"]})).await,
        ["3", "5"]
    );
    assert_eq!(sorted(json!({"query": "gold", "filter": {"tags": ["t4"]}})).await, ["4"]);
    assert_eq!(sorted(json!({"query": "gold", "filter": {"year": "2021"}})).await, Vec::<String>::new());
    assert_eq!(
        sorted(json!({"query": "gold", "filter": {"year": 2021, "who": {"name": "ben"}}})).await,
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn by_source_each_source_is_found_once_and_the_page_is_full() {
    let app = TestApp::start().await;
    let user = app.user().await;
    // One source has many passages nearer than any of the others.
    let text = (0..40)
        .map(|n| format!("Gold bar {n} shines. {}", "Gold is a precious metal. ".repeat(20)))
        .collect::<String>();
    ingested(&app, &user, json!({"title": "T", "text": text, "external_id": "many"})).await;
    all_ingested(&app, &user, &TEXTS[1..]).await;
    let by_passage = found(&user, json!({"query": "gold is a metal", "limit": 4})).await;
    assert_eq!(by_passage, ["many"; 4]);
    let by_source = json!({"query": "gold is a metal", "limit": 4, "group_by": "source"});
    let result = user.post("/knowledge/search", by_source).await.expect(200);
    assert_eq!(hits(&result)[0]["external_id"], "many");
    let mut ids: Vec<&str> = hits(&result).iter().map(|hit| hit["external_id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["beta", "bread", "many", "whales"]);
    assert_eq!(result["under_filled"], false);
}
