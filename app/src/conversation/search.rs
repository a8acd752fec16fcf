//! Full-text search over one's own messages.
//!
//! Words are indexed by their English stems, stop words too, numbers and addresses as
//! they are written; a question is read in the same way. So names, other languages and
//! stop words are found, and "hedges" finds "hedging". Snippets are escaped before words
//! in them are marked: nothing that was said can become markup.

use axum::extract::State;
use chrono::{DateTime, Utc};
use entity::core::message::Role;
use entity::ids::{MessageId, UserId};
use garde::Validate;
use sea_orm::{DbBackend, FromQueryResult, Statement};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::snippet;
use crate::auth::CurrentUser;
use crate::db::CoreConn;
use crate::error::{Error, Result};
use crate::persona::Pair;
use crate::state::AppState;
use crate::web::{Cursor, Json, Page, Problems, Query, page, text};

/// What to look for.
#[derive(Clone, Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MessageSearch {
    /// Words, "phrases in quotes", `or`, `-without`; 1 to 500 characters. A word
    /// stands for all its forms.
    #[garde(length(chars, min = 1, max = 500), custom(text::not_blank))]
    #[param(min_length = 1, max_length = 500)]
    pub q: String,
    /// Rows a page, 1 to 200.
    #[garde(range(min = 1, max = page::LIMIT_MAX))]
    #[serde(default = "page::limit_default")]
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: u64,
    /// `next_cursor` of the page before.
    #[garde(skip)]
    #[serde(default)]
    #[param(value_type = Option<String>)]
    pub cursor: Option<Cursor>,
}

/// A message that was found.
#[derive(Clone, Debug, Serialize, FromQueryResult, ToSchema)]
pub struct MessageHit {
    /// The message.
    pub message_id: Uuid,
    /// Its conversation.
    pub conversation_id: Uuid,
    /// What that is called.
    pub conversation_title: Option<String>,
    /// `user` or `assistant`.
    #[schema(value_type = String)]
    pub role: Role,
    /// When the message was made.
    pub created_at: DateTime<Utc>,
    /// How well it fits; the list falls by it.
    pub rank: f32,
    /// The places that fit, as HTML: escaped, with `<mark>` around what was
    /// found; at most 2,000 characters.
    pub snippet: String,
}

impl MessageHit {
    /// The places that fit, in the words of the message.
    pub fn plain_snippet(&self) -> String {
        snippet::plain(&self.snippet)
    }
}

/// Whose messages are searched, and which of them are found.
#[derive(Clone, Copy, Debug)]
struct Wanted<'a> {
    user: UserId,
    words: &'a str,
    limit: u64,
    /// Rank and id of the last row of the page before.
    after: Option<(f32, Uuid)>,
    /// Not all of them.
    whole: Option<Whole>,
}

/// Only what was said to its end, as memories are seen: conversations with
/// others are out of sight.
#[derive(Clone, Copy, Debug)]
pub struct Whole {
    /// Not this message.
    pub except: Option<MessageId>,
    /// Whom the conversation is with from which one searches, and as whom.
    pub pair: Pair,
}

/// Search messages.
///
/// Every message of the user's own conversations, on every branch, best first;
/// where more than 10,000 fit, the newest of them. A message is found by the
/// words of its first 40,000 characters.
#[utoipa::path(get, path = "/chat/search", tag = "chat", params(MessageSearch),
    responses((status = 200, body = Page<MessageHit>), Problems))]
pub async fn search(
    State(state): State<AppState>,
    user: CurrentUser,
    Query(asked): Query<MessageSearch>,
) -> Result<Json<Page<MessageHit>>> {
    let wanted = Wanted {
        user: user.id,
        words: &asked.q,
        // One more than a page, to know whether there is a next one.
        limit: asked.limit + 1,
        after: asked.cursor.map(place_of).transpose()?,
        whole: None,
    };
    let rows = find(&state.core, wanted).await?;
    let cursor = |hit: &MessageHit| Cursor { at: as_time(hit.rank), id: hit.message_id };
    Ok(Json(Page::of(rows, asked.limit, cursor, |hit| hit)))
}

