//! Made, found, changed, shared.

use axum::http::Method;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{character, id_of, persona};
use crate::support::TestApp;
use crate::support::user::TestUser;

async fn items(user: &TestUser, path: &str) -> Vec<Value> {
    user.get(path).await.expect(200)["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_character_is_found_by_its_slug_changed_and_deleted() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let body = json!({
        "slug": "risk-officer", "name": "The risk officer", "description": "For hard questions.",
        "system_prompt": "You are a stern risk officer.",
    });
    let made = user.post("/characters", body.clone()).await.expect(201);
    assert_eq!((&made["shared"], &made["model"]), (&json!(false), &Value::Null));
    for (field, value) in body.as_object().unwrap() {
        assert_eq!(&made[field], value);
    }
    let path = format!("/characters/{}", id_of(&made));
    assert_eq!(user.get(&path).await.expect(200), made);
    character(&user, "another", "Be another.").await;
    assert_eq!(items(&user, "/characters").await.len(), 2);
    assert_eq!(items(&user, "/characters?slug=risk-officer").await, std::slice::from_ref(&made));
    assert_eq!(items(&user, "/characters?slug=nobody").await, [] as [Value; 0]);

    let taken = user.post("/characters", body).await.expect_problem(409, "slug_taken");
    assert_eq!(taken["id"], made["id"]);
    user.patch(&path, json!({ "slug": "another" })).await.expect_problem(409, "slug_taken");
    let changed =
        user.patch(&path, json!({ "slug": "officer", "description": null, "name": "Officer" })).await;
    let changed = changed.expect(200);
    assert_eq!(
        (&changed["slug"], &changed["name"], &changed["description"], &changed["system_prompt"]),
        (&json!("officer"), &json!("Officer"), &Value::Null, &made["system_prompt"])
    );
    assert_eq!(user.patch(&path, json!({ "slug": "officer" })).await.expect(200)["slug"], "officer");
    assert_eq!(items(&user, "/characters?slug=risk-officer").await, [] as [Value; 0]);
    user.delete(&path).await.expect(204);
    user.get(&path).await.expect_problem(404, "not_found");
    user.delete(&path).await.expect_problem(404, "not_found");
    // The slug is free again, for another character.
    assert_ne!(character(&user, "officer", "Be an officer.").await["id"], made["id"]);
}

#[tokio::test]
async fn two_users_have_the_same_slug_and_a_shared_character_stands_behind_ones_own() {
    let app = TestApp::start().await;
    let (admin, user, other) = (app.admin().await, app.user().await, app.user().await);
    let shared = json!({ "slug": "guide", "name": "Guide", "system_prompt": "Guide us.", "shared": true });
    user.post("/characters", shared.clone()).await.expect_problem(403, "shared_character");
    let guide = admin.post("/characters", shared.clone()).await.expect(201);
    admin.post("/characters", shared).await.expect_problem(409, "slug_taken");
    assert_eq!(items(&user, "/characters?slug=guide").await, std::slice::from_ref(&guide));
    let path = format!("/characters/{}", id_of(&guide));
    user.patch(&path, json!({ "name": "Mine" })).await.expect_problem(403, "shared_character");
    user.delete(&path).await.expect_problem(403, "shared_character");

    let own = character(&user, "guide", "My own guide.").await;
    assert_eq!(items(&user, "/characters?slug=guide").await, std::slice::from_ref(&own));
    assert_eq!(items(&user, "/characters").await.len(), 2);
    assert_eq!(items(&other, "/characters?slug=guide").await, std::slice::from_ref(&guide));
    let second = app.admin().await;
    assert_eq!(second.patch(&path, json!({ "name": "Leader" })).await.expect(200)["name"], "Leader");

    // Another tenant does not see it.
    let elsewhere = Uuid::now_v7();
    let moved = format!(
        "INSERT INTO tenants (id, slug, name) VALUES ('{elsewhere}', 'elsewhere', 'Elsewhere');
         UPDATE users SET tenant_id = '{elsewhere}' WHERE id = '{}'",
        other.id
    );
    app.core().execute_unprepared(&moved).await.unwrap();
    other.get(&path).await.expect_problem(404, "not_found");
    assert_eq!(items(&other, "/characters").await, [] as [Value; 0]);
    let body = json!({ "character_id": guide["id"] });
    other.post("/chat/conversations", body).await.expect_problem(404, "not_found");
}

