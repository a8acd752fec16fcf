//! Lots: made one by one and in bulk, found, corrected, deleted, valued by their owners.

use entity::ids::{PortfolioId, PositionId, RealizedEventId, UserId};
use sea_orm::prelude::Decimal;
use serde_json::{Value, json};
use tandem::portfolio::positions::{self, Draft, NewClose, Outcome};
use uuid::Uuid;

use super::{ENTERED, found, items, lot, path_of, portfolio, split, sql, stale, with};
use crate::support::TestApp;

#[tokio::test]
async fn every_kind_of_lot_is_stored_with_its_sign_and_its_contract() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let id = portfolio(&user).await;
    let option = json!({ "underlying_symbol": "aapl", "strike_price": 190, "expiration_date": "2024-06-21" });
    let option = |differs: Value| {
        let mut body = option.clone();
        body["symbol"] = Value::Null;
        for (field, value) in differs.as_object().unwrap() {
            body[field] = value.clone();
        }
        body
    };
    for (given, expected) in [
        (
            json!({}),
            json!({ "symbol": "AAPL", "position_type": "LONG", "investment_class": "PUBLIC", "quantity": 10.0, "multiplier": 1.0, "currency": "USD" }),
        ),
        (
            json!({ "quantity": -5 }),
            json!({ "position_type": "SHORT", "quantity": -5.0, "opened_quantity": -5.0 }),
        ),
        (
            json!({ "quantity": 5, "position_type": "SHORT" }),
            json!({ "position_type": "SHORT", "quantity": -5.0 }),
        ),
        (
            json!({ "quantity": 0.000_000_01, "entry_price": "123456.78901234" }),
            json!({ "quantity": 1e-8, "entry_price": 123_456.789_012_34 }),
        ),
        (json!({ "symbol": " brk.b ", "currency": "EUR" }), json!({ "symbol": "BRK.B", "currency": "EUR" })),
        (
            json!({ "symbol": "FUND II", "investment_class": "PRIVATE", "investment_subtype": "private equity" }),
            json!({ "symbol": "FUND II", "investment_class": "PRIVATE", "investment_subtype": "private equity" }),
        ),
        (
            option(json!({ "position_type": "LC" })),
            json!({ "symbol": "AAPL240621C00190000", "investment_class": "OPTIONS", "multiplier": 100.0, "quantity": 10.0, "underlying_symbol": "AAPL", "strike_price": 190.0, "expiration_date": "2024-06-21" }),
        ),
        (
            option(json!({ "position_type": "SP", "quantity": 3 })),
            json!({ "symbol": "AAPL240621P00190000", "quantity": -3.0 }),
        ),
        (
            option(json!({ "position_type": "LP", "symbol": "AAPL7", "multiplier": 10 })),
            json!({ "symbol": "AAPL7", "multiplier": 10.0 }),
        ),
    ] {
        let made = lot(&user, &id, given.clone()).await;
        for (field, value) in expected.as_object().unwrap() {
            assert_eq!(&made[field], value, "{field} of {given}");
        }
        assert_eq!(user.get(&path_of(&made)).await.expect(200), made);
    }
    // What values them is followed from now on; what has no market is not.
    let symbols = "SELECT string_agg(symbol || ' ' || asset_type, ', ' ORDER BY symbol) FROM symbol_universe";
    assert_eq!(
        found(&app, symbols).await.unwrap(),
        "AAPL equity, AAPL240621C00190000 option, AAPL240621P00190000 option, AAPL7 option, BRK.B equity, EUR/USD fx"
    );
}

