//! Collections: made, filled, shared to read, withdrawn, deleted.

use std::time::Duration;

use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use tandem::db::Reach;
use tandem::knowledge::words;
use uuid::Uuid;

use super::{found, hits, ingested, number};
use crate::outbox::count;
use crate::support::TestApp;
use crate::support::user::TestUser;

const KESTREL: &str = "The kestrel hovers over the meadow and looks for voles.";

async fn collection(user: &TestUser, name: &str) -> String {
    let made = user.post("/knowledge/collections", json!({"name": name})).await.expect(201);
    assert_eq!((&made["own"], &made["sources"]), (&json!(true), &json!(0)));
    made["id"].as_str().unwrap().to_owned()
}

/// A collection of `owner` with one source, `k`; their ids.
async fn filled(app: &TestApp, owner: &TestUser) -> (String, String) {
    let source = ingested(app, owner, json!({"title": "Birds", "text": KESTREL, "external_id": "k"})).await;
    let id = collection(owner, "Birds").await;
    let put = json!({"source_ids": [source]});
    let moved = owner.post(&format!("/knowledge/collections/{id}/sources"), put.clone()).await.expect(200);
    assert_eq!(moved["moved"], 1);
    let again = owner.post(&format!("/knowledge/collections/{id}/sources"), put).await.expect(200);
    assert_eq!(again["moved"], 0);
    (id, source)
}

async fn share(owner: &TestUser, id: &str, with: &TestUser) {
    let body = json!({"email": with.email.to_uppercase()});
    let shared = owner.post(&format!("/knowledge/collections/{id}/readers"), body).await.expect(200);
    let readers = shared["readers"].as_array().unwrap();
    assert!(readers.iter().any(|reader| reader["email"] == with.email), "{shared}");
}

/// What the user finds of the kestrel, in each of the ways to search.
async fn finds(user: &TestUser) -> bool {
    let mut ways = Vec::new();
    for mode in ["hybrid", "dense", "lexical"] {
        ways.push(found(user, json!({"query": "kestrel", "mode": mode})).await == ["k"]);
    }
    assert!(ways.iter().all(|finds| *finds == ways[0]), "{ways:?}");
    ways[0]
}

/// Every passage's words are those of who reads it, and the counts are what is stored.
async fn words_are_right(app: &TestApp) {
    words::fold_counts(&app.state).await.unwrap();
    let missing = "SELECT count(*) FROM ai_kb_documents d LEFT JOIN ai_kb_words w ON w.document_id = d.id WHERE w.document_id IS NULL";
    assert_eq!(number(app, missing, []).await, 0);
    let wrong = "SELECT count(*) FROM (SELECT key, count(*) AS n, sum(octet_length(sequence) / 4) AS words
                   FROM ai_kb_words, unnest(keys) AS key GROUP BY key) AS stored
                  FULL JOIN ai_kb_word_counts c USING (key)
                  WHERE coalesce(n, 0) <> coalesce(c.passages, 0) OR coalesce(stored.words, 0) <> coalesce(c.words, 0)";
    assert_eq!(number(app, wrong, []).await, 0);
    let strays = "SELECT count(*) FROM ai_kb_documents d JOIN ai_kb_sources s ON s.id = d.source_id
                   WHERE d.audience <> s.audience OR d.collection_id IS DISTINCT FROM s.collection_id
                      OR s.audience <> coalesce(s.collection_id, s.owner_id, s.tenant_id, '00000000-0000-0000-0000-000000000000')";
    assert_eq!(number(app, strays, []).await, 0);
}

