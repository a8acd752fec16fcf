//! What `tandem ingest` does.

use std::fs;

use tandem::auth::Ownership;
use tandem::knowledge::import::{self, For, Origin, Report};

use super::found;
use crate::support::TestApp;
use serde_json::json;

const EVERYBODY: For = For { ownership: Ownership::EVERYBODY, asked_by: None };

async fn run(app: &TestApp, origin: Origin) -> Report {
    let report = import::run(&app.state, origin, EVERYBODY, |_| {}).await.unwrap();
    app.run_jobs().await;
    report
}

fn folder() -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("tandem-import-{}", uuid::Uuid::now_v7().simple()));
    fs::create_dir_all(folder.join("deep/er")).unwrap();
    folder
}

#[tokio::test]
async fn a_folder_is_taken_in_with_what_is_in_it() {
    let app = TestApp::start().await;
    let folder = folder();
    fs::write(folder.join("gold.md"), "\u{feff}# All about gold\n\nGold is a metal.").unwrap();
    fs::write(folder.join("deep/er/whales.txt"), "Whales live in the sea.").unwrap();
    fs::write(folder.join("latin1.txt"), b"caf\xe9").unwrap();
    fs::write(folder.join("empty.txt"), "").unwrap();
    fs::write(folder.join("none.pdf"), "").unwrap();
    fs::write(folder.join("image.png"), b"\x89PNG").unwrap();
    fs::write(folder.join(".hidden.txt"), "hidden").unwrap();
    std::os::unix::fs::symlink(&folder, folder.join("deep/loop")).unwrap();
    let report = run(&app, Origin::Path(folder.clone())).await;
    assert_eq!((report.accepted, report.empty, report.rejected_count), (3, 1, 1), "{report:?}");
    assert_eq!(
        (report.rejected[0].at.as_str(), report.rejected[0].error.as_str()),
        ("none.pdf", "the file is empty")
    );
    assert_eq!(report.job_ids.len(), 1);
    let user = app.user().await;
    let result = user.post("/knowledge/search", json!({"query": "metal", "limit": 1})).await.expect(200);
    assert_eq!(result["hits"][0]["title"], "All about gold");
    assert_eq!(found(&user, json!({"query": "sea", "limit": 1})).await, ["deep/er/whales.txt"]);
    let again = run(&app, Origin::Path(folder.clone())).await;
    assert_eq!((again.accepted, again.unchanged), (0, 3));
    assert_eq!(found(&user, json!({"query": "café", "limit": 1})).await, ["latin1.txt"]);
    fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn json_lines_are_taken_in_and_wrong_ones_are_numbered() {
    let app = TestApp::start().await;
    let folder = folder();
    let file = folder.join("corpus.jsonl");
    let lines = [
        r#"{"id": "1", "text": "Gold is a metal.", "scope": "tenant-7", "year": 1997}"#,
        "",
        "{nonsense",
        r#"{"id": "471", "text": ""}"#,
        r#"{"id": "2", "text": "Whales sing.", "metadata": {"k": "v"}}"#,
    ];
    fs::write(&file, lines.join("\n")).unwrap();
    let report = run(&app, Origin::Lines(file)).await;
    assert_eq!((report.accepted, report.empty, report.rejected_count), (2, 1, 1), "{report:?}");
    assert_eq!(report.rejected[0].at, "corpus.jsonl:3");
    let user = app.user().await;
    let scoped = json!({"query": "x", "scopes": ["tenant-7"], "filter": {"year": 1997}});
    assert_eq!(found(&user, scoped).await, ["1"]);
    assert_eq!(found(&user, json!({"query": "x", "scopes": ["global"]})).await, ["2"]);
    fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn more_than_one_group_is_one_report() {
    let app = TestApp::start().await;
    let folder = folder();
    let file = folder.join("many.jsonl");
    let lines: Vec<String> =
        (0..450).map(|n| json!({"id": n, "text": format!("note {n}")}).to_string()).collect();
    fs::write(&file, lines.join("\n")).unwrap();
    let mut seen = Vec::new();
    let origin = Origin::Lines(file);
    let report = import::run(&app.state, origin, EVERYBODY, |report| seen.push(report.seen())).await.unwrap();
    assert_eq!(report.accepted, 450);
    assert_eq!(report.job_ids.len(), 3);
    assert_eq!(seen, [200, 400, 450]);
    assert!(import::run(&app.state, Origin::Path(folder.join("none")), EVERYBODY, |_| {}).await.is_err());
    fs::remove_dir_all(folder).unwrap();
}
