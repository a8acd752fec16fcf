//! Who sees what.

use serde_json::json;

use super::{found, ingested};
use crate::support::TestApp;

const SAME: &str = "The secret recipe has seven herbs.";

#[tokio::test]
async fn two_users_with_the_same_text_never_see_each_others() {
    let app = TestApp::start().await;
    let (ann, ben) = (app.user().await, app.user().await);
    let text = json!({"title": "Recipe", "text": SAME, "external_id": "r"});
    let anns = ingested(&app, &ann, text.clone()).await;
    assert!(found(&ben, json!({"query": "recipe"})).await.is_empty());
    ben.get(&format!("/knowledge/sources/{anns}")).await.expect_problem(404, "not_found");
    ben.delete(&format!("/knowledge/sources/{anns}")).await.expect_problem(404, "not_found");
    let bens = ingested(&app, &ben, text).await;
    assert_ne!(anns, bens);
    for (user, own) in [(&ann, &anns), (&ben, &bens)] {
        let result =
            user.post("/knowledge/search", json!({"query": "recipe", "limit": 200})).await.expect(200);
        assert_eq!(result["hits"].as_array().unwrap().len(), 1);
        assert_eq!(result["hits"][0]["source_id"], own.as_str());
        assert_eq!(result["under_filled"], true);
        let list = user.get("/knowledge/sources").await.expect(200);
        assert_eq!(list["items"].as_array().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn what_an_administrator_shares_is_seen_by_all_and_deleted_by_administrators() {
    let app = TestApp::start().await;
    let (admin, user) = (app.admin().await, app.user().await);
    let shared = json!({"title": "Recipe", "text": SAME, "external_id": "r", "scope": "global"});
    user.post("/knowledge/sources", shared.clone()).await.expect_problem(403, "shared_scope");
    let id = ingested(&app, &admin, shared).await;
    assert_eq!(found(&user, json!({"query": "recipe"})).await, ["r"]);
    user.delete(&format!("/knowledge/sources/{id}")).await.expect_problem(403, "shared_source");
    admin.delete(&format!("/knowledge/sources/{id}")).await.expect(204);
    assert!(found(&user, json!({"query": "recipe"})).await.is_empty());
}

#[tokio::test]
async fn what_is_shared_with_a_tenant_stays_in_it() {
    let app = TestApp::start().await;
    let (admin, user) = (app.admin().await, app.user().await);
    for (id, tenant) in
        [("ours", "019aa000-0000-7000-8000-000000000001"), ("theirs", "019aa000-0000-7000-8000-000000000002")]
    {
        let scope = format!("tenant:{tenant}");
        let body = json!({"title": "Recipe", "text": SAME, "external_id": id, "scope": scope});
        admin.post("/knowledge/sources", body).await.expect(202);
    }
    app.run_jobs().await;
    assert_eq!(found(&user, json!({"query": "recipe"})).await, ["ours"]);
}

#[tokio::test]
async fn every_route_wants_a_user() {
    let app = TestApp::start().await;
    let nobody = app.anonymous();
    for path in ["/knowledge/sources", "/knowledge/sources/batch", "/knowledge/search"] {
        nobody.post(path, json!({})).await.expect_problem(401, "missing_token");
    }
    nobody.get("/knowledge/sources").await.expect_problem(401, "missing_token");
}