#[tokio::test]
async fn collections_are_made_named_listed_and_bounded() {
    let app = TestApp::start().await;
    let (user, stranger) = (app.user().await, app.user().await);
    let id = collection(&user, "Birds").await;
    user.post("/knowledge/collections", json!({"name": "Birds"})).await.expect_problem(409, "name_taken");
    collection(&stranger, "Birds").await;
    let path = format!("/knowledge/collections/{id}");
    let changed =
        user.patch(&path, json!({"name": "Falcons", "description": "of the hills"})).await.expect(200);
    assert_eq!((&changed["name"], &changed["description"]), (&json!("Falcons"), &json!("of the hills")));
    assert_eq!(changed["readers"], json!([]));
    for _ in 1..30 {
        collection(&user, &Uuid::now_v7().to_string()).await;
    }
    user.post("/knowledge/collections", json!({"name": "one more"}))
        .await
        .expect_problem(409, "too_many_collections");
    let page = user.get("/knowledge/collections?limit=20").await.expect(200);
    let rest = format!("/knowledge/collections?limit=20&cursor={}", page["next_cursor"].as_str().unwrap());
    let rest = user.get(&rest).await.expect(200);
    assert_eq!((page["items"].as_array().unwrap().len(), rest["items"].as_array().unwrap().len()), (20, 10));
    assert_eq!(rest["items"][9]["name"], "Falcons");
    for answer in [
        stranger.get(&path).await,
        stranger.patch(&path, json!({"name": "Mine"})).await,
        stranger.delete(&path).await,
    ] {
        answer.expect_problem(404, "not_found");
    }
}

#[tokio::test]
async fn a_reader_finds_and_cites_and_changes_nothing_until_the_share_is_withdrawn() {
    let app = TestApp::start().await;
    let (owner, reader, other, admin) =
        (app.user().await, app.user().await, app.user().await, app.admin().await);
    let (id, source) = filled(&app, &owner).await;
    words_are_right(&app).await;
    assert!(finds(&owner).await && !finds(&reader).await);
    share(&owner, &id, &reader).await;
    share(&owner, &id, &reader).await;
    assert!(finds(&owner).await && finds(&reader).await && !finds(&other).await && !finds(&admin).await);
    // The same with an API key of the reader.
    let key =
        reader.post("/auth/api-keys", json!({"name": "k", "scopes": ["knowledge:read"]})).await.expect(201);
    let key = reader.with_token(key["key"].as_str().unwrap());
    assert!(finds(&key).await);
    let within = |ids: Value| json!({"query": "kestrel", "collections": ids});
    assert_eq!(found(&reader, within(json!([id]))).await, ["k"]);
    assert!(found(&other, within(json!([id]))).await.is_empty());
    assert!(found(&reader, within(json!([Uuid::now_v7()]))).await.is_empty());
    assert!(found(&reader, within(json!([reader.id]))).await.is_empty());
    let conversation = reader.conversation().await;
    let answer = reader.ask(&conversation, "Where does the kestrel hover?").await.expect(200);
    assert_eq!(answer["citations"][0]["source_id"], json!(source), "{answer}");
    // One set of rows, and it is the owner's.
    assert_eq!(number(&app, "SELECT count(*) FROM ai_kb_documents", []).await, 1);
    let path = format!("/knowledge/sources/{source}");
    let seen = reader.get(&path).await.expect(200);
    assert_eq!((&seen["owner"], &seen["collection_id"]), (&json!("user"), &json!(id)));
    let listed = reader.get(&format!("/knowledge/sources?collection={id}&owner=shared")).await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    reader.patch(&path, json!({"title": "Mine"})).await.expect_problem(403, "shared_source");
    reader.patch(&path, json!({"collection_id": null})).await.expect_problem(403, "shared_source");
    reader.delete(&path).await.expect_problem(403, "shared_source");
    reader.post(&format!("{path}/retry"), Value::Null).await.expect_problem(403, "shared_source");
    let collection = format!("/knowledge/collections/{id}");
    let seen = reader.get(&collection).await.expect(200);
    assert_eq!((&seen["own"], &seen["sources"], &seen["readers"]), (&json!(false), &json!(1), &Value::Null));
    for answer in [
        reader.patch(&collection, json!({"name": "Mine"})).await,
        reader.delete(&collection).await,
        reader.post(&format!("{collection}/readers"), json!({"user_id": other.id})).await,
        reader.post(&format!("{collection}/sources"), json!({"source_ids": [source]})).await,
        reader.delete(&format!("{collection}/readers/{}", other.id)).await,
    ] {
        answer.expect_problem(403, "shared_collection");
    }
    owner.delete(&format!("{collection}/readers/{}", reader.id)).await.expect(204);
    owner.delete(&format!("{collection}/readers/{}", reader.id)).await.expect_problem(404, "not_found");
    assert!(!finds(&reader).await && !finds(&key).await && finds(&owner).await);
    reader.get(&path).await.expect_problem(404, "not_found");
    reader.get(&collection).await.expect_problem(404, "not_found");
    let answer = reader.ask(&conversation, "Where does the kestrel hover?").await.expect(200);
    assert_eq!(answer["citations"], json!([]), "{answer}");
}

