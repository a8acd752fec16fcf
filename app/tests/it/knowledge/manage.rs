//! Sources as they are looked after: filtered, changed, tried again, counted, compared.

use futures::future::join_all;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{found, ingested, number};
use crate::support::TestApp;
use crate::support::files::Form;
use crate::support::user::TestUser;

async fn ids(user: &TestUser, query: &str) -> Vec<String> {
    let list = user.get(&format!("/knowledge/sources?{query}")).await.expect(200);
    let items = list["items"].as_array().unwrap();
    items.iter().map(|item| item["external_id"].as_str().unwrap().to_owned()).collect()
}

async fn failed(app: &TestApp, id: &str, why: &str) {
    let sql = format!("UPDATE ai_kb_sources SET status = 'failed', error = '{why}' WHERE id = '{id}'");
    app.ai().execute_unprepared(&sql).await.unwrap();
}

#[tokio::test]
async fn sources_are_listed_by_label_title_and_owner() {
    let app = TestApp::start().await;
    let (admin, user) = (app.admin().await, app.user().await);
    let global = json!({"title": "Everybody's 100%", "text": "Gold is a metal.", "external_id": "g", "scope": "global"});
    ingested(&app, &admin, global).await;
    ingested(
        &app,
        &user,
        json!({"title": "My Whales", "text": "Whales sing.", "external_id": "w", "scope": "page:sea"}),
    )
    .await;
    ingested(&app, &user, json!({"title": "My bonds", "text": "Bonds pay.", "external_id": "b"})).await;
    assert_eq!(ids(&user, "scope=page:sea").await, ["w"]);
    assert_eq!(ids(&user, "title=MY%20").await, ["b", "w"]);
    assert_eq!(ids(&user, "title=%25").await, ["g"], "a per cent sign is only that");
    assert_eq!(ids(&user, "owner=own").await, ["b", "w"]);
    assert_eq!(ids(&user, "owner=shared").await, ["g"]);
    assert_eq!(ids(&user, "owner=own&title=whale&status=ready").await, ["w"]);
    assert_eq!(ids(&admin, "owner=own").await, [""; 0]);
    let list = user.get("/knowledge/sources?title=whales").await.expect(200);
    let whales = &list["items"][0];
    assert_eq!((&whales["bytes"], &whales["owner"]), (&json!(12), &json!("own")));
    let list = user.get("/knowledge/sources?owner=shared").await.expect(200);
    assert_eq!(list["items"][0]["owner"], "global");
    user.get("/knowledge/sources?owner=nobody").await.expect_wrong_field("owner");
    user.get("/knowledge/sources?collection=x").await.expect_wrong_field("collection");
}

#[tokio::test]
async fn a_source_that_waits_says_how_often_it_was_tried_and_when_it_is_again() {
    let app = TestApp::start().await;
    let user = app.user().await;
    user.post("/knowledge/sources", json!({"title": "T", "text": "x", "external_id": "t"})).await.expect(202);
    let row = async || user.get("/knowledge/sources").await.expect(200)["items"][0].clone();
    let waits = row().await;
    assert_eq!((&waits["attempts"], &waits["next_attempt_at"]), (&json!(0), &Value::Null));
    let again = "UPDATE jobs SET attempts = 2, run_at = '2100-01-01T00:00:00Z'";
    app.core().execute_unprepared(again).await.unwrap();
    let waits = row().await;
    assert_eq!((&waits["attempts"], &waits["next_attempt_at"]), (&json!(2), &json!("2100-01-01T00:00:00Z")));
    app.core().execute_unprepared("UPDATE jobs SET run_at = now()").await.unwrap();
    app.run_jobs().await;
    let ready = row().await;
    assert_eq!((&ready["status"], &ready["attempts"]), (&json!("ready"), &Value::Null));
}

