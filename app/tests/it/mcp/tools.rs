//! What the tools do for a program, and for whom.

use serde_json::{Value, json};

use super::{ask, call, key};
use crate::chat::{FOUR, learn};
use crate::support::TestApp;
use crate::support::user::TestUser;

const ALL: [&str; 5] = ["knowledge:read", "memory:read", "memory:write", "chat:read", "chat:write"];

async fn memories(user: &TestUser) -> Vec<Value> {
    user.get("/memories").await.expect(200)["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn schemas_and_envelopes_are_those_of_the_chat() {
    let app = TestApp::start().await;
    let user = app.user().await;
    learn(&app, &user, &FOUR).await;
    let program = key(&user, &ALL).await;
    let tools = ask(&program, "tools/list", json!({})).await["tools"].clone();
    let declared =
        tandem::tools::declared(&app.state.settings, &tandem::tools::ExternalTools::default(), true);
    for name in ["search_knowledge", "recall", "search_conversations"] {
        let tool = tools.as_array().unwrap().iter().find(|tool| tool["name"] == name).unwrap();
        let spec = declared.iter().find(|spec| spec.name == name).unwrap();
        assert_eq!(
            (&tool["inputSchema"], &tool["description"]),
            (&spec.parameters, &json!(spec.description))
        );
        assert_eq!(tool["annotations"]["readOnlyHint"], true, "{tool}");
    }
    let forget = tools.as_array().unwrap().iter().find(|tool| tool["name"] == "forget").unwrap();
    assert_eq!(
        (&forget["annotations"]["readOnlyHint"], &forget["annotations"]["destructiveHint"]),
        (&json!(false), &json!(true))
    );

    let found = call(&program, "search_knowledge", json!({ "query": "market beta", "limit": 2 })).await;
    assert_eq!(found["meta"]["tool"], "search_knowledge");
    assert_eq!(found["meta"]["applied"]["limit"], 2);
    let items = found["data"]["items"].as_array().unwrap();
    assert_eq!(
        (items.len(), &items[0]["title"], &items[0]["number"], &items[1]["number"]),
        (2, &json!("Beta"), &json!(1), &json!(2))
    );
    for (arguments, word) in
        [(json!({}), "query"), (json!({ "query": "x", "owner_id": user.id }), "owner_id")]
    {
        let refused = call(&program, "search_knowledge", arguments).await;
        assert_eq!(refused["error"]["type"], "bad_arguments", "{refused}");
        assert!(refused["error"]["message"].as_str().unwrap().contains(word), "{refused}");
    }
}

#[tokio::test]
async fn results_are_cut_with_a_marker_and_calls_end_in_time() {
    let app = TestApp::with().env("TANDEM__TOOLS__RESULT_CHARACTERS", 600).start().await;
    let user = app.user().await;
    let long = "Market beta moves with the market and is a number. ".repeat(12);
    learn(&app, &user, &[("One", &long), ("Two", &long), ("Three", &long)]).await;
    let program = key(&user, &ALL).await;
    let found = call(&program, "search_knowledge", json!({ "query": "market beta" })).await;
    assert_eq!(found["meta"]["truncated"], true);
    assert!(found["data"].to_string().contains("[truncated]"), "{found}");
    assert!(found["data"].to_string().chars().count() <= 600);

    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/search", silent.local_addr().unwrap());
    let app = TestApp::with()
        .env("TANDEM__TOOLS__WEB_SEARCH_URL", address)
        .env("TANDEM__TOOLS__CALL_TIMEOUT_MS", 300)
        .start()
        .await;
    let program = key(&app.user().await, &ALL).await;
    let late = call(&program, "web_search", json!({ "query": "x" })).await;
    assert_eq!(late["error"]["type"], "timeout", "{late}");
}

#[tokio::test]
async fn a_program_reads_and_writes_the_rows_of_its_user_only() {
    let app = TestApp::start().await;
    let (user, victim) = (app.user().await, app.user().await);
    learn(&app, &victim, &[("Secret", "The canary of the victim sings about beta.")]).await;
    let theirs = victim.post("/memories", json!({ "content": "My canary likes beta." })).await.expect(201);
    let conversation = victim.conversation().await;
    victim.ask(&conversation, "My canary is called Beta.").await.expect(200);
    let program = key(&user, &ALL).await;
    for (name, arguments) in [
        ("search_knowledge", json!({ "query": "canary beta", "scopes": ["global", victim.id] })),
        ("recall", json!({ "query": "canary beta" })),
        ("search_conversations", json!({ "query": "canary" })),
        ("forget", json!({ "memory_ids": [theirs["id"]] })),
    ] {
        let found = call(&program, name, arguments).await;
        assert!(!found["data"].to_string().to_lowercase().contains("canary"), "{name}: {found}");
    }
    let saved = call(&program, "remember", json!({ "fact": "I prefer euros." })).await;
    assert_eq!(saved["data"]["remembered"], "I prefer euros", "{saved}");
    let kept = memories(&user).await;
    assert_eq!(
        (kept.len(), &kept[0]["content"], &kept[0]["metadata"]),
        (1, &json!("I prefer euros"), &json!({ "written_by": "mcp" }))
    );
    assert_eq!(memories(&victim).await.len(), 1);
    // A secret is not kept, and what the user wrote stays the user's.
    let refused = call(&program, "remember", json!({ "fact": "my password is hunter2" })).await;
    assert_eq!(refused["error"]["type"], "refused", "{refused}");
    let own = json!({ "content": "I hold gold", "metadata": { "by": "me" } });
    let own = user.post("/memories", own).await.expect(201);
    let again = call(&program, "remember", json!({ "fact": "i hold gold" })).await;
    assert_eq!(again["data"]["id"], own["id"], "{again}");
    let row = user.get(&format!("/memories/{}", own["id"].as_str().unwrap())).await.expect(200);
    assert_eq!((&row["content"], &row["metadata"]), (&json!("I hold gold"), &json!({ "by": "me" })));
}

#[tokio::test]
async fn forgetting_takes_the_code_of_just_these_memories() {
    let app = TestApp::start().await;
    let (user, other) = (app.user().await, app.user().await);
    let program = key(&user, &ALL).await;
    let mut ids = Vec::new();
    for content in ["I hold tobacco", "I hold gold"] {
        ids.push(user.post("/memories", json!({ "content": content })).await.expect(201)["id"].clone());
    }
    let shown = call(&program, "forget", json!({ "memory_ids": [ids[0]] })).await;
    assert_eq!(
        (&shown["data"]["deleted"], &shown["data"]["items"][0]["content"]),
        (&json!(false), &json!("I hold tobacco"))
    );
    let code = shown["data"]["confirm"].as_str().unwrap();
    let confirmed = |ids: Value, code: &str| json!({ "memory_ids": ids, "confirm": code });
    for arguments in [
        confirmed(json!([ids[1]]), code),
        confirmed(json!([ids[0], ids[1]]), code),
        confirmed(json!([ids[0]]), "AAAAAAAAAAAA"),
        confirmed(json!([ids[0]]), ""),
    ] {
        let refused = call(&program, "forget", arguments).await;
        assert_eq!(refused["error"]["type"], "refused", "{refused}");
    }
    let theirs = key(&other, &ALL).await;
    assert_eq!(call(&theirs, "forget", confirmed(json!([ids[0]]), code)).await["error"]["type"], "not_found");
    // Said otherwise since, it is not what was shown.
    let path = format!("/memories/{}", ids[0].as_str().unwrap());
    user.patch(&path, json!({ "content": "I hold tobacco no more" })).await.expect(200);
    assert_eq!(call(&program, "forget", confirmed(json!([ids[0]]), code)).await["error"]["type"], "refused");
    assert_eq!(memories(&user).await.len(), 2);

    let shown = call(&program, "forget", json!({ "memory_ids": [ids[0]] })).await;
    let code = shown["data"]["confirm"].as_str().unwrap();
    let replica = app.replica().await;
    let gone = call(&replica.at(&program), "forget", confirmed(json!([ids[0]]), code)).await;
    assert_eq!((&gone["data"]["deleted"], &gone["data"]["memory_ids"]), (&json!(true), &json!([ids[0]])));
    let left = memories(&user).await;
    assert_eq!((left.len(), &left[0]["content"]), (1, &json!("I hold gold")));
}
