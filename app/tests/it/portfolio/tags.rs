//! Tags.

use axum::http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{found, items, lot, path_of, portfolio};
use crate::support::TestApp;
use crate::support::user::TestUser;

async fn tag(user: &TestUser, name: &str) -> Value {
    user.post("/tags", json!({ "name": name })).await.expect(201)
}

fn path(tag: &Value) -> String {
    format!("/tags/{}", tag["id"].as_str().unwrap())
}

fn names(tags: &Value) -> Vec<&str> {
    tags["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_tag_is_made_changed_and_deleted() {
    let app = TestApp::start().await;
    let (user, stranger) = (app.user().await, app.user().await);
    let body = json!({ "name": "Core", "color": "#00aaFF", "description": "For ever.", "display_order": 3 });
    let made = user.post("/tags", body.clone()).await.expect(201);
    for (field, value) in body.as_object().unwrap() {
        assert_eq!(&made[field], value, "{field}");
    }
    assert_eq!((&made["positions"], &made["archived_at"]), (&json!(0), &Value::Null));
    assert_eq!(user.get(&path(&made)).await.expect(200), made);
    let taken = user.post("/tags", json!({ "name": "core" })).await.expect_problem(409, "name_taken");
    assert_eq!(taken["id"], made["id"]);
    assert_eq!(tag(&stranger, "core").await["color"], "#4A90E2");
    tag(&user, "other").await;
    user.patch(&path(&made), json!({ "name": "OTHER" })).await.expect_problem(409, "name_taken");
    let changed =
        user.patch(&path(&made), json!({ "name": "CORE", "description": null, "color": "#000000" })).await;
    let changed = changed.expect(200);
    assert_eq!(
        (&changed["name"], &changed["description"], &changed["display_order"]),
        (&json!("CORE"), &Value::Null, &json!(3))
    );
    stranger.get(&path(&made)).await.expect_problem(404, "not_found");
    user.delete(&path(&made)).await.expect(204);
    user.delete(&path(&made)).await.expect_problem(404, "not_found");
    assert_eq!(items(&user, "/tags").await.len(), 1);
}

/// The schema's old weakness: a name could be archived once only.
#[tokio::test]
async fn a_name_is_archived_and_restored_any_number_of_times() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let mut archived = Vec::new();
    for _ in 0..3 {
        let made = tag(&user, "swing").await;
        for _ in 0..2 {
            let gone = user.post(&format!("{}/archive", path(&made)), json!({})).await.expect(200);
            assert!(gone["archived_at"].is_string());
        }
        archived.push(made);
    }
    assert_eq!(items(&user, "/tags").await, [] as [Value; 0]);
    assert_eq!(items(&user, "/tags?status=archived").await.len(), 3);
    for made in &archived {
        for _ in 0..2 {
            let back = user.post(&format!("{}/restore", path(made)), json!({})).await.expect(200);
            assert_eq!(back["archived_at"], Value::Null);
        }
        for other in archived.iter().filter(|other| other["id"] != made["id"]) {
            let restore = user.post(&format!("{}/restore", path(other)), json!({})).await;
            assert_eq!(restore.expect_problem(409, "name_taken")["id"], made["id"]);
        }
        user.post(&format!("{}/archive", path(made)), json!({})).await.expect(200);
    }
    assert_eq!(items(&user, "/tags?status=all").await.len(), 3);
}

