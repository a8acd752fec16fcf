//! What administrators see of the ledger.

use serde_json::{Value, json};

use super::{options, run};
use crate::support::model::{ModelServer, Script};

#[tokio::test]
async fn metrics_and_costs_are_summed_by_model_user_and_day() {
    let server = ModelServer::start().await;
    let app = options(&server).start().await;
    let (one, two, admin) = (app.user().await, app.user().await, app.admin().await);
    for (user, times) in [(&one, 2), (&two, 1)] {
        let conversation = user.conversation().await;
        for _ in 0..times {
            server.push(Script::reply(["fine"]).usage(1000, 500));
            user.ask(&conversation, "What is beta?").await.expect(200);
        }
    }
    server.push(Script::status(500));
    two.ask(&two.conversation().await, "fails").await.expect_problem(502, "turn_failed");
    run(
        &app,
        "INSERT INTO usage_records (id, kind, provider, model, prompt_tokens, cached_prompt_tokens, completion_tokens,
             reasoning_tokens, total_tokens, estimated, outcome, latency_ms, created_at)
         VALUES ('00000000-0000-0000-0000-000000000001', 'chat', 'openai', 'unknown', 1, 0, 2, 0, 3, true, 'complete',
                 2500, '2026-01-31T23:59:59Z')",
    )
    .await;

    let metrics = admin.get("/admin/ai/metrics").await.expect(200);
    assert_eq!(metrics["total"]["requests"], 4);
    assert_eq!(metrics["total"]["errors"], 1);
    assert_eq!(metrics["total"]["total_tokens"], 4500);
    assert_eq!(metrics["by_model"][0]["model"], "gpt-4o-mini-scripted");
    assert_eq!(metrics["by_day"].as_array().unwrap().len(), 1);
    assert!(metrics["total"]["latency_p99_ms"].as_f64() >= metrics["total"]["latency_p50_ms"].as_f64());
    let january = admin.get("/admin/ai/metrics?from=2026-01-31&to=2026-01-31").await.expect(200);
    assert_eq!((&january["total"]["requests"], &january["total"]["estimated"]), (&json!(1), &json!(1)));
    assert_eq!(january["total"]["latency_p95_ms"], 2500.0);
    assert_eq!(january["by_day"][0]["day"], "2026-01-31");

    let costs = admin.get("/admin/ai/cost").await.expect(200);
    assert_eq!((&costs["total"]["cost_usd"], &costs["total"]["unpriced"]), (&json!("0.00135"), &json!(0)));
    assert_eq!(costs["by_user"][0]["user_id"], json!(one.id));
    assert_eq!(costs["by_user"][0]["cost_usd"], "0.0009");
    let whole = admin.get("/admin/ai/cost?from=2026-01-01&to=2026-12-31&period=month").await.expect(200);
    assert_eq!(whole["by_period"][0]["period"], "2026-01-01");
    assert_eq!((&whole["total"]["requests"], &whole["total"]["unpriced"]), (&json!(5), &json!(1)));
    assert_eq!(whole["by_model"].as_array().unwrap().len(), 2);
    let his = admin.get(&format!("/admin/ai/cost?user_id={}", two.id)).await.expect(200);
    assert_eq!((&his["total"]["requests"], &his["total"]["cost_usd"]), (&json!(2), &json!("0.00045")));

    for wrong in ["from=2026-02-01&to=2026-01-01", "from=2020-01-01&to=2026-01-01"] {
        admin.get(&format!("/admin/ai/metrics?{wrong}")).await.expect_wrong_field("from");
    }
    one.get("/admin/ai/cost").await.expect_problem(403, "admin_only");
    // One's own month is one's own.
    let own = one.get("/chat/usage").await.expect(200);
    assert_eq!(own["calls"][0]["total_tokens"], 3000);
    assert_eq!(own["calls"][0]["kind"], "chat");
    let nothing = admin.get("/chat/usage").await.expect(200);
    assert_eq!(nothing["calls"], Value::Array(Vec::new()));
}
