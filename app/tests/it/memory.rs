//! Memories: stored once, found by meaning, seen by nobody else, gone when deleted.

use entity::ids::{ConversationId, MessageId, TenantId, UserId};
use serde_json::{Value, json};
use tandem::auth::{Audience, CurrentUser};
use tandem::memory::{self, Said};
use tandem::persona::Pair;
use uuid::Uuid;

use crate::support::TestApp;
use crate::support::user::TestUser;

const TEA: &str = "I drink green tea every morning";
const BONDS: &str = "My portfolio must never hold government bonds";

async fn store(user: &TestUser, content: &str) -> String {
    let body = user.post("/memories", json!({ "content": content })).await.expect(201);
    body["id"].as_str().unwrap().to_owned()
}

async fn search(user: &TestUser, body: Value) -> Vec<Value> {
    let found = user.post("/memories/search", body).await.expect(200);
    found["hits"].as_array().unwrap().clone()
}

async fn found_ids(user: &TestUser, query: &str) -> Vec<String> {
    let hits = search(user, json!({ "query": query, "limit": 200 })).await;
    hits.iter().map(|hit| hit["id"].as_str().unwrap().to_owned()).collect()
}

async fn listed(user: &TestUser, query: &str) -> Vec<Value> {
    let page = user.get(&format!("/memories{query}")).await.expect(200);
    page["items"].as_array().unwrap().clone()
}

async fn embedded(app: &TestApp, text: &str) -> tandem::usage::QueryVector {
    tandem::usage::embed_query(&app.state, uuid::Uuid::nil().into(), text).await.unwrap()
}

#[tokio::test]
async fn a_memory_is_stored_once_and_read_back() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let body = json!({ "content": TEA, "metadata": { "session": 3 } });
    let created = user.post("/memories", body.clone()).await.expect(201);
    assert_eq!(created["scope"], "user");
    assert_eq!(created["origin"], "user");
    assert_eq!(created["shared"], false);
    let again = user.post("/memories", body).await.expect(200);
    assert_eq!(again, created, "the same text twice changes nothing");
    let respelt = json!({ "content": format!("  {}  ", TEA.to_uppercase()) });
    assert_eq!(user.post("/memories", respelt).await.expect(200)["id"], created["id"]);
    assert_eq!(listed(&user, "").await, std::slice::from_ref(&created));
    let path = format!("/memories/{}", created["id"].as_str().unwrap());
    assert_eq!(user.get(&path).await.expect(200), created);
    let elsewhere = json!({ "content": TEA, "scope": "page:risk" });
    assert_ne!(user.post("/memories", elsewhere).await.expect(201)["id"], created["id"]);
}

#[tokio::test]
async fn eight_at_once_make_one_row() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let requests = (0..8).map(|_| user.post("/memories", json!({ "content": TEA })));
    let mut statuses: Vec<u16> =
        futures::future::join_all(requests).await.iter().map(|response| response.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 200, 200, 201]);
    assert_eq!(listed(&user, "").await.len(), 1);
}

#[tokio::test]
async fn the_same_external_id_replaces() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let first = json!({ "content": TEA, "external_id": "note-1" });
    let created = user.post("/memories", first).await.expect(201);
    let second = json!({ "content": BONDS, "external_id": "note-1" });
    let replaced = user.post("/memories", second).await.expect(200);
    assert_eq!(replaced["id"], created["id"]);
    assert_eq!(replaced["content"], BONDS);
    assert_eq!(listed(&user, "").await.len(), 1);
    let hits = search(&user, json!({ "query": BONDS })).await;
    assert_eq!(hits[0]["content"], BONDS);
    assert_eq!(hits[0]["external_id"], "note-1");
    assert!(hits[0]["similarity"].as_f64().unwrap() > 0.999, "the vector is the new text's");
}

