//! Files that are right, each of another program: told, previewed, stored, and stored once.

use serde_json::{Value, json};

use super::{findings, lots, portfolio, send};
use crate::support::TestApp;

/// A file and what is in it.
struct Good {
    name: &'static str,
    bytes: &'static [u8],
    format: &'static str,
    /// Rows that are no lot: line and code of each finding that is no error.
    notes: &'static [(u64, &'static str)],
    /// As they are stored.
    lots: &'static [&'static str],
    /// Closes, and contributions and withdrawals.
    closes: u64,
    capital: u64,
}

macro_rules! sample {
    ($name:literal) => {
        include_bytes!(concat!("../../samples/import/", $name))
    };
}

const GOOD: &[Good] = &[
    Good {
        name: "template",
        bytes: sample!("template.csv"),
        format: "template",
        notes: &[],
        lots: &[
            "AAPL LONG 100.0/100.0@150.25 2024-01-05 USD",
            "AAPL LONG 100.0/100.0@150.25 2024-01-05 USD",
            "AAPL LONG 50.0/50.0@151.0 2024-01-05 USD",
            "LAKE HOUSE LONG 1.0/1.0@500000.0 2020-05-01 USD",
            "MSFT LONG 0.0/10.0@300.0 2023-01-05 USD",
            "NVDA270115C00500000 LC 2.0/2.0@12.5 2024-01-05 USD",
            "NVDA270115C00510000 LC 2.0/2.0@12.5 2024-01-05 USD",
            "SPY261218P00400000 SP -1.0/-1.0@8.0 2024-01-05 USD",
            "TSLA SHORT -20.0/-20.0@240.5 2024-01-05 USD",
        ],
        closes: 1,
        capital: 0,
    },
    Good {
        name: "a European template",
        bytes: sample!("european.csv"),
        format: "template",
        notes: &[],
        lots: &[
            "ASML LONG 2.5/2.5@900.0 2023-12-31 EUR",
            "NESN LONG 1250.0/1250.0@98.1 2024-01-15 CHF",
            "SAP LONG 1000.0/1000.0@112.5 2024-04-03 EUR",
        ],
        closes: 0,
        capital: 0,
    },
    Good {
        name: "Schwab",
        bytes: sample!("schwab.csv"),
        format: "schwab",
        notes: &[(0, "NOTE_003"), (8, "NOTE_004"), (9, "NOTE_002"), (10, "NOTE_001")],
        lots: &[
            "AAPL LONG 100.0/100.0@150.25 2025-05-02 USD",
            "AAPL270115C00250000 LC 2.0/2.0@12.5 2025-05-02 USD",
            "BRK.B LONG 10.0/10.0@400.0 2025-05-02 USD",
            "TSLA SHORT -5.0/-5.0@300.0 2025-05-02 USD",
            "VTI LONG 12.345/12.345@278.0 2025-05-02 USD",
        ],
        closes: 0,
        capital: 0,
    },
    Good {
        name: "Fidelity",
        bytes: sample!("fidelity.csv"),
        format: "fidelity",
        notes: &[
            (0, "NOTE_003"),
            (2, "NOTE_002"),
            (6, "NOTE_002"),
            (8, "NOTE_001"),
            (9, "NOTE_001"),
            (10, "NOTE_001"),
        ],
        lots: &[
            "NVDA LONG 100.0/100.0@80.0 2025-05-02 USD",
            "NVDA270115C00150000 SC -1.0/-1.0@15.0 2025-05-02 USD",
            "VOO LONG 25.5/25.5@420.1 2025-05-02 USD",
        ],
        closes: 0,
        capital: 0,
    },
    Good {
        name: "Vanguard",
        bytes: sample!("vanguard.csv"),
        format: "vanguard",
        notes: &[(0, "NOTE_003"), (2, "NOTE_004"), (3, "NOTE_004"), (7, "NOTE_008")],
        lots: &["BND LONG 30.0/30.0@71.05 - USD", "VTSAX LONG 100.507/100.507@135.2 - USD"],
        closes: 0,
        capital: 0,
    },
    Good {
        name: "Interactive Brokers",
        bytes: sample!("interactive_brokers.csv"),
        format: "interactive_brokers",
        notes: &[(0, "NOTE_003"), (13, "NOTE_001"), (15, "NOTE_001"), (16, "NOTE_008"), (18, "NOTE_008")],
        lots: &[
            "ENB LONG 154.0/154.0@51.83370662 2025-05-02 CAD",
            "GME SHORT -100.0/-100.0@25.25 2025-05-02 USD",
            "MSFT LONG 1200.0/1200.0@310.5 2025-05-02 USD",
            "TQQQ270115P00070000 SP -1.0/-1.0@4.2 2025-05-02 USD",
        ],
        closes: 0,
        capital: 0,
    },
    Good {
        name: "Interactive Brokers, lot by lot",
        bytes: sample!("interactive_brokers_lots.csv"),
        format: "interactive_brokers",
        notes: &[(0, "NOTE_003"), (4, "NOTE_011")],
        lots: &[
            "AAPL LONG 100.0/100.0@110.0 2021-08-03 USD",
            "AAPL LONG 50.0/50.0@140.0 2022-03-04 USD",
            "QQQ LONG 1.0/1.0@100.0 2025-05-02 USD",
        ],
        closes: 0,
        capital: 0,
    },
    Good {
        name: "E*TRADE",
        bytes: sample!("etrade.csv"),
        format: "etrade",
        notes: &[(0, "NOTE_003"), (11, "NOTE_011"), (16, "NOTE_002"), (17, "NOTE_001"), (19, "NOTE_001")],
        lots: &[
            "AAPL270115P00150000 SP -1.0/-1.0@2.75 2025-05-02 USD",
            "MSFT LONG 4.0/4.0@132.45 2019-06-14 USD",
            "MSFT LONG 6.0/6.0@251.11 2023-03-02 USD",
            "TSLA SHORT -3.0/-3.0@300.0 2025-05-02 USD",
        ],
        closes: 0,
        capital: 0,
    },
    Good {
        name: "Robinhood",
        bytes: sample!("robinhood.csv"),
        format: "robinhood",
        notes: &[(0, "NOTE_009"), (3, "NOTE_005"), (13, "NOTE_006"), (16, "NOTE_001")],
        lots: &[
            "AAPL LONG 0.0/10.0@185.0 2024-01-10 USD",
            "AAPL LONG 3.0/5.0@187.0 2024-02-05 USD",
            "SPY240320C00580000 LC 1.0/3.0@4.0 2024-03-01 USD",
            "SPY240320P00480000 SP 0.0/-1.0@2.0 2024-03-02 USD",
        ],
        closes: 4,
        capital: 2,
    },
    Good {
        name: "Ghostfolio",
        bytes: sample!("ghostfolio.json"),
        format: "ghostfolio",
        notes: &[(0, "NOTE_012"), (3, "NOTE_005"), (6, "NOTE_006")],
        lots: &[
            "FLAT LONG 1.0/1.0@250000.0 2022-05-31 USD",
            "VGSH LONG 0.032/0.032@57.6 2023-11-02 USD",
            "VGSH LONG 6.13273/12.13273@57.52 2023-10-04 USD",
        ],
        closes: 1,
        capital: 0,
    },
    Good {
        name: "Ghostfolio as CSV",
        bytes: sample!("ghostfolio.csv"),
        format: "ghostfolio",
        notes: &[(0, "NOTE_012")],
        lots: &["MSFT LONG 3.0/5.0@330.0 2021-11-17 USD"],
        closes: 1,
        capital: 0,
    },
    Good {
        name: "Wealthfolio",
        bytes: sample!("wealthfolio.csv"),
        format: "wealthfolio",
        notes: &[(0, "NOTE_009"), (0, "NOTE_012"), (5, "NOTE_005"), (6, "NOTE_007"), (8, "NOTE_006")],
        lots: &["MSFT LONG 10.0/10.0@380.5 2024-01-15 USD", "NVDA LONG 1.5/2.0@600.0 2024-02-01 USD"],
        closes: 1,
        capital: 2,
    },
];

