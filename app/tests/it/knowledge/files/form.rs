//! What an upload has to look like.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use bytes::Bytes;
use futures::stream;

use super::waiting;
use crate::support::TestApp;
use crate::support::files::{BOUNDARY, Form, pdf, post};

const FORM: &str = "multipart/form-data; boundary=tandem-test-boundary";

#[tokio::test]
async fn a_wrong_form_is_told_what_is_wrong() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let file = || Form::file("a.txt", b"Whales sing.");
    for (form, field) in [
        (Form::default().and("title", "T"), "file"),
        (file().and_file("b.txt", b"Gold."), "file"),
        (Form::file("a.txt", b""), "file"),
        (file().and("colour", "red"), "colour"),
        (file().and("title", "T").and("title", "T"), "title"),
        (file().and("title", " "), "title"),
        (file().and("title", &"T".repeat(501)), "title"),
        (file().and("title", &"T".repeat(5000)), "title"),
        (file().and("external_id", ""), "external_id"),
        (file().and("scope", &"s".repeat(101)), "scope"),
        (file().and("metadata", "[1]"), "metadata"),
        (file().and("metadata", "{"), "metadata"),
        (file().and("metadata", &format!("{{\"k\": \"{}\"}}", "v".repeat(40_000))), "metadata"),
        (Form::file("", b"Whales sing."), "title"),
    ] {
        form.send(&user).await.expect_wrong_field(field);
    }
    file().and("scope", "global").send(&user).await.expect_problem(403, "shared_scope");
    assert_eq!(file().send(&app.anonymous()).await.status, 401);
    let whole = file().end();
    let cut = Body::from(whole[..whole.len() - 20].to_vec());
    post(&user, FORM, cut).await.expect_problem(400, "malformed_request");
    post(&user, "multipart/form-data", Body::from(whole.clone()))
        .await
        .expect_problem(400, "malformed_request");
    post(&user, &FORM.replace(BOUNDARY, "other"), Body::from(whole.clone()))
        .await
        .expect_problem(400, "malformed_request");
    post(&user, "text/plain", Body::from(whole)).await.expect_problem(415, "unsupported_media_type");
    assert_eq!(super::number(&app, "SELECT count(*) FROM ai_kb_sources", []).await, 0);
    assert_eq!(waiting(&app).await, 0);
}

#[tokio::test]
async fn a_kind_of_file_that_cannot_be_read_is_refused_with_those_that_can() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let zip = b"PK\x03\x04\x14\x00\x06\x00\x08\x00\x00\x00!\x00\x00\x00\x00\x00";
    for form in [
        Form::file("report.zip", zip),
        Form::file("image", b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0d\x00\x00\x00\x01\x00\x00"),
        Form::file("a.txt", b"text").and("media_type", "image/png"),
    ] {
        let problem = form.send(&user).await.expect_problem(415, "unsupported_media_type");
        let detail = problem["detail"].as_str().unwrap();
        for supported in ["text/plain", "text/markdown", "text/html", "application/pdf"] {
            assert!(detail.contains(supported), "{detail}");
        }
    }
    for (form, media_type) in [
        (Form::file("really.txt", &pdf(&["Gold."])), "application/pdf"),
        (Form::file("server.log", b"it began\nit ended\n"), "text/plain"),
        (Form::file("page", b"<html><p>Hello there.</p></html>"), "text/html"),
        (Form::file("a.txt", b"# Heading\n\nText.").and("media_type", "text/markdown"), "text/markdown"),
    ] {
        assert_eq!(super::read(&app, &user, form).await["media_type"], media_type);
    }
}

#[tokio::test]
async fn a_name_is_only_a_name() {
    let app = TestApp::start().await;
    let user = app.user().await;
    for (name, title) in [
        ("../../../etc/passwd.txt", "passwd"),
        ("/etc/shadow", "shadow"),
        ("C:\\\\Windows\\\\system.ini.txt", "system.ini"),
        (".txt", ".txt"),
        ("Überblick 2024.txt", "Überblick 2024"),
    ] {
        let source = super::read(&app, &user, Form::file(name, name.as_bytes())).await;
        assert_eq!(source["title"], title);
    }
}

/// A body without end, which counts what was taken of it.
fn endless(taken: &Arc<AtomicUsize>) -> Body {
    let taken = Arc::clone(taken);
    let head = Form::file("a.txt", b"").end();
    let head = Bytes::from(head[..head.len() - BOUNDARY.len() - 8].to_vec());
    let piece = Bytes::from(vec![b'a'; 64 * 1024]);
    let pieces = stream::unfold(None, move |state: Option<()>| {
        let next = if state.is_none() { head.clone() } else { piece.clone() };
        taken.fetch_add(next.len(), Ordering::SeqCst);
        async move { Some((Ok::<_, std::io::Error>(next), Some(()))) }
    });
    Body::from_stream(pieces)
}

#[tokio::test]
async fn a_file_that_is_too_large_is_refused_without_being_read() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let taken = Arc::new(AtomicUsize::new(0));
    let problem = post(&user, FORM, endless(&taken)).await.expect_problem(413, "body_too_large");
    assert!(problem["detail"].as_str().unwrap().contains("52428800"), "{problem}");
    let taken = taken.load(Ordering::SeqCst);
    assert!((50 << 20..52 << 20).contains(&taken), "{taken} bytes were read");

    // One that says so beforehand is not read at all.
    let taken = Arc::new(AtomicUsize::new(0));
    let request = axum::http::Request::post("/api/v1/knowledge/sources")
        .header("authorization", format!("Bearer {}", user.token.as_deref().unwrap()))
        .header("content-type", FORM)
        .header("content-length", 100 << 20);
    user.send(request.body(endless(&taken)).unwrap()).await.expect_problem(413, "body_too_large");
    assert!(taken.load(Ordering::SeqCst) < 1 << 20);
    // JSON keeps its own, smaller limit.
    let json = format!("{{\"title\": \"T\", \"text\": \"{}\"}}", "a".repeat(17 << 20));
    let problem =
        post(&user, "application/json", Body::from(json)).await.expect_problem(413, "body_too_large");
    assert!(problem["detail"].as_str().unwrap().contains("16777216"), "{problem}");
}

#[tokio::test]
async fn an_upload_that_never_ends_is_ended() {
    let app = TestApp::with()
        .env("TANDEM__FILES__UPLOAD_TIMEOUT_S", 1)
        .env("TANDEM__FILES__UPLOADS", 1)
        .start()
        .await;
    let user = app.user().await;
    let head = Bytes::from(Form::file("a.txt", b"begins").end()[..60].to_vec());
    let stalled = stream::unfold(Some(head), |head| async move {
        let Some(head) = head else { return std::future::pending().await };
        Some((Ok::<_, std::io::Error>(head), None))
    });
    let stalled = post(&user, FORM, Body::from_stream(stalled));
    // It holds the only slot; the next one gets it afterwards.
    let (stalled, next) = tokio::join!(stalled, Form::file("b.txt", b"Whales.").send(&user));
    let problem = stalled.expect_problem(400, "malformed_request");
    assert!(problem["detail"].as_str().unwrap().contains("after 1 seconds"), "{problem}");
    next.expect(202);
}