#[tokio::test]
async fn search_goes_by_meaning_and_its_similarity_is_the_cosine() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let tea = store(&user, TEA).await;
    store(&user, BONDS).await;
    let body = json!({ "query": "what tea do I drink in the morning", "limit": 1 });
    let found = user.post("/memories/search", body).await.expect(200);
    assert_eq!(found["hits"][0]["id"], tea.as_str());
    assert_eq!(found["under_filled"], false);
    let vector = embedded(&app, "green tea").await.vector;
    let stored = embedded(&app, TEA).await.vector;
    let cosine: f64 = vector.iter().zip(&stored).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
    let found = user.post("/memories/search", json!({ "embedding": vector, "limit": 5 })).await.expect(200);
    assert_eq!(found["under_filled"], true);
    let hit = &found["hits"][0];
    assert_eq!(hit["id"], tea.as_str());
    assert!((hit["similarity"].as_f64().unwrap() - cosine).abs() < 1e-6, "{hit} {cosine}");
    assert_eq!(hit["score"], hit["similarity"]);
}

#[tokio::test]
async fn scopes_narrow_a_search_and_a_list() {
    let app = TestApp::start().await;
    let user = app.user().await;
    store(&user, TEA).await;
    let scoped = json!({ "content": BONDS, "scope": "portfolio:7" });
    let scoped = user.post("/memories", scoped).await.expect(201);
    let hits = search(&user, json!({ "query": TEA, "scopes": ["portfolio:7"] })).await;
    assert_eq!(hits.len(), 1);
    assert_eq!(hits[0]["id"], scoped["id"]);
    assert_eq!(search(&user, json!({ "query": TEA, "scopes": ["portfolio:7", "user"] })).await.len(), 2);
    assert_eq!(listed(&user, "?scope=portfolio:7").await, [scoped]);
}

#[tokio::test]
async fn an_edit_keeps_the_id_and_is_found_by_its_new_meaning_only() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let id = store(&user, TEA).await;
    let path = format!("/memories/{id}");
    let edited = user.patch(&path, json!({ "content": BONDS })).await.expect(200);
    assert_eq!((edited["id"].as_str(), edited["content"].as_str()), (Some(id.as_str()), Some(BONDS)));
    assert_ne!(edited["updated_at"], edited["created_at"]);
    let similarity = |hits: Vec<Value>| hits[0]["similarity"].as_f64().unwrap();
    assert!(similarity(search(&user, json!({ "query": BONDS })).await) > 0.999);
    assert!(similarity(search(&user, json!({ "query": TEA })).await) < 0.9);
    // The edit stands when the old text comes again, and the new one is known.
    for content in [TEA, BONDS] {
        let body = user.post("/memories", json!({ "content": content })).await.expect(200);
        assert_eq!((body["id"].as_str(), body["content"].as_str()), (Some(id.as_str()), Some(BONDS)));
    }
    let edited = user.patch(&path, json!({ "scope": "page:risk", "metadata": { "a": 1 } })).await.expect(200);
    assert_eq!(edited["scope"], "page:risk");
    assert_eq!(edited["metadata"], json!({ "a": 1 }));
    assert_eq!(edited["content"], BONDS);
    assert!(similarity(search(&user, json!({ "query": BONDS, "scopes": ["page:risk"] })).await) > 0.999);
    assert_eq!(user.patch(&path, json!({})).await.expect(200), edited);
}

#[tokio::test]
async fn an_edit_does_not_make_a_second_row_of_one_statement() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let (tea, bonds) = (store(&user, TEA).await, store(&user, BONDS).await);
    let conflict = user.patch(&format!("/memories/{bonds}"), json!({ "content": TEA })).await;
    assert_eq!(conflict.expect_problem(409, "memory_exists")["id"], tea.as_str());
    assert_eq!(user.get(&format!("/memories/{bonds}")).await.expect(200)["content"], BONDS);
}