#[tokio::test]
async fn wrong_lots_are_named_and_one_keeps_all_out() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let id = portfolio(&user).await;
    let option = json!({
        "position_type": "LC", "underlying_symbol": "AAPL", "strike_price": 190, "expiration_date": "2024-06-21",
    });
    for (given, field) in [
        (json!({ "symbol": "" }), "symbol"),
        (json!({ "symbol": "=1+1" }), "symbol"),
        (json!({ "symbol": null }), "symbol"),
        (json!({ "quantity": 0 }), "quantity"),
        (json!({ "quantity": -1, "position_type": "LONG" }), "quantity"),
        (json!({ "quantity": 0.000_000_001 }), "quantity"),
        (json!({ "entry_price": -0.01 }), "entry_price"),
        (json!({ "entry_date": "2199-01-01" }), "entry_date"),
        (json!({ "entry_date": "1066-10-14" }), "entry_date"),
        (json!({ "currency": "dollars" }), "currency"),
        (json!({ "multiplier": 0 }), "multiplier"),
        (json!({ "investment_subtype": " " }), "investment_subtype"),
        (json!({ "notes": "n".repeat(5001) }), "notes"),
        (json!({ "notes": "a\u{0}" }), "notes"),
        (json!({ "investment_class": "OPTIONS" }), "investment_class"),
        (json!({ "strike_price": 1 }), "underlying_symbol"),
        (json!({ "position_type": "LC" }), "underlying_symbol"),
        (json!({ "position_type": "LC" }), "strike_price"),
        (json!({ "position_type": "LC" }), "expiration_date"),
    ] {
        user.post("/positions", with(&id, given)).await.expect_wrong_field(field);
    }
    for (field, value) in [
        ("expiration_date", json!("2024-03-03")),
        ("strike_price", json!(0)),
        ("investment_class", json!("PUBLIC")),
        ("quantity", json!(-1)),
    ] {
        let mut given = option.clone();
        given[field] = value;
        user.post("/positions", with(&id, given)).await.expect_wrong_field(field);
    }
    let many = json!({ "portfolio_id": id, "positions": [
        { "symbol": "AAPL", "quantity": 1, "entry_price": 1 },
        { "symbol": "AAPL", "quantity": 0, "entry_price": -1 },
        { "symbol": "MSFT", "quantity": 1, "entry_price": 1, "currency": "x" },
    ] });
    let wrong = user.post("/positions/bulk", many).await.expect_wrong_field("positions[1].quantity");
    let fields: Vec<&str> =
        wrong["errors"].as_array().unwrap().iter().map(|error| error["field"].as_str().unwrap()).collect();
    assert_eq!(fields, ["positions[1].entry_price", "positions[1].quantity", "positions[2].currency"]);
    let too_many = vec![json!({ "symbol": "A", "quantity": 1, "entry_price": 1 }); 501];
    let too_many = json!({ "portfolio_id": id, "positions": too_many });
    user.post("/positions/bulk", too_many).await.expect_wrong_field("positions");
    let elsewhere = json!({ "portfolio_id": id, "positions": [
        { "portfolio_id": Uuid::now_v7(), "symbol": "A", "quantity": 1, "entry_price": 1 },
    ] });
    user.post("/positions/bulk", elsewhere).await.expect_wrong_field("positions[0].portfolio_id");
    assert_eq!(items(&user, "/positions").await, [] as [Value; 0]);
    assert_eq!(stale(&app, &id).await, None);
}

#[tokio::test]
async fn many_lots_come_at_once_and_are_told_apart() {
    let app = TestApp::start().await;
    let (user, stranger) = (app.user().await, app.user().await);
    let id = portfolio(&user).await;
    // Two lots of a day at one price are two lots.
    let same = json!({ "symbol": "AAPL", "quantity": 1, "entry_price": 1, "entry_date": ENTERED });
    let many = json!({ "portfolio_id": id, "positions": vec![same; 500] });
    stranger.post("/positions/bulk", many.clone()).await.expect_problem(404, "not_found");
    let made = user.post("/positions/bulk", many).await.expect(201);
    assert_eq!(made["items"].as_array().unwrap().len(), 500);
    assert_eq!(found(&app, "SELECT count(*)::text FROM positions").await.unwrap(), "500");
    assert_eq!(stale(&app, &id).await.as_deref(), Some(ENTERED));
    let ids: Vec<&Value> = made["items"].as_array().unwrap().iter().map(|row| &row["id"]).collect();
    let mut more = ids.clone();
    let nobodys = json!(Uuid::now_v7());
    more[499] = &nobodys;
    let bulk = |ids: &[&Value], force: bool| json!({ "ids": ids, "force": force });
    let delete = async |user: &crate::support::user::TestUser, body: Value| {
        user.request(axum::http::Method::DELETE, "/positions/bulk", Some(body), &[]).await
    };
    delete(&user, bulk(&more, false)).await.expect_problem(404, "not_found");
    delete(&stranger, bulk(&ids, false)).await.expect_problem(404, "not_found");
    assert_eq!(delete(&user, bulk(&ids[..300], false)).await.expect(200)["deleted"], 300);
    assert_eq!(delete(&user, bulk(&ids[300..], true)).await.expect(200)["deleted"], 200);
    assert_eq!(stale(&app, &id).await.as_deref(), Some(ENTERED));
    assert_eq!(items(&user, "/positions").await, [] as [Value; 0]);
    // Those that were not forced left a row, which keeps nobody from making the lot again.
    assert_eq!(found(&app, "SELECT count(*)::text FROM positions").await.unwrap(), "300");
    lot(&user, &id, json!({})).await;
}