#[tokio::test]
async fn row_security_shows_a_collection_to_its_readers_and_lets_none_of_them_write() {
    let app = TestApp::start().await;
    let (owner, reader) = (app.user().await, app.user().await);
    let (id, source) = filled(&app, &owner).await;
    share(&owner, &id, &reader).await;
    let id: Uuid = id.parse().unwrap();
    let sources = "SELECT count(*) FROM ai_kb_sources";
    let rows = async |reach: Reach| {
        let ai = app.state.ai.begin_for(&reach).await.unwrap();
        let statement = sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, sources);
        let rows: i64 = ai.query_one_raw(statement).await.unwrap().unwrap().try_get_by_index(0).unwrap();
        let write = format!("UPDATE ai_kb_sources SET title = 'taken' WHERE id = '{source}'");
        let written = ai.execute_unprepared(&write).await.unwrap().rows_affected();
        (rows, written)
    };
    assert_eq!(rows(Reach::reading([reader.id])).await, (0, 0));
    assert_eq!(rows(Reach::reading([reader.id, id])).await, (1, 0));
    // Not even who may write for the collection writes what belongs to somebody else.
    assert_eq!(rows(Reach::default().and_writing([reader.id, id])).await, (1, 0));
    assert_eq!(rows(Reach::default().and_writing([owner.id])).await, (1, 1));
}

#[tokio::test]
async fn only_users_of_the_tenant_are_shared_with_and_the_tenant_only_by_administrators() {
    let app = TestApp::start().await;
    let (owner, admin, foreign, mate) =
        (app.user().await, app.admin().await, app.user().await, app.user().await);
    let tenant = Uuid::now_v7();
    let sql = format!(
        "INSERT INTO tenants (id, slug, name) VALUES ('{tenant}', 'theirs', 'Theirs'); UPDATE users SET tenant_id = '{tenant}' WHERE id = '{}'",
        foreign.id
    );
    app.core().execute_unprepared(&sql).await.unwrap();
    let (id, _) = filled(&app, &owner).await;
    let readers = format!("/knowledge/collections/{id}/readers");
    for body in [
        json!({"email": foreign.email}),
        json!({"user_id": foreign.id}),
        json!({"email": "nobody@example.com"}),
    ] {
        owner.post(&readers, body).await.expect_problem(404, "not_found");
    }
    owner.post(&readers, json!({"user_id": owner.id})).await.expect_problem(409, "own_collection");
    owner.post(&readers, json!({})).await.expect_wrong_field("email");
    owner.post(&readers, json!({"email": "a@b.c", "user_id": mate.id})).await.expect_wrong_field("email");
    let whole = json!({"shared_with_tenant": true});
    owner
        .patch(&format!("/knowledge/collections/{id}"), whole.clone())
        .await
        .expect_problem(403, "shared_scope");
    let text = json!({"title": "Owls", "text": "The owl hunts at night.", "external_id": "o"});
    let source = ingested(&app, &admin, text).await;
    let owls = collection(&admin, "Owls").await;
    admin
        .post(&format!("/knowledge/collections/{owls}/sources"), json!({"source_ids": [source]}))
        .await
        .expect(200);
    admin.patch(&format!("/knowledge/collections/{owls}"), whole).await.expect(200);
    let owl = json!({"query": "owl", "mode": "lexical"});
    assert_eq!(found(&mate, owl.clone()).await, ["o"]);
    assert!(found(&foreign, owl.clone()).await.is_empty());
    let back = json!({"shared_with_tenant": false});
    admin.patch(&format!("/knowledge/collections/{owls}"), back).await.expect(200);
    assert!(found(&mate, owl).await.is_empty());
    // Who leaves the tenant reads no more, though the share is still there.
    share(&owner, &id, &mate).await;
    assert!(finds(&mate).await);
    let left = format!("UPDATE users SET tenant_id = '{tenant}' WHERE id = '{}'", mate.id);
    app.core().execute_unprepared(&left).await.unwrap();
    assert!(!finds(&mate).await);
}

