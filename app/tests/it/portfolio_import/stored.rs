//! What an import stores, and what it does not.

use axum::http::Method;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};

use super::{csv, findings, lots, portfolio};
use crate::support::TestApp;
use crate::support::user::TestUser;

const HEAD: &str = "symbol,quantity,entry_price,entry_date,class,subtype,underlying,strike,expiry,option_type,exit_date,exit_price\n";

async fn id_of(user: &TestUser, portfolio: &str, symbol: &str) -> String {
    let page = user.get(&format!("/positions?portfolio_id={portfolio}&limit=200")).await.expect(200);
    let items = page["items"].as_array().unwrap();
    items.iter().find(|lot| lot["symbol"] == symbol).unwrap()["id"].as_str().unwrap().to_owned()
}

async fn one(app: &TestApp, sql: &str) -> Value {
    let statement = Statement::from_string(
        DbBackend::Postgres,
        format!("SELECT to_jsonb(row) AS row FROM ({sql}) AS row"),
    );
    let row = app.core().query_one_raw(statement).await.unwrap().unwrap();
    row.try_get("", "row").unwrap()
}

#[tokio::test]
async fn with_a_wrong_row_nothing_is_stored_unless_it_may_be_partial() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let id = portfolio(&user, "partial").await;
    let path = format!("/portfolios/{id}/import");
    let text = format!(
        "{HEAD}AAPL,1,1,2024-01-05,,,,,,,,\nMSFT,0,1,2024-01-05,,,,,,,,\nNVDA,2,1,2024-01-05,,,,,,,,\n"
    );
    csv(&user, &path, &text).await.expect_problem(422, "import_refused");
    assert_eq!(lots(&user, &id).await, [] as [String; 0]);
    let done = csv(&user, &format!("{path}?partial=true"), &text).await.expect(200);
    assert_eq!((&done["created"], &done["rejected"], &done["stored"]), (&json!(2), &json!(1), &json!(true)));
    assert_eq!(findings(&done["errors"]), [(3, "ERR_POS_004".to_owned())]);
    // Mended, the rest follows.
    let mended = text.replace("MSFT,0", "MSFT,5");
    let done = csv(&user, &path, &mended).await.expect(200);
    assert_eq!((&done["created"], &done["unchanged"]), (&json!(1), &json!(2)));
    // Nothing right: also in part there is nothing to store.
    let none = format!("{HEAD}MSFT,0,1,2024-01-05,,,,,,,,\n");
    csv(&user, &format!("{path}?partial=true"), &none).await.expect_problem(422, "import_refused");
}

/// Two equal lots are two; one that its owner deleted comes back only when that is asked for.
#[tokio::test]
async fn a_deleted_lot_stays_deleted_until_it_is_revived() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let id = portfolio(&user, "deleted").await;
    let path = format!("/portfolios/{id}/import");
    let text = format!(
        "{HEAD}AAPL,1,1,2024-01-05,,,,,,,,\nAAPL,1,1,2024-01-05,,,,,,,,\nMSFT,1,1,2024-01-05,,,,,,,2024-02-01,2\n"
    );
    csv(&user, &path, &text).await.expect(200);
    let lot = id_of(&user, &id, "MSFT").await;
    user.delete(&format!("/positions/{lot}")).await.expect(204);
    let again = csv(&user, &path, &text).await.expect(200);
    assert_eq!(
        (&again["unchanged"], &again["deleted"], &again["created"]),
        (&json!(2), &json!(1), &json!(0))
    );
    assert_eq!(findings(&again["notes"]), [(4, "NOTE_010".to_owned())]);
    assert_eq!(lots(&user, &id).await.len(), 2);
    let revived = csv(&user, &format!("{path}?revive=true"), &text).await.expect(200);
    assert_eq!((&revived["unchanged"], &revived["revived"]), (&json!(2), &json!(1)));
    assert_eq!(lots(&user, &id).await[2], "MSFT LONG 0.0/1.0@1.0 2024-01-05 USD");
    assert_eq!(id_of(&user, &id, "MSFT").await, lot, "under the same id");
}

