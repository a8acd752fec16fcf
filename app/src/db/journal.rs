//! The journal of turns (`message_events`), written for many turns at once: every
//! running turn stores its events before they are sent, several times a second.
//!
//! An append does not wait for the disk. What a turn has appended outlives a crash of
//! this process; a crash of Postgres may take the last moments of turns that are still
//! running. No append leaves a gap: after such a crash the next one of the turn is
//! refused, and its writer stores what is missing again ([`Journal::last`]). The end of
//! a turn does wait, and then everything before it is on the disk too.

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

impl Append {
    /// The line that stands before them; 0 if they are the first.
    fn after(&self) -> i32 {
        self.lines.first().map_or(0, |line| line.seq - 1)
    }
}

/// The way into the journal. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Journal(GroupCommit<Appends>);

impl Journal {
    /// Starts the writers.
    pub fn start(core: &CoreDb) -> Self {
        Self(GroupCommit::start(Appends(core.clone())))
    }

    /// Stores lines. False: the lease is lost, or the line before them is missing;
    /// nothing was stored.
    pub async fn append(&self, append: Append) -> Result<bool> {
        if append.lines.is_empty() {
            return Ok(true);
        }
        Ok(self.0.store(append).await?.is_some())
    }

    /// The number of a message's last line; 0 if it has none.
    pub async fn last(&self, message_id: Uuid) -> Result<i32> {
        const SQL: &str = "SELECT coalesce(max(seq), 0) FROM message_events WHERE message_id = $1";
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, SQL, [message_id.into()]);
        let Appends(core) = self.0.inner();
        Ok(core.query_one_raw(statement).await?.map_or(Ok(0), |row| row.try_get_by_index(0))?)
    }
}

#[derive(Debug)]
struct Appends(CoreDb);

impl Store for Appends {
    type Item = Append;
    type Stored = ();

    /// The next group gathers while this one is on its way.
    const WRITERS: usize = 1;

    async fn together(&self, items: &[&Append]) -> Result<Vec<Option<()>>, DbErr> {
        store(&self.0, items).await
    }

    async fn alone(&self, item: &Append) -> Result<Option<()>, DbErr> {
        Ok(store(&self.0, &[item]).await?.pop().flatten())
    }
}

/// Holds for the transaction of the statement, which must depend on it.
const HURRY: &str = "hurry AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))";

const STORE: &str = "INSERT INTO message_events (message_id, seq, event, data)
         SELECT line.message_id, line.seq, line.event, line.data::jsonb
           FROM hurry CROSS JOIN unnest($1::uuid[], $2::uuid[], $3::int4[], $4::int4[], $5::text[], $6::text[])
                AS line (message_id, lease_owner, after, seq, event, data)
           JOIN messages m ON m.id = line.message_id AND m.lease_owner = line.lease_owner
                AND m.status = 'streaming' AND m.lease_expires_at > now()
          WHERE coalesce((SELECT true FROM message_events AS before
                           WHERE before.message_id = line.message_id AND before.seq = line.after), line.after = 0)
         RETURNING message_events.message_id";

/// A notification holds less than 8,000 bytes, and 100 messages take 4,800 at most.
const TELL: &str = "newest AS (
             SELECT message_id, max(seq) AS seq, (row_number() OVER () - 1) / 100 AS part
               FROM stored WHERE message_id = ANY($7::uuid[]) GROUP BY message_id),
         told AS MATERIALIZED (
             SELECT pg_notify($8, string_agg(message_id || ':' || seq, ','))::text AS told
               FROM newest GROUP BY part)
         SELECT message_id, (SELECT count(told) FROM told) FROM stored";

/// Which of the appends were stored. Fenced by each turn's lease, by the
/// database's clock; no message stands in a batch twice, because a turn waits
/// for its lines.
async fn store(core: &impl ConnectionTrait, appends: &[&Append]) -> Result<Vec<Option<()>>, DbErr> {
    let lines = || appends.iter().flat_map(|append| append.lines.iter().map(move |line| (append, line)));
    let messages: Vec<Uuid> = lines().map(|(append, _)| append.message_id).collect();
    let owners: Vec<Uuid> = lines().map(|(append, _)| append.lease_owner).collect();
    let after: Vec<i32> = lines().map(|(append, _)| append.after()).collect();
    let seqs: Vec<i32> = lines().map(|(_, line)| line.seq).collect();
    let events: Vec<String> = lines().map(|(_, line)| line.event.clone()).collect();
    let data: Vec<String> = lines().map(|(_, line)| line.data.clone()).collect();
    let watched: Vec<Uuid> =
        appends.iter().filter(|append| append.is_watched).map(|append| append.message_id).collect();
    let mut values =
        vec![messages.into(), owners.into(), after.into(), seqs.into(), events.into(), data.into()];
    let sql = if watched.is_empty() {
        // Notifying takes a lock that all notifying transactions share: only who is heard pays for it.
        format!("WITH {HURRY} {STORE}")
    } else {
        values.extend([watched.into(), CHANNEL.into()]);
        format!("WITH {HURRY}, stored AS ({STORE}, seq), {TELL}")
    };
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    let rows = core.query_all_raw(statement).await?;
    let stored: Vec<Uuid> = rows.iter().map(message_id).collect::<Result<_, _>>()?;
    Ok(appends.iter().map(|append| stored.contains(&append.message_id).then_some(())).collect())
}

fn message_id(row: &QueryResult) -> Result<Uuid, DbErr> {
    row.try_get_by_index(0)
}