#[tokio::test]
async fn what_is_deleted_is_never_found_again() {
    let app = TestApp::start().await;
    let (user, other) = (app.user().await, app.user().await);
    let (tea, bonds) = (store(&user, TEA).await, store(&user, BONDS).await);
    let kept = store(&other, TEA).await;
    assert_eq!(user.delete(&format!("/memories/{tea}")).await.expect(204), Value::Null);
    assert_eq!(found_ids(&user, TEA).await, [bonds.as_str()]);
    user.get(&format!("/memories/{tea}")).await.expect_problem(404, "not_found");
    user.delete(&format!("/memories/{tea}")).await.expect_problem(404, "not_found");
    user.delete("/memories").await.expect_wrong_field("confirm");
    user.delete("/memories?confirm=false").await.expect_wrong_field("confirm");
    assert_eq!(listed(&user, "").await.len(), 1);
    assert_eq!(user.delete("/memories?confirm=true").await.expect(200), json!({ "deleted": 1 }));
    assert!(found_ids(&user, BONDS).await.is_empty());
    assert!(listed(&user, "").await.is_empty());
    assert_eq!(found_ids(&other, TEA).await, [kept]);
    assert_eq!(store(&user, TEA).await, tea, "created again, it is the same memory");
    assert_eq!(found_ids(&user, TEA).await, [tea]);
}

#[tokio::test]
async fn a_batch_stores_what_is_right_and_names_what_is_wrong() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let items = json!([
        { "content": TEA, "external_id": "a" },
        { "content": "   ", "external_id": "b" },
        { "content": BONDS, "external_id": "c", "colour": "red" },
        { "content": 7, "external_id": "d" },
        "not an object",
        { "content": BONDS, "scope": "global" },
        { "content": BONDS },
        { "content": BONDS },
        { "content": "I moved to Lisbon", "external_id": "a" },
    ]);
    let batch = user.post("/memories/batch", json!({ "items": items.clone() })).await.expect(200);
    let statuses = |batch: &Value| -> Vec<String> {
        let items = batch["items"].as_array().unwrap();
        items.iter().map(|item| item["status"].as_str().unwrap().to_owned()).collect()
    };
    let bad = "rejected";
    assert_eq!(statuses(&batch), ["created", bad, bad, bad, bad, bad, "created", "unchanged", "updated"]);
    let items_out = batch["items"].as_array().unwrap();
    assert_eq!(items_out[1]["external_id"], "b");
    assert!(items_out[1]["error"].as_str().unwrap().contains("content"));
    assert!(items_out[2]["error"].as_str().unwrap().contains("colour"));
    assert!(items_out[3]["error"].as_str().unwrap().contains("content"));
    assert_eq!(items_out[1].get("id"), None);
    assert_eq!(items_out[0]["id"], items_out[8]["id"]);
    assert_eq!(listed(&user, "").await.len(), 2);
    let hits = search(&user, json!({ "query": "I moved to Lisbon" })).await;
    assert_eq!(hits[0]["content"], "I moved to Lisbon");
    assert!(hits[0]["similarity"].as_f64().unwrap() > 0.999);

    let full: Vec<Value> = (0..500).map(|n| json!({ "content": format!("fact {n}") })).collect();
    let batch = user.post("/memories/batch", json!({ "items": full })).await.expect(200);
    assert!(statuses(&batch).iter().all(|status| status == "created"));
    let batch = user.post("/memories/batch", json!({ "items": full })).await.expect(200);
    assert!(statuses(&batch).iter().all(|status| status == "unchanged"));
    let many: Vec<Value> = (0..501).map(|n| json!({ "content": format!("fact {n}") })).collect();
    user.post("/memories/batch", json!({ "items": many })).await.expect_wrong_field("items");
    assert_eq!(
        user.post("/memories/batch", json!({ "items": [] })).await.expect(200),
        json!({ "items": [] })
    );
}

