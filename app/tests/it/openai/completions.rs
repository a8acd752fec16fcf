//! `/v1/chat/completions`: its shapes, its errors, and whose knowledge answers.

use axum::http::Method;
use serde_json::{Value, json};

use super::streamed;
use crate::chat::{FOUR, learn, with_model};
use crate::support::TestApp;
use crate::support::model::{ModelServer, Script};
use crate::support::user::TestUser;

const COMPLETIONS: &str = "/v1/chat/completions";

fn asking(question: &str) -> Value {
    json!({ "model": "scripted", "messages": [{ "role": "user", "content": question }] })
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
    let usage = json!({
        "prompt_tokens": 30, "completion_tokens": 7, "total_tokens": 37,
        "prompt_tokens_details": { "cached_tokens": 0 }, "completion_tokens_details": { "reasoning_tokens": 0 },
    });
    assert_eq!(answer["usage"], usage);
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
    let lines = streamed(&user, COMPLETIONS, body).await;
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

    let lines = streamed(&user, COMPLETIONS, asking("Hello?")).await;
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
    let with = |field: &str, value: Value| {
        let mut body = asking("Hello?");
        body[field] = value;
        body
    };
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
        (
            json!({ "model": "scripted", "messages": [{ "role": "tool", "content": "I" }] }),
            "messages[0].tool_call_id",
        ),
        (with("tools", json!([{ "type": "retrieval" }])), "tools[0].type"),
        (with("tools", json!([{ "type": "function", "function": {} }])), "tools[0].function.name"),
        (with("max_tokens", json!(0)), "max_tokens"),
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

fn weather() -> Value {
    json!([{ "type": "function", "function": {
        "name": "weather", "description": "Weather of a place",
        "parameters": { "type": "object", "properties": { "place": { "type": "string" } } },
    } }])
}

#[tokio::test]
async fn a_clients_tools_go_to_the_model_and_its_calls_come_back() {
    let server = ModelServer::start().await;
    server.push(
        Script::calls([("weather", json!({ "place": "Ulm" })), ("weather", json!({ "place": "Bonn" }))])
            .usage(9, 3),
    );
    server.push(Script::reply(["It is warm."]));
    let app = with_model(&server).await;
    let user = app.user().await;
    let mut body = asking("How warm is it in Ulm and Bonn?");
    body["tools"] = weather();
    body["tool_choice"] = json!("auto");
    let answer = user.post(COMPLETIONS, body.clone()).await.expect(200);
    let choice = &answer["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    assert_eq!(choice["message"]["content"], Value::Null);
    let calls = choice["message"]["tool_calls"].as_array().unwrap();
    assert_eq!(calls.len(), 2);
    assert_eq!(
        (calls[1]["type"].as_str(), calls[1]["function"]["name"].as_str()),
        (Some("function"), Some("weather"))
    );
    assert_eq!(calls[1]["function"]["arguments"], r#"{"place":"Bonn"}"#);
    assert_eq!(answer["usage"]["total_tokens"], 12);
    let sent = &server.requests()[0];
    assert_eq!((&sent.body["tools"], &sent.body["tool_choice"]), (&weather(), &json!("auto")));

    let result =
        |call: &Value| json!({ "role": "tool", "tool_call_id": call["id"], "content": "20 degrees" });
    let mut messages = body["messages"].as_array().unwrap().clone();
    messages.push(choice["message"].clone());
    messages.extend(calls.iter().map(result));
    body["messages"] = json!(messages);
    let answer = user.post(COMPLETIONS, body).await.expect(200);
    assert_eq!(answer["choices"][0]["message"]["content"], "It is warm.");
    let sent = server.requests().pop().unwrap();
    let said: Vec<&Value> = sent.body["messages"].as_array().unwrap().iter().collect();
    assert_eq!(said[1]["tool_calls"], choice["message"]["tool_calls"]);
    assert_eq!((&said[3]["role"], &said[3]["tool_call_id"]), (&json!("tool"), &calls[1]["id"]));
}

#[tokio::test]
async fn streamed_calls_are_put_together_by_index() {
    let server = ModelServer::start().await;
    server
        .push(Script::calls([("weather", json!({ "place": "Ulm" })), ("wind", json!({}))]).saying("I look."));
    let app = with_model(&server).await;
    let user = app.user().await;
    let mut body = asking("How warm?");
    body["tools"] = weather();
    let lines = streamed(&user, COMPLETIONS, body).await;
    let chunks: Vec<Value> =
        lines[..lines.len() - 1].iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut calls = vec![(String::new(), String::new(), String::new()); 2];
    for piece in
        chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["tool_calls"].as_array()).flatten()
    {
        let call = &mut calls[usize::try_from(piece["index"].as_u64().unwrap()).unwrap()];
        call.0.push_str(piece["id"].as_str().unwrap_or_default());
        call.1.push_str(piece["function"]["name"].as_str().unwrap_or_default());
        call.2.push_str(piece["function"]["arguments"].as_str().unwrap_or_default());
    }
    assert!(calls.iter().all(|call| call.0.starts_with("call_")), "{calls:?}");
    let whole: Vec<_> = calls.iter().map(|call| (call.1.as_str(), call.2.as_str())).collect();
    assert_eq!(whole, [("weather", r#"{"place":"Ulm"}"#), ("wind", "{}")]);
    assert_eq!(chunks.last().unwrap()["choices"][0]["finish_reason"], "tool_calls");
}

#[tokio::test]
async fn an_answer_that_is_as_long_as_it_may_be_says_so() {
    let server = ModelServer::start().await;
    server.always(Script::reply(["Once upon"]).finishing("length"));
    let app = with_model(&server).await;
    let user = app.user().await;
    let mut body = asking("Tell me a story");
    body["max_completion_tokens"] = json!(2);
    let answer = user.post(COMPLETIONS, body.clone()).await.expect(200);
    assert_eq!(answer["choices"][0]["finish_reason"], "length");
    assert_eq!(server.requests()[0].body["max_tokens"], 2);
    let lines = streamed(&user, COMPLETIONS, body).await;
    assert!(lines[lines.len() - 2].contains(r#""finish_reason":"length""#), "{lines:?}");
}

/// Without passages nothing can be cited, so nothing is taken for a marker.
#[tokio::test]
async fn code_and_json_come_as_the_model_wrote_them() {
    let server = ModelServer::start().await;
    let written = r#"{"a": [1], "code": "list[0] [7]"}"#;
    server.always(Script::reply([&written[..9], &written[9..]]));
    let app = with_model(&server).await;
    let (reader, other) = (app.user().await, app.user().await);
    learn(&app, &reader, &FOUR).await;
    let question = asking("What does market beta measure, as JSON?");
    let mut as_json = question.clone();
    as_json["response_format"] = json!({ "type": "json_object" });
    for (user, body) in [(&reader, as_json), (&other, question)] {
        let answer = user.post(COMPLETIONS, body).await.expect(200);
        assert_eq!(answer["choices"][0]["message"]["content"], written);
    }
}