/// What an import does: the same lots again are none, and what was deleted comes back with its tags.
#[tokio::test]
async fn lots_of_an_id_of_their_own_are_stored_once_and_come_back() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let id: Uuid = portfolio(&user).await.parse().unwrap();
    let lot = |number: u8, quantity: i64| Draft {
        symbol: Some(format!("S{number}")),
        quantity: Decimal::from(quantity),
        entry_price: Decimal::from(10),
        entry_date: ENTERED.parse().ok(),
        ..Draft::default()
    };
    let store = async |drafts: Vec<(u8, i64, i64)>| -> Vec<Outcome> {
        let tx = app.core().begin().await.unwrap();
        let row = tandem::portfolio::lock_owned(&tx, UserId(user.id), PortfolioId(id)).await.unwrap();
        let today = tandem::portfolio::day::today(&tx).await.unwrap();
        let lots = drafts.into_iter().map(|(number, quantity, closed)| {
            let key = PositionId(Uuid::new_v5(&id, &[number]));
            let mut lot = lot(number, quantity).check(key, &row, today).unwrap();
            if closed > 0 {
                lot.closes = vec![NewClose {
                    id: RealizedEventId(Uuid::new_v5(&key.0, b"1")),
                    trade_date: "2024-04-02".parse().unwrap(),
                    quantity: Decimal::from(closed),
                    price: Decimal::from(12),
                }];
                lot.check_closes(today).unwrap();
            }
            lot
        });
        let outcomes = positions::insert(&tx, &row, lots.collect()).await.unwrap();
        tx.commit().await.unwrap();
        outcomes
    };
    let both = vec![(1, 5, 5), (2, -4, 1)];
    assert_eq!(store(both.clone()).await, [Outcome::Created; 2]);
    let first = items(&user, "/positions").await;
    let figures = |rows: &[Value]| -> Vec<(Value, Value, Value)> {
        let mut figures: Vec<_> = rows
            .iter()
            .map(|row| (row["quantity"].clone(), row["exit_date"].clone(), row["realized_pnl"].clone()))
            .collect();
        figures.sort_by_key(|(_, day, _)| day.is_null());
        figures
    };
    let expected = [(json!(0.0), json!("2024-04-02"), json!(10.0)), (json!(-3.0), Value::Null, json!(-2.0))];
    assert_eq!(figures(&first), expected);
    assert_eq!(store(both.clone()).await, [Outcome::Unchanged; 2]);
    assert_eq!(store(vec![(3, 1, 0), (3, 1, 0)]).await, [Outcome::Created, Outcome::Unchanged]);
    assert_eq!(items(&user, "/positions").await.len(), 3);

    let tag = user.post("/tags", json!({ "name": "kept" })).await.expect(201);
    for row in &first {
        user.post(&format!("{}/tags", path_of(row)), json!({ "tag_ids": [tag["id"]] })).await.expect(200);
        user.delete(&path_of(row)).await.expect(204);
    }
    assert_eq!(items(&user, "/positions").await.len(), 1);
    // The one that was closed comes back with less closed.
    assert_eq!(store(vec![(1, 5, 2), (2, -4, 1)]).await, [Outcome::Revived; 2]);
    let back = user.get(&path_of(first.iter().find(|row| row["symbol"] == "S1").unwrap())).await.expect(200);
    assert_eq!(
        (
            &back["quantity"],
            &back["exit_date"],
            &back["realized_pnl"],
            back["closes"].as_array().unwrap().len()
        ),
        (&json!(3.0), &Value::Null, &json!(4.0), 1)
    );
    assert_eq!(user.get(&format!("/tags/{}", tag["id"].as_str().unwrap())).await.expect(200)["positions"], 2);
    assert_eq!(stale(&app, &id.to_string()).await.as_deref(), Some(ENTERED));
}