#[tokio::test]
async fn a_list_is_newest_first_and_its_pages_join() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let items: Vec<Value> = (0..7).map(|n| json!({ "content": format!("fact {n}") })).collect();
    user.post("/memories/batch", json!({ "items": items })).await.expect(200);
    let newest = store(&user, TEA).await;
    let mut seen = Vec::new();
    let mut path = "/memories?limit=3".to_owned();
    for _ in 0..3 {
        let page = user.get(&path).await.expect(200);
        seen.extend(page["items"].as_array().unwrap().iter().map(|row| row["id"].clone()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/memories?limit=3&cursor={cursor}");
    }
    assert_eq!(seen[0], newest.as_str());
    let distinct: std::collections::HashSet<String> = seen.iter().map(ToString::to_string).collect();
    assert_eq!((seen.len(), distinct.len()), (8, 8));
}

#[tokio::test]
async fn two_users_with_the_same_memories_never_see_each_others() {
    let app = TestApp::start().await;
    let (anna, ben) = (app.user().await, app.user().await);
    let (hers, his) = (store(&anna, TEA).await, store(&ben, TEA).await);
    assert_ne!(hers, his);
    assert_eq!(found_ids(&ben, TEA).await, [his.as_str()]);
    assert_eq!(listed(&ben, "").await.len(), 1);
    let path = format!("/memories/{hers}");
    ben.get(&path).await.expect_problem(404, "not_found");
    ben.patch(&path, json!({ "content": BONDS })).await.expect_problem(404, "not_found");
    ben.delete(&path).await.expect_problem(404, "not_found");
    assert_eq!(ben.delete("/memories?confirm=true").await.expect(200)["deleted"], 1);
    assert_eq!(anna.get(&path).await.expect(200)["content"], TEA);
    // The same external id of two users is two memories.
    let body = json!({ "content": TEA, "external_id": "x" });
    let hers = anna.post("/memories", body.clone()).await.expect(201);
    let his = ben.post("/memories", body).await.expect(201);
    assert_ne!(hers["id"], his["id"]);
    for path in ["/memories", path.as_str()] {
        app.anonymous().get(path).await.expect(401);
    }
    app.anonymous().post("/memories/search", json!({ "query": TEA })).await.expect(401);
}

#[tokio::test]
async fn memories_of_one_persona_and_character_are_invisible_to_another() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let [p1, p2, c1, c2] = [(); 4].map(|()| Uuid::now_v7());
    let body = json!({ "content": TEA, "persona_id": p1, "character_id": c1 });
    let first = user.post("/memories", body).await.expect(201)["id"].clone();
    let body = json!({ "content": TEA, "persona_id": p2, "character_id": c1 });
    let second = user.post("/memories", body).await.expect(201)["id"].clone();
    let unbound = json!(store(&user, TEA).await);
    let ids = |hits: Vec<Value>| -> Vec<Value> {
        let mut ids: Vec<Value> = hits.iter().map(|hit| hit["id"].clone()).collect();
        ids.sort_by_key(ToString::to_string);
        ids
    };
    let sorted = |mut ids: Vec<Value>| {
        ids.sort_by_key(ToString::to_string);
        ids
    };
    let of = |persona: Uuid, character: Uuid| json!({ "query": TEA, "persona_id": persona, "character_id": character });
    assert_eq!(ids(search(&user, of(p1, c1)).await), sorted(vec![first.clone(), unbound.clone()]));
    assert_eq!(ids(search(&user, of(p2, c1)).await), sorted(vec![second.clone(), unbound.clone()]));
    assert_eq!(ids(search(&user, of(p1, c2)).await), std::slice::from_ref(&unbound));
    let all = ids(search(&user, json!({ "query": TEA })).await);
    assert_eq!(all, sorted(vec![first.clone(), second, unbound.clone()]));
    let listed = listed(&user, &format!("?persona_id={p1}")).await;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["id"], first);
    // A conversation of nobody sees what is bound to nobody.
    let vector = embedded(&app, TEA).await;
    let recalled =
        memory::recall(&app.state, &audience(&app, &user).await, Pair::default(), &vector, 10).await.unwrap();
    assert_eq!(recalled.iter().map(|memory| json!(memory.id)).collect::<Vec<_>>(), [unbound]);
}

