//! Files that are meant to break something, each with what is said of it.

use super::office::{Part, docx_parts, epub_parts, paragraph, sheet_rows, with, word, xlsx_parts, zip};

/// A file, and words of the sentence that says why it is refused.
pub(crate) struct Hostile {
    pub(crate) name: &'static str,
    pub(crate) bytes: Vec<u8>,
    pub(crate) sentence: &'static str,
}

fn hostile(name: &'static str, bytes: Vec<u8>, sentence: &'static str) -> Hostile {
    Hostile { name, bytes, sentence }
}

const BODY: &str = "word/document.xml";
const SHEET: &str = "xl/worksheets/sheet1.xml";
const CHAPTER: &str = "OEBPS/text/c 0.xhtml";
const PACKAGE: &str = "OEBPS/book.opf";
const SHARED: &str = "xl/sharedStrings.xml";

fn docx() -> Vec<Part> {
    docx_parts(&paragraph("", "Secret words."))
}

fn xlsx() -> Vec<Part> {
    xlsx_parts(&[("S", &sheet_rows(&[&["Name", "Limit"], &["Gold", "x"]]))])
}

fn epub() -> Vec<Part> {
    epub_parts("T", &[("One", "<p>Secret words.</p>")])
}

fn sheet(rows: &str) -> Vec<u8> {
    zip(&with(xlsx(), SHEET, format!("<worksheet><sheetData>{rows}</sheetData></worksheet>")))
}

fn body(xml: &str) -> Vec<u8> {
    zip(&with(docx(), BODY, xml))
}

/// Every hostile file there is: at least 50.
pub(crate) fn all() -> Vec<Hostile> {
    let mut all = bombs();
    all.extend(entities());
    all.extend(nested());
    all.extend(broken());
    all.extend(disguised());
    all.extend(odd());
    all
}

