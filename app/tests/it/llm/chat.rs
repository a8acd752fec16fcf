//! Streamed answers.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use tandem::config::Models;
use tandem::llm::{ChatDelta, ChatMessage, ChatModel, ChatRequest, ModelError, Role, Usage, openai};

use super::settings;
use crate::support::model::{End, ModelServer, Script};

const LONG: Duration = Duration::from_hours(1);

fn chat(settings: &Models) -> Arc<dyn ChatModel> {
    openai::chat_from_settings(settings).unwrap().unwrap()
}

fn question() -> ChatRequest {
    ChatRequest {
        messages: vec![ChatMessage::new(Role::System, "Be brief."), ChatMessage::new(Role::User, "Why?")],
        ..ChatRequest::default()
    }
}

/// Reads an answer: the text, the usage, and the error that ended it.
async fn read(chat: &Arc<dyn ChatModel>) -> (String, Option<Usage>, Option<ModelError>) {
    let mut stream = match chat.stream(question()).await {
        Ok(stream) => stream,
        Err(error) => return (String::new(), None, Some(error)),
    };
    let (mut text, mut usage) = (String::new(), None);
    while let Some(delta) = stream.next().await {
        match delta {
            Ok(ChatDelta::Text(more)) => {
                assert!(!more.is_empty());
                text.push_str(&more);
            }
            Ok(ChatDelta::Usage(count)) => assert!(usage.replace(count).is_none()),
            Ok(ChatDelta::Cut(cut)) => panic!("nobody cut it: {cut:?}"),
            Ok(ChatDelta::ToolCalls(calls)) => panic!("nobody declared tools: {calls:?}"),
            Err(error) => {
                assert!(stream.next().await.is_none(), "nothing comes after an error");
                return (text, usage, Some(error));
            }
        }
    }
    (text, usage, None)
}

/// One script, one answer, no retries.
async fn once(script: Script) -> (String, Option<Usage>, Option<ModelError>) {
    let server = ModelServer::start().await;
    server.push(script);
    let settings = Models { retries: 0, first_token_timeout_s: 1, idle_timeout_s: 1, ..settings(&server) };
    read(&chat(&settings)).await
}

#[tokio::test]
async fn an_answer_streams_with_its_usage() {
    let server = ModelServer::start().await;
    server.push(Script::reply(["Hel", "", "lo"]).usage(7, 2));
    let chat = chat(&settings(&server));
    let (text, usage, error) = read(&chat).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(text, "Hello");
    assert_eq!(
        usage,
        Some(Usage { prompt_tokens: 7, completion_tokens: 2, total_tokens: 9, ..Usage::default() })
    );
    let request = &server.requests()[0];
    let expected = [("system", "Be brief."), ("user", "Why?")]
        .map(|(role, content)| (role.to_owned(), content.to_owned()));
    assert_eq!(request.path, "/v1/chat/completions");
    assert_eq!(request.messages(), expected);
    assert_eq!(request.headers["authorization"], "Bearer sk-secret-of-the-tests");
    assert_eq!(request.body["model"], chat.model());
}

#[tokio::test]
async fn without_a_key_none_is_sent_and_without_a_provider_there_is_no_chat() {
    let server = ModelServer::start().await;
    let mut settings = Models { openai_api_key: None, ..settings(&server) };
    read(&chat(&settings)).await;
    assert!(!server.requests()[0].headers.contains_key("authorization"));
    settings.openai_base_url = None;
    assert!(openai::chat_from_settings(&settings).unwrap().is_none());
}

#[tokio::test]
async fn usage_may_be_absent_and_every_complete_end_is_one() {
    for end in [End::Complete, End::WithoutMark, End::WithoutReason] {
        let (text, usage, error) = once(Script::reply(["a", "b"]).end(end)).await;
        assert!(error.is_none(), "{end:?}: {error:?}");
        assert_eq!((text.as_str(), usage), ("ab", None), "{end:?}");
    }
}

#[tokio::test]
async fn an_empty_answer_is_an_answer() {
    let (text, _, error) = once(Script::reply([""; 0])).await;
    assert!(text.is_empty() && error.is_none(), "{error:?}");
}

