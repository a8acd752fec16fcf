//! `/v1/responses`: what is kept, its shapes, tools, what follows what, and whose it is.

use axum::http::Method;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use super::streamed;
use crate::chat::{FOUR, eventually, learn, with_model};
use crate::support::TestApp;
use crate::support::model::{ModelServer, Script};
use crate::support::user::TestUser;

pub(super) const RESPONSES: &str = "/v1/responses";

pub(super) fn asking(question: &str) -> Value {
    json!({ "model": "scripted", "input": question })
}

pub(super) fn with(mut body: Value, field: &str, value: Value) -> Value {
    body[field] = value;
    body
}

/// The events of a response that is streamed as it is made.
pub(super) async fn events(user: &TestUser, body: Value) -> Vec<Value> {
    let lines = streamed(user, RESPONSES, body).await;
    lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub(super) fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap().strip_prefix("response.").unwrap()).collect()
}

pub(super) fn path_of(response: &Value) -> String {
    format!("{RESPONSES}/{}", response["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_response_is_a_message_of_a_conversation_and_is_read_again() {
    let server = ModelServer::start().await;
    server.push(Script::reply(["Beta measures moves [1]. And no more [9]."]).usage(30, 7));
    let app = with_model(&server).await;
    let user = app.user().await;
    learn(&app, &user, &FOUR).await;
    let mut body = asking("What does market beta measure?");
    body["instructions"] = json!("Be short.");
    body["metadata"] = json!({ "topic": "beta" });
    body["temperature"] = json!(0.5);
    body["max_output_tokens"] = json!(50);
    let response = user.post(RESPONSES, body).await.expect(200);
    assert_eq!((&response["object"], &response["status"]), (&json!("response"), &json!("completed")));
    assert_eq!(response["instructions"], "Be short.");
    assert_eq!((&response["metadata"]["topic"], &response["temperature"]), (&json!("beta"), &json!(0.5)));
    let message = &response["output"][0];
    assert_eq!(
        (&message["type"], &message["role"], &message["status"]),
        (&json!("message"), &json!("assistant"), &json!("completed"))
    );
    let part = &message["content"][0];
    assert_eq!(part["text"], "Beta measures moves [1]. And no more.");
    let annotation = &part["annotations"][0];
    assert_eq!((&annotation["type"], &annotation["title"]), (&json!("url_citation"), &json!("Beta")));
    assert_eq!((&annotation["start_index"], &annotation["end_index"]), (&json!(20), &json!(23)));
    assert_eq!(
        (&response["usage"]["input_tokens"], &response["usage"]["output_tokens"]),
        (&json!(30), &json!(7))
    );
    let sent = &server.requests()[0];
    assert_eq!((&sent.body["temperature"], &sent.body["max_tokens"]), (&json!(0.5), &json!(50)));
    let said = sent.messages();
    assert!(said.iter().any(|(role, words)| role == "system" && words == "Be short."), "{said:?}");
    assert_eq!(said.last().unwrap().1, "What does market beta measure?");

    assert_eq!(user.get(&path_of(&response)).await.expect(200), response);
    let conversations = user.get("/chat/conversations").await.expect(200);
    let conversation = conversations["items"][0]["id"].as_str().unwrap();
    let messages = user.get(&format!("/chat/conversations/{conversation}/messages")).await.expect(200);
    assert_eq!(messages["items"][0]["content"], "What does market beta measure?");
    assert_eq!(messages["items"][1]["content"], part["text"]);
    assert_eq!(messages["items"][1]["citations"].as_array().unwrap().len(), 1);
    let items = user.get(&format!("{}/input_items", path_of(&response))).await.expect(200);
    assert_eq!(
        items["data"][0]["content"][0],
        json!({ "type": "input_text", "text": "What does market beta measure?" })
    );

    let gone = user.delete(&path_of(&response)).await.expect(200);
    assert_eq!((&gone["id"], &gone["deleted"]), (&response["id"], &json!(true)));
    user.get(&path_of(&response)).await.expect_refusal(404, "not_found");
    assert_eq!(user.get("/chat/conversations").await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn events_have_the_official_order_and_numbers_without_a_gap() {
    let server = ModelServer::start().await;
    server.push(Script::reply(["Beta measures ", "moves [1]", "."]).usage(30, 7));
    let app = with_model(&server).await;
    let user = app.user().await;
    learn(&app, &user, &FOUR).await;
    let events = events(&user, asking("What does market beta measure?")).await;
    let mut order = kinds(&events);
    order.dedup();
    let cited = order.iter().position(|kind| *kind == "output_text.annotation.added").unwrap();
    assert!((5..order.len() - 4).contains(&cited), "{order:?}");
    order.retain(|kind| *kind != "output_text.annotation.added");
    order.dedup();
    let official = [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ];
    assert_eq!(order, official);
    let numbers: Vec<u64> = events.iter().map(|event| event["sequence_number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (0..).take(events.len()).collect::<Vec<_>>());
    let text: String = events.iter().filter_map(|event| event["delta"].as_str()).collect();
    assert_eq!(text, "Beta measures moves [1].");
    let last = &events.last().unwrap()["response"];
    assert_eq!(last["output"][0]["content"][0]["text"], text);
    assert_eq!(last, &user.get(&path_of(last)).await.expect(200));
    let first = &events[0]["response"];
    assert_eq!(
        (&first["status"], &first["output"], &first["id"]),
        (&json!("in_progress"), &json!([]), &last["id"])
    );
}

fn weather() -> Value {
    json!([{ "type": "function", "name": "weather", "parameters": { "type": "object", "properties": {} }, "strict": true }])
}

#[tokio::test]
async fn a_function_is_called_answered_and_gone_on_with() {
    let server = ModelServer::start().await;
    server.push(Script::calls([("weather", json!({ "place": "Ulm" }))]).usage(9, 3));
    server.push(Script::reply(["It is warm."]));
    server.push(Script::reply(["In Ulm."]));
    let app = with_model(&server).await;
    let user = app.user().await;
    let body = with(
        with(asking("How warm is it in Ulm?"), "tools", weather()),
        "tool_choice",
        json!({ "type": "function", "name": "weather" }),
    );
    let called = events(&user, body).await;
    let official = [
        "created",
        "in_progress",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ];
    assert_eq!(kinds(&called), official);
    let response = called.last().unwrap()["response"].clone();
    let call = &response["output"][0];
    assert_eq!(
        (&call["type"], &call["name"], &call["arguments"]),
        (&json!("function_call"), &json!("weather"), &json!(r#"{"place":"Ulm"}"#))
    );
    assert_eq!(user.get(&path_of(&response)).await.expect(200), response);
    let sent = &server.requests()[0].body;
    assert_eq!(sent["tools"][0]["function"]["name"], "weather");
    assert_eq!(sent["tool_choice"], json!({ "type": "function", "function": { "name": "weather" } }));

    let result =
        json!([{ "type": "function_call_output", "call_id": call["call_id"], "output": "20 degrees" }]);
    let mut body = with(asking(""), "input", result);
    body["previous_response_id"] = response["id"].clone();
    let warm = user.post(RESPONSES, body).await.expect(200);
    assert_eq!(warm["output"][0]["content"][0]["text"], "It is warm.");
    assert_eq!(warm["previous_response_id"], response["id"]);
    let sent = &server.requests()[1].body["messages"];
    assert_eq!(sent[0]["content"], "How warm is it in Ulm?");
    assert_eq!(sent[1]["tool_calls"][0]["id"], call["call_id"]);
    assert_eq!(
        (&sent[2]["role"], &sent[2]["tool_call_id"], &sent[2]["content"]),
        (&json!("tool"), &call["call_id"], &json!("20 degrees"))
    );

    let body = with(asking("Where?"), "previous_response_id", warm["id"].clone());
    user.post(RESPONSES, body).await.expect(200);
    let said: Vec<String> = server.requests()[2].messages().into_iter().map(|(_, words)| words).collect();
    assert_eq!(said, ["How warm is it in Ulm?", "", "20 degrees", "It is warm.", "Where?"]);
    // It is one conversation, and none of its responses goes alone.
    let conversations = user.get("/chat/conversations").await.expect(200);
    assert_eq!(conversations["items"].as_array().unwrap().len(), 1);
    user.delete(&path_of(&warm)).await.expect_refusal(409, "response_in_conversation");
}

#[tokio::test]
async fn instructions_are_not_carried_over_and_history_is_bounded() {
    let server = ModelServer::start().await;
    server.always(Script::reply(["Yes."]));
    let app = TestApp::with()
        .env("OPENAI_BASE_URL", server.url())
        .env("CHAT_MODEL", "scripted")
        .env("TANDEM__CHAT__HISTORY_TOKENS", 60)
        .start()
        .await;
    let user = app.user().await;
    let mut previous = Value::Null;
    for number in 0..6 {
        let mut body = asking(&format!("Question number {number} about this and that"));
        body["instructions"] = json!(format!("Instruction {number}"));
        body["previous_response_id"] = previous;
        previous = user.post(RESPONSES, body).await.expect(200)["id"].clone();
    }
    let said: Vec<String> = server.requests()[5].messages().into_iter().map(|(_, words)| words).collect();
    assert_eq!(said[0], "Instruction 5");
    assert!(said.iter().any(|words| words.contains("number 4")), "{said:?}");
    assert!(!said.iter().any(|words| words.contains("number 0") || words == "Instruction 4"), "{said:?}");
}

#[tokio::test]
async fn a_response_that_is_not_stored_leaves_nothing() {
    let server = ModelServer::start().await;
    server.always(Script::reply(["Yes."]).usage(3, 1));
    let app = with_model(&server).await;
    let user = app.user().await;
    let body = with(asking("Really?"), "store", json!(false));
    let whole = user.post(RESPONSES, body.clone()).await.expect(200);
    assert_eq!((&whole["status"], &whole["store"]), (&json!("completed"), &json!(false)));
    assert_eq!(whole["output"][0]["content"][0]["text"], "Yes.");
    let events = events(&user, body.clone()).await;
    assert_eq!(kinds(&events).last(), Some(&"completed"));
    assert_eq!(events.last().unwrap()["response"]["usage"]["total_tokens"], 4);
    assert_eq!(user.get("/chat/conversations").await.expect(200)["items"], json!([]));
    user.get(&path_of(&whole)).await.expect_refusal(404, "not_found");
    user.post(RESPONSES, with(asking("And?"), "previous_response_id", whole["id"].clone()))
        .await
        .expect_refusal(404, "previous_response_not_found");
    user.post(RESPONSES, with(body, "background", json!(true))).await.expect_refusal(400, "invalid_field");
}

#[tokio::test]
async fn a_response_of_somebody_else_does_not_exist() {
    let server = ModelServer::start().await;
    let app = with_model(&server).await;
    let (owner, stranger) = (app.user().await, app.user().await);
    let response = owner.post(RESPONSES, asking("What is mine?")).await.expect(200);
    let path = path_of(&response);
    stranger.get(&path).await.expect_refusal(404, "not_found");
    stranger.get(&format!("{path}?stream=true")).await.expect_refusal(404, "not_found");
    stranger.post(&format!("{path}/cancel"), json!({})).await.expect_refusal(404, "not_found");
    stranger.delete(&path).await.expect_refusal(404, "not_found");
    let body = with(asking("And?"), "previous_response_id", response["id"].clone());
    stranger.post(RESPONSES, body).await.expect_refusal(404, "previous_response_not_found");
    assert_eq!(owner.get(&path).await.expect(200), response);
    assert_eq!(server.requests().len(), 1);
    // A message that no client of this face asked for is no response.
    let answer = owner.ask(&owner.conversation().await, "What is beta?").await.expect(200);
    let id = answer["assistant_message_id"].as_str().unwrap().replace('-', "");
    owner.get(&format!("{RESPONSES}/resp_{id}")).await.expect_refusal(404, "not_found");
}

#[tokio::test]
async fn a_repeated_request_under_a_key_is_the_same_response() {
    let server = ModelServer::start().await;
    server.always(Script::reply(["Once."]));
    let app = with_model(&server).await;
    let user = app.user().await;
    let headers = [("idempotency-key", "one")];
    let first = user.request(Method::POST, RESPONSES, Some(asking("Once?")), &headers).await.expect(200);
    let again = user.request(Method::POST, RESPONSES, Some(asking("Once?")), &headers).await;
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(again.expect(200), first);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn ends_that_are_not_complete_are_told() {
    let server = ModelServer::start().await;
    let app = with_model(&server).await;
    let user = app.user().await;
    server.push(Script::reply(["Once upon"]).finishing("length"));
    let short = user.post(RESPONSES, asking("Tell me a story")).await.expect(200);
    assert_eq!(
        (&short["status"], &short["incomplete_details"]),
        (&json!("incomplete"), &json!({ "reason": "max_output_tokens" }))
    );
    assert_eq!(short["output"][0]["content"][0]["text"], "Once upon");
    assert_eq!(user.get(&path_of(&short)).await.expect(200), short);

    server.always(Script::status(500));
    user.post(RESPONSES, asking("Anybody?")).await.expect_refusal(502, "turn_failed");
    let failed = events(&user, asking("Anybody?")).await;
    assert_eq!(kinds(&failed), ["created", "in_progress", "failed"]);
    let response = &failed[2]["response"];
    assert_eq!((&response["status"], &response["error"]["code"]), (&json!("failed"), &json!("server_error")));
    assert_eq!(&user.get(&path_of(response)).await.expect(200), response);
    let unstored = events(&user, with(asking("Anybody?"), "store", json!(false)));
    drop(unstored);
    user.post(RESPONSES, with(asking("Anybody?"), "store", json!(false))).await.expect(502);
}

#[tokio::test]
async fn a_response_in_the_background_is_polled_and_cancelled() {
    let server = ModelServer::start().await;
    server.always(
        Script::reply((0..200).map(|number| format!("word{number} ")))
            .every(std::time::Duration::from_millis(50)),
    );
    let app = with_model(&server).await;
    let user = app.user().await;
    let begun = user.post(RESPONSES, with(asking("Count"), "background", json!(true))).await.expect(200);
    assert_eq!(
        (&begun["status"], &begun["background"], &begun["output"]),
        (&json!("in_progress"), &json!(true), &json!([]))
    );
    let path = path_of(&begun);
    assert_eq!(user.get(&path).await.expect(200)["status"], "in_progress");
    let has_words = async || {
        let sql = "SELECT count(*) FROM message_events WHERE event = 'token'";
        let statement = sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, sql);
        let row = app.core().query_one_raw(statement).await.unwrap().unwrap();
        row.try_get_by_index::<i64>(0).unwrap() > 2
    };
    assert!(eventually(has_words).await);
    let other = app.replica().await;
    other.hear();
    app.hear();
    let cancelled = other.at(&user).post(&format!("{path}/cancel"), json!({})).await.expect(200);
    assert_eq!(cancelled["status"], "cancelled");
    let text = cancelled["output"][0]["content"][0]["text"].as_str().unwrap();
    assert!(text.starts_with("word0 ") && text.len() < 1000, "{text}");
    let again = user.post(&format!("{path}/cancel"), json!({})).await.expect(200);
    assert_eq!(again, cancelled);
    let told = user.get(&format!("{path}?stream=true")).await.body;
    assert!(told.trim_end().lines().last().unwrap().contains(r#""status":"cancelled""#), "{told}");
}

#[tokio::test]
async fn wrong_requests_are_named() {
    let server = ModelServer::start().await;
    let app = with_model(&server).await;
    let user = app.user().await;
    for (field, value, param) in [
        ("input", json!(5), "input"),
        ("input", json!(""), "input"),
        ("input", json!("a\u{0}b"), "input"),
        ("input", json!([{ "role": "assistant", "content": "I" }]), "input"),
        ("input", json!([{ "role": "user", "content": [{ "type": "input_image" }] }]), "input[0].content"),
        ("input", json!("x".repeat(32_001)), "input"),
        ("tools", json!([{ "type": "web_search" }]), "tools[0].type"),
        ("text", json!({ "format": { "type": "poem" } }), "text.format.type"),
        ("max_output_tokens", json!(0), "max_output_tokens"),
        ("metadata", json!({ "a": 1 }), "metadata"),
        ("conversation", json!("conv_1"), "conversation"),
    ] {
        let answer = user.post(RESPONSES, with(asking("Hello?"), field, value)).await;
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(body["error"]["param"], param, "{field}: {body}");
        answer.expect_refusal(400, "invalid_field");
    }
    user.post(RESPONSES, with(asking("Hello?"), "model", json!("gpt-99")))
        .await
        .expect_refusal(404, "model_not_found");
    assert!(server.requests().is_empty());
}
