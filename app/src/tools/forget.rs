//! `forget`: prepared by the model, done by the user.
//!
//! The tool deletes nothing. It tells which memories would go and a phrase with
//! a random code, which is kept with the answer. Only a later message of the
//! user that holds the phrase deletes ([`forget_confirmed`]), without asking the
//! model: no document can write a user's message.

use entity::ids::{ConversationId, MemoryId};
use garde::Validate;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::registry::Tool;
use super::report::Found;
use super::{Caller, ToolError};
use crate::auth::CurrentUser;
use crate::error::{Error, Result};
use crate::memory;
use crate::state::AppState;

const CODE_LETTERS: &[u8; 24] = b"ABCDEFGHJKLMNPQRSTUVWXYZ";
const CODE_LENGTH: usize = 8;
/// A message in which the phrase is looked for; a longer one is no confirmation.
const CONFIRMATION_CHARACTERS_MAX: usize = 200;

/// Prepares the deletion of memories.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Forget {
    /// Ids of memories, as `recall` gives them; at most 10.
    #[garde(length(min = 1, max = 10))]
    #[schema(min_items = 1, max_items = 10)]
    memory_ids: Vec<Uuid>,
}

impl Tool for Forget {
    const NAME: &'static str = "forget";
    const DESCRIPTION: &'static str = "Prepares the deletion of memories that the user wants forgotten. Nothing is deleted yet: show the user what would go, and ask them to send the given phrase.";

    const SCOPES: &'static [&'static str] = &["memory:read", "memory:write"];
    const READS_ONLY: bool = false;

    async fn run(self, caller: Caller) -> Result<Found, ToolError> {
        let own = own(&caller, &self.memory_ids).await?;
        let code = code();
        let phrase = format!("forget {code}");
        let items = items(&own);
        let ids: Vec<MemoryId> = own.into_iter().map(|(id, _)| id).collect();
        Ok(Found {
            data: json!({ "deleted": false, "phrase_for_the_user_to_send": phrase, "items": items }),
            applied: json!({ "memory_ids": ids }),
            record: json!({ "confirmation": code, "memory_ids": ids }),
            notice: Some(json!({ "code": "confirm_forget", "phrase": phrase, "memory_ids": ids })),
            ..Found::default()
        })
    }
}

/// The user's own memories among these, with their words; at least one.
pub(super) async fn own(caller: &Caller, ids: &[Uuid]) -> Result<Vec<(MemoryId, String)>, ToolError> {
    let ids = ids.iter().copied().map(MemoryId::from).collect();
    let own = memory::find_own(&caller.state, &caller.user, caller.pair, ids).await?;
    if own.is_empty() {
        return Err(ToolError::new("not_found", "the user has no such memories"));
    }
    Ok(own)
}

/// Memories as they are shown.
pub(super) fn items(own: &[(MemoryId, String)]) -> Vec<Value> {
    own.iter().map(|(id, content)| json!({ "id": id, "content": content })).collect()
}

/// Deletes memories of the user; those that are gone by now are passed over.
pub(super) async fn delete(
    state: &AppState,
    user: &CurrentUser,
    ids: Vec<MemoryId>,
) -> Result<Vec<MemoryId>> {
    let mut gone = Vec::with_capacity(ids.len());
    for id in ids {
        match memory::forget(state, user, id).await {
            Ok(_) => gone.push(id),
            Err(Error::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(gone)
}

/// Deletes what an earlier answer of the conversation prepared, if the user's
/// message holds its phrase. None: it holds none. Otherwise what is gone.
pub async fn forget_confirmed(
    state: &AppState,
    user: &CurrentUser,
    conversation: ConversationId,
    said: &str,
) -> Result<Option<Vec<MemoryId>>> {
    let Some(code) = confirmed_code(said) else { return Ok(None) };
    let Some(ids) = prepared(state, user, conversation, &code).await? else { return Ok(None) };
    Ok(Some(delete(state, user, ids).await?))
}

/// The memories behind a code, if it was given in this conversation of the
/// user within a day.
async fn prepared(
    state: &AppState,
    user: &CurrentUser,
    conversation: ConversationId,
    code: &str,
) -> Result<Option<Vec<MemoryId>>> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT call -> 'result' -> 'memory_ids' AS ids
           FROM messages AS m
           JOIN conversations AS c ON c.id = m.conversation_id AND c.user_id = $1
          CROSS JOIN LATERAL jsonb_array_elements(m.tool_calls) AS call
          WHERE m.conversation_id = $2 AND m.tool_calls IS NOT NULL
            AND m.created_at > now() - interval '1 day'
            AND call ->> 'name' = 'forget' AND call -> 'result' ->> 'confirmation' = $3
          LIMIT 1",
        [user.id.0.into(), conversation.0.into(), code.into()],
    );
    let Some(row) = state.core.query_one_raw(statement).await? else { return Ok(None) };
    let ids: Value = row.try_get("", "ids")?;
    Ok(serde_json::from_value(ids).ok())
}

fn code() -> String {
    (0..CODE_LENGTH).map(|_| char::from(CODE_LETTERS[rand::random_range(0..CODE_LETTERS.len())])).collect()
}

/// The code after the word "forget" in a short message.
fn confirmed_code(said: &str) -> Option<String> {
    if said.chars().count() > CONFIRMATION_CHARACTERS_MAX {
        return None;
    }
    let words: Vec<&str> =
        said.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    words.windows(2).find_map(|pair| {
        let code = pair[1].to_uppercase();
        let is_code = code.len() == CODE_LENGTH && code.bytes().all(|letter| CODE_LETTERS.contains(&letter));
        (pair[0].eq_ignore_ascii_case("forget") && is_code).then_some(code)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_short_message_with_the_phrase_confirms() {
        let code = code();
        assert_eq!(confirmed_code(&format!("Yes, forget {code}!")).as_deref(), Some(code.as_str()));
        assert_eq!(confirmed_code(&format!("Forget {}", code.to_lowercase())), Some(code.clone()));
        for said in [format!("forget it {code}"), code.clone(), "forget that".to_owned(), "forget".to_owned()]
        {
            assert_eq!(confirmed_code(&said), None, "{said}");
        }
        assert_eq!(confirmed_code(&format!("forget {code} {}", "x ".repeat(200))), None);
    }
}
