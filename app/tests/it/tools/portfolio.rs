//! What a chat says of the user's portfolios: from tools, from the prompt, and without a model.

use serde_json::{Value, json};

use super::{call, modelled, without_retrieval};
use crate::support::TestApp;
use crate::support::model::{ModelServer, Script};
use crate::views::{book, sql};

const QUESTION: &str = "What is my portfolio worth, and what moved it?";

#[tokio::test]
async fn tools_answer_with_the_figures_of_the_routes() {
    let server = ModelServer::start().await;
    let app = without_retrieval(&server).start().await;
    let user = app.user().await;
    let id = book(&app, &user).await;
    let conversation = user.conversation().await;
    let routed = user.get(&format!("/data/portfolio/{id}/complete")).await.expect(200);

    // The only portfolio need not be named.
    let complete = call(&server, &user, &conversation, QUESTION, ("get_portfolio_complete", json!({}))).await;
    assert_eq!(complete["error"], Value::Null, "{complete}");
    assert_eq!(complete["data"]["portfolio"], routed["portfolio"]);
    assert_eq!(complete["data"]["portfolio"]["total_value"], 1532.5);
    assert_eq!(complete["data"]["items"][0]["symbol"], "FUND");
    assert_eq!(complete["meta"]["applied"]["portfolio_id"], json!(id));

    let movers =
        call(&server, &user, &conversation, QUESTION, ("get_daily_movers", json!({ "portfolio_id": id })))
            .await;
    assert_eq!(
        (&movers["data"]["items"][0]["symbol"], &movers["data"]["items"][0]["day_pnl"]),
        (&json!("MSFT"), &json!(20.0))
    );
    for tool in [
        "get_analytics_overview",
        "get_sector_exposure",
        "get_concentration_metrics",
        "get_portfolio_data_quality",
    ] {
        let result = call(&server, &user, &conversation, QUESTION, (tool, json!({}))).await;
        assert_eq!(result["error"], Value::Null, "{tool}: {result}");
    }
    let listed = call(&server, &user, &conversation, QUESTION, ("list_user_portfolios", json!({}))).await;
    assert_eq!(listed["data"]["items"][0]["id"], json!(id));
    let quotes = json!({ "symbols": ["aapl"] });
    let quotes = call(&server, &user, &conversation, QUESTION, ("get_current_quotes", quotes)).await;
    assert_eq!(
        (&quotes["data"]["items"][0]["price"], &quotes["data"]["items"][0]["change"]),
        (&json!(103.25), &json!(1.75))
    );
    let past = json!({ "symbols": ["AAPL"], "lookback_days": 1 });
    let past = call(&server, &user, &conversation, QUESTION, ("get_prices_historical", past)).await;
    assert_eq!(past["data"]["items"][0]["closes"], json!([["2024-03-05", 101.5], ["2024-03-06", 103.25]]));
    let profile = json!({ "symbols": ["AAPL"] });
    let profile = call(&server, &user, &conversation, QUESTION, ("get_company_profile", profile)).await;
    assert_eq!(profile["data"]["items"][0]["company_name"], "Apple");
}

