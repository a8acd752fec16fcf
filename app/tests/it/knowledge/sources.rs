//! Sources: sent, listed, replaced, deleted.

use entity::core::{citation, conversation, message};
use entity::ids::{CitationId, ConversationId, DocumentId, MessageId, SourceId, UserId};
use sea_orm::ActiveValue::Set;
use sea_orm::EntityTrait;
use serde_json::json;
use uuid::Uuid;

use super::{found, hits, ingested, number};
use crate::support::TestApp;

const BETA: &str = "Beta is the slope of an asset's returns over the market's returns.";

#[tokio::test]
async fn a_text_is_ingested_and_found() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let body = json!({"title": "Beta", "text": BETA, "external_id": "b1", "metadata": {"topic": "risk"}});
    let accepted = user.post("/knowledge/sources", body).await.expect(202);
    assert_eq!(accepted["status"], "queued");
    let path = format!("/knowledge/sources/{}", accepted["id"].as_str().unwrap());
    let queued = user.get(&path).await.expect(200);
    assert_eq!(queued["status"], "queued");
    assert_eq!(queued["job_id"], accepted["job_id"]);
    assert_eq!(queued["progress"], json!({"done": 0, "total": 1}));
    app.run_jobs().await;
    let ready = user.get(&path).await.expect(200);
    assert_eq!(ready["status"], "ready");
    assert_eq!(ready["documents"], 1);
    assert_eq!(ready["scope"], "user");
    assert_eq!(ready["media_type"], "text/plain");
    let result = user
        .post("/knowledge/search", json!({"query": "slope of returns", "mode": "dense"}))
        .await
        .expect(200);
    let hit = &hits(&result)[0];
    assert_eq!(hit["external_id"], "b1");
    assert_eq!(hit["content"], BETA);
    assert_eq!(hit["title"], "Beta");
    assert_eq!(hit["source_id"], accepted["id"]);
    assert_eq!(hit["metadata"], json!({"topic": "risk"}));
    assert_eq!(hit["score"], hit["similarity"]);
    assert_eq!(result["space"]["model"], "pocket");
    assert_eq!(result["space"]["dimensions"], 384);
}

#[tokio::test]
async fn the_same_text_again_changes_nothing() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let body = json!({"title": "Beta", "text": BETA, "metadata": {"a": 1, "b": 2}});
    let id = ingested(&app, &user, body).await;
    let same = json!({"title": "Beta", "text": BETA, "metadata": {"b": 2, "a": 1}});
    let again = user.post("/knowledge/sources", same).await.expect(202);
    assert_eq!(again["id"], id.as_str());
    assert_eq!(again["skipped"], "unchanged");
    assert_eq!(again["status"], "ready");
    let generation = number(&app, "SELECT generation FROM ai_kb_sources", []).await;
    assert_eq!(generation, 1);
}

#[tokio::test]
async fn a_changed_text_replaces_the_old_one() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let old = json!({"title": "Note", "text": "Gold is a metal.", "external_id": "n"});
    let id = ingested(&app, &user, old).await;
    let new = json!({"title": "Note", "text": "Whales live in the sea.", "external_id": "n"});
    let accepted = user.post("/knowledge/sources", new).await.expect(202);
    assert_eq!(accepted["id"], id.as_str());
    let meanwhile = user.post("/knowledge/search", json!({"query": "metal"})).await.expect(200);
    assert_eq!(
        hits(&meanwhile)[0]["content"],
        "Gold is a metal.",
        "the old passages are found until the new ones are there"
    );
    app.run_jobs().await;
    let result = user.post("/knowledge/search", json!({"query": "metal"})).await.expect(200);
    assert_eq!(hits(&result).len(), 1);
    assert_eq!(hits(&result)[0]["content"], "Whales live in the sea.");
}

#[tokio::test]
async fn a_long_text_is_cut_on_its_structure() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let body = "The quick brown fox jumps over the lazy dog again. ".repeat(30);
    let text = format!("# Animals\n\n{body}\n\n## Whales\n\nWhales sing in the deep sea. {body}");
    let source = json!({"title": "Zoo", "text": text, "media_type": "text/markdown", "external_id": "zoo"});
    ingested(&app, &user, source).await;
    let result =
        user.post("/knowledge/search", json!({"query": "whales sing", "limit": 3})).await.expect(200);
    let hit = &hits(&result)[0];
    assert!(hit["content"].as_str().unwrap().contains("Whales sing"), "{hit}");
    let inner =
        number(&app, "SELECT count(*) FROM ai_kb_documents WHERE heading_path = 'Animals > Whales'", [])
            .await;
    assert!(inner > 0);
    let verbatim = "SELECT count(*) FROM ai_kb_documents d JOIN ai_kb_sources s ON s.id = d.source_id
                     WHERE substr(s.content, d.char_start + 1, d.char_end - d.char_start) <> d.content";
    assert_eq!(number(&app, verbatim, []).await, 0);
    let too_long = number(&app, "SELECT count(*) FROM ai_kb_documents WHERE tokens > 126", []).await;
    assert_eq!(too_long, 0);
}

