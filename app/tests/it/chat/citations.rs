//! Every `[n]` in an answer resolves, in the stream and in the store.

use super::{FOUR, learn, with_model};
use crate::support::TestApp;
use crate::support::model::{ModelServer, Script};
use crate::support::response::joined;

#[tokio::test]
async fn an_unknown_marker_is_in_neither_stream_nor_store() {
    let server = ModelServer::start().await;
    // Cut in the middle of markers on purpose.
    server.push(Script::reply(["Beta [", "7", "] is ", "known [1", "], volatility [2] too [12", "3]."]));
    let app = with_model(&server).await;
    let user = app.user().await;
    learn(&app, &user, &FOUR).await;
    let conversation = user.conversation().await;

    let events = user.stream(&conversation, "beta and volatility").await;

    let text = joined(&events);
    assert_eq!(text, "Beta is known [1], volatility [2] too.");
    assert_eq!(events.last().unwrap().data["content"], text);
    let path = format!("/chat/conversations/{conversation}/messages");
    let stored = user.get(&path).await.expect(200);
    assert_eq!(stored["items"][1]["content"], text);
    let citations = stored["items"][1]["citations"].as_array().unwrap();
    assert_eq!(citations.len(), 2);
    let characters: Vec<char> = text.chars().collect();
    for citation in citations {
        let (start, end) = (citation["start"].as_u64().unwrap(), citation["end"].as_u64().unwrap());
        let marker: String =
            characters[usize::try_from(start).unwrap()..usize::try_from(end).unwrap()].iter().collect();
        assert_eq!(marker, format!("[{}]", citation["index"]));
        let source = citation["source_id"].as_str().unwrap();
        let source = user.get(&format!("/knowledge/sources/{source}")).await.expect(200);
        assert_eq!(source["title"], citation["title"]);
        let known = FOUR.iter().find(|(title, _)| source["title"] == *title).unwrap().1;
        assert!(known.contains(citation["quote"].as_str().unwrap()), "{citation}");
    }
}

#[tokio::test]
async fn the_extractive_answer_quotes_and_cites() {
    let app = TestApp::start().await;
    let user = app.user().await;
    learn(&app, &user, &FOUR).await;
    let conversation = user.conversation().await;
    let answer = user.ask(&conversation, "What does market beta measure?").await.expect(200);
    let content = answer["content"].as_str().unwrap();
    assert!(
        content.contains("Market beta measures how strongly a portfolio moves with the market"),
        "{content}"
    );
    let citation = &answer["citations"][0];
    assert_eq!(citation["title"], "Beta");
    assert!(content.contains(&format!("[{}]", citation["index"])));
    let events = user.stream(&conversation, "What is a drawdown?").await;
    assert_eq!(events[1].data["mode"], "extractive");
    assert!(joined(&events).contains("fall from a peak"), "{}", joined(&events));
}

#[tokio::test]
async fn without_anything_near_the_extractive_answer_cites_nothing() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let conversation = user.conversation().await;
    let answer = user.ask(&conversation, "What does market beta measure?").await.expect(200);
    assert_eq!(answer["citations"], serde_json::json!([]));
    let content = answer["content"].as_str().unwrap();
    assert!(!content.is_empty() && !content.contains('['), "{content}");
}

#[tokio::test]
async fn a_documents_own_brackets_never_become_citations() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let text = "Market beta is defined by Sharpe [1] and measured by regression [2], says the survey.";
    learn(&app, &user, &[("Survey", text)]).await;
    let conversation = user.conversation().await;
    let answer = user.ask(&conversation, "How is market beta defined and measured?").await.expect(200);
    let content = answer["content"].as_str().unwrap();
    let citations = answer["citations"].as_array().unwrap();
    assert_eq!(content.matches('[').count(), citations.len(), "{content}");
    assert!(citations.iter().all(|citation| citation["title"] == "Survey"), "{answer}");
}