#[tokio::test]
async fn lots_are_listed_by_portfolio_symbol_and_status() {
    let app = TestApp::start().await;
    let (user, stranger) = (app.user().await, app.user().await);
    let first = portfolio(&user).await;
    let second = user.post("/portfolios", json!({ "name": "Second" })).await.expect(201);
    let second = second["id"].as_str().unwrap();
    let closed = lot(&user, &first, json!({})).await;
    user.post(&format!("{}/close", path_of(&closed)), json!({ "exit_price": 1 })).await.expect(200);
    lot(&user, &first, json!({ "symbol": "MSFT" })).await;
    lot(&user, second, json!({})).await;
    let count = async |query: &str| items(&user, &format!("/positions{query}")).await.len();
    assert_eq!(count("").await, 3);
    assert_eq!(count(&format!("?portfolio_id={first}")).await, 2);
    assert_eq!(count(&format!("?portfolio_id={first}&status=open")).await, 1);
    assert_eq!(count("?status=closed&symbol=aapl").await, 1);
    assert_eq!(count("?symbol=aapl").await, 2);
    assert_eq!(count("?symbol=IBM").await, 0);
    user.get("/positions?symbol=%3D1").await.expect_wrong_field("symbol");
    user.get("/positions?status=half").await.expect_wrong_field("status");
    stranger.get(&format!("/positions?portfolio_id={first}")).await.expect_problem(404, "not_found");
    assert_eq!(items(&stranger, "/positions").await, [] as [Value; 0]);
    // A deleted portfolio's lots are gone with it.
    user.delete(&format!("/portfolios/{second}")).await.expect(204);
    assert_eq!(count("").await, 2);
}

#[tokio::test]
async fn a_lot_is_corrected_and_its_symbol_only_while_it_is_fresh() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let id = portfolio(&user).await;
    let made = lot(&user, &id, json!({ "notes": "first" })).await;
    let path = path_of(&made);
    stale(&app, &id).await;
    let noted = user.patch(&path, json!({ "notes": null, "investment_subtype": "tech" })).await.expect(200);
    assert_eq!((&noted["notes"], &noted["investment_subtype"]), (&Value::Null, &json!("tech")));
    assert_eq!(stale(&app, &id).await, None, "words are no figures");
    let body = json!({ "symbol": "msft", "quantity": 12, "entry_price": 99.5, "entry_date": "2024-02-01" });
    let corrected = user.put(&path, body).await.expect(200);
    assert_eq!(
        (&corrected["symbol"], &corrected["quantity"], &corrected["entry_price"]),
        (&json!("MSFT"), &json!(12.0), &json!(99.5))
    );
    assert_eq!(stale(&app, &id).await.as_deref(), Some("2024-02-01"));
    user.patch(&path, json!({ "entry_date": "2024-05-01" })).await.expect(200);
    assert_eq!(stale(&app, &id).await.as_deref(), Some("2024-02-01"), "the day it was and the day it is");
    for (field, value) in [
        ("quantity", json!(-1)),
        ("quantity", json!(0)),
        ("entry_price", json!(-1)),
        ("entry_date", json!("2199-01-01")),
        ("symbol", json!("@x")),
        ("exit_date", json!("2024-05-02")),
        ("position_type", json!("SHORT")),
    ] {
        let named = if field == "exit_date" { "exit_price" } else { field };
        user.patch(&path, json!({ field: value })).await.expect_wrong_field(named);
    }
    sql(&app, "UPDATE positions SET created_at = created_at - interval '6 minutes'").await;
    user.patch(&path, json!({ "symbol": "AAPL" })).await.expect_problem(409, "symbol_fixed");
    user.patch(&path, json!({ "symbol": "MSFT", "notes": "the same" })).await.expect(200);
}

