//! Files of Office, books and e-mails, made on the spot.

use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

const OPEN_XML: &str = "http://schemas.openxmlformats.org";
const WORD_MAIN: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml";
const SHEET_MAIN: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml";

/// An archive with these parts.
pub(crate) fn zip<N: AsRef<str>, B: AsRef<[u8]>>(parts: &[(N, B)]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in parts {
        let (name, bytes) = (name.as_ref(), bytes.as_ref());
        let stored = name == "mimetype" || name.contains("stored");
        let method = if stored { CompressionMethod::Stored } else { CompressionMethod::Deflated };
        archive.start_file(name, SimpleFileOptions::default().compression_method(method)).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// A name and what it holds.
pub(crate) type Part = (String, Vec<u8>);

fn part(name: &str, text: impl Into<String>) -> Part {
    (name.to_owned(), text.into().into_bytes())
}

fn content_types(main: &str, kind: &str) -> Part {
    let name = "[Content_Types].xml";
    let types = format!("{OPEN_XML}/package/2006/content-types");
    part(
        name,
        format!(
            r#"<?xml version="1.0"?><Types xmlns="{types}"><Override PartName="/{main}" ContentType="{kind}"/></Types>"#
        ),
    )
}

fn relations(place: &str, targets: &[(&str, &str, &str)]) -> Part {
    let relations: String = targets
        .iter()
        .map(|(id, kind, target)| {
            format!(r#"<Relationship Id="{id}" Type="{OPEN_XML}/officeDocument/2006/relationships/{kind}" Target="{target}"/>"#)
        })
        .collect();
    part(place, format!(r#"<?xml version="1.0"?><Relationships>{relations}</Relationships>"#))
}

/// The parts of a document with this body, in Word's XML.
pub(crate) fn docx_parts(body: &str) -> Vec<Part> {
    let styles = r#"<w:styles xmlns:w="w">
        <w:style w:type="paragraph" w:styleId="Ttl"><w:name w:val="Title"/></w:style>
        <w:style w:type="paragraph" w:styleId="H1"><w:name w:val="heading 1"/></w:style>
        <w:style w:type="paragraph" w:styleId="Own"><w:name w:val="Chapter"/><w:basedOn w:val="H1"/></w:style>
        <w:style w:type="paragraph" w:styleId="H2"><w:name w:val="heading 2"/></w:style></w:styles>"#;
    vec![
        content_types("word/document.xml", WORD_MAIN),
        relations("word/_rels/document.xml.rels", &[("rId1", "styles", "styles.xml")]),
        part("word/styles.xml", styles),
        part("word/document.xml", word(body)),
    ]
}

/// The main part of a document.
pub(crate) fn word(body: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?><w:document xmlns:w="w"><w:body>{body}</w:body></w:document>"#
    )
}

/// A document with this body, in Word's XML.
pub(crate) fn docx(body: &str) -> Vec<u8> {
    zip(&docx_parts(body))
}

/// A paragraph of a style; `""` is the body's.
pub(crate) fn paragraph(style: &str, words: &str) -> String {
    let style = if style.is_empty() {
        String::new()
    } else {
        format!(r#"<w:pPr><w:pStyle w:val="{style}"/></w:pPr>"#)
    };
    format!(r#"<w:p>{style}<w:r><w:t xml:space="preserve">{words}</w:t></w:r></w:p>"#)
}

/// A table of Word.
pub(crate) fn word_table(rows: &[&[&str]]) -> String {
    let row = |row: &&[&str]| {
        let cells: String = row.iter().map(|cell| format!("<w:tc>{}</w:tc>", paragraph("", cell))).collect();
        format!("<w:tr>{cells}</w:tr>")
    };
    format!("<w:tbl>{}</w:tbl>", rows.iter().map(row).collect::<String>())
}

/// The parts of a workbook: names of sheets, and their rows in Excel's XML. The shared
/// texts are `Name`, `Limit` and `Gold`; style 1 is a date, style 2 a percentage.
pub(crate) fn xlsx_parts(sheets: &[(&str, &str)]) -> Vec<Part> {
    let ids: Vec<String> = (1..=sheets.len()).map(|number| format!("rId{number}")).collect();
    let targets: Vec<String> =
        (1..=sheets.len()).map(|number| format!("worksheets/sheet{number}.xml")).collect();
    let mut related: Vec<(&str, &str, &str)> =
        ids.iter().zip(&targets).map(|(id, target)| (id.as_str(), "worksheet", target.as_str())).collect();
    related.extend([("rId98", "sharedStrings", "sharedStrings.xml"), ("rId99", "styles", "styles.xml")]);
    let named: String = sheets
        .iter()
        .zip(&ids)
        .map(|((name, _), id)| {
            let (name, state) =
                name.strip_prefix('!').map_or((*name, ""), |name| (name, r#" state="hidden""#));
            format!(r#"<sheet name="{name}" sheetId="7"{state} r:id="{id}"/>"#)
        })
        .collect();
    let mut parts = vec![
        content_types("xl/workbook.xml", SHEET_MAIN),
        relations("xl/_rels/workbook.xml.rels", &related),
        part("xl/workbook.xml", format!(r#"<workbook xmlns:r="r"><sheets>{named}</sheets></workbook>"#)),
        part(
            "xl/sharedStrings.xml",
            "<sst><si><t>Name</t></si><si><r><t>Li</t></r><r><t>mit</t></r></si><si><t>Gold</t></si></sst>",
        ),
        part(
            "xl/styles.xml",
            r#"<styleSheet><numFmts><numFmt numFmtId="164" formatCode="dd.mm.yyyy"/></numFmts><cellStyleXfs><xf numFmtId="9"/></cellStyleXfs>
               <cellXfs><xf numFmtId="0"/><xf numFmtId="164"/><xf numFmtId="10"/></cellXfs></styleSheet>"#,
        ),
    ];
    for ((_, rows), target) in sheets.iter().zip(&targets) {
        parts.push(part(
            &format!("xl/{target}"),
            format!("<worksheet><sheetData>{rows}</sheetData></worksheet>"),
        ));
    }
    parts
}

/// A workbook; see [`xlsx_parts`].
pub(crate) fn xlsx(sheets: &[(&str, &str)]) -> Vec<u8> {
    zip(&xlsx_parts(sheets))
}

/// The rows of a sheet whose cells are texts.
pub(crate) fn sheet_rows(rows: &[&[&str]]) -> String {
    let cell = |text: &&str| format!(r#"<c t="inlineStr"><is><t>{text}</t></is></c>"#);
    rows.iter().map(|row| format!("<row>{}</row>", row.iter().map(cell).collect::<String>())).collect()
}

/// The parts of a book: chapters' names in its contents, and what stands in their bodies.
pub(crate) fn epub_parts(title: &str, chapters: &[(&str, &str)]) -> Vec<Part> {
    let items: String = (0..chapters.len())
        .map(|number| {
            format!(
                r#"<item id="c{number}" href="text/c%20{number}.xhtml" media-type="application/xhtml+xml"/>"#
            )
        })
        .collect();
    let spine: String =
        (0..chapters.len()).map(|number| format!(r#"<itemref idref="c{number}"/>"#)).collect();
    let entries: String = chapters
        .iter()
        .enumerate()
        .map(|(number, (name, _))| format!(r#"<li><a href="text/c%20{number}.xhtml#x">{name}</a></li>"#))
        .collect();
    let mut parts = vec![
        part("mimetype", "application/epub+zip"),
        part(
            "META-INF/container.xml",
            r#"<container><rootfiles><rootfile full-path="OEBPS/book.opf"/></rootfiles></container>"#,
        ),
        part(
            "OEBPS/book.opf",
            format!(
                r#"<package xmlns:dc="dc"><metadata><dc:title>{title}</dc:title></metadata><manifest>
                   <item id="nav" href="nav.xhtml" properties="nav" media-type="application/xhtml+xml"/>{items}</manifest><spine>{spine}</spine></package>"#
            ),
        ),
        part("OEBPS/nav.xhtml", format!("<html><body><nav><ol>{entries}</ol></nav></body></html>")),
    ];
    for (number, (_, body)) in chapters.iter().enumerate() {
        let page = format!(
            "<?xml version=\"1.0\"?><!DOCTYPE html><html><head><title>x</title></head><body>{body}</body></html>"
        );
        parts.push(part(&format!("OEBPS/text/c {number}.xhtml"), page));
    }
    parts
}

/// A book; see [`epub_parts`].
pub(crate) fn epub(title: &str, chapters: &[(&str, &str)]) -> Vec<u8> {
    zip(&epub_parts(title, chapters))
}

/// The parts with one of them replaced, or one more.
pub(crate) fn with(mut parts: Vec<Part>, name: &str, bytes: impl AsRef<[u8]>) -> Vec<Part> {
    parts.retain(|(other, _)| other != name);
    parts.push((name.to_owned(), bytes.as_ref().to_vec()));
    parts
}
