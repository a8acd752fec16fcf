//! The load generator of `make bench`. One thread, requests composed before
//! the clock starts, answers parsed no further than needed: it shares the
//! machine with what it measures.
//!
//! `load --url http://127.0.0.1:8080/path --bodies FILE ...` prints one JSON object.
//! FILE holds one JSON body a line, used in turn. A bearer token comes from LOAD_TOKEN.

use std::collections::VecDeque;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use clap::Parser;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Measures a route.
#[derive(Clone, Debug, Parser)]
struct Options {
    /// Where to send POST requests (GET when there are no bodies)
    #[arg(long)]
    url: String,
    /// One JSON body a line
    #[arg(long)]
    bodies: Option<PathBuf>,
    /// Closed loop: this many connections, each with one request under way
    #[arg(long, default_value_t = 1)]
    connections: usize,
    /// Closed loop: measured for this long
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Closed loop: not measured before this
    #[arg(long, default_value_t = 1.0)]
    warmup: f64,
    /// Open loop: requests a second, whatever the answers do; each on a connection of its own
    #[arg(long)]
    rate: Option<f64>,
    /// Open loop: requests in all
    #[arg(long, default_value_t = 100)]
    count: usize,
    /// Streams: the line that begins so is the first token; absent: answers are plain
    #[arg(long)]
    first: Option<String>,
    /// Streams: an answer is whole when this occurs in it
    #[arg(long, default_value = "event: done")]
    whole: String,
    /// Longest wait for one answer, in seconds
    #[arg(long, default_value_t = 60.0)]
    limit: f64,
}

/// One answer, in seconds from the request; `first` of streams only.
#[derive(Clone, Copy, Debug)]
struct Answer {
    first: Option<f64>,
    total: f64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let options = Arc::new(Options::parse());
    let requests = Arc::new(requests(&options)?);
    let local = tokio::task::LocalSet::new();
    let report = local
        .run_until(async {
            match options.rate {
                Some(rate) => open_loop(&options, &requests, rate).await,
                None => closed_loop(&options, &requests).await,
            }
        })
        .await?;
    writeln!(std::io::stdout(), "{report}")?;
    Ok(())
}

fn target(url: &str) -> Result<(&str, &str)> {
    let rest = url.strip_prefix("http://").ok_or("--url begins with http://")?;
    let slash = rest.find('/').unwrap_or(rest.len());
    Ok((&rest[..slash], if slash == rest.len() { "/" } else { &rest[slash..] }))
}

fn requests(options: &Options) -> Result<Vec<Vec<u8>>> {
    let (host, path) = target(&options.url)?;
    #[expect(clippy::disallowed_methods, reason = "a token on the command line would be seen by everybody")]
    let token = std::env::var("LOAD_TOKEN").unwrap_or_default();
    let bearer = if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
    let accept = if options.first.is_some() { "text/event-stream" } else { "application/json" };
    let head = |method: &str, rest: &str| {
        format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{bearer}Accept: {accept}\r\n{rest}\r\n")
            .into_bytes()
    };
    let Some(file) = &options.bodies else { return Ok(vec![head("GET", "")]) };
    let bodies = std::fs::read_to_string(file)?;
    let requests: Vec<Vec<u8>> = bodies
        .lines()
        .map(|body| {
            let length = body.len();
            let mut request =
                head("POST", &format!("Content-Type: application/json\r\nContent-Length: {length}\r\n"));
            request.extend_from_slice(body.as_bytes());
            request
        })
        .collect();
    if requests.is_empty() { Err("--bodies is empty".into()) } else { Ok(requests) }
}