#[tokio::test]
async fn a_source_keeps_its_id_and_its_place_whatever_is_sent_again() {
    let app = TestApp::start().await;
    let (owner, reader) = (app.user().await, app.user().await);
    let (id, source) = filled(&app, &owner).await;
    share(&owner, &id, &reader).await;
    let same = json!({"title": "Birds", "text": KESTREL, "external_id": "k"});
    assert_eq!(owner.post("/knowledge/sources", same).await.expect(202)["skipped"], "unchanged");
    let new = json!({"title": "Birds", "text": "The kestrel rests on a post.", "external_id": "k"});
    assert_eq!(owner.post("/knowledge/sources", new.clone()).await.expect(202)["id"], json!(source));
    app.run_jobs().await;
    words_are_right(&app).await;
    let result =
        reader.post("/knowledge/search", json!({"query": "kestrel", "mode": "lexical"})).await.expect(200);
    assert_eq!(hits(&result)[0]["content"], "The kestrel rests on a post.");
    // The reader's own text under the same id is the reader's own source.
    assert_ne!(reader.post("/knowledge/sources", new).await.expect(202)["id"], json!(source));
    // A change of labels leaves it in its place, too.
    let path = format!("/knowledge/sources/{source}");
    owner.patch(&path, json!({"title": "Falcons"})).await.expect(202);
    app.run_jobs().await;
    words_are_right(&app).await;
    assert_eq!(reader.get(&path).await.expect(200)["title"], "Falcons");
    let out = owner.patch(&path, json!({"collection_id": null})).await.expect(200);
    assert_eq!(out["collection_id"], Value::Null);
    words_are_right(&app).await;
    reader.get(&path).await.expect_problem(404, "not_found");
    assert!(finds(&owner).await);
}

/// Moved while it waits for its ingestion, it comes out where it was put.
#[tokio::test]
async fn a_source_moved_while_it_is_ingested_is_its_readers() {
    let app = TestApp::start().await;
    let (owner, reader) = (app.user().await, app.user().await);
    let body = json!({"title": "Birds", "text": KESTREL, "external_id": "k"});
    let source = owner.post("/knowledge/sources", body).await.expect(202)["id"].clone();
    let id = collection(&owner, "Birds").await;
    share(&owner, &id, &reader).await;
    let put = json!({"source_ids": [source]});
    owner.post(&format!("/knowledge/collections/{id}/sources"), put).await.expect(200);
    app.run_jobs().await;
    words_are_right(&app).await;
    assert!(finds(&reader).await && finds(&owner).await);
}

#[tokio::test]
async fn sources_of_others_and_shared_ones_come_into_no_collection() {
    let app = TestApp::start().await;
    let (owner, admin) = (app.user().await, app.admin().await);
    let shared = json!({"title": "S", "text": "Everybody reads.", "external_id": "s", "scope": "global"});
    let shared = ingested(&app, &admin, shared).await;
    let theirs = ingested(&app, &owner, json!({"title": "T", "text": "Mine.", "external_id": "t"})).await;
    let id = collection(&admin, "C").await;
    let path = format!("/knowledge/collections/{id}/sources");
    let own = ingested(&app, &admin, json!({"title": "O", "text": "Own.", "external_id": "o"})).await;
    admin.post(&path, json!({"source_ids": [own, shared]})).await.expect_problem(409, "shared_source");
    admin.post(&path, json!({"source_ids": [own, theirs]})).await.expect_problem(404, "not_found");
    admin.post(&path, json!({"source_ids": []})).await.expect_wrong_field("source_ids");
    let edit = json!({"collection_id": id});
    owner.patch(&format!("/knowledge/sources/{theirs}"), edit).await.expect_problem(404, "not_found");
    assert_eq!(
        number(&app, "SELECT count(*) FROM ai_kb_sources WHERE collection_id IS NOT NULL", []).await,
        0
    );
}

