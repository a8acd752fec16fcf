//! Files: what they bring, twice, and what is wrong with them.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tandem::market::import::Kind;

use super::{counts, execute, import, texts, try_import};
use crate::process::{run, run_failing};
use crate::support::TestApp;

const PRICES: &str = "\
symbol,date,open,high,low,close,volume
AAPL,2024-01-02,187.15,188.44,183.88,185.64,82488700
AAPL,2024-01-03,184.22,185.88,183.43,184.25,58414500
MSFT,2024-01-02,373.86,375.90,366.77,370.87,25258600
";

async fn changed_from(app: &TestApp, symbol: &str) -> Option<String> {
    let sql = format!(
        "SELECT changed_from::text FROM symbol_universe WHERE symbol = '{symbol}' AND changed_from IS NOT NULL"
    );
    texts(app, &sql).await.pop()
}

/// S1-64: prices; the same twice is the same, and what differs marks the symbol.
#[tokio::test]
async fn prices_are_new_then_unchanged_then_changed() {
    let app = TestApp::start().await;
    let first = import(&app, Kind::Prices, PRICES).await;
    assert_eq!(counts(&first), (3, 0, 0, 0), "{first:?}");
    assert_eq!(changed_from(&app, "AAPL").await.as_deref(), Some("2024-01-02"));
    execute(&app, "UPDATE symbol_universe SET changed_from = NULL").await;

    let again = import(&app, Kind::Prices, PRICES).await;
    assert_eq!(counts(&again), (0, 0, 3, 0));
    assert_eq!(changed_from(&app, "AAPL").await, None);

    let corrected = PRICES.replace("184.25", "184.26").replace("MSFT,2024-01-02", "MSFT,2024-01-04");
    let mended = import(&app, Kind::Prices, corrected).await;
    assert_eq!(counts(&mended), (1, 1, 1, 0));
    assert_eq!(changed_from(&app, "AAPL").await.as_deref(), Some("2024-01-03"));
    assert_eq!(changed_from(&app, "MSFT").await.as_deref(), Some("2024-01-04"));
    let stored = texts(
        &app,
        "SELECT close::text || ' ' || volume FROM market_data_cache WHERE symbol = 'AAPL' ORDER BY date",
    )
    .await;
    assert_eq!(stored, ["185.64000000 82488700", "184.26000000 58414500"]);
    // Columns that a file does not have stay as they are.
    let closes = import(&app, Kind::Prices, "symbol,date,close\nAAPL,2024-01-02,185.65\n").await;
    assert_eq!(counts(&closes), (0, 1, 0, 0));
    let kept =
        texts(&app, "SELECT open::text FROM market_data_cache WHERE symbol = 'AAPL' AND date = '2024-01-02'")
            .await;
    assert_eq!(kept, ["187.15000000"]);
    // A symbol that is only known is not one that somebody holds.
    assert_eq!(texts(&app, "SELECT symbol FROM symbol_universe WHERE is_active").await, Vec::<String>::new());
}

/// Every rule, each with its code and line; what breaks none is written.
#[tokio::test]
async fn wrong_rows_are_named_and_the_others_written() {
    let app = TestApp::start().await;
    let file = b"\
date;symbol;low;high;close;volume;comment
2024-01-02;AAPL;1;2;1.5;10;good
;AAPL;1;2;1.5;10;no day
02.01.2024;AAPL;1;2;1.5;10;a day of another form
2990-01-02;AAPL;1;2;1.5;10;not yet
2024-01-03;=CMD();1;2;1.5;10;no symbol
2024-01-03;AAPL;1;2;;10;no price
2024-01-03;AAPL;1;2;-1;10;below nothing
2024-01-03;AAPL;3;2;2.5;10;the wrong way round
2024-01-03;AAPL;1;2;1.5;-4;less than none
2024-01-03;AAPL;1;2;1,5;10;a comma
2024-01-03;AAPL;1;2
2024-01-03;AAPL;1;2;1.5;10;\xff
2024-01-02;aapl;1;2;1.6;10;again
2024-01-04;AAPL;;;1.7;;good
";
    let report = import(&app, Kind::Prices, file.to_vec()).await;
    assert_eq!(counts(&report), (2, 0, 0, 12), "{report:?}");
    assert_eq!(report.rows, 14);
    assert_eq!(report.ignored_columns, ["comment"]);
    let told: Vec<(u64, Value, &str)> = report
        .errors
        .iter()
        .map(|error| (error.line, serde_json::to_value(error.code).unwrap(), error.column.as_str()))
        .collect();
    let expected = [
        (3, "ERR_MKT_003", "date"),
        (4, "ERR_MKT_003", "date"),
        (5, "ERR_MKT_003", "date"),
        (6, "ERR_MKT_002", "symbol"),
        (7, "ERR_MKT_004", "close"),
        (8, "ERR_MKT_005", "close"),
        (9, "ERR_MKT_005", "low"),
        (10, "ERR_MKT_005", "volume"),
        (11, "ERR_MKT_004", "close"),
        (12, "ERR_MKT_001", ""),
        (13, "ERR_MKT_001", ""),
        (14, "ERR_MKT_006", "symbol, date"),
    ];
    assert_eq!(told, expected.map(|(line, code, column)| (line, json!(code), column)));
    let stored =
        texts(&app, "SELECT date || ' ' || close::numeric(9,2) FROM market_data_cache ORDER BY date").await;
    assert_eq!(stored, ["2024-01-02 1.50", "2024-01-04 1.70"]);
}