#[tokio::test]
async fn a_failed_source_tried_again_ten_times_at_once_has_one_new_job() {
    let app = TestApp::start().await;
    let (user, stranger) = (app.user().await, app.user().await);
    let id =
        ingested(&app, &user, json!({"title": "T", "text": "Gold is a metal.", "external_id": "t"})).await;
    let path = format!("/knowledge/sources/{id}/retry");
    user.post(&path, Value::Null).await.expect_problem(409, "not_failed");
    failed(&app, &id, "the model was away").await;
    let row = user.get("/knowledge/sources?status=failed").await.expect(200);
    assert_eq!(row["items"][0]["error"], "the model was away");
    stranger.post(&path, Value::Null).await.expect_problem(404, "not_found");
    let answers = join_all((0..10).map(|_| user.post(&path, Value::Null))).await;
    let accepted = answers.iter().filter(|answer| answer.status == 202).count();
    assert_eq!(accepted, 1);
    for answer in answers {
        if answer.status == 202 {
            let body = answer.expect(202);
            assert_eq!((&body["status"], &body["error"]), (&json!("queued"), &Value::Null));
        } else {
            answer.expect_problem(409, "not_failed");
        }
    }
    let jobs = crate::outbox::count(app.core(), "SELECT count(*) FROM jobs WHERE status = 'queued'").await;
    assert_eq!(jobs, 1);
    app.run_jobs().await;
    assert_eq!(user.get(&format!("/knowledge/sources/{id}")).await.expect(200)["status"], "ready");
    assert_eq!(number(&app, "SELECT count(*) FROM ai_kb_documents", []).await, 1);
}

#[tokio::test]
async fn a_file_that_could_not_be_read_is_not_kept_and_an_address_is_fetched_again() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let sent = Form::file("a.pdf", b"%PDF-1.4 broken").send(&user).await.expect(202);
    let file = sent["id"].as_str().unwrap().to_owned();
    let page = json!({"url": "https://example.com/a", "external_id": "page"});
    let sent = user.post("/knowledge/sources", page).await.expect(202);
    let page = sent["id"].as_str().unwrap().to_owned();
    app.ai().execute_unprepared("DELETE FROM ai_kb_files").await.unwrap();
    failed(&app, &file, "broken").await;
    failed(&app, &page, "no answer").await;
    user.post(&format!("/knowledge/sources/{file}/retry"), Value::Null)
        .await
        .expect_problem(409, "file_gone");
    user.post(&format!("/knowledge/sources/{page}/retry"), Value::Null).await.expect(202);
    let waits = "SELECT count(*) FROM ai_kb_files f JOIN ai_kb_sources s ON s.id = f.source_id AND s.generation = f.generation
                  WHERE f.url = 'https://example.com/a' AND NOT f.titled";
    assert_eq!(number(&app, waits, []).await, 1);
    assert_eq!(number(&app, "SELECT count(*) FROM ai_kb_files", []).await, 1);
}

#[tokio::test]
async fn a_change_keeps_the_id_and_is_found_by_its_new_labels_only() {
    let app = TestApp::start().await;
    let (user, stranger) = (app.user().await, app.user().await);
    let first =
        json!({"title": "Kestrel", "text": "It hovers.", "external_id": "k", "metadata": {"year": 2020}});
    let id = ingested(&app, &user, first.clone()).await;
    let path = format!("/knowledge/sources/{id}");
    let edit = json!({"title": "Osprey", "scope": "page:birds", "metadata": {"year": 2021}});
    stranger.patch(&path, edit.clone()).await.expect_problem(404, "not_found");
    let changed = user.patch(&path, edit.clone()).await.expect(202);
    assert_eq!((&changed["id"], &changed["status"]), (&json!(id), &json!("queued")));
    user.patch(&path, json!({"title": "Eagle"})).await.expect_problem(409, "not_ready");
    app.run_jobs().await;
    let words = |query: &str| json!({"query": query, "mode": "lexical"});
    assert_eq!(found(&user, words("osprey")).await, ["k"]);
    assert!(found(&user, words("kestrel")).await.is_empty());
    assert_eq!(
        found(&user, json!({"query": "hovers", "filter": {"year": 2021}, "scopes": ["page:birds"]})).await,
        ["k"]
    );
    assert!(found(&user, json!({"query": "hovers", "filter": {"year": 2020}})).await.is_empty());
    // What it is now, sent again, is nothing new; what it was is.
    assert_eq!(user.patch(&path, edit).await.expect(200)["status"], "ready");
    let same = json!({"title": "Osprey", "text": "It hovers.", "external_id": "k", "scope": "page:birds", "metadata": {"year": 2021}});
    assert_eq!(user.post("/knowledge/sources", same).await.expect(202)["skipped"], "unchanged");
    assert_eq!(user.post("/knowledge/sources", first).await.expect(202)["status"], "queued");
}

