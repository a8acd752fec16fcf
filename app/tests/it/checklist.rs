//! docs/checklist.md tells the truth: each row names tests that exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Rows this state of the project claims.
const CLAIMED: &[&str] = &[
    "S1-01", "S1-02", "S1-03", "S1-04", "S1-07", "S1-08", "S1-09", "S1-10", "S1-11", "S1-12", "S1-14",
    "S1-15", "S1-16", "S1-30", "S1-31", "S1-32", "S1-33", "S1-34", "S1-35", "S1-36", "S1-38", "S1-39",
    "S1-40", "S1-41", "S1-42", "S1-46", "S1-47", "S1-49", "S1-50", "S1-51", "S1-52", "S1-53", "S1-58",
    "S1-72", "S0-14", "S0-16", "S0-18", "S0-24", "S0-28", "S0-29", "S3-01", "S3-02", "S3-07", "S3-08",
    "S3-12", "S3-13", "S3-14", "S3-15", "S3-16", "S3-18", "S3-21", "S3-22", "S3-23", "S3-24", "S3-47",
    "S3-48", "P-DB-1", "P-DB-2", "P-DB-3", "P-DB-4", "P-DB-5", "P-DB-6", "P-DB-7", "S0-12", "S0-13", "S0-15",
    "S0-19", "S0-23", "S1-13", "S1-17", "P-DB-9", "P-VE-6", "S1-75", "P-SEC-2", "P-SEC-3", "P-CH-11",
    "S0-33", "S1-54", "S1-60", "S3-33", "S3-34", "S3-35", "S3-39", "S3-42", "S3-46", "P-CH-4", "P-CH-5",
    "P-CH-6", "P-CH-7", "P-CH-8", "P-CH-9", "P-SEC-1", "S0-26", "S0-27", "S1-55", "S1-06", "S1-18", "S1-29",
    "S1-45", "S1-48", "S1-56", "S1-59", "S1-63", "S1-64", "S1-66", "S1-67", "S1-68", "S1-69", "P-CA-1",
    "P-CA-2", "P-CA-8", "P-CA-10", "P-CA-11", "P-CA-12", "P-CA-13", "P-CA-14", "P-CA-15", "S0-17", "S3-09",
    "S3-28", "S3-43", "P-VE-1", "P-VE-2", "P-VE-5", "S0-20", "S3-31", "S3-36", "S3-38", "P-VE-3", "P-VE-11",
    "S3-11", "S3-27", "S3-32", "P-VE-4",
];

pub(crate) fn test_functions() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("tests/it"), root.join("src")];
    let mut found = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap_or_default();
            let mut after_attribute = false;
            for line in text.lines().map(str::trim) {
                if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                    after_attribute = true;
                } else if let Some((_, name)) = line.split_once("fn ")
                    && after_attribute
                {
                    found.insert(name.split('(').next().unwrap().to_owned());
                    after_attribute = false;
                }
            }
        }
    }
    found
}

#[test]
fn every_row_names_tests_that_exist() {
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/checklist.md")).unwrap();
    let functions = test_functions();
    let mut rows = BTreeSet::new();
    for line in text.lines().filter(|line| line.starts_with("| S") || line.starts_with("| P-")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, id, _, tests, _] = cells[..] else { panic!("not three columns: {line}") };
        let named: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "{id} names no test");
        for name in named {
            assert!(functions.contains(name), "{id} names {name}, which is no test");
        }
        assert!(rows.insert(id.to_owned()), "{id} stands twice");
    }
    let missing: Vec<_> = CLAIMED.iter().filter(|id| !rows.contains(**id)).collect();
    assert!(missing.is_empty(), "{missing:?} are claimed but not listed");
}