#[tokio::test]
async fn sources_are_listed_in_pages_and_by_status() {
    let app = TestApp::start().await;
    let user = app.user().await;
    for n in 0..3 {
        ingested(
            &app,
            &user,
            json!({"title": "T", "text": format!("Text number {n}"), "external_id": n.to_string()}),
        )
        .await;
    }
    user.post("/knowledge/sources", json!({"title": "T", "text": "waits"})).await.expect(202);
    let first = user.get("/knowledge/sources?status=ready&limit=2").await.expect(200);
    let ids = |page: &serde_json::Value| -> Vec<String> {
        page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["external_id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(ids(&first), ["2", "1"]);
    let cursor = first["next_cursor"].as_str().unwrap();
    let second =
        user.get(&format!("/knowledge/sources?status=ready&limit=2&cursor={cursor}")).await.expect(200);
    assert_eq!(ids(&second), ["0"]);
    assert!(second["next_cursor"].is_null());
    user.get("/knowledge/sources?status=lost").await.expect_wrong_field("status");
}

#[tokio::test]
async fn wrong_fields_are_named() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let send = async |body| user.post("/knowledge/sources", body).await;
    send(json!({"title": " ", "text": "x"})).await.expect_wrong_field("title");
    send(json!({"title": "t".repeat(501), "text": "x"})).await.expect_wrong_field("title");
    send(json!({"title": "t", "text": "a\u{0}b"})).await.expect_wrong_field("text");
    send(json!({"title": "t", "text": "x", "metadata": {"a": ["\u{0}"]}}))
        .await
        .expect_wrong_field("metadata");
    send(json!({"title": "t", "text": "x", "metadata": {"a": "m".repeat(40_000)}}))
        .await
        .expect_wrong_field("metadata");
    send(json!({"title": "t", "text": "x", "scope": "s".repeat(101)})).await.expect_wrong_field("scope");
    send(json!({"title": "t", "text": "x", "media_type": "text/html"}))
        .await
        .expect_wrong_field("media_type");
    send(json!({"title": "t", "text": "x", "owner_id": Uuid::nil()})).await.expect_wrong_field("owner_id");
    let empty = send(json!({"title": "t", "text": " \n"})).await.expect(202);
    assert_eq!(empty, json!({"status": "skipped", "skipped": "empty"}));
}

#[tokio::test]
async fn a_deleted_source_is_gone_and_its_citations_are_empty() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let id = ingested(&app, &user, json!({"title": "Beta", "text": BETA})).await;
    let citation = cited(&app, user.id, id.parse().unwrap()).await;
    user.delete(&format!("/knowledge/sources/{id}")).await.expect(204);
    user.get(&format!("/knowledge/sources/{id}")).await.expect_problem(404, "not_found");
    assert!(found(&user, json!({"query": "slope"})).await.is_empty());
    assert_eq!(number(&app, "SELECT count(*) FROM ai_kb_documents", []).await, 0);
    let row = citation::Entity::find_by_id(citation).one(app.core()).await.unwrap().unwrap();
    assert!(row.deleted && row.quote.is_empty() && row.title.is_empty());
    user.delete(&format!("/knowledge/sources/{id}")).await.expect_problem(404, "not_found");
}

/// An answer that cites the source.
async fn cited(app: &TestApp, user: Uuid, source: Uuid) -> CitationId {
    let conversation = ConversationId(Uuid::now_v7());
    let message = MessageId(Uuid::now_v7());
    let id = CitationId(Uuid::now_v7());
    let row =
        conversation::ActiveModel { id: Set(conversation), user_id: Set(UserId(user)), ..Default::default() };
    conversation::Entity::insert(row).exec_without_returning(app.core()).await.unwrap();
    let row = message::ActiveModel {
        id: Set(message),
        conversation_id: Set(conversation),
        position: Set(0),
        role: Set(message::Role::Assistant),
        status: Set(message::Status::Complete),
        ..Default::default()
    };
    message::Entity::insert(row).exec_without_returning(app.core()).await.unwrap();
    let row = citation::ActiveModel {
        id: Set(id),
        message_id: Set(message),
        ordinal: Set(0),
        index: Set(1),
        document_id: Set(Some(DocumentId(Uuid::now_v7()))),
        source_id: Set(Some(SourceId(source))),
        title: Set("Beta".to_owned()),
        quote: Set(BETA.to_owned()),
        span_start: Set(0),
        span_end: Set(4),
        ..Default::default()
    };
    citation::Entity::insert(row).exec_without_returning(app.core()).await.unwrap();
    id
}