#[tokio::test]
async fn the_usual_tags_are_made_once_and_not_against_the_users_will() {
    let app = TestApp::start().await;
    let user = app.user().await;
    tag(&user, "Growth").await;
    let at_once = futures::future::join_all((0..4).map(|_| user.post("/tags/defaults", json!({})))).await;
    let usual: Vec<Value> = at_once.into_iter().map(|answer| answer.expect(200)).collect();
    let names: Vec<&str> =
        usual[0]["items"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect();
    let mut expected = vec![
        "income",
        "Growth",
        "defensive",
        "speculative",
        "tech",
        "finance",
        "healthcare",
        "energy",
        "options",
        "long-term",
    ];
    let mut sorted = names.clone();
    sorted.sort_unstable();
    expected.sort_unstable();
    assert_eq!(sorted, expected);
    assert!(usual.iter().all(|answer| answer == &usual[0]));
    let energy = usual[0]["items"].as_array().unwrap().iter().find(|tag| tag["name"] == "energy").unwrap();
    user.post(&format!("{}/archive", path(energy)), json!({})).await.expect(200);
    assert_eq!(
        user.post("/tags/defaults", json!({})).await.expect(200)["items"].as_array().unwrap().len(),
        9
    );
    assert_eq!(items(&user, "/tags?status=all").await.len(), 10);
}

#[tokio::test]
async fn positions_are_tagged_and_found_by_their_tags() {
    let app = TestApp::start().await;
    let (user, stranger) = (app.user().await, app.user().await);
    let id = portfolio(&user).await;
    let (first, second) =
        (lot(&user, &id, json!({})).await, lot(&user, &id, json!({ "symbol": "MSFT" })).await);
    let (core, swing, gone) = (tag(&user, "core").await, tag(&user, "swing").await, tag(&user, "gone").await);
    let ids = |tags: &[&Value]| json!({ "tag_ids": tags.iter().map(|tag| &tag["id"]).collect::<Vec<_>>() });
    let of = |lot: &Value| format!("{}/tags", path_of(lot));
    for _ in 0..2 {
        let tagged = user.post(&of(&first), ids(&[&core, &swing, &core])).await.expect(200);
        assert_eq!(names(&tagged), ["core", "swing"]);
    }
    user.post(&of(&second), ids(&[&core])).await.expect(200);
    assert_eq!(user.get(&path(&core)).await.expect(200)["positions"], 2);
    let tagged = items(&user, &format!("{}/positions", path(&core))).await;
    assert_eq!(tagged.iter().map(|row| &row["id"]).collect::<Vec<_>>(), [&second["id"], &first["id"]]);
    assert_eq!(
        names(&user.get("/positions/tags-for-symbol?symbol=aapl").await.expect(200)),
        ["core", "swing"]
    );
    let here = format!("/positions/tags-for-symbol?symbol=MSFT&portfolio_id={id}");
    assert_eq!(names(&user.get(&here).await.expect(200)), ["core"]);
    stranger.get(&here).await.expect_problem(404, "not_found");
    assert_eq!(
        names(&stranger.get("/positions/tags-for-symbol?symbol=aapl").await.expect(200)),
        [] as [&str; 0]
    );

    // Archived tags stay, out of sight, and come back.
    user.post(&of(&first), ids(&[&gone])).await.expect(200);
    user.post(&format!("{}/archive", path(&gone)), json!({})).await.expect(200);
    assert_eq!(names(&user.get(&of(&first)).await.expect(200)), ["core", "swing"]);
    user.post(&of(&second), ids(&[&gone])).await.expect_problem(409, "tag_archived");
    let before = user.get(&of(&first)).await.expect(200);
    let replaced = user.patch(&of(&first), ids(&[&swing])).await.expect(200);
    assert_eq!(names(&replaced), ["swing"]);
    assert_eq!(replaced["tags"][0], before["tags"][1], "what stays, stays since when it was there");
    user.post(&format!("{}/restore", path(&gone)), json!({})).await.expect(200);
    assert_eq!(names(&user.get(&of(&first)).await.expect(200)), ["swing", "gone"]);

    let off =
        format!("{}?tag_ids={},{}", of(&first), swing["id"].as_str().unwrap(), core["id"].as_str().unwrap());
    assert_eq!(names(&user.delete(&off).await.expect(200)), ["gone"]);
    let removed = user.post(&format!("{}/remove", of(&first)), ids(&[&gone, &core])).await.expect(200);
    assert_eq!(names(&removed), [] as [&str; 0]);
    user.post(&of(&first), ids(&[&core, &swing])).await.expect(200);
    assert_eq!(
        names(&user.request(Method::DELETE, &of(&first), None, &[]).await.expect(200)),
        [] as [&str; 0]
    );
    assert_eq!(names(&user.get(&of(&second)).await.expect(200)), ["core"], "only where it was asked for");

    let nobodys = json!({ "tag_ids": [core["id"], Uuid::now_v7()] });
    user.post(&of(&first), nobodys).await.expect_problem(404, "not_found");
    let theirs = tag(&stranger, "theirs").await;
    user.post(&of(&first), ids(&[&theirs])).await.expect_problem(404, "not_found");
    user.patch(&of(&first), ids(&[&theirs])).await.expect_problem(404, "not_found");
    user.post(&of(&first), json!({ "tag_ids": vec![Uuid::nil(); 51] })).await.expect_wrong_field("tag_ids");
    user.delete(&format!("{}?tag_ids=x", of(&first))).await.expect_wrong_field("tag_ids");
    // A deleted lot is counted nowhere; a deleted tag leaves its positions.
    user.delete(&path_of(&second)).await.expect(204);
    assert_eq!(user.get(&path(&core)).await.expect(200)["positions"], 0);
    user.delete(&path(&core)).await.expect(204);
    assert_eq!(found(&app, "SELECT count(*)::text FROM position_tags").await.unwrap(), "0");
}

#[tokio::test]
async fn positions_get_the_tags_of_their_sectors_once_and_lose_none() {
    let app = TestApp::start().await;
    let (user, stranger) = (app.user().await, app.user().await);
    let id = portfolio(&user).await;
    let profiles = "INSERT INTO company_profiles (symbol, sector, data_source) VALUES
        ('AAPL', 'Technology', 'test'), ('XOM', 'Energy', 'test')";
    sea_orm::ConnectionTrait::execute_unprepared(app.core(), profiles).await.unwrap();
    let apple = lot(&user, &id, json!({})).await;
    let call = json!({ "symbol": "AAPL240621C00200000", "position_type": "LC", "investment_class": "OPTIONS",
        "underlying_symbol": "AAPL", "strike_price": 200, "expiration_date": "2024-06-21" });
    let call = lot(&user, &id, call).await;
    let oil = lot(&user, &id, json!({ "symbol": "XOM" })).await;
    let unknown = lot(&user, &id, json!({ "symbol": "NOBODY" })).await;
    let closed = lot(&user, &id, json!({ "symbol": "XOM", "entry_price": 90 })).await;
    user.post(&format!("{}/close", path_of(&closed)), json!({ "exit_price": 95 })).await.expect(200);
    let theirs = portfolio(&stranger).await;
    let foreign = lot(&stranger, &theirs, json!({})).await;
    // The user has a tag of that name already, in other letters, and one that is archived.
    let energy = tag(&user, "energy").await;
    let swing = tag(&user, "swing").await;
    user.post(&format!("{}/tags", path_of(&oil)), json!({ "tag_ids": [swing["id"]] })).await.expect(200);
    let technology = tag(&user, "Information Technology").await;
    user.post(&format!("{}/archive", path(&technology)), json!({})).await.expect(200);

    let restore = format!("/data/positions/restore-sector-tags?portfolio_id={id}");
    stranger.post(&restore, json!(null)).await.expect_problem(404, "not_found");
    let told = user.post(&restore, json!(null)).await.expect(200);
    let expected = json!({ "positions": 4, "without_sector": 1, "tags_made": 1, "assigned": 3,
        "by_sector": { "Energy": 1, "Information Technology": 2 } });
    assert_eq!(told, expected);
    let of = async |lot: &Value| user.get(&format!("{}/tags", path_of(lot))).await.expect(200);
    for (lot, expected) in [
        (&apple, vec!["Information Technology"]),
        (&call, vec!["Information Technology"]),
        (&oil, vec!["energy", "swing"]),
        (&unknown, vec![]),
        (&closed, vec![]),
    ] {
        assert_eq!(names(&of(lot).await), expected);
    }
    assert_eq!(of(&oil).await["tags"][0]["id"], energy["id"]);
    assert_eq!(of(&apple).await["tags"][0]["id"], technology["id"]);
    assert_eq!(items(&user, "/tags?status=all").await.len(), 3);
    assert_eq!(
        names(&stranger.get(&format!("{}/tags", path_of(&foreign))).await.expect(200)),
        [] as [&str; 0]
    );
    // Again, over all portfolios: nothing more to do.
    let again = user.post("/data/positions/restore-sector-tags", json!(null)).await.expect(200);
    assert_eq!(
        (&again["positions"], &again["tags_made"], &again["assigned"]),
        (&json!(4), &json!(0), &json!(0))
    );
    // A sector without a tag gets one.
    let made = stranger.post("/data/positions/restore-sector-tags", json!(null)).await.expect(200);
    assert_eq!((&made["tags_made"], &made["assigned"]), (&json!(1), &json!(1)));
    assert_eq!(items(&stranger, "/tags").await[0]["name"], "Information Technology");
}