#[tokio::test]
async fn targets_tags_and_funds_of_factors_are_told() {
    let server = ModelServer::start().await;
    let app = without_retrieval(&server).start().await;
    let user = app.user().await;
    let id = book(&app, &user).await;
    let conversation = user.conversation().await;
    let asked = async |tool: &str, arguments: Value| {
        call(&server, &user, &conversation, "Go on.", (tool, arguments)).await
    };
    let target = json!({ "symbol": "AAPL", "target_price_eoy": 130, "current_price": 104 });
    user.post(&format!("/target-prices/{id}"), target).await.expect(201);
    let routed = user.get(&format!("/target-prices/{id}")).await.expect(200);
    let targets = asked("get_target_prices", json!({})).await;
    assert_eq!(targets["data"], json!({ "items": routed["items"], "left_out": 0 }));
    // (130 - 104) / 104, and 10 x 26.
    let first = &targets["data"]["items"][0];
    assert_eq!(
        (&first["expected_return_eoy"], &first["target_upside_eoy_value"]),
        (&json!(25.0), &json!(260.0))
    );

    let tag = user.post("/tags", json!({ "name": "core" })).await.expect(201);
    let complete = user.get(&format!("/data/portfolio/{id}/complete")).await.expect(200);
    let apple = complete["holdings"].as_array().unwrap().iter().find(|row| row["symbol"] == "AAPL").unwrap();
    let path = format!("/positions/{}/tags", apple["id"].as_str().unwrap());
    user.post(&path, json!({ "tag_ids": [tag["id"]] })).await.expect(200);
    let tags = asked("get_position_tags", json!({ "portfolio_id": id })).await;
    let told: Vec<(&str, &Value)> = tags["data"]["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["symbol"].as_str().unwrap(), &row["tags"]))
        .collect();
    assert_eq!(told, [("FUND", &json!([])), ("MSFT", &json!([])), ("AAPL", &json!(["core"]))]);

    let nothing = asked("get_factor_etf_prices", json!({})).await;
    assert_eq!((&nothing["data"]["items"], &nothing["error"]), (&json!([]), &Value::Null));
    sql(&app, "INSERT INTO market_data_cache (symbol, date, close, data_source) VALUES
        ('SPY', '2024-01-04', 470, 'test'), ('SPY', '2024-03-05', 507, 'test'), ('SPY', '2024-03-06', 509.75, 'test'),
        ('IWM', '2024-03-06', 204, 'test')")
    .await;
    let funds = asked("get_factor_etf_prices", json!({ "lookback_days": 7 })).await;
    let items = funds["data"]["items"].as_array().unwrap();
    assert_eq!(items.len(), 8);
    let fund = |symbol: &str| items.iter().find(|item| item["symbol"] == symbol).unwrap();
    assert_eq!(fund("SPY")["closes"], json!([["2024-03-05", 507.0], ["2024-03-06", 509.75]]));
    assert_eq!(fund("IWM")["factors"], json!(["Size", "Size less market"]));
    let one = asked("get_factor_etf_prices", json!({ "symbols": ["iwm"] })).await;
    assert_eq!(one["data"]["items"].as_array().unwrap().len(), 1);
    for (wrong, word) in [
        (json!({ "symbols": ["AAPL"] }), "is none of IWM"),
        (json!({ "symbols": ["A", "B", "C", "D", "E", "F"] }), "symbols"),
        (json!({ "lookback_days": 181 }), "lookback_days"),
    ] {
        let refused = asked("get_factor_etf_prices", wrong).await;
        assert_eq!(refused["error"]["type"], "bad_arguments");
        assert!(refused["error"]["message"].as_str().unwrap().contains(word), "{refused}");
    }
}

#[tokio::test]
async fn no_argument_reaches_anothers_portfolio() {
    let server = ModelServer::start().await;
    let app = without_retrieval(&server).start().await;
    let (owner, other) = (app.user().await, app.user().await);
    let id = book(&app, &owner).await;
    let own = other.post("/portfolios", json!({ "name": "Mine" })).await.expect(201);
    let conversation = other.conversation().await;
    for tool in [
        "get_portfolio_complete",
        "get_analytics_overview",
        "get_daily_movers",
        "get_sector_exposure",
        "get_concentration_metrics",
        "get_portfolio_data_quality",
        "get_target_prices",
        "get_position_tags",
    ] {
        let result =
            call(&server, &other, &conversation, QUESTION, (tool, json!({ "portfolio_id": id }))).await;
        assert_eq!(
            (&result["error"]["type"], &result["data"]),
            (&json!("not_found"), &Value::Null),
            "{tool}"
        );
    }
    let listed = call(&server, &other, &conversation, QUESTION, ("list_user_portfolios", json!({}))).await;
    assert_eq!(listed["data"]["items"].as_array().unwrap().len(), 1);
    assert_eq!(listed["data"]["items"][0]["id"], own["id"]);
    // Of several portfolios one has to be named.
    other.post("/portfolios", json!({ "name": "Mine too" })).await.expect(201);
    let result = call(&server, &other, &conversation, QUESTION, ("get_daily_movers", json!({}))).await;
    assert_eq!(result["error"]["type"], "ambiguous", "{result}");
}

#[tokio::test]
async fn what_a_model_is_told_is_bounded_and_only_of_its_users_portfolios() {
    let server = ModelServer::start().await;
    let app = without_retrieval(&server).start().await;
    let (user, other) = (app.user().await, app.user().await);
    other.post("/portfolios", json!({ "name": "Somebody else's" })).await.expect(201);
    let id = book(&app, &user).await;
    let gone = user.post("/portfolios", json!({ "name": "Gone", "account_name": "Gone" })).await.expect(201);
    user.delete(&format!("/portfolios/{}", gone["id"].as_str().unwrap())).await.expect(204);
    let lots: Vec<Value> = (0..202)
        .map(|number| json!({ "portfolio_id": id, "symbol": "AAPL", "quantity": 1, "entry_price": 100 + number, "entry_date": "2024-03-04" }))
        .collect();
    let body = json!({ "portfolio_id": id, "positions": lots });
    user.post("/positions/bulk", body).await.expect(201);
    let prices = "INSERT INTO market_data_cache (symbol, date, close, data_source)
        SELECT 'AAPL', DATE '2024-03-04' - day, 90, 'test' FROM generate_series(1, 200) AS day";
    crate::views::sql(&app, prices).await;
    let conversation = user.conversation().await;
    let ask = async |tool: &'static str, arguments: Value| {
        call(&server, &user, &conversation, QUESTION, (tool, arguments)).await
    };
    // The only one that is there and the user's: it need not be named.
    let complete = ask("get_portfolio_complete", json!({})).await;
    assert_eq!(complete["meta"]["applied"]["portfolio_id"], json!(id), "{complete}");
    assert_eq!(complete["data"]["left_out"], 5);
    let movers = ask("get_daily_movers", json!({})).await;
    assert_eq!(movers["data"]["items"].as_array().unwrap().len(), 10);
    let past = ask("get_prices_historical", json!({ "symbols": ["AAPL"] })).await;
    let closes = past["data"]["items"][0]["closes"].as_array().unwrap().clone();
    assert_eq!((&closes[0][0], &closes.last().unwrap()[0]), (&json!("2024-02-05"), &json!("2024-03-06")));
    let most = ask("get_prices_historical", json!({ "symbols": ["AAPL"], "lookback_days": 180 })).await;
    assert_eq!(most["meta"]["applied"]["from"], "2023-09-08", "{most}");
    for wrong in [
        json!({ "symbols": ["AAPL"], "lookback_days": 181 }),
        json!({ "symbols": ["A", "B", "C", "D", "E", "F"] }),
        json!({ "symbols": [] }),
    ] {
        let refused = ask("get_prices_historical", wrong).await;
        assert_eq!(refused["error"]["type"], "bad_arguments", "{refused}");
    }
    let five = ask("get_current_quotes", json!({ "symbols": ["A", "B", "C", "D", "MSFT"] })).await;
    assert_eq!(five["data"]["items"][0]["symbol"], "MSFT", "{five}");
}

#[tokio::test]
async fn only_who_has_a_portfolio_is_asked_to_pay_for_its_tools() {
    let server = ModelServer::start().await;
    let app = without_retrieval(&server).start().await;
    let user = app.user().await;
    let names = async || {
        server.push(Script::reply(["Hello."]));
        let conversation = user.conversation().await;
        user.ask(&conversation, "Hello!").await.expect(200);
        let request = server.requests().pop().unwrap().body;
        let tools = request["tools"].as_array().unwrap().clone();
        let names: Vec<String> =
            tools.iter().map(|tool| tool["function"]["name"].as_str().unwrap().to_owned()).collect();
        (names, request["messages"].to_string())
    };
    let (without, prompt) = names().await;
    assert!(!without.contains(&"get_daily_movers".to_owned()), "{without:?}");
    assert!(!prompt.contains("<portfolio number"), "{prompt}");
    book(&app, &user).await;
    let (with, prompt) = names().await;
    assert!(with.contains(&"get_daily_movers".to_owned()), "{with:?}");
    assert!(prompt.contains("The portfolio A book is worth 1532.50 USD as of 2024-03-06."), "{prompt}");
    assert!(prompt.contains("moved most by MSFT (20.00), AAPL (17.50): by 37.50 USD in all"), "{prompt}");
}

#[tokio::test]
async fn without_a_model_the_answer_quotes_the_figures() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let id = book(&app, &user).await;
    let conversation = user.conversation().await;
    let events = user.stream(&conversation, QUESTION).await;
    let context = &events.iter().find(|event| event.event == "context").unwrap().data;
    assert_eq!(
        (&context["portfolios"][0]["id"], &context["portfolios"][0]["total_value"]),
        (&json!(id), &json!(1532.5))
    );
    let answer = events.last().unwrap().data["content"].as_str().unwrap();
    assert!(answer.contains("1532.50 USD") && answer.contains("MSFT (20.00)"), "{answer}");
}

#[tokio::test]
async fn a_model_without_tools_still_has_the_figures() {
    let server = ModelServer::start().await;
    let app = modelled(&server).env("TANDEM__TOOLS__ROUNDS", 0).start().await;
    let user = app.user().await;
    book(&app, &user).await;
    let conversation = user.conversation().await;
    server.push(Script::reply(["It is worth 1532.50 USD."]));
    user.ask(&conversation, QUESTION).await.expect(200);
    let prompt = server.requests().pop().unwrap().body["messages"].to_string();
    assert!(prompt.contains("worth 1532.50 USD"), "{prompt}");
}