#[tokio::test]
async fn a_retried_429_then_success() {
    let server = ModelServer::start().await;
    server.push(Script::status(429).retry_after(0));
    server.push(Script::status(429).retry_after(0));
    server.push(Script::reply(["ok"]));
    let (text, _, error) = read(&chat(&settings(&server))).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(text, "ok");
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn a_429_that_lasts_or_asks_for_a_long_pause_is_reported() {
    let server = ModelServer::start().await;
    server.always(Script::status(429).retry_after(0));
    let (_, _, error) = read(&chat(&settings(&server))).await;
    assert!(matches!(error, Some(ModelError::RateLimited { retry_after_s: Some(0), .. })), "{error:?}");
    assert_eq!(server.requests().len(), 3);
    server.always(Script::status(429).retry_after(90));
    let (_, _, error) = read(&chat(&settings(&server))).await;
    assert!(matches!(error, Some(ModelError::RateLimited { retry_after_s: Some(90), .. })), "{error:?}");
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test]
async fn a_500_and_a_cut_before_the_first_delta_are_retried() {
    let server = ModelServer::start().await;
    server.push(Script::status(500));
    server.push(Script::reply([""; 0]).end(End::Cut));
    server.push(Script::reply(["ok"]));
    let (text, _, error) = read(&chat(&settings(&server))).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!((text.as_str(), server.requests().len()), ("ok", 3));
}

#[tokio::test]
async fn no_retry_after_the_first_delta() {
    let server = ModelServer::start().await;
    server.push(Script::reply(["half an"]).end(End::Cut));
    let (text, _, error) = read(&chat(&settings(&server))).await;
    assert_eq!(text, "half an");
    assert!(matches!(error, Some(ModelError::Cut)), "{error:?}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_refusal_is_not_retried_and_says_why_without_the_key() {
    let server = ModelServer::start().await;
    let words = format!("no such key sk-secret-of-the-tests {}", "x".repeat(2000));
    server.always(Script::raw(401, serde_json::json!({"error": {"message": words}}).to_string()));
    let chat = chat(&settings(&server));
    let (_, _, error) = read(&chat).await;
    let Some(ModelError::Refused { status: 401, detail }) = error else {
        panic!("{error:?}");
    };
    assert!(detail.starts_with("no such key [redacted]") && detail.chars().count() < 510, "{detail}");
    assert_eq!(server.requests().len(), 1);
    assert!(!format!("{chat:?}").contains("secret"));
}

#[tokio::test]
async fn garbage_is_malformed() {
    let (text, _, error) = once(Script::reply(["a"]).end(End::Garbage)).await;
    assert_eq!(text, "a");
    assert!(matches!(error, Some(ModelError::Malformed { .. })), "{error:?}");
    let (_, _, error) = once(Script::raw(200, "{\"choices\": []}")).await;
    assert!(matches!(error, Some(ModelError::Malformed { .. })), "{error:?}");
}

#[tokio::test]
async fn an_error_inside_the_stream_is_a_refusal() {
    let (_, _, error) = once(Script::reply(["a"]).end(End::Error)).await;
    assert!(
        matches!(&error, Some(ModelError::Refused { status: 503, detail }) if detail == "scripted failure"),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (_, _, error) = once(Script::raw(307, "")).await;
    assert!(matches!(error, Some(ModelError::Refused { status: 307, .. })), "{error:?}");
}

#[tokio::test]
async fn first_token_time_out() {
    for script in [Script::hang(), Script::reply([""; 0]).end(End::Hang)] {
        let (_, _, error) = once(script).await;
        assert!(matches!(error, Some(ModelError::TimedOut { waited_s: 1 })), "{error:?}");
    }
}

#[tokio::test]
async fn idle_time_out() {
    for script in [Script::reply(["a", "b"]).every(LONG), Script::reply(["a"]).end(End::Hang)] {
        let (text, _, error) = once(script).await;
        assert_eq!(text, "a");
        assert!(matches!(error, Some(ModelError::TimedOut { waited_s: 1 })), "{error:?}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_know_stream_options_is_asked_without() {
    let server = ModelServer::start().await;
    server.push(Script::reply(["old"]).refuses("stream_options"));
    let chat = chat(&settings(&server));
    assert_eq!(read(&chat).await.0, "old");
    assert_eq!(server.requests().len(), 2);
    // And it is remembered.
    read(&chat).await;
    assert!(server.requests()[2].body["stream_options"].is_null());
}

#[tokio::test]
async fn nobody_at_the_address_is_unreachable_and_names_no_userinfo() {
    let server = ModelServer::start().await;
    let mut url = server.url();
    drop(server);
    // Port 9 is never listened on: the free one could be taken again by now.
    url.set_port(Some(9)).unwrap();
    url.set_username("somebody").unwrap();
    url.set_password(Some("hunter2")).unwrap();
    let other = ModelServer::start().await;
    let settings = Models { openai_base_url: Some(url), retries: 0, ..settings(&other) };
    let (_, _, error) = read(&chat(&settings)).await;
    let text = error.as_ref().map(ToString::to_string).unwrap_or_default();
    assert!(matches!(error, Some(ModelError::Unreachable { .. })), "{error:?}");
    assert!(
        text.contains("127.0.0.1:9") && !text.contains("hunter2") && !text.contains("somebody"),
        "{text}"
    );
}