/// A file that is none leaves nothing behind, however much of it was right.
#[tokio::test]
async fn what_cannot_be_read_to_its_end_is_not_begun() {
    let app = TestApp::start().await;
    let never_closed = format!("{PRICES}AAPL,2024-01-04,\"{}", "1".repeat(3 << 20));
    let mut zipped = GzEncoder::new(Vec::new(), Compression::fast());
    zipped.write_all(PRICES.repeat(1000).as_bytes()).unwrap();
    let mut cut = zipped.finish().unwrap();
    cut.truncate(cut.len() / 2);
    for (file, expected) in [
        (b"".to_vec(), "lacks"),
        (b"symbol,date\nAAPL,2024-01-02\n".to_vec(), "lacks close"),
        (never_closed.into_bytes(), "quote"),
        (cut, "cannot be read"),
        (b"\xff\xfes\0y\0m\0b\0o\0l\0,\0d\0a\0t\0e\0".to_vec(), "header"),
    ] {
        let error = try_import(&app, Kind::Prices, file, false).await.unwrap_err().to_string();
        assert!(error.contains(expected) || error.contains("UTF-8"), "{expected}: {error}");
    }
    assert_eq!(texts(&app, "SELECT symbol FROM market_data_cache").await, Vec::<String>::new());
    assert_eq!(texts(&app, "SELECT symbol FROM symbol_universe").await, Vec::<String>::new());
}

#[tokio::test]
async fn a_frame_of_closes_is_a_row_for_each() {
    let app = TestApp::start().await;
    let file =
        "\u{feff}Date\tAAPL\tbrk.b\n2024-01-02\t185.64\t361.4\n2024-01-03\t\t360.9\n2024-01-04\tx\t364.1\n";
    let mut zipped = GzEncoder::new(Vec::new(), Compression::fast());
    zipped.write_all(file.as_bytes()).unwrap();
    let report = import(&app, Kind::Prices, zipped.finish().unwrap()).await;
    assert_eq!(counts(&report), (4, 0, 0, 1), "{report:?}");
    assert_eq!((report.errors[0].line, report.errors[0].column.as_str()), (4, "AAPL"));
    let symbols = texts(
        &app,
        "SELECT symbol || ' ' || count(*) FROM market_data_cache GROUP BY symbol ORDER BY symbol",
    )
    .await;
    assert_eq!(symbols, ["AAPL 1", "BRK.B 3"]);
}

/// S1-68, S1-69: statements, sectors of benchmarks, and every other kind of file.
#[tokio::test]
async fn every_kind_of_file_is_read_once() {
    let app = TestApp::start().await;
    for (kind, file) in [
        (Kind::Prices, "Ticker,Date,Close\nEUR/USD,2024-01-02,1.0942\neurgbp=x,2024-01-02,0.867\n"),
        (
            Kind::Actions,
            "symbol,ex_date,type,value\nAAPL,2020-08-31,Split,4\nAAPL,2024-02-09,dividend,0.24\n",
        ),
        (
            Kind::Profiles,
            "symbol,company_name,sector,currency,is_etf,beta\nAAPL,Apple,Technology,usd,no,1.25\nSPY,SPDR,,USD,true,1\n",
        ),
        (
            Kind::Income,
            "symbol,period_date,frequency,total_revenue,gross_profit,diluted_eps\nAAPL,2023-09-30,annual,383285000000,169148000000,6.13\nAAPL,2023-12-30,q,119575000000,54855000000,2.18\n",
        ),
        (
            Kind::Balance,
            "symbol,periodDate,frequency,totalAssets,totalDebt,currency\nAAPL,2023-09-30,a,352583000000,111088000000,\nAAPL,2022-09-24,a,352755000000,120069000000,USD\n",
        ),
        (
            Kind::CashFlow,
            "symbol,period_date,frequency,operating_cash_flow,free_cash_flow\nAAPL,2023-09-30,a,110543000000,99584000000\nAAPL,2022-09-24,a,122151000000,111443000000\n",
        ),
        (
            Kind::Holdings,
            "fund_symbol,holding_symbol,last_updated,weight\nSPY,AAPL,2024-01-02,0.07\nSPY,MSFT,2024-01-02,0.069\n",
        ),
        (
            Kind::SectorWeights,
            "benchmark_code,asof_date,sector,weight\nSP500,2024-01-02,Technology,0.288\nSP500,2024-01-02,Energy,0.039\n",
        ),
    ] {
        assert_eq!(counts(&import(&app, kind, file).await), (2, 0, 0, 0), "{kind:?}");
        assert_eq!(counts(&import(&app, kind, file).await), (0, 0, 2, 0), "{kind:?}");
    }
    let wrong = "benchmark_code,asof_date,sector,weight\nSP500,2024-01-02,Energy,3.9\nSP500,2024-01-02,Materials,-0.1\n";
    assert_eq!(counts(&import(&app, Kind::SectorWeights, wrong).await), (0, 0, 0, 2));
    let known = texts(
        &app,
        "SELECT symbol || ' ' || asset_type || ' ' || coalesce(sector, '-') || ' ' || coalesce(currency, '-') FROM symbol_universe ORDER BY symbol",
    )
    .await;
    assert_eq!(
        known,
        ["AAPL equity Information Technology USD", "EUR/GBP fx - -", "EUR/USD fx - -", "SPY etf - USD"]
    );
    let sectors = texts(&app, "SELECT sector FROM benchmarks_sector_weights ORDER BY sector").await;
    assert_eq!(sectors, ["Energy", "Information Technology"]);
}

