//! `tandem portfolio import`, as an operator uses it.

use serde_json::{Value, json};

use super::{lots, portfolio};
use crate::process::{run, run_failing, tandem};
use crate::support::TestApp;

#[tokio::test]
async fn the_command_imports_previews_and_says_what_is_wrong() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let id = portfolio(&user, "Depot").await;
    let env = app.urls.env();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lots.csv");
    let file = file.to_str().unwrap();
    std::fs::write(file, include_bytes!("../../samples/import/template.csv")).unwrap();
    let base = ["portfolio", "import", file, "--owner", &user.email, "--portfolio"];
    let with = |named: &str, more: &[&str]| -> Vec<String> {
        base.iter().copied().chain([named]).chain(more.iter().copied()).map(str::to_owned).collect()
    };
    let line = |words: Vec<String>| run(&env, &words.iter().map(String::as_str).collect::<Vec<_>>());

    let shown = line(with("Depot", &["--preview"]));
    assert!(shown.contains("9 would be created"), "{shown}");
    assert_eq!(lots(&user, &id).await, [] as [String; 0]);
    let report: Value = serde_json::from_str(&line(with(&id, &["--json"]))).unwrap();
    assert_eq!((&report["created"], &report["stored"]), (&json!(9), &json!(true)), "{report}");
    assert!(line(with("Depot", &[])).contains("0 created, 9 unchanged"));
    assert_eq!(lots(&user, &id).await.len(), 9);

    std::fs::write(
        file,
        "symbol,quantity,entry_price,entry_date\nAAPL,x,1,03/04/2024\nMSFT,1,1,2024-01-05\n",
    )
    .unwrap();
    let words = with("Depot", &[]);
    let output = tandem(&env, &words.iter().map(String::as_str).collect::<Vec<_>>()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(!output.status.success() && said.contains("line 2: ERR_POS_007 quantity:"), "{said}");
    assert!(said.contains("ERR_POS_012"), "{said}");
    assert_eq!(lots(&user, &id).await.len(), 9);

    let fails = |words: Vec<String>| run_failing(&env, &words.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(fails(with("Nothing", &[])).contains("no portfolio Nothing"));
    let missing = ["portfolio", "import", "/nowhere.csv", "--owner", &user.email, "--portfolio", "Depot"];
    assert!(run_failing(&env, &missing).contains("cannot be read"));
    let nobody = ["portfolio", "import", file, "--owner", "nobody@example.com", "--portfolio", "Depot"];
    assert!(run_failing(&env, &nobody).contains("nobody@example.com"));
}
