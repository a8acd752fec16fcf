//! Figures of the user's portfolios are cited to what told them.

use std::time::Duration;

use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use super::{modelled, results, without_retrieval};
use crate::chat::transfer::export;
use crate::chat::{FOUR, eventually, learn};
use crate::support::TestApp;
use crate::support::model::{ModelServer, Script};
use crate::support::response::{SseEvent, joined};
use crate::support::user::TestUser;
use crate::views::book;

const QUESTION: &str = "What is my portfolio worth, and what moved it?";

/// What the stored answer cites; the stream said the same, and every marker is one of them.
async fn cited(user: &TestUser, conversation: &str, events: &[SseEvent]) -> (String, Vec<Value>) {
    let path = format!("/chat/conversations/{conversation}/messages");
    let answer = user.get(&path).await.expect(200)["items"][1].clone();
    let text = answer["content"].as_str().unwrap().to_owned();
    assert_eq!(joined(events), text);
    let citations = answer["citations"].as_array().unwrap().clone();
    let streamed: Vec<&Value> =
        events.iter().filter(|event| event.event == "citation").map(|event| &event.data).collect();
    assert_eq!(streamed, citations.iter().collect::<Vec<_>>());
    let characters: Vec<char> = text.chars().collect();
    for citation in &citations {
        let place = |name: &str| usize::try_from(citation[name].as_u64().unwrap()).unwrap();
        let marker: String = characters[place("start")..place("end")].iter().collect();
        assert_eq!(marker, format!("[{}]", citation["index"]), "{text}");
    }
    assert_eq!(text.matches('[').count(), citations.len(), "{text}");
    (text, citations)
}

fn of_figures(citation: &Value) -> (&Value, &Value, &Value, &Value, &Value) {
    assert_eq!((&citation["kind"], citation.get("page")), (&json!("figures"), None), "{citation}");
    assert_eq!((&citation["document_id"], &citation["source_id"]), (&Value::Null, &Value::Null));
    let of = |name: &str| &citation[name];
    (of("portfolio_id"), of("title"), of("as_of"), of("tool"), of("quote"))
}

#[tokio::test]
async fn the_answer_of_a_model_is_cited_to_the_results_of_its_tools() {
    let server = ModelServer::start().await;
    let app = without_retrieval(&server).start().await;
    let user = app.user().await;
    let id = json!(book(&app, &user).await);
    let conversation = user.conversation().await;
    server.push(Script::calls([("get_portfolio_complete", json!({})), ("get_daily_movers", json!({}))]));
    server.push(Script::reply([
        "It is worth $1,532.50 [",
        "2]. MSFT (+20.00) and AAPL (+17.50) moved it [3] [9].",
    ]));

    let events = user.stream(&conversation, QUESTION).await;

    let numbers: Vec<Value> =
        results(&server).iter().map(|result| result["meta"]["number"].clone()).collect();
    assert_eq!(numbers, [json!(2), json!(3)], "the prompt's own is 1");
    let (text, citations) = cited(&user, &conversation, &events).await;
    assert_eq!(text, "It is worth $1,532.50 [2]. MSFT (+20.00) and AAPL (+17.50) moved it [3].");
    let (name, day) = (json!("A book"), json!("2024-03-06"));
    let (worth, moved) = (json!("get_portfolio_complete"), json!("get_daily_movers"));
    let values = json!("A book: market_value 1532.5, total_value 1532.5");
    assert_eq!(of_figures(&citations[0]), (&id, &name, &day, &worth, &values));
    let values = json!("MSFT: day_pnl 20.0\nAAPL: day_pnl 17.5");
    assert_eq!(of_figures(&citations[1]), (&id, &name, &day, &moved, &values));
    // They resolve: the call stands in the answer, and the portfolio has what is quoted.
    let path = format!("/chat/conversations/{conversation}/messages");
    let answer = user.get(&path).await.expect(200)["items"][1].clone();
    for (citation, call) in citations.iter().zip(answer["tool_calls"].as_array().unwrap()) {
        assert_eq!((&citation["tool_call_id"], &citation["tool"]), (&call["id"], &call["name"]));
        assert_eq!((&call["result"]["number"], &call["result"]["portfolio_id"]), (&citation["index"], &id));
        assert!(!call.to_string().contains("A book"), "a name is kept beside the answer: {call}");
    }
    let routed = format!("/data/portfolio/{}/complete", id.as_str().unwrap());
    assert_eq!(user.get(&routed).await.expect(200)["portfolio"]["total_value"], 1532.5);
}

