//! A corpus of hostile files, generated: each is reported with a sentence of
//! its own, and the good ones beside them are found.

use serde_json::{Value, json};

use super::{best, waiting};
use crate::support::TestApp;
use crate::support::files::Form;
use crate::support::hostile;
use crate::support::office::{docx, docx_parts, epub, paragraph, sheet_rows, with, xlsx, zip};

#[tokio::test(flavor = "multi_thread")]
async fn every_hostile_file_is_reported_with_its_own_sentence_and_good_ones_are_found() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let files = hostile::all();
    assert!(files.len() >= 50, "{}", files.len());
    let mut sent = Vec::new();
    for file in files {
        let accepted =
            Form::file(file.name, &file.bytes).and("external_id", file.name).send(&user).await.expect(202);
        sent.push((file.name, file.sentence, accepted["id"].as_str().unwrap().to_owned()));
    }
    let good = [
        ("good.docx", docx(&paragraph("", "Gold is a metal.")), "metal"),
        ("good.xlsx", xlsx(&[("Sea", &sheet_rows(&[&["Animal", "Noise"], &["Whale", "song"]]))]), "whale"),
        ("good.epub", epub("Birds", &[("Owls", "<p>Owls hunt at night.</p>")]), "owls"),
        ("good.csv", b"Instrument,Limit\nCoffee,5\n".to_vec(), "coffee"),
        ("good.json", b"{\"fruit\": \"orange juice\"}".to_vec(), "orange juice"),
        (
            "good.eml",
            b"From: a@example.com\nTo: b@example.com\nSubject: Dinner\n\nPancakes at eight.".to_vec(),
            "pancakes",
        ),
    ];
    for (name, bytes, _) in &good {
        Form::file(name, bytes).send(&user).await.expect(202);
    }
    app.run_jobs().await;
    for (name, sentence, id) in sent {
        let source = user.get(&format!("/knowledge/sources/{id}")).await.expect(200);
        assert_eq!(source["status"], "failed", "{name}: {source}");
        let error = source["error"].as_str().unwrap();
        assert!(error.contains(sentence), "{name}: {error}");
    }
    for (name, _, query) in good {
        let hit = best(&user, query).await;
        assert_eq!(hit["title"].as_str().unwrap(), title(name), "{query}: {hit}");
    }
    assert_eq!(waiting(&app).await, 0);
}

/// What a good file is called.
fn title(name: &str) -> &str {
    match name {
        "good.epub" => "Birds",
        "good.eml" => "Dinner",
        _ => "good",
    }
}

#[tokio::test]
async fn what_only_looks_dangerous_is_read() {
    let app = TestApp::start().await;
    let user = app.user().await;
    // A sheet as large as sheets can be, with two cells.
    let corners = r#"<row r="1"><c r="A1" t="inlineStr"><is><t>Name</t></is></c><c r="XFD1" t="inlineStr"><is><t>Last</t></is></c></row>
        <row r="1048576"><c r="A1048576" t="inlineStr"><is><t>whales</t></is></c><c r="XFD1048576"><v>7</v></c></row>"#;
    let attachment = "QUFB".repeat(19) + "\r\n";
    let mail = format!(
        "From: a@example.com\r\nTo: b@example.com\r\nSubject: Large\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nThe whales are attached.\r\n\
         --x\r\nContent-Type: application/octet-stream; name=w.bin\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n--x--\r\n",
        attachment.repeat(400_000)
    );
    let fonts = "<encryption><EncryptedData><EncryptionMethod Algorithm=\"http://www.idpf.org/2008/embedding\"/></EncryptedData></encryption>";
    let book = crate::support::office::epub_parts("Fonts", &[("One", "<p>Whales in a hidden font.</p>")]);
    let files = [
        ("corners.xlsx", xlsx(&[("All", corners)]), "Name: whales; Last: 7"),
        ("large.eml", mail.into_bytes(), "The whales are attached."),
        ("fonts.epub", zip(&with(book, "META-INF/encryption.xml", fonts)), "Whales in a hidden font."),
        (
            "picture.docx",
            zip(&with(
                docx_parts(&paragraph("", "Whales in a picture.")),
                "word/media/a.zip",
                zip(&[("x", "y")]),
            )),
            "Whales in a picture.",
        ),
    ];
    for (name, bytes, words) in files {
        let source = super::read(&app, &user, Form::file(name, &bytes).and("scope", name)).await;
        assert!(source["error"].is_null(), "{source}");
        let body = json!({"query": "whales", "scopes": [name], "limit": 1});
        let result: Value = user.post("/knowledge/search", body).await.expect(200);
        assert!(result["hits"][0]["content"].as_str().unwrap().contains(words), "{name}: {result}");
    }
}
