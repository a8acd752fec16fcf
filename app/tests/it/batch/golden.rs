//! The books of `tests/golden` through core: the same figures as by the pure functions, to the cent. S1-56, S1-66.

use serde_json::{Value, json};

use super::fixture::{day, everything, new_run, row, run, snapshot, store, text};
use crate::figures::golden::{Golden, check};
use crate::support::TestApp;

/// As `figures::golden::columns` has it.
fn columns(row: std::collections::BTreeMap<String, Option<String>>) -> Value {
    let mut columns: serde_json::Map<String, Value> = serde_json::Map::new();
    for (column, value) in row {
        let is_ratio = column.ends_with("_return");
        let value = match value {
            None => Value::Null,
            Some(text) if is_ratio => json!(text.parse::<f64>().unwrap()),
            Some(text) if column == "data_quality" => {
                columns.insert("quality".to_owned(), serde_json::from_str(&text).unwrap());
                continue;
            }
            Some(text) => text.into(),
        };
        columns.insert(column, value);
    }
    Value::Object(columns)
}

#[tokio::test]
async fn golden_books_are_right_to_the_cent_in_core() {
    for (name, golden) in Golden::all() {
        let app = TestApp::start().await;
        let user = app.user().await;
        let (portfolio, lots) = store(app.core(), user.id, &golden).await;
        assert_eq!(run(&app, new_run(None, &golden.to.to_string())).await, "completed", "{name}");
        for expected in &golden.expect {
            let on = expected["snapshot_date"].as_str().unwrap();
            check(&format!("{name} on {on}"), expected, &columns(snapshot(app.core(), portfolio, on).await));
        }
        for (lot, expected) in &golden.positions {
            let sql =
                "SELECT key, value FROM positions AS kept, jsonb_each_text(to_jsonb(kept)) WHERE id = $1";
            let found = row(app.core(), sql, [lots[lot].into()]).await;
            check(&format!("{name}, lot {lot}"), expected, &columns(found));
        }
        let sql = "SELECT string_agg(realized_pnl::text, ' ' ORDER BY trade_date, id) FROM position_realized_events";
        let realized = text(app.core(), sql, []).await;
        if !golden.realized.is_empty() {
            assert_eq!(realized.unwrap(), golden.realized.join(" "), "{name}");
        }
        // Every day again gives equal rows, written by the first run.
        let before = everything(app.core()).await;
        let mut again = new_run(None, &golden.to.to_string());
        again.force = true;
        assert_eq!(run(&app, again).await, "completed", "{name}");
        assert_eq!(everything(app.core()).await, before, "{name}");
        // And so does the second half alone.
        let middle = golden.expect[golden.expect.len() / 2]["snapshot_date"].as_str().unwrap();
        let mut half = new_run(Some(portfolio), &golden.to.to_string());
        half.from = Some(day(middle));
        assert_eq!(run(&app, half).await, "completed", "{name}");
        assert_eq!(everything(app.core()).await, before, "{name}");
    }
}