#[tokio::test]
async fn numbers_stay_whatever_is_found_between_and_in_later_rounds() {
    let server = ModelServer::start().await;
    let app = modelled(&server)
        .env("TANDEM__CHAT__RETRIEVED_PASSAGES", 1)
        .env("TANDEM__CHAT__RETRIEVAL_DEADLINE_MS", 60_000)
        .env("TANDEM__TOOLS__CALL_TIMEOUT_MS", 60_000)
        .start()
        .await;
    let user = app.user().await;
    learn(&app, &user, &FOUR).await;
    book(&app, &user).await;
    user.post("/portfolios", json!({ "name": "Empty", "account_name": "Empty" })).await.expect(201);
    let conversation = user.conversation().await;
    let listed = user.get("/data/portfolios").await.expect(200)["data"].clone();
    let held = listed.as_array().unwrap().iter().find(|row| row["name"] == "A book").unwrap()["id"].clone();
    let search = |query: &str| ("search_knowledge", json!({ "query": query, "limit": 1 }));
    let movers = || ("get_daily_movers", json!({ "portfolio_id": held }));
    let fall = "fall from a peak of the portfolio's value";
    server.push(Script::calls([movers(), search(fall), ("list_user_portfolios", json!({}))]));
    server.push(Script::calls([
        search(fall),
        ("get_current_quotes", json!({ "symbols": ["AAPL"] })),
        movers(),
    ]));
    server.push(Script::reply(["[1] [2] [3] [4] [5] [6] [7] [8] [9] [10]"]));

    let events = user.stream(&conversation, "What does market beta measure in my portfolio?").await;

    let context = &events.iter().find(|event| event.event == "context").unwrap().data;
    assert_eq!(
        (&context["documents"][0]["index"], &context["documents"][0]["title"]),
        (&json!(1), &json!("Beta"))
    );
    let block: Vec<&Value> =
        context["portfolios"].as_array().unwrap().iter().map(|row| &row["index"]).collect();
    assert_eq!(block, [&json!(2), &json!(3)]);
    let prompt = server.requests()[0].body["messages"].to_string();
    assert!(prompt.contains("<portfolio number=\\\"2\\\" name=\\\"A book\\\""), "{prompt}");
    let came = results(&server);
    assert_eq!(came.len(), 6);
    let numbers =
        |at: usize| (came[at]["meta"]["number"].clone(), came[at]["data"]["items"][0]["number"].clone());
    assert_eq!(numbers(0), (json!(4), Value::Null), "movers");
    assert_eq!(numbers(1), (Value::Null, json!(5)), "a passage");
    // Each portfolio of the list is a source of its own.
    assert_eq!(numbers(2), (Value::Null, json!(6)));
    assert_eq!(came[2]["data"]["items"][1]["number"], 7);
    assert_eq!(numbers(3), (Value::Null, json!(5)), "the same passage");
    assert_eq!((numbers(4).0, numbers(5).0), (json!(8), json!(9)));
    let (text, citations) = cited(&user, &conversation, &events).await;
    assert_eq!(text, "[1] [2] [3] [4] [5] [6] [7] [8] [9]");
    let titles: Vec<&str> = citations.iter().map(|citation| citation["title"].as_str().unwrap()).collect();
    assert_eq!(
        titles,
        ["Beta", "A book", "Empty", "A book", "Drawdown", "A book", "Empty", "AAPL", "A book"]
    );
    let kinds: Vec<bool> = citations.iter().map(|citation| citation["kind"] == "figures").collect();
    assert_eq!(kinds, [false, true, true, true, false, true, true, true, true]);
    // Prices are nobody's.
    assert_eq!(
        (citations[7].get("portfolio_id"), &citations[7]["tool"]),
        (None, &json!("get_current_quotes"))
    );
}