#[tokio::test]
async fn good_files_of_ten_shapes_are_told_previewed_stored_and_stored_once() {
    let app = TestApp::with().env("TANDEM__PORTFOLIO__FREE_PORTFOLIOS", 100).start().await;
    let user = app.user().await;
    assert!(GOOD.len() >= 10);
    for good in GOOD {
        let name = good.name;
        let id = portfolio(&user, name).await;
        let path = format!("/portfolios/{id}/import");
        let kind = if good.bytes.starts_with(b"{") { "application/json" } else { "text/csv" };
        let count = good.lots.len() as u64;

        let shown = send(&user, &format!("{path}?preview=true"), kind, good.bytes).await.expect(200);
        assert_eq!(findings(&shown["errors"]), [], "{name}: {shown}");
        let mut notes: Vec<(u64, String)> =
            good.notes.iter().map(|(line, code)| (*line, (*code).to_owned())).collect();
        let mut found = findings(&shown["notes"]);
        notes.sort();
        found.sort();
        assert_eq!(found, notes, "{name}: {shown}");
        assert_eq!((&shown["format"], &shown["stored"]), (&json!(good.format), &json!(false)), "{name}");
        assert_eq!(
            (&shown["created"], &shown["closes_created"]),
            (&json!(count), &json!(good.closes)),
            "{name}"
        );
        assert_eq!(shown["lots"].as_array().unwrap().len() as u64, count, "{name}");
        let number = |field: &str| shown[field].as_u64().unwrap();
        assert_eq!(number("rows"), number("used") + number("noted") + number("rejected"), "{name}: {shown}");
        assert_eq!(lots(&user, &id).await, [] as [String; 0], "{name}: a preview stores nothing");

        let stored = send(&user, &path, kind, good.bytes).await.expect(200);
        assert_eq!(
            (&stored["stored"], &stored["created"]),
            (&json!(true), &json!(count)),
            "{name}: {stored}"
        );
        assert_eq!(stored["equity_changes_created"], good.capital, "{name}: {stored}");
        let there = lots(&user, &id).await;
        let today = chrono::Utc::now().date_naive().to_string();
        let expected: Vec<String> =
            good.lots.iter().map(|lot| lot.replace(" - ", &format!(" {today} "))).collect();
        assert_eq!(there, expected, "{name}");

        // The same file again, also as a form and with other line ends: nothing new.
        let form = crate::support::files::Form::file("again.csv", good.bytes);
        let boundary = crate::support::files::BOUNDARY;
        let form_type = format!("multipart/form-data; boundary={boundary}");
        let windows = String::from_utf8(good.bytes.to_vec()).unwrap().replace('\n', "\r\n");
        for (content_type, bytes) in
            [(kind, good.bytes.to_vec()), (form_type.as_str(), form.end()), (kind, windows.into_bytes())]
        {
            let again = send(&user, &path, content_type, &bytes).await.expect(200);
            let counts = [
                "created",
                "unchanged",
                "revived",
                "closes_created",
                "closes_unchanged",
                "equity_changes_created",
            ];
            let counts = counts.map(|field| again[field].as_u64().unwrap());
            assert_eq!(counts, [0, count, 0, 0, good.closes, 0], "{name}: {again}");
        }
        assert_eq!(lots(&user, &id).await, there, "{name}");
    }
}

