//! Fifty files that are wrong, each in another way: every fault has its code and its place, and
//! nothing of any of them is stored.

use super::{csv, findings, lots, portfolio};
use crate::support::TestApp;

const HEAD: &str = "symbol,quantity,entry_price,entry_date,class,subtype,underlying,strike,expiry,option_type,exit_date,exit_price\n";

type Malformed = (&'static str, &'static str, &'static [(u64, &'static str)]);

/// What is wrong, rows behind [`HEAD`] (or, with `!` first, a whole file), and code and line of each finding.
const FILES: &[Malformed] = &[
    ("an empty file", "!", &[(0, "ERR_CSV_001")]),
    ("blank lines", "!\n \n\n", &[(0, "ERR_CSV_001")]),
    ("a heading alone", "", &[(0, "ERR_CSV_001")]),
    ("a workbook", "!PK\u{3}\u{4}sheet", &[(0, "ERR_CSV_003")]),
    ("a NUL character", "!symbol,quantity,entry_price\nAA\u{0}PL,1,1\n", &[(0, "ERR_CSV_003")]),
    (
        "an open quotation mark",
        "AAPL,1,1,2024-01-05,,,,,,,,\n\"MSFT,1,1,2024-01-05,,,,,,,,\n",
        &[(3, "ERR_CSV_004")],
    ),
    ("no heading", "!AAPL,1,1,2024-01-05\nMSFT,2,2,2024-01-05\n", &[(0, "ERR_CSV_005")]),
    ("no known heading", "!name,amount\nAAPL,1\n", &[(0, "ERR_CSV_005")]),
    ("no column of quantities", "!symbol,entry_price,entry_date\nAAPL,1,2024-01-05\n", &[(1, "ERR_CSV_006")]),
    ("no column of prices", "!symbol,quantity,entry_date\nAAPL,1,2024-01-05\n", &[(1, "ERR_CSV_006")]),
    ("a column twice", "!symbol,quantity,Quantity,entry_price\nAAPL,1,2,3\n", &[(1, "ERR_CSV_007")]),
    ("a cell too many", "AAPL,1,1,2024-01-05,,,,,,,,,surplus\n", &[(2, "ERR_CSV_009")]),
    (
        "a comma in a number that is not quoted",
        "AAPL,1,234.50,2024-01-05,,,,,,,,,50,\nMSFT,1,1,2024-01-05,,,,,,,,\n",
        &[(2, "ERR_CSV_009")],
    ),
    ("JSON that is none", "!{\"activities\": [", &[(0, "ERR_CSV_010")]),
    ("JSON without activities", "!{\"lots\": []}", &[(0, "ERR_CSV_010")]),
    ("no symbol", ",1,1,2024-01-05,,,,,,,,\n", &[(2, "ERR_POS_001")]),
    ("no symbol but a word", "§$%,1,1,2024-01-05,,,,,,,,\n", &[(2, "ERR_POS_002")]),
    (
        "a symbol that is too long",
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ1234567,1,1,2024-01-05,,,,,,,,\n",
        &[(2, "ERR_POS_002")],
    ),
    ("no quantity", "AAPL,,1,2024-01-05,,,,,,,,\n", &[(2, "ERR_POS_003")]),
    ("a quantity of 0", "AAPL,0,1,2024-01-05,,,,,,,,\n", &[(2, "ERR_POS_004")]),
    ("no price", "AAPL,1,,2024-01-05,,,,,,,,\n", &[(2, "ERR_POS_005")]),
    ("a negative price", "AAPL,1,-5,2024-01-05,,,,,,,,\n", &[(2, "ERR_POS_006")]),
    ("a quantity in words", "AAPL,many,1,2024-01-05,,,,,,,,\n", &[(2, "ERR_POS_007")]),
    ("a price in percent", "AAPL,1,5%,2024-01-05,,,,,,,,\n", &[(2, "ERR_POS_007")]),
    ("groups that are none", "AAPL,\"1,23\",\"12,34,5\",2024-01-05,,,,,,,,\n", &[(2, "ERR_POS_007")]),
    (
        "a number in two readings",
        "!symbol;quantity;entry_price;entry_date\nAAPL;1,234;5;2024-01-05\n",
        &[(2, "ERR_POS_008")],
    ),
    (
        "numbers that contradict each other",
        "!symbol;quantity;entry_price;entry_date\nA;1,5;5;2024-01-05\nB;1.5;5;2024-01-05\nC;1.234;5;2024-01-05\n",
        &[(4, "ERR_POS_008")],
    ),
    ("a quantity with 13 digits", "AAPL,1234567890123,1,2024-01-05,,,,,,,,\n", &[(2, "ERR_POS_009")]),
    ("a price with 9 decimals", "AAPL,1,1.123456789,2024-01-05,,,,,,,,\n", &[(2, "ERR_POS_009")]),
    ("no date", "AAPL,1,1,,,,,,,,,\n", &[(2, "ERR_POS_010")]),
    ("a date that is none", "AAPL,1,1,yesterday,,,,,,,,\n", &[(2, "ERR_POS_011")]),
    ("the 30th of February", "AAPL,1,1,2024-02-30,,,,,,,,\n", &[(2, "ERR_POS_011")]),
    ("a date in two readings", "AAPL,1,1,03/04/2024,,,,,,,,\n", &[(2, "ERR_POS_012")]),
    (
        "dates that contradict each other",
        "A,1,1,03/04/2024,,,,,,,,\nB,1,1,12/31/2023,,,,,,,,\nC,1,1,31/12/2023,,,,,,,,\n",
        &[(2, "ERR_POS_012")],
    ),
    ("a date in the future", "AAPL,1,1,2199-01-05,,,,,,,,\n", &[(2, "ERR_POS_013")]),
    ("a date of long ago", "AAPL,1,1,1899-12-31,,,,,,,,\n", &[(2, "ERR_POS_014")]),
    ("a class that is none", "AAPL,1,1,2024-01-05,CRYPTO,,,,,,,\n", &[(2, "ERR_POS_015")]),
    (
        "a subtype that is too long",
        "AAPL,1,1,2024-01-05,,ABCDEFGHIJKLMNOPQRSTUVWXYZ12345,,,,,,\n",
        &[(2, "ERR_POS_016")],
    ),
    ("an option without a contract", "NVDA,1,1,2024-01-05,OPTIONS,,,,,,,\n", &[(2, "ERR_POS_017")]),
    (
        "an option without a strike",
        "NVDA,1,1,2024-01-05,OPTIONS,,NVDA,,2027-01-15,CALL,,\n",
        &[(2, "ERR_POS_017")],
    ),
    ("a strike of 0", "NVDA,1,1,2024-01-05,OPTIONS,,NVDA,0,2027-01-15,CALL,,\n", &[(2, "ERR_POS_017")]),
    (
        "a share with a strike",
        "NVDA,1,1,2024-01-05,PUBLIC,,NVDA,500,2027-01-15,CALL,,\n",
        &[(2, "ERR_POS_018")],
    ),
    (
        "an option of no type",
        "NVDA,1,1,2024-01-05,OPTIONS,,NVDA,500,2027-01-15,BOTH,,\n",
        &[(2, "ERR_POS_019")],
    ),
    (
        "an option that had expired",
        "NVDA,1,1,2024-01-05,OPTIONS,,NVDA,500,2023-01-20,CALL,,\n",
        &[(2, "ERR_POS_020")],
    ),
    ("an exit without a price", "AAPL,1,1,2024-01-05,,,,,,,2024-02-01,\n", &[(2, "ERR_POS_021")]),
    ("an exit without a date", "AAPL,1,1,2024-01-05,,,,,,,,5\n", &[(2, "ERR_POS_021")]),
    ("an exit before the entry", "AAPL,1,1,2024-01-05,,,,,,,2023-12-01,5\n", &[(2, "ERR_POS_022")]),
    (
        "a currency that is none",
        "!symbol,quantity,entry_price,entry_date,currency\nAAPL,1,1,2024-01-05,dollars\n",
        &[(2, "ERR_POS_023")],
    ),
    (
        "a long position of less than nothing",
        "!symbol,quantity,entry_price,entry_date,position_type\nAAPL,-1,1,2024-01-05,LONG\n",
        &[(2, "ERR_POS_024")],
    ),
    (
        "a symbol of another contract",
        "NVDA270115C00500000,1,1,2024-01-05,OPTIONS,,NVDA,510,2027-01-15,CALL,,\n",
        &[(2, "ERR_POS_025")],
    ),
    (
        "more sold than bought",
        "!date,symbol,quantity,activityType,unitPrice,currency,fee\n2024-01-05,AAPL,1,BUY,1,USD,0\n2024-01-06,AAPL,2,SELL,1,USD,0\n",
        &[(3, "ERR_POS_026")],
    ),
    (
        "an activity nobody knows",
        "!date,symbol,quantity,activityType,unitPrice,currency,fee\n2024-01-05,AAPL,1,CONJURE,1,USD,0\n",
        &[(2, "ERR_POS_027")],
    ),
    (
        "shares that went away without a price",
        "!date,symbol,quantity,activityType,unitPrice,currency,fee\n2024-01-05,AAPL,1,TRANSFER_OUT,1,USD,0\n",
        &[(2, "ERR_POS_028")],
    ),
    (
        "many faults in many rows",
        "AAPL,0,-1,2024-13-05,,,,,,,,\n,x,1,2024-01-05,,,,,,,,\nMSFT,1,1,2024-01-05,,,,,,,,\n",
        &[(2, "ERR_POS_004"), (2, "ERR_POS_011"), (3, "ERR_POS_001"), (3, "ERR_POS_007")],
    ),
];

