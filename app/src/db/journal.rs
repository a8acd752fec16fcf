//! The journal of turns (`message_events`), written for many turns at once: every
//! running turn stores its events before they are sent, several times a second.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement};
use uuid::Uuid;

use super::group_commit::{GroupCommit, Store};
use super::handle::CoreDb;
use crate::error::Result;

/// Where entries of watched turns are told of: `<message>:<seq>`, separated by commas.
pub const CHANNEL: &str = "tandem_events";

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

/// The way into the journal. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Journal(GroupCommit<Appends>);

impl Journal {
    /// Starts the writers.
    pub fn start(core: &CoreDb) -> Self {
        Self(GroupCommit::start(Appends(core.clone())))
    }

    /// Stores lines. False: the lease is lost, nothing was stored.
    pub async fn append(&self, append: Append) -> Result<bool> {
        if append.lines.is_empty() {
            return Ok(true);
        }
        self.0.store(append).await
    }
}

#[derive(Debug)]
struct Appends(CoreDb);

impl Store for Appends {
    type Item = Append;

    /// One gathers while the other waits for the disk.
    const WRITERS: usize = 2;

    async fn together(&self, items: &[&Append]) -> Result<Vec<bool>, DbErr> {
        store(&self.0, items).await
    }

    async fn alone(&self, item: &Append) -> Result<bool, DbErr> {
        Ok(store(&self.0, &[item]).await? == [true])
    }
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
