//! The face of OpenAI's clients: its shapes, its errors, and whose knowledge answers.

use axum::http::Method;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::chat::{FOUR, learn, with_model};
use crate::support::TestApp;
use crate::support::model::{ModelServer, Script};
use crate::support::user::TestUser;

const COMPLETIONS: &str = "/v1/chat/completions";

fn asking(question: &str) -> Value {
    json!({ "model": "scripted", "messages": [{ "role": "user", "content": question }] })
}

/// The data of a stream's events.
async fn streamed(user: &TestUser, mut body: Value) -> Vec<String> {
    body["stream"] = json!(true);
    let answer = user.post(COMPLETIONS, body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.headers["content-type"], "text/event-stream");
    let lines = answer.body.lines().filter_map(|line| line.strip_prefix("data: "));
    lines.map(str::to_owned).collect()
}

#[tokio::test]
async fn an_answer_cites_the_users_own_documents_as_annotations() {
    let server = ModelServer::start().await;
    server.push(Script::reply(["Beta measures moves [1]. And no more [9]."]).usage(30, 7));
    let app = with_model(&server).await;
    let user = app.user().await;
    learn(&app, &user, &FOUR).await;
    let answer = user.post(COMPLETIONS, asking("What does market beta measure?")).await.expect(200);
    assert_eq!(answer["object"], "chat.completion");
    let choice = &answer["choices"][0];
    assert_eq!(choice["message"]["content"], "Beta measures moves [1]. And no more.");
    assert_eq!(choice["finish_reason"], "stop");
    assert_eq!(answer["usage"], json!({ "prompt_tokens": 30, "completion_tokens": 7, "total_tokens": 37 }));
    let cited = &choice["message"]["annotations"][0]["url_citation"];
    assert_eq!(cited["title"], "Beta");
    assert_eq!((cited["start_index"].clone(), cited["end_index"].clone()), (json!(20), json!(23)));
    assert_eq!(choice["message"]["annotations"].as_array().unwrap().len(), 1);
    let path = cited["url"].as_str().unwrap().to_owned();
    user.get(&path).await.expect(200);

    let listed = user.get("/chat/conversations").await.expect(200);
    assert_eq!(listed["items"], json!([]), "nothing is stored");
}

