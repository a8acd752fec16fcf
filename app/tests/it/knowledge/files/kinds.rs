//! Every kind of file: what of it is found, and under which headings.

use sea_orm::{ConnectionTrait, DbBackend, QueryResult, Statement};
use serde_json::Value;

use super::{best, read};
use crate::support::TestApp;
use crate::support::files::Form;
use crate::support::office::{docx, epub, paragraph, sheet_rows, word_table, xlsx};
use crate::support::user::TestUser;

/// Passages so short that a table of a few rows is several.
async fn app() -> TestApp {
    TestApp::with().env("TANDEM__KNOWLEDGE__PASSAGE_TOKENS", 32).start().await
}

/// What a source is made of, in order: the headings above each passage, and its words.
async fn passages(app: &TestApp, source: &Value) -> Vec<(String, String)> {
    let sql =
        "SELECT heading_path, content FROM ai_kb_documents WHERE source_id = $1::uuid ORDER BY position";
    let rows = app.ai().query_all_raw(about(sql, source)).await.unwrap();
    let text = |row: &QueryResult, place| row.try_get_by_index::<String>(place).unwrap();
    rows.iter().map(|row| (text(row, 0), text(row, 1))).collect()
}

fn about(sql: &str, source: &Value) -> Statement {
    let id = uuid::Uuid::parse_str(source["id"].as_str().unwrap()).unwrap();
    Statement::from_sql_and_values(DbBackend::Postgres, sql, [id.into()])
}