#[tokio::test]
async fn a_figure_without_a_marker_is_cited_to_the_one_portfolio_that_has_it() {
    let server = ModelServer::start().await;
    let app = modelled(&server).env("TANDEM__TOOLS__ROUNDS", 0).start().await;
    let user = app.user().await;
    let id = json!(book(&app, &user).await);
    let conversation = user.conversation().await;
    server.push(Script::reply([
        "As of 2024-03-06 it is worth $1,",
        "532.50. It has 3 positions, ",
        "and 99.99 is not of it.\n- MSFT: 20",
        ".00\n",
    ]));
    let events = user.stream(&conversation, QUESTION).await;
    let (text, citations) = cited(&user, &conversation, &events).await;
    assert_eq!(
        text,
        "As of 2024-03-06 it is worth $1,532.50. [1] It has 3 positions, and 99.99 is not of it.\n- MSFT: 20.00 [1]\n"
    );
    let quote = json!("The portfolio A book is worth 1532.50 USD as of 2024-03-06.");
    let (name, day) = (json!("A book"), json!("2024-03-06"));
    assert_eq!(of_figures(&citations[0]), (&id, &name, &day, &Value::Null, &quote));
    assert!(citations[1]["quote"].as_str().unwrap().contains("MSFT (20.00)"), "{citations:?}");

    // Of two that have it, none is guessed; of the one that is named it is.
    let twin = user.post("/portfolios", json!({ "name": "Twin", "account_name": "Twin" })).await.expect(201);
    let lot = json!({ "portfolio_id": twin["id"], "symbol": "FUND", "quantity": 1, "entry_price": 1532.5, "entry_date": "2024-03-04", "investment_class": "PRIVATE" });
    user.post("/positions", lot).await.expect(201);
    let conversation = user.conversation().await;
    server.push(Script::reply(["One is worth 1532.50 USD. Twin is worth 1532.50 USD too."]));
    let events = user.stream(&conversation, QUESTION).await;
    let (text, citations) = cited(&user, &conversation, &events).await;
    assert_eq!(text, "One is worth 1532.50 USD. Twin is worth 1532.50 USD too. [2]");
    assert_eq!(of_figures(&citations[0]).0, &twin["id"]);
}

#[tokio::test]
async fn without_a_model_the_quoted_figures_are_cited() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let id = json!(book(&app, &user).await);
    let conversation = user.conversation().await;
    let events = user.stream(&conversation, QUESTION).await;
    let (text, citations) = cited(&user, &conversation, &events).await;
    assert!(
        text.starts_with(
            "From your portfolios: The portfolio A book is worth 1532.50 USD as of 2024-03-06. [1]"
        ),
        "{text}"
    );
    assert!(
        text.contains(
            "It was moved most by MSFT (20.00), AAPL (17.50): by 37.50 USD in all on 2024-03-06. [1]"
        ),
        "{text}"
    );
    for citation in &citations {
        assert_eq!((of_figures(citation).0, of_figures(citation).3), (&id, &Value::Null));
        assert!(text.contains(citation["quote"].as_str().unwrap()), "{citation}");
    }
}

#[tokio::test]
async fn a_deleted_portfolio_leaves_no_figures_in_quotes_and_logs() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let id = book(&app, &user).await;
    let conversation = user.conversation().await;
    user.ask(&conversation, QUESTION).await.expect(200);
    let logged = "SELECT count(*) AS n FROM message_events WHERE event IN ('citation', 'context') AND data::text LIKE '%1532.5%'";
    assert!(count(&app, logged).await > 1);
    user.delete(&format!("/portfolios/{id}")).await.expect(204);
    let told = user.get(&format!("/chat/conversations/{conversation}/messages")).await.expect(200);
    let answer = &told["items"][1];
    for citation in answer["citations"].as_array().unwrap() {
        let (of, title, .., quote) = of_figures(citation);
        assert_eq!(
            (of, title, quote, &citation["deleted"]),
            (&json!(id), &json!(""), &json!(""), &json!(true))
        );
    }
    assert!(answer["content"].as_str().unwrap().contains("1532.50"), "the answer stays");
    assert_eq!(count(&app, logged).await, 0);
}

#[tokio::test]
async fn a_portfolio_deleted_while_it_is_cited_is_not_quoted() {
    let server = ModelServer::start().await;
    let app = without_retrieval(&server).start().await;
    let user = app.user().await;
    let id = book(&app, &user).await;
    let conversation = user.conversation().await;
    server.push(Script::reply(["It is worth 1532.50 [1] ", "or ", "so."]).every(Duration::from_millis(700)));
    let turn = {
        let (user, conversation) = (user.clone(), conversation.clone());
        tokio::spawn(async move { user.ask(&conversation, QUESTION).await })
    };
    let logged = "SELECT count(*) AS n FROM message_events WHERE event = 'citation'";
    assert!(eventually(|| async { count(&app, logged).await == 1 }).await, "nothing was cited");
    user.delete(&format!("/portfolios/{id}")).await.expect(204);
    let answer = turn.await.unwrap().expect(200);
    let citation = &answer["citations"][0];
    assert_eq!(
        (&citation["title"], &citation["quote"], &citation["deleted"]),
        (&json!(""), &json!(""), &json!(true))
    );
    let words =
        "SELECT count(*) AS n FROM message_events WHERE event = 'citation' AND data ->> 'quote' <> ''";
    assert_eq!(count(&app, words).await, 0);
}