#[tokio::test]
async fn fifty_malformed_files_are_refused_with_codes_and_lines() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let id = portfolio(&user, "malformed").await;
    let path = format!("/portfolios/{id}/import");
    assert!(FILES.len() >= 50, "{}", FILES.len());
    let mut seen = std::collections::BTreeSet::new();
    for (what, rows, expected) in FILES {
        let text = rows.strip_prefix('!').map_or_else(|| format!("{HEAD}{rows}"), str::to_owned);
        let refused = csv(&user, &path, &text).await.expect_problem(422, "import_refused");
        let import = &refused["import"];
        let found = findings(&import["errors"]);
        let expected: Vec<(u64, String)> =
            expected.iter().map(|(line, code)| (*line, (*code).to_owned())).collect();
        assert_eq!(found, expected, "{what}: {import}");
        assert_eq!((&import["stored"], &import["created"]), (&false.into(), &0.into()), "{what}");
        for issue in import["errors"].as_array().unwrap() {
            assert!(!issue["message"].as_str().unwrap().is_empty(), "{what}");
        }
        seen.extend(found.into_iter().map(|(_, code)| code));
    }
    assert!(seen.len() >= 35, "only {} codes: {seen:?}", seen.len());
    assert_eq!(lots(&user, &id).await, [] as [String; 0]);
}