/// The whole text that became of a file.
async fn text(app: &TestApp, user: &TestUser, name: &str, bytes: &[u8]) -> String {
    let source = read(app, user, Form::file(name, bytes)).await;
    let sql = "SELECT content FROM ai_kb_sources WHERE id = $1::uuid";
    let row = app.ai().query_one_raw(about(sql, &source)).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

fn handbook() -> Vec<u8> {
    let limits = word_table(&[
        &["Instrument", "Limit of equity", "Who signs above it"],
        &["Gold futures", "five percent", "the head of trading"],
        &["Swiss bonds", "forty percent", "nobody at all"],
        &["Coffee options", "one percent", "the whole board"],
        &["Frozen orange juice", "half a percent", "Mortimer"],
    ]);
    let body = [
        paragraph("Ttl", "Handbook of risk"),
        paragraph("H1", "Limits"),
        paragraph("", "Each instrument has a limit &amp; somebody who signs."),
        paragraph("Own", "Positions"),
        paragraph("H2", "By instrument"),
        limits,
        paragraph("H2", "Exceptions"),
        r#"<w:p><w:pPr><w:numPr><w:ilvl w:val="0"/><w:numId w:val="3"/></w:numPr></w:pPr><w:r><w:t>None in August</w:t></w:r></w:p>"#.to_owned(),
        r"<w:p><w:del><w:r><w:delText>Deleted words</w:delText></w:r></w:del><w:r><w:t># no heading</w:t></w:r></w:p>".to_owned(),
    ];
    docx(&body.concat())
}

#[tokio::test]
async fn a_document_of_word_keeps_headings_lists_and_tables() {
    let app = app().await;
    let user = app.user().await;
    let source = read(&app, &user, Form::file("handbook.docx", &handbook())).await;
    assert_eq!(source["title"], "Handbook of risk");
    let text = text(&app, &user, "again.docx", &handbook()).await;
    assert_eq!(
        text,
        "# Handbook of risk\n\n# Limits\n\nEach instrument has a limit & somebody who signs.\n\n# Positions\n\n## By instrument\n\n\
         - Instrument: Gold futures; Limit of equity: five percent; Who signs above it: the head of trading\n\
         - Instrument: Swiss bonds; Limit of equity: forty percent; Who signs above it: nobody at all\n\
         - Instrument: Coffee options; Limit of equity: one percent; Who signs above it: the whole board\n\
         - Instrument: Frozen orange juice; Limit of equity: half a percent; Who signs above it: Mortimer\n\n\
         ## Exceptions\n\n- None in August\n\n\\# no heading"
    );
    // A passage out of the middle of the table says what it is about, and where it stands.
    let passages = passages(&app, &source).await;
    let (path, row) = passages.iter().find(|(_, text)| text.contains("Coffee")).unwrap();
    assert!(row.contains("Limit of equity: one percent"), "{row}");
    assert_eq!(path, "Positions > By instrument");
    let hit = best(&user, "who signs for coffee options?").await;
    assert!(hit["content"].as_str().unwrap().contains("the whole board"), "{hit}");
}

#[tokio::test]
async fn a_workbook_keeps_sheets_columns_dates_and_percentages() {
    let app = app().await;
    let user = app.user().await;
    // The header's words are shared texts; columns may be left out.
    let holdings = r#"<row r="1"><c r="A1" t="inlineStr"><is><t>Holdings of the fund</t></is></c></row>
        <row r="3"><c r="A3" t="s"><v>0</v></c><c r="B3" t="s"><v>1</v></c><c r="D3" t="str"><v>Since</v></c></row>
        <row r="4"><c r="A4" t="s"><v>2</v></c><c r="B4" s="2"><v>5.0999999999999997E-2</v></c><c r="D4" s="1"><f>TODAY()</f><v>45292</v></c></row>
        <row r="5"><c r="A5" t="inlineStr"><is><t>Whale oil &amp; bones</t></is></c><c r="B5"><v>7</v></c><c r="D5" t="b"><v>1</v></c><c r="XFD5" t="e"><v>#N/A</v></c></row>"#;
    let names = sheet_rows(&[&["Desk", "Head"], &["Metals", "Anna"], &["Whales", "Ahab"]]);
    let file = xlsx(&[("Holdings", holdings), ("!Secret", &names), ("Who is who", &names)]);
    let source = read(&app, &user, Form::file("fund.xlsx", &file)).await;
    assert_eq!(source["title"], "fund");
    assert_eq!(
        text(&app, &user, "again.xlsx", &file).await,
        "# Holdings\n\nHoldings of the fund\n\n- Name: Gold; Limit: 5.1%; Since: 2024-01-01\n\
         - Name: Whale oil & bones; Limit: 7; Since: TRUE; XFD: #N/A\n\n# Who is who\n\n- Desk: Metals; Head: Anna\n- Desk: Whales; Head: Ahab"
    );
    let passages = passages(&app, &source).await;
    assert!(
        passages.iter().any(|(path, text)| path == "Holdings" && text.contains("Whale oil")),
        "{passages:?}"
    );
}

#[tokio::test]
async fn tables_as_text_are_read_row_by_row() {
    let app = app().await;
    let user = app.user().await;
    let table = "Instrument;Limit\nGold;5\n\"Bonds; Swiss\";40\n";
    for name in ["limits.csv", "limits.tsv"] {
        let table = if name.ends_with("tsv") { table.replace(';', "\t") } else { table.to_owned() };
        let said = text(&app, &user, name, table.as_bytes()).await;
        assert!(said.starts_with("- Instrument: Gold; Limit: 5\n- Instrument: Bonds"), "{said}");
    }
    let source = read(&app, &user, Form::file("other.csv", table.as_bytes())).await;
    assert_eq!(source["media_type"], "text/csv");
}

#[tokio::test]
async fn json_keeps_its_names_and_lines_of_it_too() {
    let app = app().await;
    let user = app.user().await;
    let json = r#"{
        "desks": [{"name": "Metals", "head": {"name": "Anna", "phones": [1, 2]}}, {"name": "Whales", "open": true}],
        "limits": {"gold": {"percent": 5, "note": null}, "default": 1},
        "version": "3 # not a heading",
        "years": [1997, 2001]
    }"#;
    assert_eq!(
        text(&app, &user, "desks.json", json.as_bytes()).await,
        "- version: 3 # not a heading\n\n# desks\n\n- name: Metals; head.name: Anna; head.phones: 1, 2\n- name: Whales; open: true\n\n\
         # limits\n\n- default: 1\n\n## gold\n\n- percent: 5\n\n# years\n\n- 1997, 2001"
    );
    let lines = "{\"desk\": \"Metals\", \"head\": \"Anna\"}\n\n{\"desk\": \"Whales\", \"head\": \"Ahab\"}\n";
    assert_eq!(
        text(&app, &user, "desks.jsonl", lines.as_bytes()).await,
        "- desk: Metals; head: Anna\n- desk: Whales; head: Ahab"
    );
    // Many files of that name hold lines.
    let several = b"{\"desk\": \"Metals\"}\n{\"desk\": \"Whales\"}";
    assert_eq!(text(&app, &user, "lines.json", several).await, "- desk: Metals\n- desk: Whales");
}

