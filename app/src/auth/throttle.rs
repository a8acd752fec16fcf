//! Guessing is slowed down: failed attempts are counted in core, so that all
//! replicas count together.
//!
//! Three counts: for an account from an address, for an address, and for an
//! account. The first is small, so whoever guesses at an account from
//! elsewhere does not lock its owner out. What is kept is an HMAC: neither
//! addresses nor accounts can be read from the table.

use std::net::IpAddr;
use std::time::Duration;

use entity::core::login_failure::{Column, Entity};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, DbBackend, EntityTrait, FromQueryResult, QueryFilter, QuerySelect, Statement};

use super::email;
use super::keys::{self, Purpose};
use crate::db::CoreDb;
use crate::error::{CanFail, Error, Result};
use crate::state::AppState;
use crate::web::Client;

/// Until the window ends, by the database's clock.
const RETRY_AFTER_S: &str =
    "greatest(1, ceil(extract(epoch FROM window_ends_at - clock_timestamp())))::bigint";
/// An attempt that might be one too many waits for those before it, this often and long.
const POLL: Duration = Duration::from_millis(50);
const POLLS_MAX: u32 = 40;

/// Where attempts are counted, and how many may fail there.
#[derive(Debug)]
struct Count {
    key: Vec<u8>,
    failures_max: u32,
}

/// The counts of somebody who wants to attempt something.
#[derive(Debug)]
pub(super) struct Throttle {
    /// The first is the narrowest: success forgets its failures.
    counts: Vec<Count>,
    window_s: u64,
}

/// An attempt under way; [`Attempt::end`] says what came of it. One that never
/// ends, because its process died, counts as failed.
#[derive(Debug)]
#[must_use]
pub(super) struct Attempt(Throttle);

#[derive(Debug, FromQueryResult)]
struct Counted {
    key: Vec<u8>,
    failures: i32,
    pending: i32,
    retry_after_s: i64,
}

impl Throttle {
    /// Of log-ins to an account.
    pub(super) fn log_in(state: &AppState, client: Client, account: &str) -> Result<Self> {
        let auth = &state.settings.auth;
        let (address, account) = (place(client), email::normalise(account));
        Self::new(
            state,
            &[
                (format!("log-in\0{account}\0{address}"), auth.login_failures),
                (format!("log-in-address\0{address}"), auth.login_failures_per_address),
                (format!("log-in-account\0{account}"), auth.login_failures_per_account),
            ],
        )
    }

    /// Of the setup, which is limited like log-ins to one account.
    pub(super) fn setup(state: &AppState, client: Client) -> Result<Self> {
        Self::new(state, &[(format!("setup\0{}", place(client)), state.settings.auth.login_failures)])
    }

    fn new(state: &AppState, named: &[(String, u32)]) -> Result<Self> {
        let secret = keys::derive(&state.signing_key, Purpose::LoginFailure)?;
        let count = |(name, failures_max): &(String, u32)| {
            let key = keys::hmac(&secret, name.as_bytes())?.to_vec();
            Ok(Count { key, failures_max: *failures_max })
        };
        let counts = named.iter().map(count).collect::<Result<_>>()?;
        Ok(Self { counts, window_s: state.settings.auth.login_window_s })
    }

    /// 429 `too_many_attempts` when too many have failed. It writes nothing, so
    /// whoever goes on trying costs little.
    pub(super) async fn check(&self, core: &CoreDb) -> Result<()> {
        let counted = Entity::find()
            .select_only()
            .columns([Column::Key, Column::Failures, Column::Pending])
            .expr_as(Expr::cust(RETRY_AFTER_S), "retry_after_s")
            .filter(Column::Key.is_in(self.counts.iter().map(|count| count.key.clone())))
            .filter(Expr::col(Column::WindowEndsAt).gt(Expr::cust("clock_timestamp()")))
            .into_model::<Counted>()
            .all(core)
            .await?;
        self.refuse(&counted)
    }