/// Small files that become large.
fn bombs() -> Vec<Hostile> {
    let comments = format!("<!--{}-->", "x".repeat(1 << 20)).repeat(300);
    let cell = format!(r#"<c t="inlineStr"><is><t>{}</t></is></c>"#, "whales ".repeat(100));
    let row = format!("<row>{cell}{cell}</row>");
    let many: Vec<Part> = (0..10_001).map(|number| (format!("{number}.stored"), Vec::new())).collect();
    vec![
        hostile(
            "one-text.docx",
            body(&" ".repeat(80 << 20)),
            "a single text of the file has more than 32 MB",
        ),
        hostile(
            "unpacked.xlsx",
            zip(&with(xlsx(), SHEET, comments)),
            "unpacked, the file has more than 256 MB",
        ),
        hostile("rows.xlsx", sheet(&row.repeat(20_000)), "more than 20000000 characters"),
        hostile(
            "shared.xlsx",
            zip(&with(
                xlsx(),
                SHARED,
                format!("<sst>{}</sst>", format!("<si><t>{}</t></si>", "x".repeat(1 << 20)).repeat(90)),
            )),
            "more than 20000000 characters",
        ),
        hostile("chapter.epub", zip(&with(epub(), CHAPTER, " ".repeat(40 << 20))), "has more than 32 MB"),
        hostile("parts.docx", zip(&many), "more than 10000 parts"),
        hostile(
            "nested.docx",
            zip(&[("inner.zip", zip(&[("inner.zip", zip(&docx()))]))]),
            "named like a Word document (DOCX), but is a ZIP archive",
        ),
        hostile(
            "rows.csv",
            format!("{}\n{}", "x".repeat(100), "1\n".repeat(400_000)).into_bytes(),
            "more than 20000000 characters",
        ),
        hostile(
            "long.json",
            format!("[\"{}\"]", "whales ".repeat(3_000_000)).into_bytes(),
            "more than 20000000 characters",
        ),
    ]
}

/// XML that defines words of its own, or wants to read elsewhere.
fn entities() -> Vec<Hostile> {
    let outside = |rest: &str| format!("<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>{rest}");
    let laughs = r#"<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]><sst><si><t>&c;</t></si></sst>"#;
    vec![
        hostile(
            "xxe.docx",
            body(&outside(&word(&paragraph("", "&x;")))),
            "word/document.xml declares a document type",
        ),
        hostile(
            "laughs.xlsx",
            zip(&with(xlsx(), SHARED, laughs)),
            "xl/sharedStrings.xml declares a document type",
        ),
        hostile(
            "remote.docx",
            zip(&with(docx(), "word/styles.xml", "<!DOCTYPE a SYSTEM \"http://127.0.0.1/a.dtd\"><a/>")),
            "word/styles.xml declares a document type",
        ),
        hostile(
            "xxe.epub",
            zip(&with(epub(), PACKAGE, outside("<package/>"))),
            "OEBPS/book.opf declares a document type",
        ),
        hostile(
            "chapter-xxe.epub",
            zip(&with(epub(), CHAPTER, outside("<html><body>&x;</body></html>"))),
            "of the EPUB defines entities",
        ),
        hostile("undefined.docx", body(&word(&paragraph("", "&x;"))), "refers to an entity"),
    ]
}

/// What lies within what lies within what.
fn nested() -> Vec<Hostile> {
    let deep =
        |open: &str, close: &str, times: usize| format!("{}{}", open.repeat(times), close.repeat(times));
    let multipart: String = (0..2_000)
        .map(|level| format!("Content-Type: multipart/mixed; boundary=b{level}\n\n--b{level}\n"))
        .collect();
    let attached = "Content-Type: message/rfc822\n\nSubject: x\n".repeat(200_000);
    vec![
        hostile(
            "deep.docx",
            body(&word(&deep("<w:sdt>", "</w:sdt>", 400))),
            "nested too deeply: more than 256 elements",
        ),
        hostile(
            "tables.docx",
            body(&word(&deep("<w:tbl><w:tr><w:tc>", "</w:tc></w:tr></w:tbl>", 30))),
            "more than 20 tables lie within each other",
        ),
        hostile(
            "deep.xlsx",
            sheet(&deep("<x>", "</x>", 400)),
            "xl/worksheets/sheet1.xml is nested too deeply",
        ),
        hostile(
            "deep.epub",
            zip(&with(epub(), CHAPTER, deep("<div>", "</div>", 100_000))),
            "the page is nested too deeply",
        ),
        hostile(
            "deep.json",
            deep("[", "]", 100_000).into_bytes(),
            "the file is nested too deeply: more than 127 levels",
        ),
        hostile("objects.json", deep("{\"a\":", "}", 200).into_bytes(), "the file is nested too deeply"),
        hostile(
            "deep.jsonl",
            format!("{{\"a\": 1}}\n{}", deep("[", "]", 300)).into_bytes(),
            "line 2 is nested too deeply",
        ),
        hostile(
            "multipart.eml",
            format!("From: a@example.com\nSubject: x\n{multipart}").into_bytes(),
            "the e-mail is nested too deeply",
        ),
        hostile(
            "attached.eml",
            format!("From: a@example.com\nSubject: x\n{attached}").into_bytes(),
            "the e-mail is nested too deeply",
        ),
    ]
}

/// Cut off, or with bytes that are wrong.
fn broken() -> Vec<Hostile> {
    let good = zip(&docx());
    let half = good[..good.len() / 2].to_vec();
    let mut directory = zip(&xlsx());
    // The place of the directory, in the record at the end.
    let at = directory.len() - 6;
    directory[at..at + 4].copy_from_slice(&[0xff, 0xff, 0xff, 0x0f]);
    let mut sum = zip(&with(docx(), BODY, word(&paragraph("", &"gold ".repeat(2_000)))));
    let at = position(&sum, b"word/document.xml") + 60;
    for byte in &mut sum[at..at + 8] {
        *byte ^= 0x5a;
    }
    let large = [&good[..], b"PK\x06\x07", &[0; 16]].concat();
    let missing = with(
        epub(),
        PACKAGE,
        "<package><manifest><item id=\"a\" href=\"gone.xhtml\"/></manifest><spine><itemref idref=\"a\"/></spine></package>",
    );
    vec![
        hostile("half.docx", half, "the file is damaged"),
        hostile("directory.xlsx", directory, "the file is damaged"),
        hostile("sum.docx", sum, "the file is damaged: word/document.xml"),
        hostile("large.docx", large, "packed as a zip64"),
        hostile("cut.docx", body("<w:document><w:body><w:p>"), "word/document.xml ends in the middle"),
        hostile("tags.docx", body("<w:document><w:body></w:document>"), "word/document.xml is no XML"),
        hostile(
            "letters.docx",
            zip(&with(docx(), BODY, b"<w:document>\xff\xfe\xc3\x28</w:document>")),
            "word/document.xml is no XML",
        ),
        hostile(
            "nobody.docx",
            zip(&docx().into_iter().filter(|(name, _)| name != BODY).collect::<Vec<_>>()),
            "it has no word/document.xml",
        ),
        hostile("gone.epub", zip(&missing), "the EPUB is damaged: it has no OEBPS/gone.xhtml"),
        hostile("empty.epub", zip(&with(epub(), PACKAGE, "<package/>")), "it has no chapters"),
        hostile("cut.json", b"{\"a\": [1, 2".to_vec(), "the file ends in the middle of its JSON"),
        hostile("wrong.jsonl", b"{\"a\": 1}\n{a: 2}\n".to_vec(), "line 2 is no valid JSON"),
    ]
}

/// What is called something else than it is, or locked.
fn disguised() -> Vec<Hostile> {
    let compound = |name: &str| {
        let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        [&b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"[..], &[0; 504], &name, &[0; 512]].concat()
    };
    let drm = "<encryption><EncryptedData><EncryptionMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#aes128-cbc\"/></EncryptedData></encryption>";
    vec![
        hostile("sheet.docx", zip(&xlsx()), "holds another kind of content: Excel workbook (XLSX)"),
        hostile("letter.xlsx", zip(&docx()), "holds another kind of content: Word document (DOCX)"),
        hostile("book.docx", zip(&epub()), "named like a Word document (DOCX), but is an EPUB"),
        hostile("letter.epub", zip(&docx()), "named like an EPUB, but is a file of Office"),
        hostile("text.docx", b"These are only words.".to_vec(), "the file is no Word document (DOCX)"),
        hostile("archive.csv", zip(&docx()), "the file is no table (CSV): it is a ZIP archive"),
        hostile("archive.txt", zip(&docx()), "the file is no text file: it is a ZIP archive"),
        hostile("old.xlsx", compound("Workbook"), "one of Office's old formats"),
        hostile("encrypted.docx", compound("EncryptedPackage"), "protected by a password"),
        hostile("locked.xlsx", locked(zip(&xlsx())), "protected by a password"),
        hostile(
            "drm.epub",
            zip(&with(epub(), "META-INF/encryption.xml", drm)),
            "protected against copying (DRM)",
        ),
        hostile(
            "words.eml",
            b"These are only words.\n\nAnd more of them.".to_vec(),
            "does not say who wrote it to whom",
        ),
    ]
}

/// Names and sizes nobody has.
fn odd() -> Vec<Hostile> {
    let outside = |name: &str| zip(&with(docx(), name, "x"));
    vec![
        hostile("climbs.docx", outside("../../etc/passwd"), "leads outside"),
        hostile("absolute.docx", outside("/etc/passwd"), "leads outside"),
        hostile("backwards.docx", outside("a\\..\\..\\b"), "leads outside"),
        hostile("wide.xlsx", sheet("<row><c r=\"XFE1\"><v>1</v></c></row>"), "more than 16384 columns"),
        hostile(
            "nowhere.xlsx",
            sheet("<row><c r=\"AAAAAAAAAAAA1\"><v>1</v></c></row>"),
            "a sheet has no cell",
        ),
        hostile("wide.csv", ",".repeat(20_000).into_bytes(), "more than 16384 values"),
        hostile("nul.csv", vec![0; 4_000], "not text"),
        hostile("nul.json", vec![0; 4_000], "no valid JSON"),
        hostile("nul.eml", vec![0; 4_000], "does not say who wrote it to whom"),
        hostile("empty.xlsx", sheet(""), "no text found in the file"),
    ]
}

/// Says of every part that it is encrypted, at its place and in the directory.
fn locked(mut archive: Vec<u8>) -> Vec<u8> {
    for (start, flags) in [(b"PK\x03\x04", 6), (b"PK\x01\x02", 8)] {
        let places: Vec<usize> = (0..archive.len() - 4).filter(|at| &archive[*at..at + 4] == start).collect();
        for at in places {
            archive[at + flags] |= 1;
        }
    }
    archive
}

fn position(bytes: &[u8], name: &[u8]) -> usize {
    bytes.windows(name.len()).position(|window| window == name).unwrap()
}