/// UTF-16, as some spreadsheets save it, and a byte order mark.
#[tokio::test]
async fn encodings_and_columns_in_any_order_are_read() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let id = portfolio(&user, "encodings").await;
    let path = format!("/portfolios/{id}/import");
    let text = "Entry Date\tEntry Price\tTicker\tUnits\tNotes\n2024-01-05\t1.5\tNESN\t3\tZürich\n";
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let wide = [&b"\xff\xfe"[..], &wide].concat();
    let marked = [&b"\xef\xbb\xbf"[..], text.as_bytes()].concat();
    let mut latin = text.as_bytes().to_vec();
    let at = latin.windows(2).position(|pair| pair == "ü".as_bytes()).unwrap();
    latin.splice(at..at + 2, [0xfc]);
    for (bytes, created) in [(wide, 1), (marked, 0), (latin, 0)] {
        let done = send(&user, &path, "text/tab-separated-values", &bytes).await.expect(200);
        assert_eq!((&done["created"], &done["unchanged"]), (&json!(created), &json!(1 - created)), "{done}");
    }
    let page = user.get(&format!("/positions?portfolio_id={id}")).await.expect(200);
    assert_eq!(page["items"][0]["notes"], "Zürich");
}

/// Any columns, with a mapping; headings above them are passed over.
#[tokio::test]
async fn a_mapping_says_what_the_columns_mean() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let id = portfolio(&user, "mapping").await;
    let mapping = json!({ "Wertpapier": "symbol", "Stück": "quantity", "Einstand gesamt": "cost_basis" });
    let query: String = form_urlencoded(&mapping.to_string());
    let path = format!("/portfolios/{id}/import?entry_date=2024-05-02&mapping={query}");
    let text = "Depot 1\nWertpapier;Stück;Einstand gesamt;Farbe\nSAP;4;1.000,00;rot\n";
    let done = super::csv(&user, &path, text).await.expect(200);
    assert_eq!((&done["format"], &done["unused_columns"]), (&json!("mapped"), &json!(["Farbe"])));
    assert_eq!(lots(&user, &id).await, ["SAP LONG 4.0/4.0@250.0 2024-05-02 USD"]);
    let fields: Vec<Value> =
        done["columns"].as_array().unwrap().iter().map(|column| column["field"].clone()).collect();
    assert_eq!(fields, [json!("symbol"), json!("quantity"), json!("cost_basis")]);
}

fn form_urlencoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// The template is a file that can be imported.
#[tokio::test]
async fn the_template_comes_and_goes_in() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let template = user.get("/portfolios/import/template").await;
    assert_eq!(template.headers["content-type"], "text/csv; charset=utf-8");
    assert_eq!(template.body.lines().next().unwrap().split(',').count(), 12);
    let id = portfolio(&user, "template").await;
    let done = super::csv(&user, &format!("/portfolios/{id}/import"), &template.body).await.expect(200);
    assert_eq!((&done["created"], &done["error_count"]), (&json!(5), &json!(0)), "{done}");
}
