//! Guessing is slowed down: failed attempts are counted in core, so that all
//! replicas count together.
//!
//! Three counts: for an account from an address, for an address, and for an
//! account. The first is small, so whoever guesses at an account from
//! elsewhere does not lock its owner out. What is kept is an HMAC: neither
//! addresses nor accounts can be read from the table.

use std::net::IpAddr;

use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, Statement};

use super::email;
use super::keys::{self, Purpose};
use crate::db::CoreConn;
use crate::error::{CanFail, Error, Result};
use crate::state::AppState;
use crate::web::Client;

/// Where attempts are counted, and how many may fail there.
#[derive(Debug)]
struct Count {
    key: Vec<u8>,
    failures_max: u32,
}

/// An attempt that has been counted as a failure until it turns out to be none.
#[derive(Debug)]
#[must_use]
pub(super) struct Attempt {
    /// The first is the narrowest: success forgets it.
    counts: Vec<Count>,
}

#[derive(Debug, FromQueryResult)]
struct Counted {
    key: Vec<u8>,
    failures: i32,
    retry_after_s: i64,
}

impl Attempt {
    /// A log-in is attempted. 429 `too_many_attempts` when too many failed.
    pub(super) async fn log_in(state: &AppState, client: Client, account: &str) -> Result<Self> {
        let auth = &state.settings.auth;
        let (address, account) = (place(client), email::normalise(account));
        let counts = [
            (format!("log-in\0{account}\0{address}"), auth.login_failures),
            (format!("log-in-address\0{address}"), auth.login_failures_per_address),
            (format!("log-in-account\0{account}"), auth.login_failures_per_account),
        ];
        Self::begin(state, &counts).await
    }

    /// The setup is attempted, which is limited like log-ins to one account.
    pub(super) async fn setup(state: &AppState, client: Client) -> Result<Self> {
        let counts = [(format!("setup\0{}", place(client)), state.settings.auth.login_failures)];
        Self::begin(state, &counts).await
    }

    /// Counts first and asks afterwards: attempts made at once cannot all slip
    /// through before one of them has failed. A refused attempt is counted
    /// nowhere, or one address could use up what a whole account may fail.
    async fn begin(state: &AppState, named: &[(String, u32)]) -> Result<Self> {
        let secret = keys::derive(&state.signing_key, Purpose::LoginFailure)?;
        let counts = named
            .iter()
            .map(|(name, failures_max)| {
                let key = keys::hmac(&secret, name.as_bytes())?.to_vec();
                Ok(Count { key, failures_max: *failures_max })
            })
            .collect::<Result<Vec<_>>>()?;
        let tx = state.core.begin().await?;
        let counted = count(&tx, &counts, state.settings.auth.login_window_s).await?;
        let over = counted.iter().filter(|counted| {
            let limit = counts.iter().find(|count| count.key == counted.key);
            limit.is_some_and(|limit| i64::from(counted.failures) > i64::from(limit.failures_max))
        });
        if let Some(longest) = over.map(|counted| counted.retry_after_s).max() {
            return Err(too_many(longest));
        }
        tx.commit().await?;
        Ok(Self { counts })
    }

    /// What came of it. Only wrong credentials are a failure; a success also
    /// forgets the earlier failures of the same account from the same address.
    pub(super) async fn end<T>(self, state: &AppState, outcome: &Result<T>) {
        let forgotten = match outcome {
            Err(Error::Unauthenticated { .. }) => return,
            Ok(_) => self.counts.first().map(|count| count.key.clone()),
            Err(_) => None,
        };
        self.take_back(state, forgotten).await.can_fail("a successful log-in stays counted as a failed one");
    }

    async fn take_back(self, state: &AppState, forgotten: Option<Vec<u8>>) -> Result<()> {
        let tx = state.core.begin().await?;
        for Count { key, .. } in sorted(&self.counts) {
            let sql = if forgotten.as_ref() == Some(key) {
                "DELETE FROM login_failures WHERE key = $1"
            } else {
                "UPDATE login_failures SET failures = greatest(failures - 1, 0) WHERE key = $1"
            };
            tx.execute_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, [key.clone().into()]))
                .await?;
        }
        tx.commit().await
    }
}

/// Adds one to each count; a window that has ended begins anew.
async fn count(core: &impl CoreConn, counts: &[Count], window_s: u64) -> Result<Vec<Counted>> {
    let mut counted = Vec::with_capacity(counts.len());
    for count in sorted(counts) {
        let statement = Statement::from_sql_and_values(
            DbBackend::Postgres,
            "INSERT INTO login_failures AS f (key, failures, window_ends_at)
             VALUES ($1, 1, clock_timestamp() + make_interval(secs => $2))
             ON CONFLICT ON CONSTRAINT pk_login_failures DO UPDATE
                SET failures = CASE WHEN f.window_ends_at > clock_timestamp() THEN f.failures + 1 ELSE 1 END,
                    window_ends_at = CASE WHEN f.window_ends_at > clock_timestamp() THEN f.window_ends_at
                                          ELSE excluded.window_ends_at END
             RETURNING key, failures,
                greatest(1, ceil(extract(epoch FROM window_ends_at - clock_timestamp())))::bigint AS retry_after_s",
            [count.key.clone().into(), std::time::Duration::from_secs(window_s).as_secs_f64().into()],
        );
        counted.extend(Counted::find_by_statement(statement).one(core).await?);
    }
    Ok(counted)
}

/// In one order, so that two attempts never wait for each other.
fn sorted(counts: &[Count]) -> Vec<&Count> {
    let mut counts: Vec<&Count> = counts.iter().collect();
    counts.sort_by(|one, other| one.key.cmp(&other.key));
    counts
}

/// An address as it is counted. Who has an IPv6 address has 2^64 of them.
fn place(client: Client) -> String {
    match client.address {
        Some(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
        Some(IpAddr::V4(address)) => address.to_string(),
        None => "unknown".to_owned(),
    }
}

fn too_many(retry_after_s: i64) -> Error {
    Error::TooMany {
        code: "too_many_attempts",
        detail: "too many attempts failed; try again later".to_owned(),
        retry_after_s: retry_after_s.unsigned_abs(),
    }
}