#[tokio::test]
async fn what_an_administrator_shares_is_seen_by_all_and_edited_by_administrators() {
    let app = TestApp::start().await;
    let (admin, user) = (app.admin().await, app.user().await);
    let body = json!({ "content": BONDS, "scope": "global" });
    user.post("/memories", body.clone()).await.expect_problem(403, "shared_scope");
    let shared = admin.post("/memories", body.clone()).await.expect(201);
    assert_eq!(shared["shared"], true);
    let id = shared["id"].as_str().unwrap();
    let path = format!("/memories/{id}");
    assert_eq!(user.get(&path).await.expect(200), shared);
    assert_eq!(found_ids(&user, BONDS).await, [id]);
    assert_eq!(search(&user, json!({ "query": BONDS, "scopes": ["global"] })).await.len(), 1);
    assert!(listed(&user, "").await.is_empty(), "a list holds own rows");
    user.patch(&path, json!({ "content": TEA })).await.expect_problem(403, "shared_memory");
    user.delete(&path).await.expect_problem(403, "shared_memory");
    assert_eq!(user.delete("/memories?confirm=true").await.expect(200)["deleted"], 0);
    let own = store(&user, TEA).await;
    user.patch(&format!("/memories/{own}"), json!({ "scope": "global" }))
        .await
        .expect_problem(403, "shared_scope");
    admin.patch(&path, json!({ "scope": "mine" })).await.expect_wrong_field("scope");
    let tenant = current(&app, &user).await.tenant_id;
    let scoped = json!({ "content": TEA, "scope": format!("tenant:{tenant}") });
    let of_tenant = admin.post("/memories", scoped).await.expect(201);
    assert_eq!(user.get(&format!("/memories/{}", of_tenant["id"].as_str().unwrap())).await.status, 200);
    let elsewhere = json!({ "content": TEA, "scope": format!("tenant:{}", Uuid::now_v7()) });
    let elsewhere = admin.post("/memories", elsewhere).await.expect(201);
    let elsewhere = format!("/memories/{}", elsewhere["id"].as_str().unwrap());
    user.get(&elsewhere).await.expect_problem(404, "not_found");
    let edited = admin.patch(&path, json!({ "content": "Bonds are fine" })).await.expect(200);
    assert_eq!(edited["id"], id);
    admin.delete(&path).await.expect(204);
    user.get(&path).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn wrong_fields_are_named() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let long = "word ".repeat(1599);
    for (body, field) in [
        (json!({}), "content"),
        (json!({ "content": " " }), "content"),
        (json!({ "content": "a\u{0}b" }), "content"),
        (json!({ "content": "a".repeat(8001) }), "content"),
        (json!({ "content": long }), "content"),
        (json!({ "content": TEA, "scope": "" }), "scope"),
        (json!({ "content": TEA, "scope": "s".repeat(101) }), "scope"),
        (json!({ "content": TEA, "external_id": "e".repeat(501) }), "external_id"),
        (json!({ "content": TEA, "metadata": { "a": "\u{0}" } }), "metadata"),
        (json!({ "content": TEA, "metadata": { "a": "x".repeat(17_000) } }), "metadata"),
        (json!({ "content": TEA, "metadata": [] }), "metadata"),
        (json!({ "content": TEA, "persona_id": "me" }), "persona_id"),
        (json!({ "content": TEA, "owner_id": Uuid::now_v7() }), "owner_id"),
    ] {
        user.post("/memories", body).await.expect_wrong_field(field);
    }
    let problem = user.post("/memories", json!({ "content": long })).await.expect(422);
    let message = problem["errors"][0]["message"].as_str().unwrap();
    let max = app.state.embedder().max_tokens();
    assert!(message.contains(&max.to_string()) && message.contains("tokens"), "{message}");
    assert!(listed(&user, "").await.is_empty());
    for (body, field) in [
        (json!({}), "query"),
        (json!({ "query": TEA, "embedding": [1.0] }), "query"),
        (json!({ "query": " " }), "query"),
        (json!({ "query": TEA, "limit": 0 }), "limit"),
        (json!({ "query": TEA, "limit": 201 }), "limit"),
        (json!({ "query": TEA, "scopes": [] }), "scopes"),
        (json!({ "embedding": [1.0, 2.0] }), "embedding"),
        (json!({ "embedding": vec![0.0; 384] }), "embedding"),
        (json!({ "embedding": vec![1e39; 384] }), "embedding"),
    ] {
        user.post("/memories/search", body).await.expect_wrong_field(field);
    }
    let problem = user.post("/memories/search", json!({ "embedding": [1.0, 2.0] })).await.expect(422);
    let message = problem["errors"][0]["message"].as_str().unwrap();
    assert!(message.contains("has 2 ") && message.contains("384"), "{message}");
    let id = store(&user, TEA).await;
    let path = format!("/memories/{id}");
    user.patch(&path, json!({ "content": "" })).await.expect_wrong_field("content");
    user.patch(&path, json!({ "content": long })).await.expect_wrong_field("content");
    user.patch(&path, json!({ "external_id": "x" })).await.expect_wrong_field("external_id");
    user.get("/memories?limit=0").await.expect_wrong_field("limit");
    user.get("/memories?cursor=nonsense").await.expect_wrong_field("cursor");
    user.get("/memories/nonsense").await.expect(422);
}