    /// An attempt begins. It counts as one that may fail before it is known to:
    /// of attempts made at once, no more are checked than may still fail, the
    /// others wait. A refused attempt is counted nowhere, or one address could
    /// use up what a whole account may fail.
    pub(super) async fn attempt(self, core: &CoreDb) -> Result<Attempt> {
        for _ in 0..POLLS_MAX {
            if self.reserve(core).await? {
                return Ok(Attempt(self));
            }
            tokio::time::sleep(POLL).await;
        }
        Err(too_many(1))
    }

    /// False: so many are being checked that one more could be one too many.
    async fn reserve(&self, core: &CoreDb) -> Result<bool> {
        let tx = core.begin().await?;
        let mut counted = Vec::with_capacity(self.counts.len());
        for count in sorted(&self.counts) {
            // A window that has ended begins anew.
            let statement = Statement::from_sql_and_values(
                DbBackend::Postgres,
                format!(
                    "INSERT INTO login_failures AS f (key, failures, pending, window_ends_at)
                     VALUES ($1, 0, 1, clock_timestamp() + make_interval(secs => $2))
                     ON CONFLICT ON CONSTRAINT pk_login_failures DO UPDATE
                        SET failures = CASE WHEN f.window_ends_at > clock_timestamp() THEN f.failures ELSE 0 END,
                            pending = CASE WHEN f.window_ends_at > clock_timestamp() THEN f.pending ELSE 0 END + 1,
                            window_ends_at = CASE WHEN f.window_ends_at > clock_timestamp() THEN f.window_ends_at
                                                  ELSE excluded.window_ends_at END
                     RETURNING key, failures, pending, {RETRY_AFTER_S} AS retry_after_s"
                ),
                [count.key.clone().into(), Duration::from_secs(self.window_s).as_secs_f64().into()],
            );
            counted.extend(Counted::find_by_statement(statement).one(&tx).await?);
        }
        self.refuse(&counted)?;
        let fits =
            |counted: &Counted| counted.failures.saturating_add(counted.pending) <= self.limit(counted);
        if !counted.iter().all(fits) {
            return Ok(false);
        }
        tx.commit().await?;
        Ok(true)
    }

    fn refuse(&self, counted: &[Counted]) -> Result<()> {
        let over = counted.iter().filter(|counted| counted.failures >= self.limit(counted));
        match over.map(|counted| counted.retry_after_s).max() {
            Some(longest) => Err(too_many(longest)),
            None => Ok(()),
        }
    }

    fn limit(&self, counted: &Counted) -> i32 {
        let count = self.counts.iter().find(|count| count.key == counted.key);
        count.map_or(i32::MAX, |count| i32::try_from(count.failures_max).unwrap_or(i32::MAX))
    }
}

impl Attempt {
    /// What came of it. Only wrong credentials are a failure; a success also
    /// forgets the earlier failures of the same account from the same address.
    pub(super) async fn end<T>(self, core: &CoreDb, outcome: &Result<T>) {
        self.settle(core, outcome).await.can_fail("an attempt stays counted as a failed one");
    }

    async fn settle<T>(self, core: &CoreDb, outcome: &Result<T>) -> Result<()> {
        let narrowest = self.0.counts.first().map(|count| count.key.clone());
        let tx = core.begin().await?;
        for Count { key, .. } in sorted(&self.0.counts) {
            let failures = match outcome {
                Err(Error::Unauthenticated { .. }) => "failures + 1",
                Ok(_) if narrowest.as_ref() == Some(key) => "0",
                _ => "failures",
            };
            Entity::update_many()
                .col_expr(Column::Failures, Expr::cust(failures))
                .col_expr(Column::Pending, Expr::cust("greatest(pending - 1, 0)"))
                .filter(Column::Key.eq(key.clone()))
                .exec(&tx)
                .await?;
        }
        tx.commit().await
    }
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
