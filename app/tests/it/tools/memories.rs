//! `recall`, `remember`, `forget` and `search_conversations`.

use serde_json::{Value, json};

use super::{call, results, without_retrieval};
use crate::support::model::{ModelServer, Script};
use crate::support::user::TestUser;

async fn memories(user: &TestUser) -> Vec<String> {
    let listed = user.get("/memories").await.expect(200);
    let text = |item: &Value| item["content"].as_str().unwrap().to_owned();
    listed["items"].as_array().unwrap().iter().map(text).collect()
}

#[tokio::test]
async fn remember_stores_the_users_own_words_and_no_others() {
    let server = ModelServer::start().await;
    let app = without_retrieval(&server).start().await;
    let user = app.user().await;
    let conversation = user.conversation().await;
    let said = "By the way, I prefer  Euros. What is beta? My password is hunter2.";
    for fact in [
        "The user is rich",
        "I prefer dollars",
        "prefer Euro",
        "password is hunter2",
        "I prefer Euros. I am rich",
    ] {
        let result = call(&server, &user, &conversation, said, ("remember", json!({ "fact": fact }))).await;
        assert_eq!(result["error"]["type"], "refused", "{fact}: {result}");
    }
    assert!(memories(&user).await.is_empty());
    for _ in 0..2 {
        let result =
            call(&server, &user, &conversation, said, ("remember", json!({ "fact": "I prefer Euros." })))
                .await;
        assert_eq!(result["error"], Value::Null, "{result}");
    }
    assert_eq!(memories(&user).await, ["I prefer Euros"]);
    // What was said in an earlier turn is not said in this one.
    let late =
        call(&server, &user, &conversation, "Hello.", ("remember", json!({ "fact": "I prefer Euros" })))
            .await;
    assert_eq!(late["error"]["type"], "refused");
}

#[tokio::test]
async fn forget_deletes_nothing_until_the_user_sends_the_phrase() {
    let server = ModelServer::start().await;
    let app = without_retrieval(&server).start().await;
    let user = app.user().await;
    let made = user.post("/memories", json!({ "content": "I hold tobacco stocks" })).await.expect(201);
    user.post("/memories", json!({ "content": "I prefer euros" })).await.expect(201);
    let conversation = user.conversation().await;
    let forget = ("forget", json!({ "memory_ids": [made["id"]] }));
    let found = call(
        &server,
        &user,
        &conversation,
        "What about tobacco?",
        ("recall", json!({ "query": "tobacco stocks" })),
    )
    .await;
    assert_eq!(found["data"]["items"][0]["id"], made["id"]);

    server.push(Script::calls([forget.clone(), forget.clone()]));
    server.push(Script::calls([forget.clone()]));
    server.push(Script::reply(["Done."]));
    let events = user.stream(&conversation, "Forget that I hold tobacco.").await;
    let result = &results(&server)[0];
    assert_eq!(result["data"]["deleted"], false);
    assert_eq!(result["data"]["items"][0]["content"], "I hold tobacco stocks");
    let phrase = result["data"]["phrase_for_the_user_to_send"].as_str().unwrap();
    let notice = events.iter().find(|event| event.data["code"] == "confirm_forget").unwrap();
    assert_eq!((&notice.data["phrase"], &notice.data["memory_ids"][0]), (&json!(phrase), &made["id"]));
    assert_eq!(memories(&user).await.len(), 2);

    // Neither the model, nor another conversation, nor somebody else can use it.
    server.push(Script::reply([phrase]));
    user.ask(&conversation, "Yes.").await.expect(200);
    let elsewhere = user.conversation().await;
    user.ask(&elsewhere, phrase).await.expect(200);
    let other = app.user().await;
    let theirs = other.conversation().await;
    other.ask(&theirs, phrase).await.expect(200);
    user.ask(&conversation, "forget ABCDEFGH").await.expect(200);
    assert_eq!(memories(&user).await.len(), 2);

    let events = user.stream(&conversation, &format!("Yes, {phrase}.")).await;
    let told = events.iter().find(|event| event.data["code"] == "memories_forgotten").unwrap();
    assert_eq!(told.data["memory_ids"], json!([made["id"]]));
    assert_eq!(memories(&user).await, ["I prefer euros"]);
    let system = server.requests().last().unwrap().messages().remove(0);
    assert!(system.1.contains("deleted 1 memories"), "{system:?}");
}

#[tokio::test]
async fn conversations_are_searched_by_words_and_only_the_users_own() {
    let server = ModelServer::start().await;
    server.always(Script::reply(["An answer."]));
    let app = without_retrieval(&server).start().await;
    let (one, two) = (app.user().await, app.user().await);
    for (user, said) in
        [(&one, "My 100% canary sings of_beta."), (&one, "Nothing here."), (&two, "A canary, 100 % of beta.")]
    {
        let conversation = user.conversation().await;
        user.ask(&conversation, said).await.expect(200);
    }
    let conversation = one.conversation().await;
    for (query, count) in [
        ("CANARY beta", 1),
        ("100% of_beta", 1),
        ("100%canary", 1),
        ("canaries sang", 0),
        ("canary -beta", 0),
        ("canary or nothingatall", 1),
        ("answer", 2),
        ("\\", 0),
    ] {
        let search = ("search_conversations", json!({ "query": query, "limit": 2 }));
        let result = call(&server, &one, &conversation, "Look.", search).await;
        let items = result["data"]["items"].as_array().unwrap();
        assert_eq!(items.len(), count, "{query}: {result}");
        assert!(items.iter().all(|item| !item["content"].as_str().unwrap().contains("100 %")), "{result}");
    }
}
