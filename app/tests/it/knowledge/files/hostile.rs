//! Files that are broken, or meant to break something: each fails its own
//! source with a sentence, and leaves nothing behind.

use std::fmt::Write as _;

use serde_json::json;

use super::{best, uploaded, waiting};
use crate::support::TestApp;
use crate::support::files::{Form, encrypted_pdf, pdf, pdf_bomb};

/// Uploads over an older version and checks that the source fails with this
/// sentence, that the old passages are still found and the file is gone.
async fn refused(app: &TestApp, name: &str, bytes: &[u8], sentence: &str) {
    let user = app.user().await;
    super::super::ingested(
        app,
        &user,
        json!({"title": "Old", "text": "Gold is a metal.", "external_id": "x"}),
    )
    .await;
    let source = uploaded(app, &user, Form::file(name, bytes).and("external_id", "x")).await;
    assert_eq!(source["status"], "failed", "{name}: {source}");
    let error = source["error"].as_str().unwrap();
    assert!(error.contains(sentence), "{name}: {error}");
    assert_eq!(best(&user, "metal").await["content"], "Gold is a metal.", "{name}");
    assert_eq!(waiting(app).await, 0, "{name}");
}

#[tokio::test]
async fn damaged_files_fail_with_a_reason() {
    let app = TestApp::start().await;
    let good = pdf(&["Gold is a metal.", "Whales sing."]);
    let header_only = [b"%PDF-1.7\n", &b"x"[..]].concat();
    let mut no_pages = good.clone();
    let at = String::from_utf8_lossy(&good).find("/Kids").unwrap();
    no_pages[at..at + 5].copy_from_slice(b"/Nope");
    for (bytes, sentence) in [
        (&header_only[..], "damaged"),
        (&b"this is no PDF"[..], "damaged"),
        (&good[..good.len() / 2], "damaged"),
        (&no_pages[..], "no pages"),
        (&encrypted_pdf()[..], "protected by a password"),
    ] {
        refused(&app, "a.pdf", bytes, sentence).await;
    }
}

#[tokio::test]
async fn files_without_text_say_so() {
    let app = TestApp::start().await;
    refused(&app, "blank.txt", b" \n\t \n", "no text found").await;
    refused(&app, "nul.txt", &[0; 400], "not text").await;
    refused(&app, "scan.pdf", &pdf(&["", "", ""]), "no text found in the PDF").await;
    refused(&app, "empty.html", b"<html><script>x()</script></html>", "no text found").await;
    let noise: Vec<u8> = (0..20_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[1]).collect();
    refused(&app, "noise.txt", &noise, "not text").await;
}

#[tokio::test]
async fn a_decompression_bomb_hits_the_memory_limit() {
    let app = TestApp::with().env("TANDEM__FILES__MEMORY_BYTES", 512 << 20).start().await;
    let bomb = pdf_bomb(4 << 30);
    assert!(bomb.len() < 1 << 20, "{} bytes", bomb.len());
    refused(&app, "bomb.pdf", &bomb, "MB of memory").await;
}

#[tokio::test]
async fn nesting_is_bounded() {
    let app = TestApp::start().await;
    let deep = format!("<html>{}x", "<div>".repeat(100_000));
    refused(&app, "deep.html", deep.as_bytes(), "nested too deeply").await;
    // One that hides it from the first look: the stack is the second.
    let hidden = format!("<html>{}x", r#"<x a="</x>">"#.repeat(200_000));
    refused(&app, "hidden.html", hidden.as_bytes(), "nested too deeply").await;
}

#[tokio::test]
async fn work_is_bounded() {
    let app = TestApp::with().env("TANDEM__FILES__CPU_S", 1).start().await;
    // The time to join such neighbours grows with the square of their number.
    let page = format!("<html>{}", "<b>x</b>".repeat(400_000));
    refused(&app, "slow.html", page.as_bytes(), "more than 1 seconds of work").await;
}

#[tokio::test]
async fn pages_are_bounded() {
    let app = TestApp::start().await;
    let pages = |count: usize| (1..=count).map(|page| format!("This is leaf {page}.")).collect::<Vec<_>>();
    refused(&app, "long.pdf", &pdf(&pages(10_001)), "more than 10000 pages").await;
    let user = app.user().await;
    let source = super::read(&app, &user, Form::file("long.pdf", &pdf(&pages(10_000)))).await;
    assert!(source["documents"].as_i64().unwrap() > 100, "{source}");
    let last = super::number(&app, "SELECT max(page)::bigint FROM ai_kb_documents", []).await;
    assert!((9_900..=10_000).contains(&last), "the last passage begins on page {last}");
}

#[tokio::test]
async fn text_is_bounded() {
    let app = TestApp::start().await;
    // As large as an upload may be, and more than a source may hold.
    let line = b"Whales sing in the deep blue sea every night.\n";
    let text: Vec<u8> = line.iter().copied().cycle().take(52_000_000).collect();
    refused(&app, "large.txt", &text, "more than 20000000 characters").await;
    let app = TestApp::with().env("TANDEM__FILES__CHARACTERS", 100).start().await;
    refused(&app, "a.pdf", &pdf(&["Gold is a metal. ".repeat(10)]), "more than 100 characters").await;
    let html = format!("<p>{}</p>", "Gold is a metal. ".repeat(10));
    refused(&app, "a.html", html.as_bytes(), "more than 100 characters").await;
}

#[tokio::test]
async fn a_page_in_an_unusual_font_is_read_all_the_same() {
    let app = TestApp::start().await;
    let user = app.user().await;
    // The library gives up on this font; the page is read without its measures.
    let good = pdf(&["Gold is a metal.", "Whales sing."]);
    let mended = String::from_utf8(good)
        .unwrap()
        .replace("/Type /Font /Subtype /Type1", "/Type /Font /Subtype /Type9");
    let source = uploaded(&app, &user, Form::file("a.pdf", mended.as_bytes())).await;
    assert_eq!(source["status"], "ready", "{source}");
    assert_eq!(best(&user, "metal").await["content"], "Gold is a metal.\n\nWhales sing.");
}

#[tokio::test]
async fn mangled_files_never_harm_more_than_themselves() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let page =
        "<html><head><title>T</title></head><body><table><tr><td>a<td>b</table><ul><li>x<p>y</ul></body>";
    let mut seed = 42_u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % below
    };
    let mut sent = 0;
    for round in 0..12 {
        for (name, original) in [("a.pdf", pdf(&super::PAGES)), ("a.html", page.as_bytes().to_vec())] {
            let mut bytes = original;
            for _ in 0..=random(8) {
                let at = random(bytes.len());
                match random(3) {
                    0 => bytes[at] = u8::try_from(random(256)).unwrap(),
                    1 => drop(bytes.drain(at..bytes.len().min(at + random(40)))),
                    _ => bytes.splice(at..at, std::iter::repeat_n(b'<', random(40))).for_each(drop),
                }
            }
            let mut title = String::new();
            write!(title, "{round}").unwrap();
            Form::file(name, &bytes).and("title", &title).send(&user).await.expect(202);
            sent += 1;
        }
    }
    app.run_jobs().await;
    let ended = "SELECT count(*) FROM ai_kb_sources WHERE status IN ('ready', 'failed') AND (status = 'ready') = (error IS NULL)";
    assert_eq!(super::number(&app, ended, []).await, sent);
    assert_eq!(waiting(&app).await, 0);
}
