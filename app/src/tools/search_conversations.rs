//! `search_conversations`: the user's own messages and the answers to them, by words.

use chrono::{DateTime, Utc};
use garde::Validate;
use sea_orm::{ConnectionTrait, DbBackend, QueryResult, Statement};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::registry::Tool;
use super::report::Found;
use super::{Caller, ToolError};
use crate::error::Result;
use crate::web::text;

const LIMIT_DEFAULT: u64 = 5;
const LIMIT_MAX: u64 = 20;
/// Words of a query that are looked for.
const WORDS_MAX: usize = 8;
/// The newest messages of a user, among which is searched.
const MESSAGES_MAX: i64 = 5000;
/// Characters shown before the first word found, and in all.
const BEFORE: usize = 100;
const SNIPPET: usize = 400;

/// Searches earlier conversations.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchConversations {
    /// Words that all have to occur in a message.
    #[garde(length(chars, min = 1, max = 200), custom(text::not_blank))]
    #[schema(min_length = 1, max_length = 200)]
    query: String,
    /// Messages wanted, 5 if it is left out, at most 20.
    #[serde(default)]
    #[garde(skip)]
    #[schema(minimum = 1, maximum = 20)]
    limit: Option<u64>,
}

impl Tool for SearchConversations {
    const NAME: &'static str = "search_conversations";
    const DESCRIPTION: &'static str =
        "Searches the user's earlier conversations for messages that hold all the given words, newest first.";

    async fn run(self, caller: Caller) -> Result<Found, ToolError> {
        let limit = self.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX);
        let words: Vec<&str> = self.query.split_whitespace().take(WORDS_MAX).collect();
        let rows = find(&caller, &words, limit).await?;
        let items: Vec<Value> = rows
            .iter()
            .map(|row| {
                json!({
                    "conversation_id": row.conversation_id,
                    "conversation": row.title,
                    "said_by": row.role,
                    "at": row.created_at,
                    "content": snippet(&row.content, words.first().copied().unwrap_or_default()),
                })
            })
            .collect();
        let record: Vec<Value> = rows
            .iter()
            .map(|row| json!({ "message_id": row.id, "conversation_id": row.conversation_id }))
            .collect();
        Ok(Found {
            data: json!({ "items": items }),
            applied: json!({ "words": words, "limit": limit }),
            record: json!({ "items": record }),
            ..Found::default()
        })
    }
}

struct Row {
    id: Uuid,
    conversation_id: Uuid,
    title: Option<String>,
    role: String,
    content: String,
    created_at: DateTime<Utc>,
}

/// The user's newest messages that hold every word; the question itself is none.
async fn find(caller: &Caller, words: &[&str], limit: u64) -> Result<Vec<Row>> {
    let patterns: Vec<String> = words.iter().map(|word| format!("%{}%", escaped(word))).collect();
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT m.id, m.conversation_id, m.title, m.role, m.content, m.created_at
           FROM (SELECT m.id, m.conversation_id, c.title, m.role, m.content, m.created_at
                   FROM messages AS m
                   JOIN conversations AS c ON c.id = m.conversation_id
                  WHERE c.user_id = $1 AND m.status = 'complete' AND m.id <> $2
                  ORDER BY m.created_at DESC, m.position DESC
                  LIMIT $3) AS m
          WHERE m.content ILIKE ALL ($4)
          ORDER BY m.created_at DESC
          LIMIT $5",
        [
            caller.user.id.0.into(),
            caller.user_message_id.0.into(),
            MESSAGES_MAX.into(),
            patterns.into(),
            limit.into(),
        ],
    );
    let rows = caller.state.core.query_all_raw(statement).await?;
    rows.iter().map(read).collect()
}

fn read(row: &QueryResult) -> Result<Row> {
    Ok(Row {
        id: row.try_get("", "id")?,
        conversation_id: row.try_get("", "conversation_id")?,
        title: row.try_get("", "title")?,
        role: row.try_get("", "role")?,
        content: row.try_get("", "content")?,
        created_at: row.try_get("", "created_at")?,
    })
}

fn escaped(word: &str) -> String {
    word.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

/// The text around the first place of a word.
fn snippet(content: &str, word: &str) -> String {
    let folded = content.to_lowercase();
    let at = folded.find(&word.to_lowercase()).map_or(0, |at| folded[..at].chars().count());
    let start = at.saturating_sub(BEFORE);
    let text: String = content.chars().skip(start).take(SNIPPET).collect();
    if start > 0 { format!("... {text}") } else { text }
}