async fn closed_loop(options: &Arc<Options>, requests: &Arc<Vec<Vec<u8>>>) -> Result<Value> {
    let begin = Instant::now() + Duration::from_secs_f64(options.warmup);
    let end = begin + Duration::from_secs_f64(options.seconds);
    let turn = Arc::new(AtomicUsize::new(0));
    let mut tasks = Vec::new();
    for _ in 0..options.connections {
        let (options, requests, turn) = (Arc::clone(options), Arc::clone(requests), Arc::clone(&turn));
        tasks.push(tokio::task::spawn_local(async move {
            let (mut answers, mut failures) = (Vec::new(), VecDeque::new());
            let mut connection = None;
            while Instant::now() < end {
                let request = &requests[turn.fetch_add(1, Ordering::Relaxed) % requests.len()];
                let outcome = exchange(&options, &mut connection, request).await;
                if Instant::now() < begin {
                    continue;
                }
                match outcome {
                    Ok(answer) => answers.push(answer),
                    Err(error) => {
                        connection = None;
                        failures.push_back(error.to_string());
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                }
            }
            (answers, failures)
        }));
    }
    let (mut answers, mut failures) = (Vec::new(), Vec::new());
    for task in tasks {
        let (good, bad) = task.await?;
        answers.extend(good);
        failures.extend(bad);
    }
    Ok(report(&answers, &failures, begin.elapsed().as_secs_f64()))
}

async fn open_loop(options: &Arc<Options>, requests: &Arc<Vec<Vec<u8>>>, rate: f64) -> Result<Value> {
    let begin = Instant::now();
    let mut tasks = Vec::with_capacity(options.count);
    let mut offset = 0.0;
    for turn in 0..options.count {
        sleep_until(begin + Duration::from_secs_f64(offset)).await;
        offset += 1.0 / rate;
        let (options, requests) = (Arc::clone(options), Arc::clone(requests));
        tasks.push(tokio::task::spawn_local(async move {
            let request = &requests[turn % requests.len()];
            exchange(&options, &mut None, request).await.map_err(|error| error.to_string())
        }));
    }
    let (mut answers, mut failures) = (Vec::new(), Vec::new());
    for task in tasks {
        match task.await? {
            Ok(answer) => answers.push(answer),
            Err(error) => failures.push(error),
        }
    }
    Ok(report(&answers, &failures, begin.elapsed().as_secs_f64()))
}

async fn exchange(options: &Options, connection: &mut Option<Connection>, request: &[u8]) -> Result<Answer> {
    let started = Instant::now();
    timeout(Duration::from_secs_f64(options.limit), async {
        if connection.is_none() {
            let (host, _) = target(&options.url)?;
            let stream = TcpStream::connect(host).await?;
            stream.set_nodelay(true)?;
            *connection = Some(Connection { stream, buffer: Vec::with_capacity(64 * 1024) });
        }
        let connection = connection.as_mut().ok_or("no connection")?;
        connection.stream.write_all(request).await?;
        connection.answer(options, started).await
    })
    .await?
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    async fn more(&mut self) -> Result<()> {
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            return Err("the connection was closed in the middle of an answer".into());
        }
        Ok(())
    }

    async fn answer(&mut self, options: &Options, started: Instant) -> Result<Answer> {
        let (head, body) = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break (String::from_utf8_lossy(&self.buffer[..end]).to_lowercase(), end + 4);
            }
            self.more().await?;
        };
        let is_good = head.split(' ').nth(1).is_some_and(|status| status.starts_with('2'));
        self.buffer.drain(..body);
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"))
            .and_then(|value| value.trim().parse::<usize>().ok());
        let mut stream = Stream::new(options, started);
        match length {
            Some(length) => {
                while self.buffer.len() < length {
                    self.more().await?;
                }
                stream.take(&self.buffer[..length]);
                self.buffer.drain(..length);
            }
            None => self.chunks(&mut stream).await?,
        }
        if !is_good {
            return Err(head.lines().next().unwrap_or("no status").to_owned().into());
        }
        if options.first.is_some() && !stream.is_whole {
            return Err("the stream ended early".into());
        }
        Ok(Answer { first: stream.first, total: started.elapsed().as_secs_f64() })
    }

    /// Reads a chunked body to its end.
    async fn chunks(&mut self, stream: &mut Stream<'_>) -> Result<()> {
        loop {
            let line = loop {
                if let Some(end) = find(&self.buffer, b"\r\n") {
                    break end;
                }
                self.more().await?;
            };
            let size = std::str::from_utf8(&self.buffer[..line])?;
            let size = usize::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16)?;
            let end = line + 2 + size + 2;
            while self.buffer.len() < end {
                self.more().await?;
            }
            stream.take(&self.buffer[line + 2..line + 2 + size]);
            self.buffer.drain(..end);
            if size == 0 {
                return Ok(());
            }
        }
    }
}

/// What matters of a streamed answer. Marks that two chunks share are found too.
struct Stream<'a> {
    options: &'a Options,
    started: Instant,
    first: Option<f64>,
    is_whole: bool,
    tail: Vec<u8>,
}

impl<'a> Stream<'a> {
    fn new(options: &'a Options, started: Instant) -> Self {
        Self { options, started, first: None, is_whole: false, tail: Vec::new() }
    }

    fn take(&mut self, bytes: &[u8]) {
        let Some(first) = &self.options.first else { return };
        self.tail.extend_from_slice(bytes);
        if self.first.is_none() && find(&self.tail, first.as_bytes()).is_some() {
            self.first = Some(self.started.elapsed().as_secs_f64());
        }
        self.is_whole |= find(&self.tail, self.options.whole.as_bytes()).is_some();
        let keep = first.len().max(self.options.whole.len());
        self.tail.drain(..self.tail.len().saturating_sub(keep));
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn report(answers: &[Answer], failures: &[String], seconds: f64) -> Value {
    let totals = answers.iter().map(|answer| answer.total).collect();
    let firsts = answers.iter().filter_map(|answer| answer.first).collect();
    json!({
        "answers": answers.len(),
        "failures": failures.len(),
        "failure": failures.first(),
        "seconds": seconds,
        "total_ms": percentiles(totals),
        "first_ms": percentiles(firsts),
    })
}

fn percentiles(mut values: Vec<f64>) -> Value {
    values.sort_by(f64::total_cmp);
    let at = |per_mille: usize| {
        let place = (values.len() * per_mille / 1000).min(values.len().saturating_sub(1));
        values.get(place).map(|seconds| seconds * 1000.0)
    };
    json!({ "p50": at(500), "p95": at(950), "p99": at(990), "max": values.last().map(|seconds| seconds * 1000.0) })
}