/// A file that goes on where the last one ended adds its sales to the lots that are there.
#[tokio::test]
async fn later_sales_close_lots_that_are_there() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let id = portfolio(&user, "grows").await;
    let path = format!("/portfolios/{id}/import");
    let head = "date,symbol,quantity,activityType,unitPrice,currency,fee\n";
    let first = format!(
        "{head}2024-01-02,AAPL,10,BUY,100,USD,0\n2024-02-01,AAPL,10,BUY,120,USD,0\n2024-03-01,AAPL,4,SELL,130,USD,0\n"
    );
    csv(&user, &path, &first).await.expect(200);
    let second = format!("{first}2024-04-01,AAPL,8,SELL,150,USD,0\n");
    app.core()
        .execute_unprepared(&format!("UPDATE portfolios SET stale_from = NULL WHERE id = '{id}'"))
        .await
        .unwrap();
    let done = csv(&user, &path, &second).await.expect(200);
    let counts = ["created", "unchanged", "closes_created", "closes_unchanged"]
        .map(|field| done[field].as_u64().unwrap());
    assert_eq!(counts, [0, 2, 2, 1], "{done}");
    assert_eq!(
        lots(&user, &id).await,
        ["AAPL LONG 0.0/10.0@100.0 2024-01-02 USD", "AAPL LONG 8.0/10.0@120.0 2024-02-01 USD"]
    );
    // (130 - 100) x 4 + (150 - 100) x 6 and (150 - 120) x 2; the exit is the last close.
    let lot = one(&app, &format!("SELECT realized_pnl, exit_price, exit_date FROM positions WHERE portfolio_id = '{id}' AND entry_price = 100")).await;
    assert_eq!(lot, json!({ "realized_pnl": 420.0, "exit_price": 150.0, "exit_date": "2024-04-01" }));
    let rest = one(
        &app,
        &format!(
            "SELECT realized_pnl, exit_date FROM positions WHERE portfolio_id = '{id}' AND entry_price = 120"
        ),
    )
    .await;
    assert_eq!(rest, json!({ "realized_pnl": 60.0, "exit_date": null }));
    let stale = one(&app, &format!("SELECT stale_from FROM portfolios WHERE id = '{id}'")).await;
    assert_eq!(stale["stale_from"], "2024-04-01", "figures are to be computed again from the new sale on");

    // An earlier purchase moves the sales to other lots: that would count them twice.
    let earlier = second.replace("2024-01-02,AAPL,10", "2023-12-01,AAPL,5,BUY,90,USD,0\n2024-01-02,AAPL,10");
    let refused = csv(&user, &path, &earlier).await.expect_problem(422, "import_refused");
    assert!(
        findings(&refused["import"]["errors"]).iter().all(|(_, code)| code == "ERR_PORT_001"),
        "{refused}"
    );
    assert_eq!(lots(&user, &id).await.len(), 2);
}

/// What was closed by hand is not closed again.
#[tokio::test]
async fn a_lot_that_was_closed_by_hand_is_not_closed_twice() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let id = portfolio(&user, "by hand").await;
    let path = format!("/portfolios/{id}/import");
    let open = format!("{HEAD}AAPL,10,100,2024-01-05,,,,,,,,\n");
    csv(&user, &path, &open).await.expect(200);
    let lot = id_of(&user, &id, "AAPL").await;
    let body = json!({ "exit_price": 120, "close_quantity": 10, "exit_date": "2024-02-01" });
    user.put(&format!("/positions/{lot}"), body).await.expect(200);
    let closed = format!("{HEAD}AAPL,10,100,2024-01-05,,,,,,,2024-02-01,120\n");
    let refused = csv(&user, &path, &closed).await.expect_problem(422, "import_refused");
    assert_eq!(findings(&refused["import"]["errors"]), [(2, "ERR_PORT_001".to_owned())]);
    assert_eq!(lots(&user, &id).await, ["AAPL LONG 0.0/10.0@100.0 2024-01-05 USD"]);
}

/// Deposits are capital where nothing else is; beside purchases that bring their own they would count twice.
#[tokio::test]
async fn deposits_are_capital_once() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let empty = portfolio(&user, "empty").await;
    let text = "date,symbol,quantity,activityType,unitPrice,currency,fee,amount\n2024-01-02,$CASH-USD,1,DEPOSIT,1,USD,0,5000\n2024-01-03,$CASH-EUR,1,DEPOSIT,1,EUR,0,70\n2024-01-05,AAPL,10,BUY,100,USD,0,\n";
    let done = csv(&user, &format!("/portfolios/{empty}/import"), text).await.expect(200);
    assert_eq!(done["equity_changes_created"], 1, "{done}");
    assert_eq!(findings(&done["notes"]), [(0, "NOTE_009".to_owned()), (3, "NOTE_009".to_owned())]);
    let row =
        one(&app, &format!("SELECT equity_balance, stale_from FROM portfolios WHERE id = '{empty}'")).await;
    assert_eq!(row, json!({ "equity_balance": 0.0, "stale_from": "2024-01-02" }));
    let change = one(
        &app,
        &format!(
            "SELECT change_type, amount, change_date FROM equity_changes WHERE portfolio_id = '{empty}'"
        ),
    )
    .await;
    assert_eq!(
        change,
        json!({ "change_type": "CONTRIBUTION", "amount": 5000.0, "change_date": "2024-01-02" })
    );

    let second = portfolio(&user, "used").await;
    let path = format!("/portfolios/{second}/import");
    csv(&user, &path, &format!("{HEAD}MSFT,1,1,2024-01-05,,,,,,,,\n")).await.expect(200);
    let done = csv(&user, &path, text).await.expect(200);
    assert_eq!((&done["equity_changes_created"], &done["created"]), (&json!(0), &json!(1)));
    assert_eq!(findings(&done["notes"]), [(2, "NOTE_009".to_owned()), (3, "NOTE_009".to_owned())]);
}

