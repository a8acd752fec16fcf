//! Rounds: calls, results, and the answer after them.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{call, modelled, results, without_retrieval};
use crate::chat::{FOUR, learn};
use crate::support::model::{ModelServer, Script};
use crate::support::response::joined;

#[tokio::test]
async fn a_passage_found_by_a_tool_is_numbered_and_its_citation_resolves() {
    let server = ModelServer::start().await;
    // A busy machine must not make the retrieval or the call too late.
    let app = modelled(&server)
        .env("TANDEM__CHAT__RETRIEVED_PASSAGES", 1)
        .env("TANDEM__CHAT__RETRIEVAL_DEADLINE_MS", 60_000)
        .env("TANDEM__TOOLS__CALL_TIMEOUT_MS", 60_000)
        .start()
        .await;
    let user = app.user().await;
    learn(&app, &user, &FOUR).await;
    let conversation = user.conversation().await;
    let search = json!({ "query": "fall from a peak of the portfolio's value", "limit": 1 });
    server.push(Script::calls([("search_knowledge", search)]).saying("Let me look [2].").usage(10, 3));
    server.push(Script::reply(["A fall from a peak [2], not [3]", "; beta [1]."]).usage(20, 4));

    let events = user.stream(&conversation, "What does market beta measure?").await;

    let context = &events.iter().find(|event| event.event == "context").unwrap().data;
    assert_eq!(context["documents"][0]["title"], "Beta", "{events:?}");
    assert_eq!(results(&server)[0]["error"], Value::Null, "{:?}", results(&server));
    let text = "Let me look.\n\nA fall from a peak [2], not; beta [1].";
    let done = &events.last().unwrap().data;
    assert_eq!(done["content"], text);
    assert_eq!(joined(&events), text);
    assert_eq!(done["usage"], json!({ "prompt_tokens": 30, "completion_tokens": 7, "total_tokens": 37 }));
    let named: Vec<&str> = events.iter().map(|event| event.event.as_str()).collect();
    let place = |name| named.iter().position(|event| *event == name).unwrap();
    assert!(place("context") < place("tool_call") && place("tool_call") < place("tool_result"), "{named:?}");
    assert!(place("tool_result") < place("citation"), "{named:?}");
    let (made, came) = (&events[place("tool_call")].data, &events[place("tool_result")].data);
    assert_eq!((&made["name"], &made["arguments"]["limit"]), (&json!("search_knowledge"), &json!(1)));
    assert_eq!((&came["id"], &came["ok"], &came["truncated"]), (&made["id"], &json!(true), &json!(false)));
    let cited: Vec<&Value> =
        events.iter().filter(|event| event.event == "citation").map(|event| &event.data).collect();
    assert_eq!((&cited[0]["index"], &cited[0]["title"]), (&json!(2), &json!("Drawdown")));
    assert_eq!((&cited[1]["index"], &cited[1]["title"]), (&json!(1), &json!("Beta")));

    // The second request is the first, and what came of it.
    let asked = server.requests();
    let (first, second) = (&asked[0].body["messages"], &asked[1].body["messages"]);
    let (first, second) = (first.as_array().unwrap(), second.as_array().unwrap());
    assert_eq!(first[..], second[..first.len()]);
    assert_eq!(second[first.len()]["role"], "assistant");
    assert_eq!(second[first.len()]["tool_calls"][0]["id"], made["id"]);
    assert_eq!(second[first.len() + 1]["tool_call_id"], made["id"]);
    assert_eq!(second.len(), first.len() + 2);
    let result = results(&server).remove(0);
    assert_eq!(result["error"], Value::Null);
    assert_eq!(result["meta"]["requested"]["limit"], 1);
    assert_eq!(result["data"]["items"][0]["number"], 2);

    // The stored message has the same, and of the result the ids only.
    let stored = user.get(&format!("/chat/conversations/{conversation}/messages")).await.expect(200);
    let answer = &stored["items"][1];
    assert_eq!(answer["citations"].as_array().unwrap().len(), 2);
    let calls = &answer["tool_calls"];
    assert_eq!((&calls[0]["name"], &calls[0]["ok"]), (&json!("search_knowledge"), &json!(true)));
    let found = &calls[0]["result"]["items"][0];
    assert_eq!(found["source_id"], cited[0]["source_id"]);
    assert!(!calls.to_string().contains("trough"), "{calls}");
    assert_eq!(stored["items"][0]["tool_calls"], json!([]));
}

