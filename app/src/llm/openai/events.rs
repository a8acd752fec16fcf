//! The events of a streamed answer, one read when one is wanted.
//!
//! async-openai's own reader has a task and a queue without a limit between the
//! socket and whoever reads, and cannot tell a closed stream from a complete one. Here
//! nothing is read ahead, and an answer without its end mark is cut off.

use bytes::{Buf, BytesMut};
use futures::stream::{BoxStream, StreamExt};
use reqwest::Response;

use super::wire::Chunk;

/// Bytes of one event. What is longer is no event, and would be gathered for ever.
const EVENT_BYTES_MAX: usize = 1 << 20;
const END_MARK: &[u8] = b"[DONE]";

/// Why there is no next event.
#[derive(Debug)]
pub(super) enum Broken {
    /// The bytes ended, or failed, before the end mark.
    Cut,
    /// An event that is none.
    Malformed(String),
}

/// Events that are being read. Lines end with a line feed, or both characters.
pub(super) struct Events {
    body: BoxStream<'static, reqwest::Result<bytes::Bytes>>,
    /// Read and not looked at.
    rest: BytesMut,
    /// As much of it has no line feed.
    searched: usize,
    /// The data of the event that is being read.
    data: Vec<u8>,
    has_data: bool,
    /// It is there to keep the connection open.
    is_idle: bool,
}

impl Events {
    pub(super) fn new(response: Response) -> Self {
        let body = response.bytes_stream().boxed();
        Self { body, rest: BytesMut::new(), searched: 0, data: Vec::new(), has_data: false, is_idle: false }
    }

    /// The next event; none after the end mark. Dropped in the middle, it loses nothing.
    pub(super) async fn next(&mut self) -> Option<Result<Chunk, Broken>> {
        loop {
            if self.line() {
                let says_nothing = !std::mem::take(&mut self.has_data) | std::mem::take(&mut self.is_idle);
                if says_nothing {
                    self.data.clear();
                    continue;
                }
                if self.data == END_MARK {
                    return None;
                }
                return Some(self.event());
            }
            if self.rest.len() + self.data.len() > EVENT_BYTES_MAX {
                return Some(Err(Broken::Cut));
            }
            match self.body.next().await {
                Some(Ok(bytes)) => self.rest.extend_from_slice(&bytes),
                // Some servers end with the mark, and no line feed.
                None if self.is_last_mark() => return None,
                Some(Err(_)) | None => return Some(Err(Broken::Cut)),
            }
        }
    }

    /// Takes lines up to the one that ends an event. False: there is no such line yet.
    fn line(&mut self) -> bool {
        while let Some(length) = self.rest[self.searched..].iter().position(|byte| *byte == b'\n') {
            let end = self.searched + length;
            let line = self.rest[..end].strip_suffix(b"\r").unwrap_or(&self.rest[..end]);
            let is_end = line.is_empty();
            if let Some(data) = value_of(line, b"data:") {
                if std::mem::replace(&mut self.has_data, true) {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(data);
            } else if let Some(name) = value_of(line, b"event:") {
                self.is_idle = name == b"keepalive";
            }
            self.rest.advance(end + 1);
            self.searched = 0;
            if is_end {
                return true;
            }
        }
        self.searched = self.rest.len();
        false
    }

    /// The event whose lines were taken. Its data make room for the next.
    fn event(&mut self) -> Result<Chunk, Broken> {
        let chunk = serde_json::from_slice(&self.data);
        self.data.clear();
        chunk.map_err(|error| Broken::Malformed(error.to_string()))
    }

    fn is_last_mark(&self) -> bool {
        let line = self.rest.strip_suffix(b"\r").unwrap_or(&self.rest);
        let data = if line.is_empty() { Some(self.data.as_slice()) } else { value_of(line, b"data:") };
        data == Some(END_MARK)
    }
}

/// What a line says after a field's name and one blank.
fn value_of<'a>(line: &'a [u8], field: &[u8]) -> Option<&'a [u8]> {
    let value = line.strip_prefix(field)?;
    Some(value.strip_prefix(b" ").unwrap_or(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read of a body that comes in these pieces.
    async fn read(pieces: &[&str]) -> (Vec<String>, Option<Broken>) {
        let pieces: Vec<reqwest::Result<bytes::Bytes>> =
            pieces.iter().map(|piece| Ok(bytes::Bytes::copy_from_slice(piece.as_bytes()))).collect();
        let body = reqwest::Body::wrap_stream(futures::stream::iter(pieces));
        let mut events = Events::new(axum::http::Response::new(body).into());
        let mut read = Vec::new();
        loop {
            match events.next().await {
                Some(Ok(chunk)) => read.push(chunk.usage.unwrap_or_default().to_string()),
                Some(Err(broken)) => return (read, Some(broken)),
                None => return (read, None),
            }
        }
    }

    const WHOLE: &str = ": hello\n\ndata: {\"usage\":1}\n\nevent: keepalive\ndata: x\n\nid: 3\r\ndata:{\"usage\":\r\ndata: 2}\r\n\r\n\n\ndata: [DONE]\n\n";

    #[tokio::test]
    async fn events_are_the_same_wherever_the_bytes_are_cut() {
        let expected = vec!["1".to_owned(), "2".to_owned()];
        for cut in 0..WHOLE.len() {
            let (read, broken) = read(&[&WHOLE[..cut], &WHOLE[cut..]]).await;
            assert_eq!(read, expected, "cut at {cut}");
            assert!(broken.is_none(), "cut at {cut}: {broken:?}");
        }
        let bytes: Vec<&str> = WHOLE.split("").collect();
        assert_eq!(read(&bytes).await.0, expected);
    }

    #[tokio::test]
    async fn the_end_mark_needs_no_line_after_it_and_everything_else_does() {
        for end in ["data: [DONE]", "data: [DONE]\n", "data: [DONE]\r\n", "data:[DONE]\r"] {
            assert!(read(&["data: {}\n\n", end]).await.1.is_none(), "{end:?}");
        }
        for end in ["", "data: {}", "data: {}\n", "data: [DON", "data: {}\n\n"] {
            assert!(matches!(read(&["data: {}\n\n", end]).await.1, Some(Broken::Cut)), "{end:?}");
        }
    }

    #[tokio::test]
    async fn what_is_no_event_is_said_and_what_has_no_end_is_not_gathered() {
        assert!(matches!(read(&["data: {\n\n"]).await.1, Some(Broken::Malformed(_))));
        let piece = "x".repeat(1 << 16);
        let mut endless = vec!["data: "];
        endless.extend(std::iter::repeat_n(piece.as_str(), 17));
        assert!(matches!(read(&endless).await.1, Some(Broken::Cut)));
    }
}
