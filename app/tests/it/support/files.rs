//! Files of every kind, made on the spot, and forms to send them in.

use axum::body::Body;
use axum::http::{Request, header};

use super::response::TestResponse;
use super::user::TestUser;

/// Stands between the parts of a form.
pub(crate) const BOUNDARY: &str = "tandem-test-boundary";

/// A form with a file and other parts.
#[derive(Clone, Default)]
pub(crate) struct Form {
    body: Vec<u8>,
}

impl Form {
    /// A form with one file.
    pub(crate) fn file(name: &str, bytes: &[u8]) -> Self {
        Self::default().and_file(name, bytes)
    }

    /// Another file.
    pub(crate) fn and_file(self, name: &str, bytes: &[u8]) -> Self {
        let disposition = format!("form-data; name=\"file\"; filename=\"{name}\"");
        self.part(&disposition, "Content-Type: application/octet-stream\r\n", bytes)
    }

    /// Another part.
    pub(crate) fn and(self, name: &str, value: &str) -> Self {
        self.part(&format!("form-data; name=\"{name}\""), "", value.as_bytes())
    }

    fn part(mut self, disposition: &str, more: &str, bytes: &[u8]) -> Self {
        let head = format!("--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\n{more}\r\n");
        self.body.extend_from_slice(head.as_bytes());
        self.body.extend_from_slice(bytes);
        self.body.extend_from_slice(b"\r\n");
        self
    }

    /// The whole body.
    pub(crate) fn end(mut self) -> Vec<u8> {
        self.body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        self.body
    }

    /// Sends it.
    pub(crate) async fn send(self, user: &TestUser) -> TestResponse {
        let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
        post(user, &content_type, Body::from(self.end())).await
    }
}

/// Posts any body to the sources.
pub(crate) async fn post(user: &TestUser, content_type: &str, body: Body) -> TestResponse {
    let request = Request::post("/api/v1/knowledge/sources")
        .header(header::AUTHORIZATION, format!("Bearer {}", user.token.as_deref().unwrap_or_default()))
        .header(header::CONTENT_TYPE, content_type);
    user.send(request.body(body).unwrap()).await
}

/// A PDF with a page for each text, whose lines become lines.
pub(crate) fn pdf<T: AsRef<str>>(pages: &[T]) -> Vec<u8> {
    let contents = pages.iter().map(|page| (String::new(), shown(page.as_ref()).into_bytes()));
    document(contents.collect(), "", "")
}

/// A PDF that says it is encrypted, with a password nobody knows.
pub(crate) fn encrypted_pdf() -> Vec<u8> {
    let key = "00112233445566778899aabbccddeeff".repeat(2);
    let encryption = format!("<< /Filter /Standard /V 1 /R 2 /P -44 /O <{key}> /U <{key}> >>");
    let contents = vec![(String::new(), shown("secret").into_bytes())];
    document(contents, &encryption, " /Encrypt 4 0 R /ID [<0011> <0011>]")
}

/// A small PDF whose only page inflates to `bytes` blanks.
pub(crate) fn pdf_bomb(bytes: usize) -> Vec<u8> {
    // What inflates to so much is itself the same again and again.
    let inner = deflated_run(bytes);
    let outer = deflated(&inner, 13);
    document(vec![(" /Filter [/FlateDecode /FlateDecode]".to_owned(), outer)], "", "")
}

/// The operators that show lines of text.
fn shown(page: &str) -> String {
    let escaped = page.replace('\\', "\\\\").replace('(', "\\(").replace(')', "\\)");
    let lines: String = escaped.split('\n').map(|line| format!("({line}) Tj 0 -14 Td\n")).collect();
    format!("BT /F1 12 Tf 72 720 Td\n{lines}ET\n")
}

