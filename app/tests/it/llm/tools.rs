//! Calls of tools in streamed answers.

use futures::StreamExt;
use serde_json::{Value, json};
use tandem::config::Models;
use tandem::llm::{ChatDelta, ChatMessage, ChatRequest, ModelError, Role, ToolCall, ToolSpec, Usage, openai};

use super::settings;
use crate::support::model::{End, ModelServer, Script};

fn request() -> ChatRequest {
    let parameters = json!({ "type": "object", "properties": { "query": { "type": "string" } } });
    ChatRequest {
        messages: vec![ChatMessage::new(Role::User, "Why?")],
        tools: vec![ToolSpec::new("search", "Searches.", parameters)],
        ..ChatRequest::default()
    }
}

/// What an answer to the request is: text, calls, usage.
async fn read(
    server: &ModelServer,
    request: ChatRequest,
) -> Result<(String, Vec<ToolCall>, Option<Usage>), ModelError> {
    let settings = Models { retries: 0, first_token_timeout_s: 1, idle_timeout_s: 1, ..settings(server) };
    let chat = openai::chat_from_settings(&settings).unwrap().unwrap();
    let mut stream = chat.stream(request).await?;
    let (mut text, mut calls, mut usage) = (String::new(), Vec::new(), None);
    while let Some(delta) = stream.next().await {
        assert!(calls.is_empty(), "calls are the last that comes");
        match delta? {
            ChatDelta::Text(more) => text.push_str(&more),
            ChatDelta::Usage(count) => usage = Some(count),
            ChatDelta::Cut(_) => {}
            ChatDelta::ToolCalls(made) => calls = made,
        }
    }
    Ok((text, calls, usage))
}

async fn calls_of(script: Script) -> Result<Vec<(String, Value)>, ModelError> {
    let server = ModelServer::start().await;
    server.push(script);
    let (_, calls, _) = read(&server, request()).await?;
    let ids: std::collections::HashSet<&str> = calls.iter().map(|call| call.id.as_str()).collect();
    assert!(ids.len() == calls.len() && !ids.contains(""), "{calls:?}");
    Ok(calls.into_iter().map(|call| (call.name, serde_json::from_str(&call.arguments).unwrap())).collect())
}

fn piece(index: Option<u64>, id: Option<&str>, name: Option<&str>, arguments: &str) -> Value {
    json!({ "index": index, "id": id, "type": "function", "function": { "name": name, "arguments": arguments } })
}

#[tokio::test]
async fn calls_are_put_together_whatever_pieces_they_come_in() {
    let two = || vec![("a".to_owned(), json!({ "x": 1 })), ("b".to_owned(), json!({ "y": "é" }))];
    let shapes = [
        // One after the other, as OpenAI does.
        Script::calls([("a", json!({ "x": 1 })), ("b", json!({ "y": "é" }))]),
        // Interleaved.
        Script::deltas(vec![
            json!([piece(Some(0), Some("1"), Some("a"), "{\"x\""), piece(Some(1), Some("2"), Some("b"), "")]),
            json!([piece(Some(1), None, None, "{\"y\":")]),
            json!([piece(Some(0), None, None, ": 1}"), piece(Some(1), None, None, "\"é\"}")]),
        ]),
        // Whole, in one delta, numbered.
        Script::deltas(vec![json!([
            piece(Some(0), Some("1"), Some("a"), "{\"x\":1}"),
            piece(Some(1), Some("2"), Some("b"), "{\"y\":\"é\"}")
        ])]),
        // Whole, without numbers and ids.
        Script::deltas(vec![
            json!([piece(None, None, Some("a"), "{\"x\":1}")]),
            json!([piece(None, None, Some("b"), "{\"y\":\"é\"}")]),
        ]),
        // Whole, all with number zero.
        Script::deltas(vec![
            json!([piece(Some(0), Some("1"), Some("a"), "{\"x\":1}")]),
            json!([piece(Some(0), Some("2"), Some("b"), "{\"y\":\"é\"}")]),
        ]),
        // Id and name with every piece.
        Script::deltas(vec![
            json!([piece(None, Some("1"), Some("a"), "{\"x\"")]),
            json!([piece(None, Some("1"), Some("a"), ":1}")]),
            json!([piece(None, Some("2"), Some("b"), "{\"y\":\"é\"}")]),
        ]),
        // The same id twice.
        Script::deltas(vec![
            json!([piece(Some(0), Some("1"), Some("a"), "{\"x\":1}")]),
            json!([piece(Some(1), Some("1"), Some("b"), "{\"y\":\"é\"}")]),
        ]),
        // Arguments as an object.
        Script::deltas(vec![json!([
            { "id": "1", "function": { "name": "a", "arguments": { "x": 1 } } },
            { "id": "2", "function": { "name": "b", "arguments": { "y": "é" } } }
        ])]),
    ];
    for (shape, script) in shapes.into_iter().enumerate() {
        for end in [End::Complete, End::WithoutMark, End::WithoutReason] {
            let calls = calls_of(script.clone().end(end)).await.unwrap();
            assert_eq!(calls, two(), "shape {shape}, {end:?}");
        }
    }
    let nothing = Script::deltas(vec![json!([{ "index": 0, "id": "1", "function": { "name": "a" } }])]);
    assert_eq!(calls_of(nothing).await.unwrap(), [("a".to_owned(), json!({}))]);
    assert!(calls_of(Script::deltas(vec![Value::Null, json!([])])).await.unwrap().is_empty());
}

