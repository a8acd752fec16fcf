//! Models that are away, slow, or lie.

use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use serde_json::{Value, json};
use tandem::llm::{ChatModel, ChatRequest, ChatStream, ModelError};

use crate::support::TestApp;
use crate::support::model::{End, ModelServer, Script};
use crate::support::user::TestUser;

/// Short time-outs and no retries, so that each failure is met once and soon.
async fn impatient(server: &ModelServer) -> TestApp {
    TestApp::with()
        .env("OPENAI_BASE_URL", server.url())
        .env("OPENAI_API_KEY", "sk-known-secret-of-this-test")
        .env("CHAT_MODEL", "scripted")
        .env("TANDEM__MODELS__RETRIES", 0)
        .env("TANDEM__MODELS__FIRST_TOKEN_TIMEOUT_S", 1)
        .env("TANDEM__MODELS__IDLE_TIMEOUT_S", 1)
        .env("TANDEM__MODELS__ANSWER_TIMEOUT_S", 2)
        .start()
        .await
}

async fn last_message(user: &TestUser, conversation: &str) -> Value {
    let path = format!("/chat/conversations/{conversation}/messages?limit=200");
    let stored = user.get(&path).await.expect(200);
    stored["items"].as_array().unwrap().last().unwrap().clone()
}

/// The stream ends with this error, the message keeps what came and is failed,
/// JSON mode says the same, nothing took long, and the next turn works.
async fn fails(script: Script, code: &str, partial: &str) {
    let server = ModelServer::start().await;
    let app = impatient(&server).await;
    let user = app.user().await;
    let conversation = user.conversation().await;
    let started = Instant::now();

    server.push(script.clone());
    let events = user.stream(&conversation, "first").await;
    let error = &events.last().unwrap();
    assert_eq!(error.event, "error", "{events:?}");
    assert_eq!(error.data["code"], code, "{}", error.data);
    assert!(!error.data["detail"].as_str().unwrap().contains("sk-known"), "{}", error.data);
    let stored = last_message(&user, &conversation).await;
    assert_eq!((stored["status"].as_str(), stored["content"].as_str()), (Some("failed"), Some(partial)));
    assert_eq!(stored["usage"], Value::Null);

    server.push(script);
    let problem = user.ask(&conversation, "second").await.expect_problem(502, "turn_failed");
    assert!(problem["detail"].as_str().unwrap().contains(code), "{problem}");
    assert!(started.elapsed() < Duration::from_secs(15), "{code}: {:?}", started.elapsed());

    server.push(Script::reply(["Fine."]));
    assert_eq!(user.ask(&conversation, "third").await.expect(200)["content"], "Fine.");
    let said = server.requests().last().unwrap().messages();
    assert!(said.iter().all(|(role, content)| role != "assistant" || content != partial), "{said:?}");
}

const LONG: Duration = Duration::from_hours(1);

#[tokio::test]
async fn a_model_that_does_not_begin_is_left_in_time() {
    fails(Script::hang(), "provider_timeout", "").await;
}

#[tokio::test]
async fn a_model_that_stops_in_the_middle_is_left_and_its_words_are_kept() {
    fails(Script::reply(["Half", "never"]).every(LONG), "provider_timeout", "Half").await;
}

#[tokio::test]
async fn a_model_that_goes_on_without_words_is_left() {
    fails(Script::reply(["Half"]).end(End::Endless), "provider_timeout", "Half").await;
}

#[tokio::test]
async fn a_cut_stream_keeps_its_words() {
    fails(Script::reply(["Half"]).end(End::Cut), "provider_stream_cut", "Half").await;
}

#[tokio::test]
async fn garbage_in_the_stream_is_named() {
    fails(Script::reply(["Half"]).end(End::Garbage), "provider_malformed", "Half").await;
}

#[tokio::test]
async fn an_error_in_the_stream_is_named() {
    fails(Script::reply(["Half"]).end(End::Error), "provider_refused", "Half").await;
}

#[tokio::test]
async fn an_event_without_an_end_is_cut() {
    let endless = format!("data: {}", "x".repeat(3 << 20));
    fails(Script::raw(200, endless).content_type("text/event-stream"), "provider_stream_cut", "").await;
}

#[tokio::test]
async fn what_is_no_stream_is_named() {
    fails(Script::raw(200, "{\"choices\": []}"), "provider_malformed", "").await;
    fails(Script::raw(200, "<html>hello</html>").content_type("text/html"), "provider_malformed", "").await;
}

#[tokio::test]
async fn refusals_of_a_model_are_named() {
    fails(Script::status(500), "provider_refused", "").await;
    fails(Script::raw(502, "<html>bad gateway</html>").content_type("text/html"), "provider_refused", "")
        .await;
    fails(Script::status(429).retry_after(90), "provider_rate_limited", "").await;
}

#[tokio::test]
async fn a_key_that_a_provider_repeats_is_not_shown() {
    let words = json!({ "error": { "message": "wrong key sk-known-secret-of-this-test" } });
    fails(Script::raw(401, words.to_string()), "provider_refused", "").await;
}

#[tokio::test]
async fn an_answer_without_a_word_is_a_failure() {
    fails(Script::reply([""; 0]), "provider_empty_answer", "").await;
    fails(Script::reply(["  \n"]), "provider_empty_answer", "  \n").await;
}

