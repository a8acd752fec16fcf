//! A response's stream goes on where it was cut, at whatever replica, by `starting_after`.

use std::time::Duration;

use axum::http::Method;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use super::responses::{RESPONSES, asking, events, kinds, path_of, with};
use crate::chat::{FOUR, learn, with_model};
use crate::support::model::{ModelServer, Script};
use crate::support::response::EventStream;
use crate::support::user::TestUser;

async fn attach(user: &TestUser, path: &str, after: Option<u64>) -> EventStream {
    let after = after.map_or_else(String::new, |after| format!("&starting_after={after}"));
    user.open(Method::GET, &format!("{path}?stream=true{after}"), None, &[]).await
}

async fn rest(user: &TestUser, path: &str, after: Option<u64>) -> Vec<Value> {
    attach(user, path, after).await.rest().await.into_iter().map(|event| event.data).collect()
}

#[tokio::test]
async fn what_comes_after_any_number_is_the_same_whoever_asks() {
    let server = ModelServer::start().await;
    server.push(
        Script::calls([("weather", json!({ "place": "Ulm" }))]).saying("Beta measures moves [1]. I look."),
    );
    let app = with_model(&server).await;
    let user = app.user().await;
    learn(&app, &user, &FOUR).await;
    let tools = json!([{ "type": "function", "name": "weather", "parameters": { "type": "object" } }]);
    let live = events(&user, with(asking("What does market beta measure?"), "tools", tools)).await;
    assert!(kinds(&live).contains(&"output_text.annotation.added") && live.len() > 12, "{live:?}");
    let path = path_of(&live[0]["response"]);
    let replica = app.replica().await;
    let elsewhere = replica.at(&user);
    assert_eq!(rest(&elsewhere, &path, None).await, live);
    for after in 0..live.len() {
        let told = rest(&elsewhere, &path, Some(after as u64)).await;
        assert_eq!(told, live[after + 1..], "after {after}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_cut_again_and_again_is_joined_without_a_gap() {
    let server = ModelServer::start().await;
    let words: Vec<String> = (0..120).map(|number| format!("wörd{number} ")).collect();
    server.push(Script::reply(words.clone()).every(Duration::from_millis(15)));
    let app = with_model(&server).await;
    let others = [app.replica().await, app.replica().await];
    app.hear();
    others.iter().for_each(crate::support::TestApp::hear);
    let user = app.user().await;
    let body = with(with(asking("Count"), "stream", json!(true)), "background", json!(true));
    let mut stream = user.open(Method::POST, RESPONSES, Some(body), &[]).await;
    let mut told: Vec<Value> = Vec::new();
    let mut cuts = 0;
    'told: loop {
        for _ in 0..7 {
            let Some(event) = stream.next().await else { break 'told };
            told.push(event.data);
        }
        let after = told.last().unwrap()["sequence_number"].as_u64();
        cuts += 1;
        let path = path_of(&told[0]["response"]);
        stream = attach(&others[cuts % 2].at(&user), &path, after).await;
    }
    assert!(cuts > 5, "{cuts}");
    let numbers: Vec<u64> = told.iter().map(|event| event["sequence_number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (0..).take(told.len()).collect::<Vec<_>>());
    let text: String = told.iter().filter_map(|event| event["delta"].as_str()).collect();
    assert_eq!(text, words.concat());
    assert_eq!(kinds(&told).last(), Some(&"completed"));
    let kept = user.get(&path_of(&told[0]["response"])).await.expect(200);
    assert_eq!(kept["output"][0]["content"][0]["text"], text);
}

#[tokio::test]
async fn once_its_events_are_gone_a_response_is_told_from_what_is_kept() {
    let server = ModelServer::start().await;
    server.push(Script::reply(["Beta measures moves [1]. ", "Yes."]).usage(30, 7));
    let app = with_model(&server).await;
    let user = app.user().await;
    learn(&app, &user, &FOUR).await;
    let live = events(&user, asking("What does market beta measure?")).await;
    app.core().execute_unprepared("DELETE FROM message_events").await.unwrap();
    let path = path_of(&live[0]["response"]);
    let told = rest(&user, &path, None).await;
    let text: String = told.iter().filter_map(|event| event["delta"].as_str()).collect();
    assert_eq!(text, "Beta measures moves [1]. Yes.");
    assert!(kinds(&told).contains(&"output_text.annotation.added"));
    assert_eq!(told.last().unwrap()["response"], live.last().unwrap()["response"]);
    // Who has some of it is told the end, under the next number.
    let told = rest(&user, &path, Some(5)).await;
    assert_eq!((kinds(&told), &told[0]["sequence_number"]), (vec!["completed"], &json!(6)));
    assert_eq!(told[0]["response"], live.last().unwrap()["response"]);
}
