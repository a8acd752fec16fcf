//! Embeddings by a provider.

use std::sync::Arc;
use std::time::Duration;

use tandem::config::Models;
use tandem::llm::{EmbedKind, Embedder, ModelError, openai};

use super::settings;
use crate::support::model::{ModelServer, Script, bag_of_words};

fn embedder(settings: &Models) -> Arc<dyn Embedder> {
    openai::embedder_from_settings(settings).unwrap()
}

fn texts(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("text number{number} of many")).collect()
}

#[tokio::test]
async fn vectors_come_in_order_at_unit_length_in_bounded_batches() {
    let server = ModelServer::start().await;
    server.always_embeddings(Script::reply([""; 0]).first_after(Duration::from_millis(30)));
    let settings = Models { embedding_batch: 4, embedding_concurrency: 2, ..settings(&server) };
    let embedder = embedder(&settings);
    let texts = texts(23);
    let answer = embedder.embed(EmbedKind::Passage, texts.clone()).await.unwrap();
    assert_eq!((answer.vectors.len(), answer.tokens), (23, 23));
    for (text, vector) in texts.iter().zip(&answer.vectors) {
        let expected = bag_of_words(text, 1536);
        let length = expected.iter().map(|value| value * value).sum::<f32>().sqrt();
        assert!(
            expected.iter().zip(vector).all(|(expected, value)| (expected / length - value).abs() < 1e-6)
        );
    }
    let requests = server.requests();
    assert_eq!(requests.len(), 6);
    assert!(requests.iter().all(|request| request.body["dimensions"].is_null()));
    assert!((1..=2).contains(&server.most_at_once()));
}

#[tokio::test]
async fn a_wrong_length_is_malformed_and_names_both() {
    let server = ModelServer::start().await;
    server.always_embeddings(Script::reply([""; 0]).dimensions(768));
    let error = embedder(&settings(&server)).embed(EmbedKind::Query, texts(1)).await.unwrap_err();
    let text = error.to_string();
    assert!(
        matches!(error, ModelError::Malformed { .. }) && text.contains("768") && text.contains("1536"),
        "{text}"
    );
}

#[tokio::test]
async fn answers_that_are_no_embeddings_are_malformed() {
    let row = |index: usize, value: &str| format!("{{\"index\": {index}, \"embedding\": [{value}, 1.0]}}");
    let bodies = [
        "not json".to_owned(),
        "{\"data\": []}".to_owned(),
        format!("{{\"data\": [{}, {}]}}", row(0, "1.0"), row(0, "1.0")),
        format!("{{\"data\": [{}, {}]}}", row(0, "1.0"), row(1, "1e39")),
        "{\"data\": [{\"embedding\": [0.0, 0.0]}, {\"embedding\": [1.0, 0.0]}]}".to_owned(),
    ];
    let server = ModelServer::start().await;
    let settings = Models { embedding_dimensions: Some(2), ..settings(&server) };
    for body in bodies {
        server.push_embeddings(Script::raw(200, body.clone()));
        let error = embedder(&settings).embed(EmbedKind::Passage, texts(2)).await.unwrap_err();
        assert!(matches!(error, ModelError::Malformed { .. }), "{body}: {error:?}");
    }
}

#[tokio::test]
async fn dimensions_are_sent_when_set_and_left_out_when_refused() {
    let server = ModelServer::start().await;
    let settings = Models {
        embedding_model: Some("some-model".to_owned()),
        embedding_dimensions: Some(64),
        ..settings(&server)
    };
    let embedder = embedder(&settings);
    assert_eq!(embedder.embed(EmbedKind::Query, texts(1)).await.unwrap().vectors[0].len(), 64);
    assert_eq!(server.requests()[0].body["dimensions"], 64);
    server.push_embeddings(Script::reply([""; 0]).dimensions(64).refuses("dimensions"));
    assert!(embedder.embed(EmbedKind::Query, texts(1)).await.is_ok());
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn a_model_of_unknown_length_needs_it_in_the_settings() {
    let server = ModelServer::start().await;
    let settings = Models { embedding_model: Some("some-model".to_owned()), ..settings(&server) };
    let error = openai::embedder_from_settings(&settings).unwrap_err().to_string();
    assert!(error.contains("EMBEDDING_DIMENSIONS"), "{error}");
}

#[tokio::test]
async fn a_429_is_retried_and_a_hanging_server_is_left() {
    let server = ModelServer::start().await;
    server.push_embeddings(Script::status(429).retry_after(0));
    let settings = Models { request_timeout_s: 1, ..settings(&server) };
    let embedder = embedder(&settings);
    assert!(embedder.embed(EmbedKind::Query, texts(1)).await.is_ok());
    server.push_embeddings(Script::hang());
    let error = embedder.embed(EmbedKind::Query, texts(1)).await.unwrap_err();
    assert!(matches!(error, ModelError::TimedOut { waited_s: 1 }), "{error:?}");
}

#[tokio::test]
async fn blank_text_is_refused_before_it_is_sent() {
    let server = ModelServer::start().await;
    let blank = vec!["text".to_owned(), " \n".to_owned()];
    let error = embedder(&settings(&server)).embed(EmbedKind::Passage, blank).await.unwrap_err();
    assert!(matches!(error, ModelError::Local { .. }));
    assert!(server.requests().is_empty());
}