/// Objects: 1 the catalog, 2 the page tree, 3 the font, 4 the encryption or
/// nothing, then a page and its content for each.
fn document(contents: Vec<(String, Vec<u8>)>, encryption: &str, trailer: &str) -> Vec<u8> {
    let mut out = b"%PDF-1.4\n".to_vec();
    let mut offsets = Vec::new();
    let mut object = |out: &mut Vec<u8>, body: &[u8]| {
        offsets.push(out.len());
        out.extend_from_slice(format!("{} 0 obj\n", offsets.len()).as_bytes());
        out.extend_from_slice(body);
        out.extend_from_slice(b"\nendobj\n");
    };
    let kids: String = (0..contents.len()).map(|page| format!("{} 0 R ", 5 + 2 * page)).collect();
    let count = contents.len();
    object(&mut out, b"<< /Type /Catalog /Pages 2 0 R >>");
    let tree = format!("<< /Type /Pages /Kids [{kids}] /Count {count} /MediaBox [0 0 612 792] >>");
    object(&mut out, tree.as_bytes());
    object(&mut out, b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>");
    object(&mut out, if encryption.is_empty() { b"null" } else { encryption.as_bytes() });
    for (number, (entries, content)) in contents.into_iter().enumerate() {
        let page = format!(
            "<< /Type /Page /Parent 2 0 R /Resources << /Font << /F1 3 0 R >> >> /Contents {} 0 R >>",
            6 + 2 * number
        );
        object(&mut out, page.as_bytes());
        let head = format!("<< /Length {}{entries} >>\nstream\n", content.len());
        let stream = [head.as_bytes(), &content, b"\nendstream"].concat();
        object(&mut out, &stream);
    }
    let start = out.len();
    let table: String = offsets.iter().map(|offset| format!("{offset:010} 00000 n \n")).collect();
    let size = offsets.len() + 1;
    let end = format!(
        "xref\n0 {size}\n0000000000 65535 f \n{table}trailer\n<< /Size {size} /Root 1 0 R{trailer} >>\nstartxref\n{start}\n%%EOF\n"
    );
    out.extend_from_slice(end.as_bytes());
    out
}

/// As many blanks, in zlib's format.
fn deflated_run(bytes: usize) -> Vec<u8> {
    let mut bits = Bits::begin();
    bits.literal(b' ');
    for _ in 0..bytes / 258 {
        bits.repeat(1);
    }
    bits.end()
}

/// Any bytes, in zlib's format, with what repeats at a distance of 13 to 16 told once.
fn deflated(bytes: &[u8], distance: usize) -> Vec<u8> {
    let mut bits = Bits::begin();
    let mut at = 0;
    while at < bytes.len() {
        let end = at + 258;
        if at >= distance && end <= bytes.len() && bytes[at..end] == bytes[at - distance..end - distance] {
            bits.repeat(distance);
            at = end;
        } else {
            bits.literal(bytes[at]);
            at += 1;
        }
    }
    bits.end()
}

/// One deflate block with the fixed codes.
struct Bits {
    out: Vec<u8>,
    open: u32,
    filled: u32,
}

impl Bits {
    fn begin() -> Self {
        let mut bits = Self { out: vec![0x78, 0x01], open: 0, filled: 0 };
        bits.number(0b011, 3);
        bits
    }

    /// A number begins with its lowest bit.
    fn number(&mut self, value: u32, width: u32) {
        self.open |= value << self.filled;
        self.filled += width;
        while self.filled >= 8 {
            self.out.push(u8::try_from(self.open & 0xff).unwrap());
            self.open >>= 8;
            self.filled -= 8;
        }
    }

    /// A code begins with its highest bit.
    fn code(&mut self, value: u32, width: u32) {
        self.number(value.reverse_bits() >> (32 - width), width);
    }

    fn literal(&mut self, byte: u8) {
        let value = u32::from(byte);
        if value < 144 { self.code(0x30 + value, 8) } else { self.code(0x190 + value - 144, 9) }
    }

    /// The 258 bytes that stand this far back, once more.
    fn repeat(&mut self, distance: usize) {
        self.code(0xc5, 8);
        if distance == 1 {
            self.code(0, 5);
        } else {
            self.code(7, 5);
            self.number(u32::try_from(distance - 13).unwrap(), 2);
        }
    }

    fn end(mut self) -> Vec<u8> {
        self.code(0, 7);
        self.number(0, 7);
        // The checksum; nobody gets so far.
        self.out.extend_from_slice(&[0; 4]);
        self.out
    }
}