#[tokio::test]
async fn a_change_that_would_be_another_id_is_refused() {
    let app = TestApp::start().await;
    let (admin, user) = (app.admin().await, app.user().await);
    let id = ingested(&app, &user, json!({"title": "Beta", "text": "Beta is a slope."})).await;
    let path = format!("/knowledge/sources/{id}");
    for edit in [json!({"title": "Gamma"}), json!({"scope": "page:x"})] {
        user.patch(&path, edit).await.expect_problem(409, "id_would_change");
    }
    user.patch(&path, json!({"scope": "global"})).await.expect_problem(403, "shared_scope");
    user.patch(&path, json!({"metadata": {"a": 1}})).await.expect(202);
    let own = ingested(&app, &admin, json!({"title": "B", "text": "x", "external_id": "own"})).await;
    let path = format!("/knowledge/sources/{own}");
    admin.patch(&path, json!({"scope": "global"})).await.expect_problem(409, "id_would_change");
    let shared = json!({"title": "S", "text": "y", "external_id": "s", "scope": "global"});
    let shared = ingested(&app, &admin, shared).await;
    let path = format!("/knowledge/sources/{shared}");
    user.patch(&path, json!({"title": "Mine"})).await.expect_problem(403, "shared_source");
    user.post(&format!("{path}/retry"), Value::Null).await.expect_problem(403, "shared_source");
    admin.patch(&path, json!({"title": "Ours"})).await.expect(202);
    user.patch(&path, json!({"title": " "})).await.expect_wrong_field("title");
    user.patch(&path, json!({"metadata": {"a": "m".repeat(40_000)}})).await.expect_wrong_field("metadata");
    user.patch(&path, json!({"scope": ""})).await.expect_wrong_field("scope");
}

#[tokio::test]
async fn what_there_is_is_counted() {
    let app = TestApp::start().await;
    let (admin, user, stranger) = (app.admin().await, app.user().await, app.user().await);
    let shared = json!({"title": "S", "text": "Everybody reads.", "external_id": "s", "scope": "global"});
    ingested(&app, &admin, shared).await;
    for (n, scope) in [(1, "user"), (2, "page:a"), (3, "page:a")] {
        ingested(
            &app,
            &user,
            json!({"title": "T", "text": format!("Text {n}"), "external_id": n.to_string(), "scope": scope}),
        )
        .await;
    }
    user.post("/knowledge/sources", json!({"title": "T", "text": "waits"})).await.expect(202);
    let stats = user.get("/knowledge/stats").await.expect(200);
    let own = &stats["own"];
    assert_eq!((&own["sources"], &own["passages"], &own["bytes"]), (&json!(4), &json!(3), &json!(23)));
    assert_eq!(own["by_status"], json!({"queued": 1, "ready": 3}));
    assert_eq!(own["by_scope"][0], json!({"scope": "page:a", "sources": 2, "passages": 2}));
    assert_eq!((&own["is_complete"], &own["by_collection"]), (&json!(true), &json!([])));
    assert_eq!((&stats["pending_jobs"], &stats["shared"]), (&json!(1), &Value::Null));
    let stats = admin.get("/knowledge/stats").await.expect(200);
    assert_eq!((&stats["own"]["sources"], &stats["shared"]["sources"]), (&json!(0), &json!(1)));
    assert_eq!(stranger.get("/knowledge/stats").await.expect(200)["own"]["sources"], 0);
    let scopes = user.get("/knowledge/scopes").await.expect(200);
    let expected = json!([
        {"scope": "page:a", "sources": 2, "passages": 2},
        {"scope": "user", "sources": 2, "passages": 1},
        {"scope": "global", "sources": 1, "passages": 1},
    ]);
    assert_eq!((&scopes["items"], &scopes["is_complete"]), (&expected, &json!(true)));
    let page = user.get("/knowledge/scopes?prefix=page:").await.expect(200);
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
    let first = user.get("/knowledge/scopes?limit=1").await.expect(200);
    assert_eq!((first["items"].as_array().unwrap().len(), &first["is_complete"]), (1, &json!(false)));
    let others = stranger.get("/knowledge/scopes").await.expect(200);
    assert_eq!(others["items"].as_array().unwrap().len(), 1, "{others}");
}