#[tokio::test]
async fn what_was_retrieved_already_keeps_its_number() {
    let server = ModelServer::start().await;
    let app = modelled(&server).start().await;
    let user = app.user().await;
    learn(&app, &user, &FOUR[..1]).await;
    let conversation = user.conversation().await;
    let search = ("search_knowledge", json!({ "query": "market beta" }));
    let result = call(&server, &user, &conversation, "What is market beta?", search).await;
    assert_eq!(result["data"]["items"][0]["number"], 1);
}

#[tokio::test]
async fn calls_of_a_round_run_side_by_side_and_come_in_order_and_in_time() {
    // Takes connections and never answers.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/search", silent.local_addr().unwrap());
    let server = ModelServer::start().await;
    let app = without_retrieval(&server)
        .env("TANDEM__TOOLS__WEB_SEARCH_URL", address)
        .env("TANDEM__TOOLS__CALL_TIMEOUT_MS", 700)
        .start()
        .await;
    let user = app.user().await;
    learn(&app, &user, &FOUR[..1]).await;
    let conversation = user.conversation().await;
    let web = |query: &str| ("web_search", json!({ "query": query }));
    let known = ("search_knowledge", json!({ "query": "market beta" }));
    server.push(Script::calls([web("one"), known, web("two"), web("three")]));
    server.push(Script::reply(["Done."]));
    let started = Instant::now();
    user.ask(&conversation, "Search for everything.").await.expect(200);
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    let came = results(&server);
    let kinds: Vec<&Value> = came.iter().map(|result| &result["error"]["type"]).collect();
    assert_eq!(kinds, [&json!("timeout"), &Value::Null, &json!("timeout"), &json!("timeout")]);
    assert_eq!(came[1]["data"]["items"][0]["title"], "Beta");
}

#[tokio::test]
async fn what_goes_wrong_is_told_to_the_model_and_the_turn_goes_on() {
    let server = ModelServer::start().await;
    let app = without_retrieval(&server).start().await;
    let user = app.user().await;
    let conversation = user.conversation().await;
    let search = |arguments| ("search_knowledge", arguments);
    let wrong = [
        (("delete_everything", json!({})), "unknown_tool", ""),
        (("web_search", json!({ "query": "it is off" })), "unknown_tool", ""),
        (search(json!({})), "bad_arguments", "query"),
        (search(json!({ "query": " " })), "bad_arguments", "query"),
        (search(json!({ "query": 7 })), "bad_arguments", "query"),
        (search(json!({ "query": "x", "limit": "many" })), "bad_arguments", "limit"),
        (search(json!({ "query": "x", "owner_id": user.id })), "bad_arguments", "owner_id"),
        (search(json!({ "query": "nul \0" })), "bad_arguments", "query"),
        (search(json!({ "nul \0": "x" })), "bad_arguments", ""),
        (search(json!(["x"])), "bad_arguments", ""),
        (("forget", json!({ "memory_ids": ["no id"] })), "bad_arguments", "memory_ids"),
        (("recall", json!({ "query": "x".repeat(5000) })), "bad_arguments", "query"),
    ];
    for (made, kind, word) in wrong {
        let result = call(&server, &user, &conversation, "Go on.", made.clone()).await;
        assert_eq!(result["error"]["type"], kind, "{made:?} {result}");
        assert!(result["error"]["message"].as_str().unwrap().contains(word), "{result}");
        assert_eq!(result["data"], Value::Null);
    }
    let broken =
        json!([{ "index": 0, "id": "1", "function": { "name": "recall", "arguments": "{\"query\": " } }]);
    server.push(Script::deltas(vec![broken]));
    server.push(Script::reply(["Done."]));
    user.ask(&conversation, "Go on.").await.expect(200);
    assert_eq!(results(&server)[0]["error"]["type"], "bad_arguments");

    app.state.ai.pool().close().await;
    let result = call(&server, &user, &conversation, "Go on.", search(json!({ "query": "x" }))).await;
    assert!(result["error"]["message"].is_string(), "{result}");
    let stored =
        user.get(&format!("/chat/conversations/{conversation}/messages?limit=100")).await.expect(200);
    let last = stored["items"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["status"], &last["tool_calls"][0]["ok"]), (&json!("complete"), &json!(false)));
}