#[tokio::test]
async fn citations_of_figures_are_exported_and_come_back_to_whom_the_portfolio_belongs() {
    let server = ModelServer::start().await;
    let app = without_retrieval(&server).start().await;
    let (user, other) = (app.user().await, app.user().await);
    book(&app, &user).await;
    let conversation = user.conversation().await;
    server.push(Script::calls([
        ("get_daily_movers", json!({})),
        ("get_current_quotes", json!({ "symbols": ["AAPL"] })),
    ]));
    server.push(Script::reply(["MSFT brought 20.00 [2]; AAPL closed at 103.25 [3]."]));
    let asked = user.ask(&conversation, QUESTION).await.expect(200);
    let original = asked["citations"].as_array().unwrap().clone();
    assert_eq!(original[1]["quote"], "AAPL: price 103.25");
    let file = user.get(&format!("/chat/conversations/{conversation}/export")).await.expect(200);
    assert_eq!(file["conversations"][0]["messages"][1]["citations"], json!(original));

    user.delete(&format!("/chat/conversations/{conversation}")).await.expect(204);
    let citations = async |user: &TestUser| {
        let report = user.post("/chat/import", file.clone()).await.expect(200);
        let copy = report["items"][0]["id"].as_str().unwrap().to_owned();
        let told = user.get(&format!("/chat/conversations/{copy}/messages")).await.expect(200);
        told["items"][1]["citations"].as_array().unwrap().clone()
    };
    assert_eq!(citations(&user).await, original);
    let foreign = citations(&other).await;
    assert_eq!((&foreign[0]["quote"], &foreign[0]["deleted"]), (&json!(""), &json!(true)));
    assert_eq!((foreign[0].get("portfolio_id"), &foreign[0]["tool"]), (None, &json!("get_daily_movers")));
    assert_eq!(foreign[1], original[1], "prices are nobody's");

    // A citation is of a passage or of figures, and an older export knows passages only.
    let said = |citation: Value| {
        let message = json!({ "id": "a", "role": "assistant", "content": "x [1]", "citations": [citation] });
        export(json!([{ "id": "c", "messages": [message] }]))
    };
    let place = json!({ "index": 1, "start": 2, "end": 5, "title": "T", "quote": "Q", "deleted": false });
    let with = |fields: Value| {
        let mut citation = place.clone();
        citation.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        said(citation)
    };
    let some = uuid::Uuid::now_v7();
    for wrong in [
        json!({}),
        json!({ "kind": "figures" }),
        json!({ "kind": "figures", "tool": "get_daily_movers" }),
        json!({ "kind": "figures", "portfolio_id": some, "source_id": some }),
        json!({ "document_id": some, "source_id": some, "portfolio_id": some }),
    ] {
        let report = other.post("/chat/import", with(wrong.clone())).await.expect(200);
        assert_eq!(report["failed"], 1, "{wrong} {report}");
    }
    let old = with(json!({ "document_id": some, "source_id": some }));
    assert_eq!(other.post("/chat/import", old).await.expect(200)["imported"], 1);
}

#[tokio::test]
async fn the_schema_keeps_passages_and_figures_apart() {
    let app = TestApp::start().await;
    let user = app.user().await;
    book(&app, &user).await;
    let conversation = user.conversation().await;
    user.ask(&conversation, QUESTION).await.expect(200);
    for change in [
        "kind = 'passage'",
        "kind = 'rumour'",
        "source_id = gen_random_uuid()",
        "tool = 'get_daily_movers'",
        "page = 1",
        "portfolio_id = NULL",
        "portfolio_id = gen_random_uuid()",
    ] {
        let sql = format!("UPDATE citations SET {change} WHERE kind = 'figures'");
        assert!(app.core().execute_unprepared(&sql).await.is_err(), "{change}");
    }
}

async fn count(app: &TestApp, sql: &str) -> i64 {
    let statement = sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, sql);
    app.core().query_one_raw(statement).await.unwrap().unwrap().try_get("", "n").unwrap()
}
