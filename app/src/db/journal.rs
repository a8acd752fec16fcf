//! The journal of turns (`message_events`), written for many turns at once.
//!
//! Every running turn stores its events before they are sent, several times a
//! second. While one statement is on its way to the disk the next entries
//! gather, whoever's they are, and go together: a thousand turns cost a few
//! statements at a time, and a lone one waits for nobody.

use std::sync::Arc;

use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement};
use tokio::sync::{Mutex, mpsc, oneshot};
use uuid::Uuid;

use super::handle::CoreDb;
use crate::error::{Error, Result};

/// Where entries of watched turns are told of: `<message>:<seq>`, separated by commas.
pub const CHANNEL: &str = "tandem_events";

/// Appends that may wait; whoever comes later waits to be let in.
const QUEUE: usize = 1024;
/// Appends that go in one statement.
const BATCH: usize = 256;
/// Statements under way at once: one gathers while the other waits for the disk.
const WRITERS: usize = 2;

/// One row to be.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its number in the message's journal.
    pub seq: i32,
    /// Event name.
    pub event: String,
    /// Event data, as JSON.
    pub data: String,
}

/// Lines of one turn. They are stored all or none, and only while the
/// message is being written under this lease.
#[derive(Clone, Debug)]
pub struct Append {
    /// The assistant message.
    pub message_id: Uuid,
    /// Who holds its lease.
    pub lease_owner: Uuid,
    /// Another process follows: it is told.
    pub is_watched: bool,
    /// What to store, in order.
    pub lines: Vec<Line>,
}

struct Request {
    append: Append,
    done: oneshot::Sender<Result<bool, DbErr>>,
}

/// The way into the journal. Cheap to clone; its writers end with the last clone.
#[derive(Clone, Debug)]
pub struct Journal {
    requests: mpsc::Sender<Request>,
}

impl Journal {
    /// Starts the writers.
    pub fn start(core: &CoreDb) -> Self {
        let (requests, waiting) = mpsc::channel(QUEUE);
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..WRITERS {
            #[expect(
                clippy::disallowed_methods,
                reason = "it ends with the last turn, for which shutdown waits"
            )]
            tokio::spawn(work(core.clone(), Arc::clone(&waiting)));
        }
        Self { requests }
    }

    /// Stores lines. False: the lease is lost, nothing was stored.
    pub async fn append(&self, append: Append) -> Result<bool> {
        if append.lines.is_empty() {
            return Ok(true);
        }
        let (done, stored) = oneshot::channel();
        let ended = || Error::internal("storing a turn's events", "the journal's writer has ended");
        self.requests.send(Request { append, done }).await.map_err(|_| ended())?;
        Ok(stored.await.map_err(|_| ended())??)
    }
}

async fn work(core: CoreDb, waiting: Arc<Mutex<mpsc::Receiver<Request>>>) {
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        if waiting.lock().await.recv_many(&mut batch, BATCH).await == 0 {
            return;
        }
        let appends: Vec<&Append> = batch.iter().map(|request| &request.append).collect();
        match store(&core, &appends).await {
            Ok(stored) => {
                for (request, stored) in batch.drain(..).zip(stored) {
                    answer(request.done, Ok(stored));
                }
            }
            // What spoils a statement may be one turn's; the others must not pay for it. While core is
            // away nobody's can be stored, and each try would wait as long as the first.
            Err(error) if batch.len() > 1 && !Error::from(error.clone()).is_outage() => {
                for request in batch.drain(..) {
                    let stored = store(&core, &[&request.append]).await;
                    answer(request.done, stored.map(|stored| stored == [true]));
                }
            }
            Err(error) => {
                for request in batch.drain(..) {
                    answer(request.done, Err(error.clone()));
                }
            }
        }
    }
}

/// A turn that is gone by now asks for no answer.
fn answer(done: oneshot::Sender<Result<bool, DbErr>>, stored: Result<bool, DbErr>) {
    drop(done.send(stored));
}

const STORE: &str = "INSERT INTO message_events (message_id, seq, event, data)
         SELECT line.message_id, line.seq, line.event, line.data::jsonb
           FROM unnest($1::uuid[], $2::uuid[], $3::int4[], $4::text[], $5::text[])
                AS line (message_id, lease_owner, seq, event, data)
           JOIN messages m ON m.id = line.message_id AND m.lease_owner = line.lease_owner
                AND m.status = 'streaming' AND m.lease_expires_at > now()
         RETURNING message_events.message_id";

/// A notification holds less than 8,000 bytes, and 100 messages take 4,800 at most.
const TELL: &str = "newest AS (
             SELECT message_id, max(seq) AS seq, (row_number() OVER () - 1) / 100 AS part
               FROM stored WHERE message_id = ANY($6::uuid[]) GROUP BY message_id),
         told AS MATERIALIZED (
             SELECT pg_notify($7, string_agg(message_id || ':' || seq, ','))::text AS told
               FROM newest GROUP BY part)
         SELECT message_id, (SELECT count(told) FROM told) FROM stored";

/// Which of the appends were stored. Fenced by each turn's lease, by the
/// database's clock; no message stands in a batch twice, because a turn waits
/// for its lines.
async fn store(core: &impl ConnectionTrait, appends: &[&Append]) -> Result<Vec<bool>, DbErr> {
    let lines = || appends.iter().flat_map(|append| append.lines.iter().map(move |line| (append, line)));
    let messages: Vec<Uuid> = lines().map(|(append, _)| append.message_id).collect();
    let owners: Vec<Uuid> = lines().map(|(append, _)| append.lease_owner).collect();
    let seqs: Vec<i32> = lines().map(|(_, line)| line.seq).collect();
    let events: Vec<String> = lines().map(|(_, line)| line.event.clone()).collect();
    let data: Vec<String> = lines().map(|(_, line)| line.data.clone()).collect();
    let watched: Vec<Uuid> =
        appends.iter().filter(|append| append.is_watched).map(|append| append.message_id).collect();
    let mut values = vec![messages.into(), owners.into(), seqs.into(), events.into(), data.into()];
    let sql = if watched.is_empty() {
        // Notifying takes a lock that all notifying transactions share: only who is heard pays for it.
        STORE.to_owned()
    } else {
        values.extend([watched.into(), CHANNEL.into()]);
        format!("WITH stored AS ({STORE}, seq), {TELL}")
    };
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    let rows = core.query_all_raw(statement).await?;
    let stored: Vec<Uuid> = rows.iter().map(message_id).collect::<Result<_, _>>()?;
    Ok(appends.iter().map(|append| stored.contains(&append.message_id)).collect())
}

fn message_id(row: &QueryResult) -> Result<Uuid, DbErr> {
    row.try_get_by_index(0)
}
