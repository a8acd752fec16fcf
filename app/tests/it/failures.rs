//! docs/failures.md tells the truth: each failure names tests that exist.

use std::fs;
use std::path::Path;

use crate::checklist::test_functions;

#[test]
fn every_failure_names_tests_that_exist() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/failures.md");
    let text = fs::read_to_string(path).unwrap();
    let functions = test_functions();
    let mut rows = 0;
    for line in text.lines().filter(|line| line.starts_with('|')).skip(2) {
        if line.starts_with("| what fails") || line.starts_with("|---") {
            continue;
        }
        let cells: Vec<&str> = line.split(" | ").collect();
        assert_eq!(cells.len(), 3, "not three columns: {line}");
        let named: Vec<&str> = cells[2].split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "no test: {line}");
        for name in named {
            assert!(functions.contains(name), "{name} is no test: {line}");
        }
        rows += 1;
    }
    assert!(rows >= 40, "only {rows} failures are listed");
}