/// The user's messages that fit best, at most `limit`.
pub async fn find_whole(
    core: &impl CoreConn,
    user: UserId,
    words: &str,
    whole: Whole,
    limit: u64,
) -> Result<Vec<MessageHit>> {
    find(core, Wanted { user, words, limit, after: None, whole: Some(whole) }).await
}

/// What is asked, read as messages are.
const ASKED: &str = "SELECT websearch_to_tsquery('tandem_words', $1) AS query";
/// The matches among which the best are looked for. Longer texts count for less.
const FITTING: &str = "SELECT m.id, ts_rank(m.search, (SELECT query FROM asked), 1) AS rank
   FROM (SELECT m.id, m.search FROM conversations AS c JOIN messages AS m ON m.conversation_id = c.id
          WHERE c.user_id = $2 AND m.search @@ (SELECT query FROM asked)
            AND (NOT $6::bool OR (m.status = 'complete' AND m.id IS DISTINCT FROM $7::uuid
                 AND (c.character_id IS NULL OR c.character_id = $8::uuid)
                 AND (c.persona_id IS NULL OR c.persona_id = $9::uuid)))
          ORDER BY m.created_at DESC, m.id DESC LIMIT 10000) AS m";
/// As much of a text as is indexed.
const ESCAPED: &str = "replace(replace(replace(replace(replace(left(m.content, 40000),
    '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '\"', '&quot;'), '''', '&#39;')";
/// A short text is shown whole, of a longer one the places that fit.
const OPTIONS: &str = "CASE WHEN length(m.content) <= 200 THEN 'StartSel=<mark>, StopSel=</mark>, HighlightAll=true'
    ELSE 'StartSel=<mark>, StopSel=</mark>, MaxFragments=2, MinWords=5, MaxWords=25, ShortWord=0, FragmentDelimiter=\" … \"' END";

async fn find(core: &impl CoreConn, wanted: Wanted<'_>) -> Result<Vec<MessageHit>> {
    let sql = format!(
        "WITH asked AS MATERIALIZED ({ASKED}),
         fitting AS MATERIALIZED ({FITTING}),
         best AS MATERIALIZED (
             SELECT id, rank FROM fitting
              WHERE $3::float4 IS NULL OR (rank, id) < ($3::float4, $4::uuid)
              ORDER BY rank DESC, id DESC LIMIT $5)
         SELECT m.id AS message_id, m.conversation_id, c.title AS conversation_title, m.role, m.created_at, best.rank,
                ts_headline('tandem_words', {ESCAPED}, asked.query, {OPTIONS}) AS snippet
           FROM best JOIN messages AS m ON m.id = best.id JOIN conversations AS c ON c.id = m.conversation_id
                CROSS JOIN asked
          ORDER BY best.rank DESC, best.id DESC"
    );
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        sql,
        [
            wanted.words.into(),
            wanted.user.0.into(),
            wanted.after.map(|(rank, _)| rank).into(),
            wanted.after.map(|(_, id)| id).into(),
            i64::try_from(wanted.limit).unwrap_or(i64::MAX).into(),
            wanted.whole.is_some().into(),
            wanted.whole.and_then(|whole| whole.except).map(|id| id.0).into(),
            wanted.whole.and_then(|whole| whole.pair.character_id).map(Uuid::from).into(),
            wanted.whole.and_then(|whole| whole.pair.persona_id).map(Uuid::from).into(),
        ],
    );
    let mut hits = MessageHit::find_by_statement(statement).all(core).await?;
    for hit in &mut hits {
        snippet::shorten(&mut hit.snippet);
    }
    Ok(hits)
}

/// A rank in the place of a cursor's time: its bits as microseconds.
fn as_time(rank: f32) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(i64::from(rank.to_bits())).unwrap_or_default()
}

fn place_of(cursor: Cursor) -> Result<(f32, Uuid)> {
    let wrong = || Error::field("cursor", "not a cursor of this list");
    let rank = f32::from_bits(u32::try_from(cursor.at.timestamp_micros()).map_err(|_| wrong())?);
    if rank.is_finite() { Ok((rank, cursor.id)) } else { Err(wrong()) }
}
