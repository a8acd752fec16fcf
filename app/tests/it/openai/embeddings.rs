//! `/v1/embeddings` and `/v1/models`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::TestApp;

#[tokio::test]
async fn embeddings_come_as_numbers_and_as_base64() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let models = user.get("/v1/models").await.expect(200);
    let model = models["data"][1]["id"].as_str().unwrap().to_owned();
    assert_eq!(user.get(&format!("/v1/models/{model}")).await.expect(200)["object"], "model");
    user.get("/v1/models/none").await.expect_refusal(404, "model_not_found");

    let texts = ["market beta", "a bond's duration"];
    let body = json!({ "model": model, "input": texts });
    let numbers = user.post("/v1/embeddings", body).await.expect(200);
    assert_eq!(numbers["data"].as_array().unwrap().len(), 2);
    assert!(numbers["usage"]["prompt_tokens"].as_u64().unwrap() > 4);
    let body = json!({ "model": model, "input": texts[1], "encoding_format": "base64" });
    let packed = user.post("/v1/embeddings", body).await.expect(200);
    let bytes = STANDARD.decode(packed["data"][0]["embedding"].as_str().unwrap()).unwrap();
    let unpacked: Vec<f32> =
        bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
    let written: Vec<f32> = serde_json::from_value(numbers["data"][1]["embedding"].clone()).unwrap();
    assert_eq!(unpacked.len(), 384);
    assert!(unpacked.iter().zip(&written).all(|(a, b)| (a - b).abs() < 1e-5));

    for (body, param) in [
        (json!({ "model": model, "input": [] }), "input"),
        (json!({ "model": model, "input": ["", "x"] }), "input[0]"),
        (json!({ "model": model, "input": [[1, 2]] }), "input"),
        (json!({ "model": model, "input": "x", "dimensions": 3 }), "dimensions"),
    ] {
        let answer = user.post("/v1/embeddings", body).await;
        assert_eq!(serde_json::from_str::<Value>(&answer.body).unwrap()["error"]["param"], param);
        answer.expect_refusal(400, "invalid_field");
    }
}