#[tokio::test]
async fn files_that_are_too_large_or_of_another_kind_are_refused() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let id = portfolio(&user, "large").await;
    let path = format!("/portfolios/{id}/import");
    let large = "a,b\n".repeat(10 * 1024 * 1024 / 4 + 1);
    csv(&user, &path, &large).await.expect_problem(413, "body_too_large");
    let long = format!("{HEAD}{}", "AAPL,1,1,2024-01-05,,,,,,,,\n".repeat(20_001));
    let refused = csv(&user, &path, &long).await.expect_problem(422, "import_refused");
    assert_eq!(findings(&refused["import"]["errors"]), [(0, "ERR_CSV_008".to_owned())]);
    super::send(&user, &path, "image/png", b"symbol").await.expect_problem(415, "unsupported_media_type");
    for (query, field) in [
        ("preview=perhaps", "preview"),
        ("format=lotus", "format"),
        ("mapping=nothing", "mapping"),
        ("mapping=%7B%22a%22%3A%22b%22%7D", "mapping"),
        ("format=mapped", "mapping"),
        ("date_order=ymd", "date_order"),
        ("entry_date=2199-01-01", "entry_date"),
        ("owner=me", "owner"),
    ] {
        let text = format!("{HEAD}AAPL,1,1,2024-01-05,,,,,,,,\n");
        csv(&user, &format!("{path}?{query}"), &text).await.expect_wrong_field(field);
    }
    // Another format than the file's is said so.
    let text = format!("{HEAD}AAPL,1,1,2024-01-05,,,,,,,,\n");
    let refused = csv(&user, &format!("{path}?format=schwab"), &text).await;
    let refused = refused.expect_problem(422, "import_refused");
    assert_eq!(findings(&refused["import"]["errors"]), [(0, "ERR_CSV_005".to_owned())]);
    assert_eq!(lots(&user, &id).await, [] as [String; 0]);
}