#[tokio::test]
async fn an_email_keeps_who_wrote_when_and_about_what() {
    let app = app().await;
    let user = app.user().await;
    let long = "Please sell the coffee options before the board meets. ".repeat(12);
    let email = format!(
        "From: =?utf-8?q?Zo=C3=AB?= <zoe@example.com>\r\nTo: Ahab <ahab@example.com>, desk@example.com\r\nSubject: Coffee\r\n options\r\n\
         Date: Fri, 01 Mar 2024 10:30:00 +0100\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n\
         --a\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: quoted-printable\r\n\r\n{long}\r\n=E2=82=AC 5\r\nZoe\r\n-- \r\n# sent\r\n\
         --b\r\nContent-Type: text/html\r\n\r\n<p>The same in colours</p>\r\n--b--\r\n\
         --a\r\nContent-Type: message/rfc822\r\n\r\nFrom: ahab@example.com\r\nSubject: Whales\r\n\r\nThey sing.\r\n\
         --a\r\nContent-Type: application/pdf; name=\"terms.pdf\"\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERi0=\r\n--a--\r\n"
    );
    let source = read(&app, &user, Form::file("mail.eml", email.as_bytes())).await;
    assert_eq!(
        (source["title"].as_str(), source["media_type"].as_str()),
        (Some("Coffee options"), Some("message/rfc822"))
    );
    let said = text(&app, &user, "again.eml", email.as_bytes()).await;
    let begins = "# Coffee options, from Zoë <zoe@example.com>, 2024-03-01\n\n- Subject: Coffee options\n- From: Zoë <zoe@example.com>\n\
         - To: Ahab <ahab@example.com>, desk@example.com\n- Date: 2024-03-01 10:30 +01:00\n\nPlease sell";
    assert!(said.starts_with(begins), "{said}");
    assert!(said.contains("€ 5\nZoe\n\\--\n\\# sent"), "{said}");
    assert!(said.contains("## Whales, from ahab@example.com") && said.contains("They sing."), "{said}");
    assert!(said.contains("- Attachment: terms.pdf") && !said.contains("colours"), "{said}");
    let passages = passages(&app, &source).await;
    assert!(passages.len() > 3, "{passages:?}");
    assert!(passages[2].0.starts_with("Coffee options, from Zoë"), "{passages:?}");
}

#[tokio::test]
async fn a_book_keeps_its_chapters() {
    let app = app().await;
    let user = app.user().await;
    let whales = format!("<p>{}</p>", "Whales sing in the deep blue sea at night. ".repeat(8));
    let file = epub(
        "Sea &amp; land",
        &[("Of whales", &whales), ("Unused", "<h1>Of gold</h1><p>It does not rust.</p>")],
    );
    let source = read(&app, &user, Form::file("book.epub", &file)).await;
    assert_eq!(
        (source["title"].as_str(), source["media_type"].as_str()),
        (Some("Sea & land"), Some("application/epub+zip"))
    );
    let said = text(&app, &user, "again.epub", &file).await;
    assert!(
        said.starts_with("# Of whales\n\nWhales sing") && said.ends_with("# Of gold\n\nIt does not rust."),
        "{said}"
    );
    let passages = passages(&app, &source).await;
    assert!(passages.iter().any(|(path, text)| path == "Of whales" && text.contains("sing")), "{passages:?}");
}

#[tokio::test]
async fn a_file_without_a_name_is_known_by_what_is_in_it() {
    let app = app().await;
    let user = app.user().await;
    for (name, bytes, media_type) in [
        ("letter", docx(&paragraph("", "Gold is a metal.")), "wordprocessingml.document"),
        ("table", xlsx(&[("S", &sheet_rows(&[&["A", "B"], &["c", "d"]]))]), "spreadsheetml.sheet"),
        ("book", epub("T", &[("C", "<p>Whales sing.</p>")]), "epub+zip"),
    ] {
        let source = read(&app, &user, Form::file(name, &bytes)).await;
        assert!(source["media_type"].as_str().unwrap().ends_with(media_type), "{source}");
    }
    let asked = Form::file("x.bin", b"{\"a\": 1}").and("media_type", "application/json");
    assert_eq!(read(&app, &user, asked).await["media_type"], "application/json");
    let nothing = Form::file("x.zip", b"PK\x03\x04nothing").send(&user).await;
    nothing.expect_problem(415, "unsupported_media_type");
}