#[tokio::test]
async fn after_the_last_round_the_model_is_asked_without_tools() {
    let server = ModelServer::start().await;
    let app = without_retrieval(&server).start().await;
    let user = app.user().await;
    let conversation = user.conversation().await;
    let recall = || Script::calls([("recall", json!({ "query": "anything" }))]);
    for _ in 0..5 {
        server.push(recall());
    }
    server.push(Script::reply(["At last."]));
    let answer = user.ask(&conversation, "Why?").await.expect(200);
    assert_eq!(answer["content"], "At last.");
    let told: Vec<bool> = server.requests().iter().map(|asked| !asked.body["tools"].is_null()).collect();
    assert_eq!(told, [true, true, true, true, true, false]);
    assert_eq!(results(&server).len(), 5);

    // A model that goes on calling is not followed.
    server.always(recall());
    user.ask(&conversation, "Why?").await;
    assert_eq!(server.requests().len(), 12);
    let stored = user.get(&format!("/chat/conversations/{conversation}/messages")).await.expect(200);
    assert_eq!(stored["items"][3]["status"], "failed");
    assert_eq!(stored["items"][3]["tool_calls"].as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn a_round_has_a_bound_of_calls_and_results_one_of_characters() {
    let server = ModelServer::start().await;
    let app = without_retrieval(&server)
        .env("TANDEM__TOOLS__RESULT_CHARACTERS", 1000)
        .env("TANDEM__TOOLS__TURN_CHARACTERS", 6000)
        .start()
        .await;
    let user = app.user().await;
    let long = "Market beta moves with the market and is a number. ".repeat(12);
    let titles: Vec<String> = (0..20).map(|number| format!("Text {number}")).collect();
    let documents: Vec<(&str, &str)> = titles.iter().map(|title| (title.as_str(), long.as_str())).collect();
    learn(&app, &user, &documents).await;
    let conversation = user.conversation().await;
    let search = ("search_knowledge", json!({ "query": "market beta", "limit": 500 }));
    let result = call(&server, &user, &conversation, "Why?", search.clone()).await;
    assert_eq!(
        (&result["meta"]["requested"]["limit"], &result["meta"]["applied"]["limit"]),
        (&json!(500), &json!(20))
    );
    assert_eq!(result["meta"]["truncated"], true);
    assert!(result["data"].to_string().chars().count() <= 1000);
    assert!(result["data"].to_string().contains("[truncated]"), "{result}");

    for _ in 0..3 {
        server.push(Script::calls(vec![search.clone(); 10]));
    }
    server.push(Script::reply(["Done."]));
    user.ask(&conversation, "Why?").await.expect(200);
    let came = results(&server);
    assert_eq!(came.len(), 30);
    assert_eq!(came[9]["error"]["type"], "too_many_calls");
    let words: usize = came.iter().map(|result| result["data"].to_string().chars().count()).sum();
    assert!(words < 6000 + 30 * 100, "{words}");
}

#[tokio::test]
async fn without_rounds_no_tools_are_declared() {
    let server = ModelServer::start().await;
    let app = modelled(&server).env("TANDEM__TOOLS__ROUNDS", 0).start().await;
    let user = app.user().await;
    let conversation = user.conversation().await;
    user.ask(&conversation, "Why?").await.expect(200);
    assert!(server.requests()[0].body["tools"].is_null());
}

#[tokio::test]
async fn no_connection_is_held_while_the_model_thinks_between_rounds() {
    let server = ModelServer::start().await;
    let app = without_retrieval(&server).start().await;
    let user = app.user().await;
    let conversation = user.conversation().await;
    server.push(Script::calls([("recall", json!({ "query": "anything" }))]));
    server.push(Script::reply(["Done."]).first_after(Duration::from_millis(800)));
    let asking = tokio::spawn({
        let (user, conversation) = (user.clone(), conversation.clone());
        async move { user.ask(&conversation, "Why?").await.expect(200) }
    });
    while server.requests().len() < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(app.state.core.pool_state().in_use(), 0);
    assert_eq!(app.state.ai.pool_state().in_use(), 0);
    asking.await.unwrap();
}
