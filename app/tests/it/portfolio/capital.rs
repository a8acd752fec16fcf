//! Contributions and withdrawals.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{contribution, items, portfolio, sql, stale};
use crate::support::TestApp;

async fn today(app: &TestApp, plus: i32) -> String {
    super::found(app, &format!("SELECT ((now() AT TIME ZONE 'UTC')::date + {plus})::text")).await.unwrap()
}

#[tokio::test]
async fn capital_is_entered_corrected_for_seven_days_and_deleted_for_thirty() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let id = portfolio(&user).await;
    let path = format!("/portfolios/{id}/equity-changes");
    let mut body = contribution();
    body["notes"] = json!("salary");
    let made = user.post(&path, body.clone()).await.expect(201);
    for (field, value) in body.as_object().unwrap() {
        assert_eq!(&made[field], value, "{field}");
    }
    assert_eq!(stale(&app, &id).await.as_deref(), Some(super::ENTERED));
    let one = format!("{path}/{}", made["id"].as_str().unwrap());
    assert_eq!(user.get(&one).await.expect(200), made);
    let noted = user.put(&one, json!({ "notes": null })).await.expect(200);
    assert_eq!((&noted["notes"], &noted["amount"]), (&Value::Null, &json!(1000.5)));
    assert_eq!(stale(&app, &id).await, None, "words are no figures");
    let changed = user
        .put(&one, json!({ "change_type": "WITHDRAWAL", "amount": 7, "change_date": "2024-02-01" }))
        .await;
    assert_eq!(changed.expect(200)["change_type"], "WITHDRAWAL");
    assert_eq!(stale(&app, &id).await.as_deref(), Some("2024-02-01"));

    let age = async |days: u32| {
        let back = format!(
            "UPDATE equity_changes SET created_at = now() - interval '{days} days' + interval '1 minute'"
        );
        sql(&app, &back).await;
    };
    age(7).await;
    user.put(&one, json!({ "amount": 8 })).await.expect(200);
    age(8).await;
    user.put(&one, json!({ "amount": 9 })).await.expect_problem(409, "equity_change_fixed");
    age(31).await;
    user.delete(&one).await.expect_problem(409, "equity_change_fixed");
    age(30).await;
    stale(&app, &id).await;
    user.delete(&one).await.expect(204);
    assert_eq!(stale(&app, &id).await.as_deref(), Some("2024-02-01"));
    user.get(&one).await.expect_problem(404, "not_found");
    user.delete(&one).await.expect_problem(404, "not_found");
    assert_eq!(items(&user, &path).await, [] as [Value; 0]);
    let kept =
        super::found(&app, "SELECT count(*)::text FROM equity_changes WHERE deleted_at IS NOT NULL").await;
    assert_eq!(kept.as_deref(), Some("1"));
}

#[tokio::test]
async fn wrong_capital_is_named() {
    let app = TestApp::start().await;
    let (user, stranger) = (app.user().await, app.user().await);
    let id = portfolio(&user).await;
    let path = format!("/portfolios/{id}/equity-changes");
    for (field, value) in [
        ("amount", json!(0)),
        ("amount", json!(-1)),
        ("amount", json!(0.001)),
        ("amount", json!(1e12)),
        ("change_type", json!("GIFT")),
        ("change_date", json!(today(&app, 1).await)),
        ("change_date", json!("1066-10-14")),
        ("change_date", json!("31.12.2024")),
        ("notes", json!("n".repeat(501))),
        ("id", json!(Uuid::now_v7())),
    ] {
        let mut body = contribution();
        body[field] = value;
        user.post(&path, body).await.expect_wrong_field(field);
    }
    let mut body = contribution();
    body["change_date"] = json!(today(&app, 0).await);
    let made = user.post(&path, body).await.expect(201);
    let one = format!("{path}/{}", made["id"].as_str().unwrap());
    user.put(&one, json!({ "change_date": today(&app, 1).await })).await.expect_wrong_field("change_date");
    // Under another portfolio it is not there.
    let other = portfolio(&stranger).await;
    let elsewhere = format!("/portfolios/{other}/equity-changes/{}", made["id"].as_str().unwrap());
    stranger.get(&elsewhere).await.expect_problem(404, "not_found");
    stranger.delete(&elsewhere).await.expect_problem(404, "not_found");
    user.get(&format!("{path}/not-an-id")).await.expect_wrong_field("change_id");
    user.get(&format!("{path}?start_date=2024-02-01&end_date=2024-01-01"))
        .await
        .expect_wrong_field("end_date");
}

#[tokio::test]
async fn capital_is_summed_and_exported_and_no_note_is_a_formula() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let id = portfolio(&user).await;
    let path = format!("/portfolios/{id}/equity-changes");
    let empty = user.get(&format!("{path}/summary")).await.expect(200);
    assert_eq!(
        (&empty["total"]["net_flow"], &empty["total"]["changes"], &empty["first_change_date"]),
        (&json!(0.0), &json!(0), &Value::Null)
    );
    let recent = today(&app, -3).await;
    let older = today(&app, -60).await;
    for (kind, amount, day, notes) in [
        ("CONTRIBUTION", 1000.1, "2023-01-02", "=HYPERLINK(\"http://example.com\")"),
        ("CONTRIBUTION", 0.2, older.as_str(), "-1"),
        ("WITHDRAWAL", 250.05, recent.as_str(), "a, \"b\""),
    ] {
        let body = json!({ "change_type": kind, "amount": amount, "change_date": day, "notes": notes });
        user.post(&path, body).await.expect(201);
    }
    let summary = user.get(&format!("{path}/summary")).await.expect(200);
    assert_eq!(
        summary["total"],
        json!({ "contributions": 1000.3, "withdrawals": 250.05, "net_flow": 750.25, "changes": 3 })
    );
    assert_eq!(summary["last_30_days"]["net_flow"], json!(-250.05));
    assert_eq!(summary["last_90_days"]["net_flow"], json!(-249.85));
    assert_eq!(
        (&summary["first_change_date"], &summary["last_change_date"]),
        (&json!("2023-01-02"), &json!(recent))
    );
    assert_eq!(summary["currency"], "USD");

    let file = user.get(&format!("{path}/export")).await;
    assert_eq!(
        (file.status, &file.headers["content-type"]),
        (200, &"text/csv; charset=utf-8".parse().unwrap())
    );
    assert!(file.headers["content-disposition"].to_str().unwrap().starts_with("attachment;"));
    let lines: Vec<&str> = file.body.lines().collect();
    assert_eq!(lines[0], "change_date,change_type,amount,currency,notes,created_at");
    assert!(
        lines[1].starts_with(&format!("{recent},WITHDRAWAL,250.05,USD,\"a, \"\"b\"\"\",")),
        "{}",
        lines[1]
    );
    assert!(lines[2].contains(",0.2,USD,'-1,"), "{}", lines[2]);
    assert!(lines[3].contains(",\"'=HYPERLINK(\"\"http://example.com\"\")\","), "{}", lines[3]);
    let some = user.get(&format!("{path}/export?end_date=2023-12-31")).await;
    assert_eq!(some.body.lines().count(), 2);
    assert_eq!(items(&user, &format!("{path}?start_date={older}")).await.len(), 2);
    assert_eq!(items(&user, &format!("{path}?start_date={older}&end_date={older}")).await.len(), 1);
}