#[tokio::test]
async fn calls_that_break_off_or_never_end_are_no_calls() {
    let whole = || vec![json!([piece(Some(0), Some("1"), Some("a"), "{}")])];
    for end in [End::Cut, End::Garbage, End::Error] {
        assert!(calls_of(Script::deltas(whole()).end(end)).await.is_err(), "{end:?}");
    }
    let nameless = Script::deltas(vec![json!([piece(Some(0), Some("1"), None, "{}")])]);
    assert!(matches!(calls_of(nameless).await, Err(ModelError::Malformed { .. })));
    let many = (0..100).map(|index| json!([piece(Some(index), None, Some("a"), "{}")])).collect();
    assert!(matches!(calls_of(Script::deltas(many)).await, Err(ModelError::Malformed { .. })));
    let long = (0..40).map(|_| json!([piece(Some(0), None, Some("a"), &"x".repeat(10_000))])).collect();
    assert!(matches!(calls_of(Script::deltas(long)).await, Err(ModelError::Malformed { .. })));
}

#[tokio::test]
async fn words_and_usage_come_before_calls_and_both_are_told_to_the_model_again() {
    let server = ModelServer::start().await;
    server.push(Script::calls([("search", json!({ "query": "q" }))]).saying("Let me look.").usage(7, 2));
    let mut request = request();
    let (text, calls, usage) = read(&server, request.clone()).await.unwrap();
    assert_eq!((text.as_str(), usage.unwrap().total_tokens), ("Let me look.", 9));
    let id = calls[0].id.clone();
    request.messages.push(ChatMessage::calling(text, calls));
    request.messages.push(ChatMessage::answering(id.as_str(), "{}"));
    read(&server, request).await.unwrap();
    let asked = server.requests();
    assert_eq!(asked[0].body["tools"][0]["type"], "function");
    assert_eq!(asked[0].body["tools"][0]["function"]["name"], "search");
    assert_eq!(asked[0].body["tools"][0]["function"]["parameters"]["type"], "object");
    let messages = &asked[1].body["messages"];
    assert_eq!(messages[1]["tool_calls"][0]["id"], json!(id));
    assert_eq!(messages[1]["tool_calls"][0]["function"]["arguments"], "{\"query\":\"q\"}");
    assert_eq!(messages[2], json!({ "role": "tool", "content": "{}", "tool_call_id": id }));
}

#[tokio::test]
async fn a_server_that_refuses_tools_is_asked_without_and_none_are_sent_undeclared() {
    let server = ModelServer::start().await;
    server.push(Script::reply(["ok"]).refuses("tools"));
    let settings = Models { retries: 0, ..settings(&server) };
    let chat = openai::chat_from_settings(&settings).unwrap().unwrap();
    for _ in 0..2 {
        let deltas: Vec<_> = chat.stream(request()).await.unwrap().collect().await;
        assert!(deltas.iter().all(Result::is_ok), "{deltas:?}");
    }
    let asked = server.requests();
    let told: Vec<bool> = asked.iter().map(|request| !request.body["tools"].is_null()).collect();
    assert_eq!(told, [true, false, false]);
    // The usage was asked for all the same.
    assert!(asked.iter().all(|request| !request.body["stream_options"].is_null()));
    let refused = Script::raw(400, "{\"error\": {\"message\": \"context too long\"}}");
    server.push(refused.clone());
    server.push(refused);
    assert!(matches!(chat.stream(request()).await, Err(ModelError::Refused { status: 400, .. })));
}
