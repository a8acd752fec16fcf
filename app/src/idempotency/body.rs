//! Reading a body to know what was sent, and giving it on unchanged.
//!
//! JSON is held in memory, as its handler would. An upload is spooled to a
//! file without a name, so that memory stays flat; its boundary, which every
//! client draws anew, does not count.

use std::path::PathBuf;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use futures::StreamExt;
use sha2::{Digest, Sha256};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use uuid::Uuid;

use crate::error::{Context, Error, Result};

/// Bytes read from the spool at once.
const PIECE: usize = 64 * 1024;
/// What a boundary counts as.
const ANY_BOUNDARY: &[u8] = b"--boundary";

/// A body that was read whole.
pub(super) struct Sent {
    /// SHA-256 over its type and its bytes.
    pub(super) hash: Vec<u8>,
    /// The same bytes again.
    pub(super) body: Body,
}

/// Reads a body of at most `limit` bytes.
pub(super) async fn read(headers: &HeaderMap, body: Body, limit: usize) -> Result<Sent> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if announced.and_then(|length| length.parse::<usize>().ok()).is_some_and(|length| length > limit) {
        return Err(Error::TooLarge { limit_bytes: limit });
    }
    let content_type =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let mut hasher = Sha256::new();
    hasher.update(essence.as_bytes());
    hasher.update([0]);
    match boundary(&essence, content_type) {
        Some(boundary) => spool(body, limit, Boundless::new(hasher, boundary)).await,
        None => gather(body, limit, hasher).await,
    }
}

fn boundary<'a>(essence: &str, content_type: &'a str) -> Option<&'a str> {
    if essence != "multipart/form-data" {
        return None;
    }
    let (_, after) = content_type.split_once("boundary=")?;
    let boundary = after.split(';').next()?.trim().trim_matches('"');
    (!boundary.is_empty()).then_some(boundary)
}

async fn gather(body: Body, limit: usize, mut hasher: Sha256) -> Result<Sent> {
    let mut pieces = Pieces::of(body, limit);
    let mut whole = Vec::new();
    while let Some(piece) = pieces.next().await? {
        whole.extend_from_slice(&piece);
    }
    hasher.update(&whole);
    Ok(Sent { hash: hasher.finalize().to_vec(), body: Body::from(whole) })
}

async fn spool(body: Body, limit: usize, mut hasher: Boundless) -> Result<Sent> {
    let mut file = nameless().await?;
    let mut pieces = Pieces::of(body, limit);
    while let Some(piece) = pieces.next().await? {
        hasher.update(&piece);
        file.write_all(&piece).await.context("spooling an upload")?;
    }
    file.flush().await.context("spooling an upload")?;
    file.rewind().await.context("spooling an upload")?;
    let bytes = futures::stream::try_unfold(file, async |mut file| {
        let mut piece = vec![0; PIECE];
        let read = file.read(&mut piece).await?;
        piece.truncate(read);
        Ok::<_, std::io::Error>((read > 0).then(|| (Bytes::from(piece), file)))
    });
    Ok(Sent { hash: hasher.finish(), body: Body::from_stream(bytes) })
}

/// A file that goes when it is closed, whatever happens to this process.
async fn nameless() -> Result<File> {
    let path: PathBuf = std::env::temp_dir().join(format!("tandem-upload-{}", Uuid::now_v7()));
    let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(&path).await;
    let file = file.context("spooling an upload")?;
    tokio::fs::remove_file(&path).await.context("spooling an upload")?;
    Ok(file)
}

/// A body in pieces, up to a limit.
struct Pieces {
    stream: axum::body::BodyDataStream,
    left: usize,
    limit: usize,
}

impl Pieces {
    fn of(body: Body, limit: usize) -> Self {
        Self { stream: body.into_data_stream(), left: limit, limit }
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        let Some(piece) = self.stream.next().await else { return Ok(None) };
        let piece = piece.map_err(|error| Error::Malformed(format!("the body cannot be read: {error}")))?;
        self.left = self.left.checked_sub(piece.len()).ok_or(Error::TooLarge { limit_bytes: self.limit })?;
        Ok(Some(piece))
    }
}

/// Hashes bytes without a boundary that runs through them.
struct Boundless {
    hasher: Sha256,
    boundary: Vec<u8>,
    /// Could be the beginning of a boundary.
    tail: Vec<u8>,
}

impl Boundless {
    fn new(hasher: Sha256, boundary: &str) -> Self {
        Self { hasher, boundary: boundary.as_bytes().to_vec(), tail: Vec::new() }
    }

    fn update(&mut self, piece: &[u8]) {
        self.tail.extend_from_slice(piece);
        let mut from = 0;
        while let Some(at) = find(&self.tail[from..], &self.boundary) {
            self.hasher.update(&self.tail[from..from + at]);
            self.hasher.update(ANY_BOUNDARY);
            from += at + self.boundary.len();
        }
        let keep = (self.tail.len() - from).min(self.boundary.len() - 1);
        let done = self.tail.len() - keep;
        self.hasher.update(&self.tail[from..done]);
        self.tail.drain(..done);
    }

    fn finish(mut self) -> Vec<u8> {
        self.hasher.update(&self.tail);
        self.hasher.finalize().to_vec()
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upload(boundary: &str, text: &str) -> (HeaderMap, String) {
        let mut headers = HeaderMap::new();
        let value = format!("multipart/form-data; boundary={boundary}").parse().unwrap();
        headers.insert(header::CONTENT_TYPE, value);
        let body = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n{text}\r\n--{boundary}--\r\n"
        );
        (headers, body)
    }

    async fn hashed(boundary: &str, text: &str, piece: usize) -> Vec<u8> {
        let (headers, body) = upload(boundary, text);
        let pieces: Vec<_> = body.as_bytes().chunks(piece).map(Bytes::copy_from_slice).collect();
        let stream = futures::stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>));
        let sent = read(&headers, Body::from_stream(stream), 1 << 20).await.unwrap();
        let given_on = axum::body::to_bytes(sent.body, 1 << 20).await.unwrap();
        assert_eq!(given_on, body.as_bytes());
        sent.hash
    }

    #[tokio::test]
    async fn an_upload_is_the_same_under_another_boundary_and_however_it_is_cut() {
        let one = hashed("first-boundary", "the text", 7).await;
        assert_eq!(one, hashed("another", "the text", 1000).await);
        assert_eq!(one, hashed("another", "the text", 1).await);
        assert_ne!(one, hashed("another", "the next", 7).await);
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_refused_however_it_comes() {
        for content_type in ["application/json", "multipart/form-data; boundary=x"] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, content_type.parse().unwrap());
            let refused = read(&headers, Body::from(vec![b'x'; 101]), 100).await.err().unwrap();
            assert!(matches!(refused, Error::TooLarge { limit_bytes: 100 }), "{refused}");
            assert!(read(&headers, Body::from(vec![b'x'; 100]), 100).await.is_ok());
        }
    }
}
