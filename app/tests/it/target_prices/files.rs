//! Target prices as CSV, in and out.

use serde_json::{Value, json};

use super::{held, target};
use crate::portfolio_import::{csv, findings};
use crate::support::TestApp;

#[tokio::test]
async fn a_file_is_taken_in_once_and_an_export_can_come_back() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let id = held(&app, &user).await;
    let path = format!("/target-prices/{id}/import-csv");
    let text = "symbol,position_type,target_price_eoy,target_price_next_year,downside_target_price,analyst_notes\nAAPL,,\"$1,500.50\",,9,steady\ntsla,SHORT,6,5,,\nMSFT,,500,,,=cmd()\n";
    let done = csv(&user, &path, text).await.expect(200);
    assert_eq!(counts(&done), [3, 0, 0], "{done}");
    assert_eq!(counts(&csv(&user, &path, text).await.expect(200)), [0, 0, 3]);
    let other = text.replace("TSLA,SHORT,6", "TSLA,SHORT,7").replace("tsla,SHORT,6", "TSLA,SHORT,7");
    assert_eq!(counts(&csv(&user, &path, &other).await.expect(200)), [0, 1, 2]);

    let export = user.get(&format!("/target-prices/{id}/export")).await;
    assert_eq!(export.headers["content-type"], "text/csv; charset=utf-8");
    let lines: Vec<&str> = export.body.lines().collect();
    assert_eq!(lines.len(), 4, "{}", export.body);
    assert!(
        lines[1].starts_with("AAPL,,1500.5,,9,,steady,csv,12,150,12404.1667,,-25,223275,,-450,"),
        "{}",
        lines[1]
    );
    assert!(lines[2].contains(",'=cmd(),"), "a formula is neutralised: {}", lines[2]);
    let back = csv(&user, &path, &export.body).await.expect(200);
    assert_eq!(counts(&back), [0, 0, 3], "{back}");
}

#[tokio::test]
async fn a_file_with_a_wrong_row_stores_nothing() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let id = held(&app, &user).await;
    target(&user, &id, json!({ "symbol": "AAPL", "target_price_eoy": 15 })).await;
    let path = format!("/target-prices/{id}/import-csv");
    let text = "symbol,target_price_eoy\nAAPL,16\nMSFT,many\n,5\nNVDA,\n";
    let refused = csv(&user, &path, text).await.expect_problem(422, "import_refused");
    let expected = [(3, "ERR_POS_007"), (4, "ERR_POS_001"), (5, "ERR_POS_005")]
        .map(|(line, code)| (line, code.to_owned()));
    assert_eq!(findings(&refused["import"]["errors"]), expected, "{refused}");
    let rows = user.get(&format!("/target-prices/{id}")).await.expect(200);
    assert_eq!(
        (rows["items"].as_array().unwrap().len(), &rows["items"][0]["target_price_eoy"]),
        (1, &json!(15.0))
    );
}

fn counts(done: &Value) -> [u64; 3] {
    ["created", "updated", "unchanged"].map(|field| done[field].as_u64().unwrap())
}