#[tokio::test]
async fn a_model_that_panics_fails_its_turn_at_once() {
    #[derive(Debug)]
    struct Panicking;
    impl ChatModel for Panicking {
        fn model(&self) -> &'static str {
            "panicking"
        }
        fn stream(&self, _: ChatRequest) -> BoxFuture<'_, Result<ChatStream, ModelError>> {
            Box::pin(async { panic!("with a secret") })
        }
    }
    let app =
        TestApp::with().models(|models| models.chat = Some(std::sync::Arc::new(Panicking))).start().await;
    let user = app.user().await;
    let conversation = user.conversation().await;
    let events = user.stream(&conversation, "go").await;
    let error = events.last().unwrap();
    assert_eq!((error.event.as_str(), error.data["code"].as_str()), ("error", Some("internal")));
    assert!(!error.data.to_string().contains("secret"));
    assert_eq!(last_message(&user, &conversation).await["status"], "failed");
}

#[tokio::test]
async fn nobody_at_the_models_address_is_said() {
    let app = TestApp::with()
        .env("OPENAI_BASE_URL", "http://somebody:hunter2@127.0.0.1:9/v1")
        .env("TANDEM__MODELS__RETRIES", 0)
        .start()
        .await;
    let user = app.user().await;
    let conversation = user.conversation().await;
    let events = user.stream(&conversation, "anyone?").await;
    let error = events.last().unwrap();
    assert_eq!((error.event.as_str(), error.data["code"].as_str()), ("error", Some("provider_unreachable")));
    assert_eq!(error.data["retryable"], true);
    assert!(!error.data.to_string().contains("hunter2"), "{}", error.data);
}

#[tokio::test]
async fn a_usage_that_is_none_costs_no_answer() {
    let server = ModelServer::start().await;
    let app = impatient(&server).await;
    let user = app.user().await;
    let conversation = user.conversation().await;
    for usage in [
        "null",
        "7",
        "\"many\"",
        "{\"prompt_tokens\": -1, \"completion_tokens\": 2}",
        "{\"prompt_tokens\": 99999999999999999999, \"completion_tokens\": 2}",
        "{\"prompt_tokens\": 1.5}",
        "{\"prompt_tokens\": 4000000000, \"completion_tokens\": 2}",
    ] {
        server.push(Script::reply(["Fine."]).end(End::Usage(usage)));
        let answer = user.ask(&conversation, "count").await.expect(200);
        assert_eq!((answer["content"].as_str(), &answer["usage"]), (Some("Fine."), &Value::Null), "{usage}");
    }
    // What is counted is stored as it was counted.
    server.push(Script::reply(["Fine."]).usage(12, 3));
    user.ask(&conversation, "count").await.expect(200);
    let usage = last_message(&user, &conversation).await["usage"].clone();
    assert_eq!(usage, json!({ "prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15 }));
}

/// Embeddings of a provider that lies.
#[tokio::test]
async fn lying_embeddings_are_refused_and_nothing_is_stored() {
    let server = ModelServer::start().await;
    let app = TestApp::with()
        .env("OPENAI_BASE_URL", server.url())
        .env("EMBEDDING_PROVIDER", "openai")
        .env("EMBEDDING_MODEL", "scripted")
        .env("EMBEDDING_DIMENSIONS", 384)
        .env("TANDEM__MODELS__RETRIES", 0)
        .env("TANDEM__MODELS__REQUEST_TIMEOUT_S", 1)
        .start()
        .await;
    let user = app.user().await;
    let zeros = vec!["0"; 384].join(",");
    let data = |vectors: &[&str]| {
        let rows: Vec<String> =
            vectors.iter().map(|vector| format!("{{\"embedding\": [{vector}]}}")).collect();
        Script::raw(200, format!("{{\"data\": [{}]}}", rows.join(",")))
    };
    let nan = zeros.replacen('0', "1e999", 1);
    let cases = [
        (Script::reply([""; 0]).dimensions(100), "provider_malformed", "100"),
        (data(&[]), "provider_malformed", "0 vectors for 1"),
        (data(&[&zeros, &zeros]), "provider_malformed", "2 vectors for 1"),
        (data(&[&zeros]), "provider_malformed", "zero"),
        (data(&[&nan]), "provider_malformed", ""),
        (Script::raw(200, "<html>"), "provider_malformed", ""),
        (Script::status(500), "provider_refused", "500"),
        (Script::hang(), "provider_timeout", "1 s"),
    ];
    for (script, code, words) in cases {
        server.push_embeddings(script.clone());
        let stored = user.post("/memories", json!({ "content": "I like bonds." })).await;
        let problem = stored.expect_problem(502, code);
        assert!(problem["detail"].as_str().unwrap().contains(words), "{problem}");
        server.push_embeddings(script);
        user.post("/knowledge/search", json!({ "query": "bonds" })).await.expect_problem(502, code);
    }
    let listed = user.get("/memories").await.expect(200);
    assert_eq!(listed["items"], json!([]));
    user.post("/memories", json!({ "content": "I like bonds." })).await.expect(201);
}

/// P-CH-5: a turn that failed, was cut or is empty is nothing the assistant said.
#[tokio::test]
async fn only_what_was_said_whole_is_told_to_the_model() {
    let server = ModelServer::start().await;
    let app = impatient(&server).await;
    let user = app.user().await;
    let conversation = user.conversation().await;
    for script in [
        Script::reply(["Half"]).end(End::Cut),
        Script::reply([""; 0]),
        Script::status(500),
        Script::reply(["Whole."]),
    ] {
        server.push(script);
        user.stream(&conversation, "question").await;
    }
    server.push(Script::reply(["Last."]));
    user.ask(&conversation, "last").await.expect(200);
    let told = server.requests().last().unwrap().messages();
    let told: Vec<_> = told.iter().filter(|(role, _)| role == "assistant").collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].1, "Whole.");
}