/// A currency that becomes known changes every figure of the symbol.
#[tokio::test]
async fn a_profile_that_tells_the_currency_marks_the_symbol() {
    let app = TestApp::start().await;
    import(&app, Kind::Prices, PRICES).await;
    execute(&app, "UPDATE symbol_universe SET changed_from = NULL").await;
    import(&app, Kind::Profiles, "symbol,currency\nAAPL,EUR\n").await;
    assert_eq!(changed_from(&app, "AAPL").await.as_deref(), Some("2024-01-02"));
    execute(&app, "UPDATE symbol_universe SET changed_from = NULL").await;
    import(&app, Kind::Profiles, "symbol,currency\nAAPL,GBP\n").await;
    assert_eq!(changed_from(&app, "AAPL").await, None, "what is known stays");
}

#[tokio::test]
async fn a_dry_run_only_says_what_would_happen() {
    let app = TestApp::start().await;
    let report = try_import(&app, Kind::Prices, PRICES, true).await.unwrap();
    assert_eq!((counts(&report), report.dry_run), ((3, 0, 0, 0), true));
    assert_eq!(texts(&app, "SELECT symbol FROM market_data_cache").await, Vec::<String>::new());
}

/// Two imports of the same rows at once: each row once, and no deadlock.
#[tokio::test]
async fn imports_at_once_do_not_stand_in_each_others_way() {
    let app = TestApp::start().await;
    let lines: Vec<String> = (0..2000).map(|nth| format!("S{nth:04},2024-01-02,{}\n", nth + 1)).collect();
    let header = "symbol,date,close\n".to_owned();
    let forth = header.clone() + &lines.concat();
    let back = header + &lines.iter().rev().map(String::as_str).collect::<String>();
    let all = futures::future::join_all(
        [&forth, &back, &forth, &back].map(|file| try_import(&app, Kind::Prices, file.clone(), false)),
    )
    .await;
    for report in all {
        assert_eq!(report.unwrap().rejected, 0);
    }
    assert_eq!(texts(&app, "SELECT count(*)::text FROM market_data_cache").await, ["2000"]);
}

/// The program: several files at once, JSON, and an exit code that tells of rejected rows.
#[tokio::test]
async fn the_command_imports_files() {
    let app = TestApp::start().await;
    let env = app.urls.env();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let prices = write("prices.csv", PRICES);
    let actions = write("actions.csv", "symbol,ex_date,kind,value\nAAPL,2020-08-31,split,4\n");
    let said = run(
        &env,
        &["market", "import", "--prices", &prices, "--actions", &actions, "--source", "desk", "--json"],
    );
    let reports: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&reports[0]["table"], &reports[0]["new"]), (&json!("market_data_cache"), &json!(3)));
    assert_eq!((&reports[1]["table"], &reports[1]["new"]), (&json!("corporate_actions"), &json!(1)));
    assert_eq!(texts(&app, "SELECT DISTINCT data_source FROM market_data_cache").await, ["desk"]);
    let said = run(&env, &["market", "import", "--prices", &prices]);
    assert!(said.contains("0 new, 0 changed, 3 unchanged, 0 rejected"), "{said}");

    let wrong = write("wrong.csv", "symbol,date,close\nAAPL,2024-01-05,181.18\nAAPL,yesterday,1\n");
    let said = run_failing(&env, &["market", "import", "--prices", &wrong]);
    assert!(said.contains("1 rows were rejected; everything else was written"), "{said}");
    assert_eq!(texts(&app, "SELECT count(*)::text FROM market_data_cache").await, ["4"]);
    let said = run_failing(&env, &["market", "import", "--income", &prices]);
    assert!(said.contains("lacks period_date, frequency") && said.contains("prices.csv"), "{said}");
    assert!(run_failing(&env, &["market", "import"]).contains("required"), "no file is no import");
    assert!(run_failing(&env, &["market", "fetch"]).contains("MARKET_DATA_DIR"));
}