#[tokio::test]
async fn equal_texts_are_told_page_by_page_and_nothing_is_deleted() {
    let app = TestApp::start().await;
    let (user, stranger) = (app.user().await, app.user().await);
    for (id, text) in [("a1", "Alpha."), ("a2", "Alpha."), ("b1", "Beta."), ("b2", "Beta."), ("c", "Gamma.")]
    {
        ingested(&app, &user, json!({"title": id, "text": text, "external_id": id})).await;
    }
    ingested(&app, &stranger, json!({"title": "x", "text": "Gamma.", "external_id": "x"})).await;
    let mut groups = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = user.get(&format!("/knowledge/duplicates?limit=1{cursor}")).await.expect(200);
        for item in page["items"].as_array().unwrap() {
            assert_eq!(item["total"], 2);
            let sources = item["sources"].as_array().unwrap().iter();
            groups.push(
                sources.map(|source| source["external_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>(),
            );
        }
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    groups.sort();
    assert_eq!(groups, [["a1", "a2"], ["b1", "b2"]]);
    let others = stranger.get("/knowledge/duplicates").await.expect(200);
    assert_eq!(others["items"], json!([]));
    assert_eq!(number(&app, "SELECT count(*) FROM ai_kb_sources", []).await, 6);
}

#[tokio::test]
async fn texts_that_are_nearly_the_same_are_found_and_others_are_not() {
    let app = TestApp::start().await;
    let (user, stranger) = (app.user().await, app.user().await);
    let text = "Whales sing long songs in the deep and cold water of the northern sea every winter.";
    let near = text.replace("every winter", "each winter");
    for (id, text) in [("one", text), ("two", near.as_str()), ("bond", "A bond pays a coupon twice a year.")]
    {
        ingested(&app, &user, json!({"title": "Note", "text": text, "external_id": id})).await;
    }
    ingested(&app, &stranger, json!({"title": "Note", "text": text, "external_id": "theirs"})).await;
    let page = user.get("/knowledge/duplicates?kind=near&similarity=0.9").await.expect(200);
    assert_eq!((&page["looked_at"], &page["is_stopped"]), (&json!(3), &json!(false)));
    let groups = page["items"].as_array().unwrap();
    assert_eq!(groups.len(), 2, "{page}");
    for group in groups {
        let mut names: Vec<&str> = group["sources"]
            .as_array()
            .unwrap()
            .iter()
            .map(|source| source["external_id"].as_str().unwrap())
            .collect();
        assert_eq!(group["sources"][1]["share"], 1.0);
        assert!(group["sources"][1]["similarity"].as_f64().unwrap() >= 0.9);
        names.sort_unstable();
        assert_eq!(names, ["one", "two"]);
    }
    // Bounded by the page: the next one goes on behind it.
    let first = user.get("/knowledge/duplicates?kind=near&similarity=0.9&limit=1").await.expect(200);
    assert_eq!((&first["looked_at"], &first["items"]), (&json!(1), &json!([])));
    let cursor = first["next_cursor"].as_str().unwrap();
    let next = user
        .get(&format!("/knowledge/duplicates?kind=near&similarity=0.9&cursor={cursor}"))
        .await
        .expect(200);
    assert_eq!((&next["looked_at"], &next["next_cursor"]), (&json!(2), &Value::Null));
    user.get("/knowledge/duplicates?kind=near&similarity=2").await.expect_wrong_field("similarity");
    user.get(&format!("/knowledge/duplicates?kind={}", Uuid::now_v7())).await.expect_wrong_field("kind");
}
