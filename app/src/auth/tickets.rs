//! Tickets for streams: a browser's `EventSource` sends no `Authorization`, and
//! an access token in a URL would lie in logs. A ticket may: it opens one
//! message's stream, once, within a minute.

use std::time::Duration;

use entity::ids::{MessageId, UserId};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use super::{CurrentUser, keys, login, queries};
use crate::db::CoreDb;
use crate::error::{Error, Result};

/// How long a ticket is accepted.
pub const STREAM_TICKET_LIFE: Duration = Duration::from_mins(1);

/// Makes a ticket for the stream of a message, which is the user's.
pub async fn stream_ticket(core: &CoreDb, user: UserId, message: MessageId) -> Result<SecretString> {
    let ticket = SecretString::from(keys::random_token());
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "INSERT INTO stream_tickets (ticket_hash, user_id, message_id, expires_at)
         VALUES ($1, $2, $3, now() + make_interval(secs => $4))",
        [
            keys::sha256(ticket.expose_secret()).into(),
            user.0.into(),
            message.0.into(),
            STREAM_TICKET_LIFE.as_secs_f64().into(),
        ],
    );
    core.execute_raw(statement).await?;
    Ok(ticket)
}

/// Takes a ticket for this message; whom it authenticates. Of two that bring it
/// at once, one gets in.
pub(super) async fn redeem(core: &CoreDb, ticket: &str, message: Uuid) -> Result<CurrentUser> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "DELETE FROM stream_tickets
          WHERE ticket_hash = $1 AND message_id = $2 AND expires_at > now()
         RETURNING user_id",
        [keys::sha256(ticket).into(), message.into()],
    );
    let row = core.query_one_raw(statement).await?.ok_or_else(invalid_ticket)?;
    let user = queries::account(core, row.try_get("", "user_id")?).await?.ok_or_else(invalid_ticket)?;
    if !user.is_active {
        return Err(login::account_disabled());
    }
    Ok(user.into())
}

/// One answer for everything that is wrong with a ticket.
pub(super) fn invalid_ticket() -> Error {
    Error::unauthenticated(
        "invalid_ticket",
        "the ticket was used, has expired, or is not for this stream; make another",
    )
}