#[tokio::test]
async fn a_portfolio_is_made_with_its_file_or_not_at_all() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let path = "/portfolios/import?name=New&account_name=Depot&currency=EUR&equity_balance=1000.50";
    let wrong = format!("{HEAD}AAPL,0,1,2024-01-05,,,,,,,,\n");
    csv(&user, path, &wrong).await.expect_problem(422, "import_refused");
    let right = format!("{HEAD}SAP,5,100.5,2024-01-05,,,,,,,,\n");
    let shown = csv(&user, &format!("{path}&preview=true"), &right).await.expect(200);
    assert_eq!((&shown["created"], &shown["portfolio_id"]), (&json!(1), &Value::Null));
    let list = user.get("/portfolios").await.expect(200);
    assert_eq!(list["items"], json!([]), "neither a wrong file nor a preview makes a portfolio");

    let keyed = |body: &str| {
        axum::http::Request::builder()
            .method(Method::POST)
            .uri(format!("/api/v1{path}"))
            .header("authorization", format!("Bearer {}", user.token.as_deref().unwrap()))
            .header("content-type", "text/csv")
            .header("idempotency-key", "once")
            .body(axum::body::Body::from(body.to_owned()))
            .unwrap()
    };
    let made = user.send(keyed(&right)).await.expect(201);
    let again = user.send(keyed(&right)).await;
    assert!(again.headers.contains_key("idempotency-replayed"));
    assert_eq!(again.expect(201), made);
    let id = made["portfolio_id"].as_str().unwrap();
    let row = user.get(&format!("/portfolios/{id}")).await.expect(200);
    assert_eq!(
        (&row["currency"], &row["equity_balance"], &row["account_name"]),
        (&json!("EUR"), &json!(1000.5), &json!("Depot"))
    );
    assert_eq!(lots(&user, id).await, ["SAP LONG 5.0/5.0@100.5 2024-01-05 EUR"]);
    csv(&user, path, &right).await.expect_problem(409, "account_name_taken");
    for (query, field) in [
        ("account_name=a", "name"),
        ("name=%20", "name"),
        ("name=a&account_type=gold", "account_type"),
        ("name=a&currency=euro", "currency"),
        ("name=a&equity_balance=much", "equity_balance"),
        ("name=a&equity_balance=-1", "equity_balance"),
    ] {
        csv(&user, &format!("/portfolios/import?{query}"), &right).await.expect_wrong_field(field);
    }
    // The tier's limit holds here too.
    csv(&user, "/portfolios/import?name=Second", &right).await.expect(201);
    csv(&user, "/portfolios/import?name=Third", &right).await.expect_problem(403, "portfolio_limit_reached");
}

/// Many imports of one file at once are one.
#[tokio::test]
async fn imports_at_once_are_one() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let id = portfolio(&user, "at once").await;
    let path = format!("/portfolios/{id}/import");
    let rows: String =
        (1..=300).map(|row| format!("S{row},{row},1.5,2024-01-05,,,,,,,2024-02-01,2\n")).collect();
    let text = format!("{HEAD}{rows}");
    let sends = (0..4).map(|_| csv(&user, &path, &text));
    let done: Vec<Value> =
        futures::future::join_all(sends).await.into_iter().map(|done| done.expect(200)).collect();
    let sum = |field: &str| done.iter().map(|done| done[field].as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum("created"), sum("unchanged")), (300, 900));
    assert_eq!((sum("closes_created"), sum("closes_unchanged")), (300, 900));
    let count = one(
        &app,
        &format!(
            "SELECT count(*) AS lots, sum(realized_pnl) AS gain FROM positions WHERE portfolio_id = '{id}'"
        ),
    )
    .await;
    assert_eq!(count, json!({ "lots": 300, "gain": 22575.0 }));
    let watched = one(&app, "SELECT count(*) AS symbols FROM symbol_universe WHERE symbol LIKE 'S%'").await;
    assert_eq!(watched["symbols"], 300, "prices of what is held are followed");
}

#[tokio::test]
async fn somebody_elses_portfolio_is_not_there() {
    let app = TestApp::start().await;
    let (owner, stranger) = (app.user().await, app.user().await);
    let id = portfolio(&owner, "mine").await;
    let text = format!("{HEAD}AAPL,1,1,2024-01-05,,,,,,,,\n");
    csv(&stranger, &format!("/portfolios/{id}/import"), &text).await.expect_problem(404, "not_found");
    csv(&stranger, &format!("/portfolios/{id}/import?preview=true"), &text)
        .await
        .expect_problem(404, "not_found");
    assert_eq!(lots(&owner, &id).await, [] as [String; 0]);
}