/// S3-08: a chat service's ids lead to personas, each user's apart.
#[tokio::test]
async fn a_discord_id_is_a_persona_of_each_user_apart() {
    let app = TestApp::start().await;
    let (user, other) = (app.user().await, app.user().await);
    let discord = |id: &str| json!({ "provider": "discord", "external_id": id });
    let body = json!({
        "name": "Kestrel", "description": "A pilot.",
        "identities": [discord("278863839632818186"), discord("1"), discord("1"), { "provider": "slack", "external_id": "U1" }],
    });
    let kestrel = user.post("/personas", body).await.expect(201);
    let known =
        json!([discord("1"), discord("278863839632818186"), { "provider": "slack", "external_id": "U1" }]);
    assert_eq!((&kestrel["identities"], &kestrel["description"]), (&known, &json!("A pilot.")));
    let path = format!("/personas/{}", id_of(&kestrel));
    assert_eq!(user.get(&path).await.expect(200), kestrel);
    persona(&user, "Somebody else").await;
    let named = "/personas?provider=discord&external_id=278863839632818186";
    assert_eq!(items(&user, named).await, std::slice::from_ref(&kestrel));
    for nobody in ["discord&external_id=27886383963281818", "slack&external_id=1", "discord&external_id=u1"] {
        assert_eq!(items(&user, &format!("/personas?provider={nobody}")).await, [] as [Value; 0]);
    }
    assert_eq!(items(&user, "/personas").await.len(), 2);

    // One person is one persona of a user, and may be one of another user's too.
    let twice = json!({ "name": "Wren", "identities": [discord("1")] });
    let taken = user.post("/personas", twice.clone()).await.expect_problem(409, "identity_taken");
    assert_eq!(taken["id"], kestrel["id"]);
    assert_eq!(items(&user, "/personas").await.len(), 2, "nothing is half made");
    let theirs = other.post("/personas", twice).await.expect(201);
    assert_eq!(items(&other, "/personas?provider=discord&external_id=1").await, [theirs]);

    let fewer = user.patch(&path, json!({ "identities": [discord("1")] })).await.expect(200);
    assert_eq!((&fewer["identities"], &fewer["name"]), (&json!([discord("1")]), &json!("Kestrel")));
    assert_eq!(items(&user, named).await, [] as [Value; 0]);
    let wren = json!({ "name": "Wren", "identities": [discord("278863839632818186")] });
    let wren = user.post("/personas", wren).await.expect(201);
    assert_eq!(items(&user, named).await, std::slice::from_ref(&wren));
    user.patch(&path, json!({ "name": "Wren" })).await.expect_problem(409, "name_taken");
    user.delete(&format!("/personas/{}", id_of(&wren))).await.expect(204);
    assert_eq!(items(&user, named).await, [] as [Value; 0]);
}

#[tokio::test]
async fn wrong_fields_of_characters_and_personas_are_named() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let character = |field: &str, value: Value| {
        let mut body = json!({ "slug": "a", "name": "A", "system_prompt": "Be A." });
        body[field] = value;
        body
    };
    for (field, value) in [
        ("slug", json!("")),
        ("slug", json!("-a")),
        ("slug", json!("A")),
        ("slug", json!("a b")),
        ("slug", json!("ä")),
        ("slug", json!("a".repeat(101))),
        ("name", json!(" ")),
        ("name", json!("a".repeat(101))),
        ("description", json!("d".repeat(2001))),
        ("system_prompt", json!("")),
        ("system_prompt", json!("p".repeat(8001))),
        ("system_prompt", json!("a\u{0}b")),
        ("model", json!("")),
        ("model", json!("m".repeat(201))),
        ("shared", json!("yes")),
        ("owner_id", json!(Uuid::now_v7())),
    ] {
        user.post("/characters", character(field, value)).await.expect_wrong_field(field);
    }
    let made =
        user.post("/characters", character("system_prompt", json!("ä".repeat(8000)))).await.expect(201);
    let path = format!("/characters/{}", id_of(&made));
    for (field, value) in [
        ("slug", json!("A")),
        ("description", json!("d".repeat(2001))),
        ("model", json!(" ")),
        ("shared", json!(true)),
    ] {
        user.patch(&path, json!({ field: value })).await.expect_wrong_field(field);
    }
    assert_eq!(user.get(&path).await.expect(200), made);
    for (body, field) in [
        (json!({}), "name"),
        (json!({ "name": "a\u{0}" }), "name"),
        (json!({ "name": "A", "description": "d".repeat(2001) }), "description"),
        (
            json!({ "name": "A", "identities": vec![json!({ "provider": "d", "external_id": "1" }); 21] }),
            "identities",
        ),
        (
            json!({ "name": "A", "identities": [{ "provider": "D", "external_id": "1" }] }),
            "identities[0].provider",
        ),
        (
            json!({ "name": "A", "identities": [{ "provider": "d", "external_id": "" }] }),
            "identities[0].external_id",
        ),
    ] {
        user.post("/personas", body).await.expect_wrong_field(field);
    }
    user.get("/personas?provider=discord").await.expect_wrong_field("external_id");
    user.get("/personas?external_id=1").await.expect_wrong_field("provider");
    user.get("/characters?slug=A").await.expect_wrong_field("slug");
}

#[tokio::test]
async fn a_retried_request_makes_no_second_character_or_persona() {
    let app = TestApp::start().await;
    let user = app.user().await;
    for (path, body) in [
        ("/characters", json!({ "slug": "a", "name": "A", "system_prompt": "Be A." })),
        ("/personas", json!({ "name": "A" })),
    ] {
        let keyed = [("idempotency-key", "once")];
        let first = user.request(Method::POST, path, Some(body.clone()), &keyed).await.expect(201);
        let again = user.request(Method::POST, path, Some(body), &keyed).await;
        assert!(again.headers.contains_key("idempotency-replayed"));
        assert_eq!(again.expect(201), first);
        assert_eq!(items(&user, path).await.len(), 1);
    }
}

#[tokio::test]
async fn lists_come_in_pages_without_gaps() {
    let app = TestApp::start().await;
    let user = app.user().await;
    for number in 0..7 {
        character(&user, &format!("c{number}"), "Be.").await;
        persona(&user, &format!("p{number}")).await;
    }
    for (path, field) in [("/characters", "slug"), ("/personas", "name")] {
        let (mut seen, mut next) = (Vec::new(), format!("{path}?limit=3"));
        for _ in 0..3 {
            let page = user.get(&next).await.expect(200);
            let names = page["items"].as_array().unwrap().iter();
            seen.extend(names.map(|row| row[field].as_str().unwrap()[1..].to_owned()));
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            next = format!("{path}?limit=3&cursor={cursor}");
        }
        assert_eq!(seen, ["6", "5", "4", "3", "2", "1", "0"]);
    }
}
