//! What the streams' logs hold of things that are deleted. They are kept for a
//! day, and so would be the words of a source or a memory, and the figures of a portfolio.

use entity::ids::{MemoryId, PortfolioId, SourceId, UserId};
use sea_orm::{ConnectionTrait, DbBackend, Statement, Value};
use uuid::Uuid;

use crate::db::CoreTx;
use crate::error::Result;

/// What kind of aggregate a cited source is in the outbox.
pub const SOURCE: &str = "source";

/// The logs of a user's answers, or of everybody's.
const LOGS: &str = "e.created_at > now() - interval '25 hours'
    AND ($2::uuid IS NULL OR e.message_id IN (
            SELECT m.id FROM messages m JOIN conversations c ON c.id = m.conversation_id
             WHERE c.user_id = $2 AND m.created_at > now() - interval '26 hours'))";

/// Takes a source's title and quotes out of the logs of a user's answers; of
/// everybody's, if there is none.
pub async fn forget_source(core: &CoreTx, user: Option<UserId>, id: SourceId) -> Result<()> {
    let cited = format!(
        "UPDATE message_events e SET data = e.data || '{{\"title\": \"\", \"quote\": \"\", \"deleted\": true}}'
          WHERE e.event = 'citation' AND e.data ->> 'source_id' = $1 AND {LOGS}"
    );
    let found = format!(
        "UPDATE message_events e
            SET data = jsonb_set(e.data, '{{documents}}',
                (SELECT jsonb_agg(CASE WHEN d ->> 'source_id' = $1 THEN d || '{{\"title\": \"\"}}' ELSE d END ORDER BY n)
                   FROM jsonb_array_elements(e.data -> 'documents') WITH ORDINALITY AS document(d, n)))
          WHERE e.event = 'context' AND e.data -> 'documents' @> jsonb_build_array(jsonb_build_object('source_id', $1::text))
            AND {LOGS}"
    );
    for sql in [cited, found] {
        run(core, sql, id.to_string().into(), user).await?;
    }
    Ok(())
}

/// Takes a portfolio's name and figures out of the logs of its owner's answers.
pub(super) async fn forget_portfolio(core: &CoreTx, user: UserId, id: PortfolioId) -> Result<()> {
    let cited = format!(
        "UPDATE message_events e SET data = e.data || '{{\"title\": \"\", \"quote\": \"\", \"deleted\": true}}'
          WHERE e.event = 'citation' AND e.data ->> 'portfolio_id' = $1 AND {LOGS}"
    );
    let told = format!(
        "UPDATE message_events e
            SET data = jsonb_set(e.data, '{{portfolios}}',
                (SELECT jsonb_agg(CASE WHEN p ->> 'id' = $1 THEN p || '{{\"name\": \"\", \"total_value\": null}}' ELSE p END ORDER BY n)
                   FROM jsonb_array_elements(e.data -> 'portfolios') WITH ORDINALITY AS portfolio(p, n)))
          WHERE e.event = 'context' AND e.data -> 'portfolios' @> jsonb_build_array(jsonb_build_object('id', $1::text))
            AND {LOGS}"
    );
    for sql in [cited, told] {
        run(core, sql, id.to_string().into(), Some(user)).await?;
    }
    Ok(())
}

/// Takes a memory's words out of the logs of a user's answers; of everybody's,
/// if there is none.
pub async fn forget_memory(core: &CoreTx, user: Option<UserId>, id: MemoryId) -> Result<()> {
    let sql = format!(
        "UPDATE message_events e
            SET data = jsonb_set(e.data, '{{memories}}',
                (SELECT jsonb_agg(CASE WHEN m ->> 'id' = $1 THEN m || '{{\"content\": \"\"}}' ELSE m END ORDER BY n)
                   FROM jsonb_array_elements(e.data -> 'memories') WITH ORDINALITY AS memory(m, n)))
          WHERE e.event = 'context' AND e.data -> 'memories' @> jsonb_build_array(jsonb_build_object('id', $1::text))
            AND {LOGS}"
    );
    run(core, sql, id.to_string().into(), user).await
}

/// Takes the words of all memories out of the logs of a user's answers.
pub async fn forget_memories(core: &CoreTx, user: UserId) -> Result<()> {
    let sql = format!(
        "UPDATE message_events e SET data = jsonb_set(e.data, '{{memories}}', '[]')
          WHERE e.event = $1 AND {LOGS}"
    );
    run(core, sql, "context".into(), Some(user)).await
}

/// Takes the words of memories out of the logs of answers in which this was the
/// character or the persona (`end`: `character_id` or `persona_id`): of a user's,
/// or of everybody's.
pub async fn forget_bound(core: &CoreTx, user: Option<UserId>, end: &str, id: Uuid) -> Result<()> {
    let sql = format!(
        "UPDATE message_events e SET data = jsonb_set(e.data, '{{memories}}', '[]')
          WHERE e.event = 'context' AND e.data ->> '{end}' = $1 AND {LOGS}"
    );
    run(core, sql, id.to_string().into(), user).await
}

async fn run(core: &CoreTx, sql: String, first: Value, user: Option<UserId>) -> Result<()> {
    let values = [first, user.map(|user| user.0).into()];
    core.execute_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values)).await?;
    Ok(())
}