#[tokio::test]
async fn recall_gives_own_and_shared_memories_that_speak_of_the_question() {
    let app = TestApp::start().await;
    let (user, other, admin) = (app.user().await, app.user().await, app.admin().await);
    let tea = store(&user, TEA).await;
    store(&other, TEA).await;
    store(&user, "Zurich trams run on time").await;
    let shared = json!({ "content": "Green tea is served every morning", "scope": "global" });
    let shared = admin.post("/memories", shared).await.expect(201);
    let vector = embedded(&app, TEA).await;
    let audience = audience(&app, &user).await;
    let recalled = memory::recall(&app.state, &audience, Pair::default(), &vector, 10).await.unwrap();
    let ids: Vec<String> = recalled.iter().map(|memory| memory.id.to_string()).collect();
    assert_eq!(ids[..2], [tea.as_str(), shared["id"].as_str().unwrap()]);
    let floor = f64::from(app.state.similarity_floor());
    assert!(recalled.iter().all(|memory| memory.similarity >= floor));
    assert_eq!(memory::recall(&app.state, &audience, Pair::default(), &vector, 1).await.unwrap().len(), 1);
    assert!(memory::recall(&app.state, &audience, Pair::default(), &vector, 0).await.unwrap().is_empty());
}

fn said() -> Said {
    Said {
        conversation_id: ConversationId(Uuid::now_v7()),
        generation: 1,
        message_id: MessageId(Uuid::now_v7()),
    }
}

#[tokio::test]
async fn what_a_user_asks_to_remember_is_one_memory_and_an_edit_outlives_a_retry() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let current = current(&app, &user).await;
    let message = said();
    let fact = memory::remember_request("Please remember that I drink green tea every morning.").unwrap();
    let id = memory::remember(&app.state, &current, Pair::default(), &fact, message).await.unwrap();
    assert_eq!(memory::remember(&app.state, &current, Pair::default(), &fact, message).await.unwrap(), id);
    let rows = listed(&user, "").await;
    assert_eq!(rows.len(), 1);
    assert_eq!((&rows[0]["content"], &rows[0]["origin"]), (&json!(TEA), &json!("chat")));
    let path = format!("/memories/{id}");
    user.patch(&path, json!({ "content": BONDS })).await.expect(200);
    assert_eq!(memory::remember(&app.state, &current, Pair::default(), &fact, message).await.unwrap(), id);
    assert_eq!(user.get(&path).await.expect(200)["content"], BONDS);
    // Said again in another message, it holds again.
    let again = memory::remember(&app.state, &current, Pair::default(), &fact, said()).await.unwrap();
    assert_eq!(again, id);
    assert_eq!(user.get(&path).await.expect(200)["content"], TEA);
    assert_eq!(store_again(&user).await, id.to_string());
}

async fn store_again(user: &TestUser) -> String {
    let body = user.post("/memories", json!({ "content": TEA })).await.expect(200);
    body["id"].as_str().unwrap().to_owned()
}

async fn current(app: &TestApp, user: &TestUser) -> CurrentUser {
    tandem::auth::find_user_by_email(app.core(), &user.email).await.unwrap().unwrap()
}

async fn audience(app: &TestApp, user: &TestUser) -> Audience {
    let tenant: TenantId = current(app, user).await.tenant_id;
    Audience::of(UserId(user.id), tenant)
}
