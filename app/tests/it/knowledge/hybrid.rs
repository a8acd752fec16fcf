//! Searching by meaning and by words at once.

use serde_json::{Value, json};

use super::{all_ingested, found, hits};
use crate::support::TestApp;
use crate::support::user::TestUser;

/// One of them has the part's number; the others mean what is asked.
const PARTS: [(&str, &str); 5] = [
    ("valve", "Replacement interval of part ZX-4471: every two years."),
    ("pump", "How often pumps have to be replaced, and how to order a replacement."),
    ("filter", "Filters are replaced every year; used parts go back to the maker."),
    ("seal", "The seal of the pump is a spare part that lasts for long."),
    ("oil", "Oil is changed with the filter."),
];

async fn search(user: &TestUser, body: Value) -> Value {
    user.post("/knowledge/search", body).await.expect(200)
}

async fn first(user: &TestUser, query: &str, mode: &str) -> Option<String> {
    found(user, json!({"query": query, "mode": mode, "limit": 1})).await.into_iter().next()
}

#[tokio::test]
async fn a_name_is_found_however_it_is_written_and_meaning_without_words() {
    let app = TestApp::start().await;
    let user = app.user().await;
    all_ingested(&app, &user, &PARTS).await;
    for query in ["zx-4471", "When is ZX4471 due?", "part ZX-4471"] {
        for mode in ["lexical", "hybrid"] {
            assert_eq!(first(&user, query, mode).await.as_deref(), Some("valve"), "{query} {mode}");
        }
    }
    // No text has these words.
    let query = "lubricant";
    assert_eq!(first(&user, query, "lexical").await, None);
    assert_eq!(first(&user, query, "hybrid").await, first(&user, query, "dense").await);
}

#[tokio::test]
async fn endings_meet_and_other_languages_keep_their_words() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let german =
        "Die Anleihe zahlt jährlich Zinsen, und die Rendite der Anleihe hängt vom Markt und vom Preis ab.";
    all_ingested(
        &app,
        &user,
        &[("en", "The company pays dividends."), ("de", german), ("zh", "公司每年支付股息")],
    )
    .await;
    for (query, expected) in [("paying dividend", "en"), ("Rendite der Anleihe", "de"), ("股息", "zh")] {
        assert_eq!(found(&user, json!({"query": query, "mode": "lexical"})).await, [expected], "{query}");
    }
}

#[tokio::test]
async fn explain_adds_up() {
    let app = TestApp::start().await;
    let user = app.user().await;
    all_ingested(&app, &user, &PARTS).await;
    let query = json!({"query": "replacement of the pump seal", "explain": true});
    let result = search(&user, query.clone()).await;
    let number = |value: &Value| value.as_f64().unwrap();
    assert_eq!(result["explain"]["plan"], "exact");
    assert_eq!(result["explain"]["candidates"], 5);
    let weight = number(&result["explain"]["words_weight"]);
    let (best, limit) = (number(&result["explain"]["best_bm25"]), number(&result["explain"]["bm25_limit"]));
    assert!((weight - 0.8 * (best / limit).sqrt()).abs() < 1e-12 && best > 0.0);
    let words: Vec<&str> = result["explain"]["words"]
        .as_array()
        .unwrap()
        .iter()
        .map(|word| word["word"].as_str().unwrap())
        .collect();
    assert_eq!(words, ["replac", "pump", "seal"]);
    for hit in hits(&result) {
        let explain = &hit["explain"];
        let sum = number(&hit["similarity"]) + number(&explain["words"]) + number(&explain["labels"]);
        assert!((sum - number(&hit["score"])).abs() < 1e-12, "{hit}");
        assert!((number(&explain["words"]) - weight * number(&explain["bm25"]) / best).abs() < 1e-12);
    }
    let mut ranks: Vec<u64> =
        hits(&result).iter().map(|hit| hit["explain"]["similarity_rank"].as_u64().unwrap()).collect();
    ranks.sort_unstable();
    assert_eq!(ranks, [1, 2, 3, 4, 5]);
    let plain = search(&user, json!({"query": query["query"]})).await;
    assert!(plain.get("explain").is_none() && hits(&plain)[0].get("explain").is_none());
}

#[tokio::test]
async fn each_way_is_ordered_by_its_own_score() {
    let app = TestApp::start().await;
    let user = app.user().await;
    all_ingested(&app, &user, &PARTS).await;
    for mode in ["dense", "lexical", "hybrid"] {
        let result = search(&user, json!({"query": "replace the pump", "mode": mode})).await;
        let scores: Vec<f64> = hits(&result).iter().map(|hit| hit["score"].as_f64().unwrap()).collect();
        assert!(scores.len() > 2 && scores.is_sorted_by(|one, other| one >= other), "{mode} {scores:?}");
        for hit in hits(&result) {
            match mode {
                "dense" => assert_eq!(hit["score"], hit["similarity"]),
                "lexical" => assert!(hit["similarity"].is_null()),
                _ => assert!(hit["score"].as_f64() >= hit["similarity"].as_f64()),
            }
        }
    }
}

#[tokio::test]
async fn what_the_question_names_lifts_the_sources_of_that_name() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let same = "Total revenue grew by four percent over the year.";
    let items: Vec<Value> = ["Acme 2017", "Acme 2018", "Umbra 2017", "Umbra 2018"]
        .map(|name| json!({"title": "Report", "external_id": name, "text": same, "metadata": {"filing": name}}))
        .to_vec();
    user.post("/knowledge/sources/batch", json!({ "items": items })).await.expect(202);
    app.run_jobs().await;
    let by_name =
        found(&user, json!({"query": "How did the revenue of Umbra grow in 2017?", "limit": 3})).await;
    assert_eq!(by_name[0], "Umbra 2017");
    let by_name =
        found(&user, json!({"query": "How did the revenue of Acme grow in 2018?", "limit": 3})).await;
    assert_eq!(by_name[0], "Acme 2018");
}

#[tokio::test]
async fn pages_are_full_by_passage_and_by_source() {
    let app = TestApp::start().await;
    let user = app.user().await;
    all_ingested(&app, &user, &PARTS).await;
    for group in ["passage", "source"] {
        let result = search(&user, json!({"query": "ZX-4471", "limit": 5, "group_by": group})).await;
        assert_eq!((hits(&result).len(), &result["under_filled"]), (5, &json!(false)), "{group}");
        let result = search(&user, json!({"query": "ZX-4471", "limit": 6, "group_by": group})).await;
        assert_eq!((hits(&result).len(), &result["under_filled"]), (5, &json!(true)), "{group}");
    }
}