#[tokio::test]
async fn an_owner_says_what_a_lot_without_a_market_is_worth() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let id = portfolio(&user).await;
    let made = lot(&user, &id, json!({ "symbol": "FUND II", "investment_class": "PRIVATE" })).await;
    let path = format!("{}/valuations", path_of(&made));
    stale(&app, &id).await;
    for (day, price) in [("2024-06-30", 110.0), ("2024-03-31", 105.0), ("2024-06-30", 112.5)] {
        user.put(&path, json!({ "valuation_date": day, "price": price })).await.expect(204);
        assert_eq!(stale(&app, &id).await.as_deref(), Some(day));
    }
    user.put(&path, json!({ "valuation_date": "2024-06-30", "price": 112.5 })).await.expect(204);
    assert_eq!(stale(&app, &id).await, None, "nothing changed");
    let said: Vec<(Value, Value)> = items(&user, &path)
        .await
        .into_iter()
        .map(|row| (row["valuation_date"].clone(), row["price"].clone()))
        .collect();
    assert_eq!(said, [(json!("2024-06-30"), json!(112.5)), (json!("2024-03-31"), json!(105.0))]);
    user.put(&path, json!({ "valuation_date": "2024-06-30", "price": null })).await.expect(204);
    user.put(&path, json!({ "valuation_date": "2024-06-30" })).await.expect_problem(404, "not_found");
    assert_eq!(items(&user, &path).await.len(), 1);
    for (day, price, field) in [
        ("2024-03-03", 1.0, "valuation_date"),
        ("2199-01-01", 1.0, "valuation_date"),
        ("2024-06-30", -1.0, "price"),
    ] {
        user.put(&path, json!({ "valuation_date": day, "price": price })).await.expect_wrong_field(field);
    }
}

#[tokio::test]
async fn symbols_and_duplicates_can_be_asked_for_before() {
    let app = TestApp::start().await;
    let (user, stranger) = (app.user().await, app.user().await);
    let id = portfolio(&user).await;
    let unknown = user.get("/positions/validate-symbol?symbol=%20brk.b").await.expect(200);
    assert_eq!(
        (&unknown["symbol"], &unknown["is_valid"], &unknown["is_known"]),
        (&json!("BRK.B"), &json!(true), &json!(false))
    );
    let none = user.get("/positions/validate-symbol?symbol=%3D1%2B1").await.expect(200);
    assert_eq!((&none["symbol"], &none["is_valid"]), (&json!("=1+1"), &json!(false)));
    let made = lot(&user, &id, json!({})).await;
    sql(
        &app,
        "INSERT INTO market_data_cache (symbol, date, close, data_source) VALUES
             ('AAPL', '2024-03-01', 101.5, 'test'), ('AAPL', '2024-03-04', 102.25, 'test')",
    )
    .await;
    let known = user.get("/positions/validate-symbol?symbol=aapl").await.expect(200);
    assert_eq!(
        (&known["is_known"], &known["last_close"], &known["last_close_date"], &known["asset_type"]),
        (&json!(true), &json!(102.25), &json!("2024-03-04"), &json!("equity"))
    );
    let asked = format!("/positions/check-duplicate?portfolio_id={id}&symbol=aapl");
    let alike = user.get(&asked).await.expect(200);
    assert_eq!((&alike["is_duplicate"], &alike["positions"][0]["id"]), (&json!(true), &made["id"]));
    let short = user.get(&format!("{asked}&position_type=SHORT")).await.expect(200);
    assert_eq!((&short["is_duplicate"], &short["positions"]), (&json!(false), &json!([])));
    stranger.get(&asked).await.expect_problem(404, "not_found");
    user.get("/positions/check-duplicate?symbol=A").await.expect_wrong_field("portfolio_id");
}

#[tokio::test]
async fn a_list_shows_a_row_as_it_is_shown_alone() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let id = portfolio(&user).await;
    for symbol in ["AAPL", "MSFT", "IBM"] {
        split(&app, symbol, "2024-06-10", "2").await;
        lot(&user, &id, json!({ "symbol": symbol })).await;
    }
    let listed = items(&user, "/positions").await;
    for row in &listed {
        assert_eq!(
            (&row["quantity"], &row["split_factor"], &row["current_quantity"]),
            (&json!(10.0), &json!(2.0), &json!(20.0))
        );
        let mut single = user.get(&path_of(row)).await.expect(200);
        assert_eq!(single.as_object_mut().unwrap().remove("closes"), Some(json!([])));
        assert_eq!(&single, row);
    }
}
