//! Returns and drawdown against reference figures of another library (empyrical-reloaded), on real
//! prices that are no part of this project: skipped, with a line that says so, where they are not.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use tandem::portfolio::figures::{annualized, cumulative, daily, drawdown};

/// Absolute and relative.
const PRECISION: f64 = 1e-9;
const TRADING_DAYS: f64 = 252.0;

fn folder() -> PathBuf {
    let given = std::env::var_os("TANDEM_EVAL_DATA").map(PathBuf::from);
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    given.unwrap_or(beside).join("finance")
}

#[test]
fn returns_and_drawdown_are_those_of_the_reference() {
    let folder = folder();
    let Ok(expected) = fs::read(folder.join("expected.json")) else {
        println!("skipped: no reference figures (TANDEM_EVAL_DATA names their folder)");
        return;
    };
    let expected: Value = serde_json::from_slice(&expected).unwrap();
    let text = fs::read_to_string(folder.join("prices_2019_2024.csv")).unwrap();
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap().split(',').skip(1).collect();
    let rows: Vec<Vec<f64>> =
        lines.map(|line| line.split(',').skip(1).map(|cell| cell.parse().unwrap()).collect()).collect();
    let series = |name: &str| -> Vec<f64> {
        let column = names.iter().position(|known| *known == name).unwrap();
        daily(&rows.iter().map(|row| row[column]).collect::<Vec<_>>())
    };
    let weights = expected["weights_daily_rebalanced"].as_object().unwrap();
    let parts: Vec<(f64, Vec<f64>)> =
        weights.iter().map(|(name, weight)| (weight.as_f64().unwrap(), series(name))).collect();
    let days = parts[0].1.len();
    let portfolio: Vec<f64> =
        (0..days).map(|day| parts.iter().map(|(weight, returns)| weight * returns[day]).sum()).collect();
    let reference = &expected["empyrical-reloaded"];
    for (name, returns) in [("portfolio", portfolio), ("AAPL", series("AAPL")), ("SPY", series("SPY"))] {
        for (figure, found) in [
            ("cum_return", cumulative(&returns)),
            ("annual_return_cagr", annualized(&returns, TRADING_DAYS).unwrap()),
            ("max_drawdown", drawdown(&returns).worst),
        ] {
            let expected = reference[format!("{name}.{figure}")].as_f64().unwrap();
            assert!(
                (expected - found).abs() <= PRECISION * expected.abs().max(1.0),
                "{name}.{figure}: expected {expected}, found {found}"
            );
        }
    }
}