#[tokio::test]
async fn a_deleted_collection_leaves_its_sources_to_their_owner_or_takes_them_along() {
    let app = TestApp::start().await;
    let (owner, reader) = (app.user().await, app.user().await);
    let (id, source) = filled(&app, &owner).await;
    share(&owner, &id, &reader).await;
    owner.delete(&format!("/knowledge/collections/{id}?sources=all")).await.expect_wrong_field("sources");
    owner.delete(&format!("/knowledge/collections/{id}")).await.expect(204);
    assert!(finds(&owner).await && !finds(&reader).await);
    words_are_right(&app).await;
    assert_eq!(count(app.core(), "SELECT count(*) FROM knowledge_collection_readers").await, 0);
    let again = collection(&owner, "Birds").await;
    owner.patch(&format!("/knowledge/sources/{source}"), json!({"collection_id": again})).await.expect(200);
    share(&owner, &again, &reader).await;
    let conversation = reader.conversation().await;
    let answer = reader.ask(&conversation, "Where does the kestrel hover?").await.expect(200);
    assert!(!answer["citations"].as_array().unwrap().is_empty());
    owner.delete(&format!("/knowledge/collections/{again}?sources=delete")).await.expect(204);
    for table in ["ai_kb_sources", "ai_kb_documents", "ai_kb_words"] {
        assert_eq!(number(&app, &format!("SELECT count(*) FROM {table}"), []).await, 0, "{table}");
    }
    owner.get(&format!("/knowledge/sources/{source}")).await.expect_problem(404, "not_found");
    // The reader's answer stays, without the words.
    let kept = "SELECT count(*) FROM citations WHERE NOT deleted OR quote <> '' OR title <> ''";
    assert_eq!(count(app.core(), kept).await, 0);
    let logged = "SELECT count(*) FROM message_events WHERE event = 'citation' AND data ->> 'quote' <> ''";
    assert_eq!(count(app.core(), logged).await, 0);
}

#[tokio::test]
async fn a_deleted_source_or_account_leaves_nothing_of_a_collection_behind() {
    let app = TestApp::start().await;
    let (owner, reader) = (app.user().await, app.user().await);
    let (id, source) = filled(&app, &owner).await;
    share(&owner, &id, &reader).await;
    let conversation = reader.conversation().await;
    reader.ask(&conversation, "Where does the kestrel hover?").await.expect(200);
    owner.delete(&format!("/knowledge/sources/{source}")).await.expect(204);
    let kept = "SELECT count(*) FROM citations WHERE NOT deleted OR quote <> ''";
    assert_eq!(count(app.core(), kept).await, 0);
    let logged = "SELECT count(*) FROM message_events WHERE event = 'citation' AND data ->> 'quote' <> ''";
    assert_eq!(count(app.core(), logged).await, 0);
    let body = json!({"title": "Birds", "text": KESTREL, "external_id": "k"});
    let source = ingested(&app, &owner, body).await;
    owner
        .post(&format!("/knowledge/collections/{id}/sources"), json!({"source_ids": [source]}))
        .await
        .expect(200);
    assert!(finds(&reader).await);
    reader.ask(&conversation, "Where does the kestrel hover?").await.expect(200);
    assert_eq!(count(app.core(), kept).await, 1);
    tandem::auth::delete_account(&app.state, owner.id.into()).await.unwrap();
    assert!(!finds(&reader).await);
    assert_eq!(count(app.core(), kept).await + count(app.core(), logged).await, 0);
    for table in ["ai_kb_sources", "ai_kb_documents", "ai_kb_words"] {
        assert_eq!(number(&app, &format!("SELECT count(*) FROM {table}"), []).await, 0, "{table}");
    }
    for table in ["knowledge_collections", "knowledge_collection_readers"] {
        assert_eq!(count(app.core(), &format!("SELECT count(*) FROM {table}")).await, 0, "{table}");
    }
}

/// While ai is away a collection goes at once, and its sources follow.
#[tokio::test]
async fn a_collection_deleted_while_ai_is_away_is_read_by_nobody() {
    let app = TestApp::with().env("TANDEM__DATABASE__AI_WAIT_MS", 500).start().await;
    let (owner, reader) = (app.user().await, app.user().await);
    let (id, _) = filled(&app, &owner).await;
    share(&owner, &id, &reader).await;
    app.stop_ai().await;
    assert_eq!(owner.get(&format!("/knowledge/collections/{id}")).await.expect(200)["sources"], Value::Null);
    assert_eq!(owner.delete(&format!("/knowledge/collections/{id}?sources=delete")).await.status, 503);
    owner.delete(&format!("/knowledge/collections/{id}")).await.expect(202);
    app.start_ai().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!finds(&reader).await);
    assert!(finds(&owner).await, "what waits is applied before its owner reads");
    words_are_right(&app).await;
}