#[tokio::test]
async fn a_stream_has_the_pieces_that_clients_read() {
    let server = ModelServer::start().await;
    server.push(Script::reply(["Hel", "lo"]).usage(5, 2));
    server.push(Script::reply(["Hel", "lo"]).usage(5, 2));
    let app = with_model(&server).await;
    let user = app.user().await;
    let mut body = asking("Hello?");
    body["stream_options"] = json!({ "include_usage": true });
    let lines = streamed(&user, body).await;
    assert_eq!(lines.last().unwrap(), "[DONE]");
    let chunks: Vec<Value> =
        lines[..lines.len() - 1].iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    let text: String =
        chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(text, "Hello");
    let ids: std::collections::HashSet<&str> =
        chunks.iter().map(|chunk| chunk["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 1);
    let [.., stop, usage] = chunks.as_slice() else { panic!("{chunks:?}") };
    assert_eq!(stop["choices"][0]["finish_reason"], "stop");
    assert_eq!(usage["choices"], json!([]));
    assert_eq!(usage["usage"]["total_tokens"], 7);

    let lines = streamed(&user, asking("Hello?")).await;
    assert!(!lines.iter().any(|line| line.contains("\"usage\"")), "{lines:?}");
}

#[tokio::test]
async fn what_a_model_heeds_is_handed_on_and_unknown_fields_are_ignored() {
    let server = ModelServer::start().await;
    server.push(Script::reply(["Fine."]));
    let app = with_model(&server).await;
    let user = app.user().await;
    let body = json!({
        "model": "scripted", "temperature": 0.25, "max_tokens": 9, "stop": ["END"], "store": true, "anything": {"at": "all"},
        "response_format": { "type": "json_object" },
        "messages": [
            { "role": "developer", "content": "Be short." },
            { "role": "user", "content": [{ "type": "text", "text": "How are " }, { "type": "text", "text": "you?" }] },
        ],
    });
    user.post(COMPLETIONS, body).await.expect(200);
    let sent = &server.requests()[0];
    assert_eq!(sent.body["temperature"], 0.25);
    assert_eq!(sent.body["max_tokens"], 9);
    assert_eq!(sent.body["stop"], json!(["END"]));
    assert_eq!(sent.body["response_format"], json!({ "type": "json_object" }));
    assert!(sent.body.get("anything").is_none() && sent.body.get("store").is_none());
    let said = |role: &str, content: &str| (role.to_owned(), content.to_owned());
    assert_eq!(sent.messages(), [said("system", "Be short."), said("user", "How are you?")]);
}

#[tokio::test]
async fn retrieval_can_be_turned_off_and_never_shows_a_strangers_things() {
    let server = ModelServer::start().await;
    server.always(Script::reply(["So it is."]));
    let app = with_model(&server).await;
    let (owner, stranger) = (app.user().await, app.user().await);
    learn(&app, &owner, &FOUR).await;
    owner.post("/memories", json!({ "content": "I care about market beta" })).await.expect(201);
    let question = "What does market beta measure?";
    let prompt = async |user: &TestUser, body: Value, headers: &[(&str, &str)]| {
        user.request(Method::POST, COMPLETIONS, Some(body), headers).await.expect(200);
        let sent = server.requests().pop().unwrap();
        sent.messages().into_iter().map(|(_, content)| content).collect::<Vec<_>>().join("\n")
    };
    let whole = prompt(&owner, asking(question), &[]).await;
    assert!(whole.contains("how strongly a portfolio moves") && whole.contains("I care about market beta"));
    let mut part = asking(question);
    part["tandem"] = json!({ "knowledge": false });
    let part = prompt(&owner, part, &[]).await;
    assert!(!part.contains("how strongly a portfolio moves") && part.contains("I care about market beta"));
    for bare in [
        prompt(&owner, asking(question), &[("x-tandem-retrieval", "off")]).await,
        prompt(&stranger, asking(question), &[]).await,
    ] {
        assert_eq!(bare, question);
    }
}

#[tokio::test]
async fn wrong_requests_are_named_in_openais_shape() {
    let server = ModelServer::start().await;
    let app = with_model(&server).await;
    let user = app.user().await;
    let wrong = [
        (json!({ "model": "scripted", "messages": [] }), "messages"),
        (json!({ "model": "scripted", "messages": [{ "role": "assistant", "content": "I" }] }), "messages"),
        (
            json!({ "model": "scripted", "messages": [{ "role": "wizard", "content": "I" }] }),
            "messages[0].role",
        ),
        (
            json!({ "model": "scripted", "messages": [{ "role": "user", "content": 5 }] }),
            "messages[0].content",
        ),
        (json!({ "model": "scripted", "n": 2, "messages": [{ "role": "user", "content": "I" }] }), "n"),
    ];
    for (body, param) in wrong {
        let answer = user.post(COMPLETIONS, body).await;
        assert_eq!(serde_json::from_str::<Value>(&answer.body).unwrap()["error"]["param"], param);
        answer.expect_refusal(400, "invalid_field");
    }
    let mut other = asking("Hello?");
    other["model"] = json!("gpt-99");
    let said = user.post(COMPLETIONS, other).await.expect_refusal(404, "model_not_found");
    assert!(said.contains("gpt-99") && said.contains("scripted"), "{said}");
    user.get("/v1/nothing").await.expect_refusal(404, "not_found");
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_failing_model_is_an_error_and_not_an_answer() {
    let server = ModelServer::start().await;
    server.always(Script::status(500));
    let app = with_model(&server).await;
    let user = app.user().await;
    let answer = user.post(COMPLETIONS, asking("Hello?")).await;
    assert_eq!(answer.status, 502, "{}", answer.body);
    let error = answer.expect(502);
    assert_eq!(error["error"]["type"], "server_error");
}

#[tokio::test]
async fn without_a_model_the_answer_is_quoted() {
    let app = TestApp::start().await;
    let user = app.user().await;
    learn(&app, &user, &FOUR).await;
    let mut body = asking("What does market beta measure?");
    body["model"] = json!("extractive");
    let answer = user.post(COMPLETIONS, body).await.expect(200);
    let message = &answer["choices"][0]["message"];
    assert!(message["content"].as_str().unwrap().contains("moves with the market"), "{message}");
    assert_eq!(message["annotations"][0]["url_citation"]["title"], "Beta");
}

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
