//! Counting sources, and finding those that are there twice. Every statement reads
//! a bounded number of rows, and none of them a text.

use entity::ids::{SourceId, UserId};
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, Statement, Value};
use uuid::Uuid;

use crate::auth::Audience;
use crate::db::AiDb;
use crate::error::Result;

/// Sources that are counted.
pub(in crate::knowledge) const COUNTED_MAX: i64 = 200_000;

/// Sources that have something in common.
#[derive(Clone, Debug, FromQueryResult)]
pub(in crate::knowledge) struct Counted {
    /// What of: a status, a scope, or a collection.
    pub(in crate::knowledge) status: Option<String>,
    pub(in crate::knowledge) scope: Option<String>,
    pub(in crate::knowledge) collection_id: Option<Uuid>,
    /// Which of the three it is, as Postgres' `grouping` says it.
    pub(in crate::knowledge) kind: i32,
    pub(in crate::knowledge) sources: i64,
    pub(in crate::knowledge) passages: i64,
    pub(in crate::knowledge) bytes: i64,
}

/// `grouping(status, scope, collection_id)` of each.
pub(in crate::knowledge) const BY_STATUS: i32 = 0b011;
/// See [`BY_STATUS`].
pub(in crate::knowledge) const BY_SCOPE: i32 = 0b101;
/// See [`BY_STATUS`].
pub(in crate::knowledge) const BY_COLLECTION: i32 = 0b110;

/// Whose sources to count.
#[derive(Clone, Copy, Debug)]
pub(in crate::knowledge) enum Whose {
    /// Of this user.
    Own(UserId),
    /// Shared by administrators.
    Shared,
}

/// Counts sources by status, scope and collection.
pub(in crate::knowledge) async fn count(
    ai: &AiDb,
    audience: &Audience,
    whose: Whose,
) -> Result<Vec<Counted>> {
    let (condition, owner) = match whose {
        Whose::Own(user) => ("owner_id = $2", user.0),
        Whose::Shared => ("owner_id IS NULL AND audience = ANY ($3) AND $2::uuid IS NOT NULL", Uuid::nil()),
    };
    let sql = format!(
        "WITH counted AS MATERIALIZED (
             SELECT status, scope, collection_id, documents, octet_length(content)::bigint AS bytes
               FROM ai_kb_sources WHERE {condition} AND audience = ANY ($3) LIMIT $1)
         SELECT status, scope, collection_id, grouping(status, scope, collection_id) AS kind, count(*) AS sources,
                sum(documents)::bigint AS passages, sum(bytes)::bigint AS bytes
           FROM counted GROUP BY GROUPING SETS ((status), (scope), (collection_id))
          ORDER BY kind, sources DESC, status, scope, collection_id"
    );
    let values: [Value; 3] = [COUNTED_MAX.into(), owner.into(), audience.ids().to_vec().into()];
    let ai = ai.begin_for(&audience.reach()).await?;
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    Ok(Counted::find_by_statement(statement).all(&ai).await?)
}

/// A scope in use.
#[derive(Clone, Debug, FromQueryResult)]
pub(in crate::knowledge) struct ScopeCount {
    pub(in crate::knowledge) scope: String,
    pub(in crate::knowledge) sources: i64,
    pub(in crate::knowledge) passages: i64,
    /// Sources that were looked at for all scopes together.
    pub(in crate::knowledge) looked_at: i64,
}

/// The scopes that begin like this and have most sources, at most `limit`.
pub(in crate::knowledge) async fn scopes(
    ai: &AiDb,
    audience: &Audience,
    prefix: &str,
    limit: u64,
) -> Result<Vec<ScopeCount>> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "WITH counted AS MATERIALIZED (
             SELECT scope, documents FROM ai_kb_sources WHERE audience = ANY ($2) AND starts_with(scope, $3) LIMIT $1)
         SELECT scope, count(*) AS sources, sum(documents)::bigint AS passages,
                (SELECT count(*) FROM counted) AS looked_at
           FROM counted GROUP BY scope ORDER BY sources DESC, scope LIMIT $4",
        [
            COUNTED_MAX.into(),
            audience.ids().to_vec().into(),
            prefix.into(),
            i64::try_from(limit).unwrap_or(i64::MAX).into(),
        ],
    );
    let ai = ai.begin_for(&audience.reach()).await?;
    Ok(ScopeCount::find_by_statement(statement).all(&ai).await?)
}

/// Sources with the same text.
#[derive(Clone, Debug, FromQueryResult)]
pub(in crate::knowledge) struct Same {
    /// The first half of the text's SHA-256, which orders the groups.
    pub(in crate::knowledge) place: Uuid,
    pub(in crate::knowledge) sources: i64,
    /// The first ones, oldest first.
    pub(in crate::knowledge) ids: Vec<Uuid>,
}

/// Groups of sources with the same text, of those an audience sees, in the order of the texts' hashes.
pub(in crate::knowledge) async fn same(
    ai: &AiDb,
    audience: &Audience,
    after: Option<Uuid>,
    most: usize,
    limit: u64,
) -> Result<Vec<Same>> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT encode(substr(text_hash, 1, 16), 'hex')::uuid AS place, count(*) AS sources,
                (array_agg(id ORDER BY created_at, id))[1:$4] AS ids
           FROM ai_kb_sources
          WHERE audience = ANY ($1) AND text_hash IS NOT NULL
            AND ($2::uuid IS NULL OR text_hash > decode(replace($2::text, '-', ''), 'hex') || '\\xffffffffffffffffffffffffffffffff'::bytea)
          GROUP BY text_hash HAVING count(*) > 1 ORDER BY text_hash LIMIT $3",
        [
            audience.ids().to_vec().into(),
            after.into(),
            i64::try_from(limit).unwrap_or(i64::MAX).into(),
            i32::try_from(most).unwrap_or(i32::MAX).into(),
        ],
    );
    let ai = ai.begin_for(&audience.reach()).await?;
    Ok(Same::find_by_statement(statement).all(&ai).await?)
}

/// Passages of a source spread over it, at most `most`, with their vectors.
pub(in crate::knowledge) async fn sample(
    ai: &crate::db::AiTx,
    source: SourceId,
    most: i32,
) -> Result<Vec<pgvector::Vector>> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT d.embedding::vector AS embedding
           FROM ai_kb_sources s
           CROSS JOIN LATERAL (
                SELECT DISTINCT (n * s.documents) / least($2, s.documents) AS position
                  FROM generate_series(0, least($2, s.documents) - 1) AS n) AS chosen
           JOIN ai_kb_documents d ON d.source_id = s.id AND d.position = chosen.position
          WHERE s.id = $1 AND s.documents > 0 AND d.embedding IS NOT NULL ORDER BY d.position",
        [source.0.into(), most.into()],
    );
    let rows = ai.query_all_raw(statement).await?;
    rows.iter().map(|row| Ok(row.try_get("", "embedding")?)).collect()
}
