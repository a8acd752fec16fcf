//! `forget` in two calls: the first tells what would go and a code, the second
//! brings the code.

use entity::ids::MemoryId;
use garde::Validate;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth;
use crate::tools::forget::{delete, items, own};
use crate::tools::registry::Tool;
use crate::tools::report::Found;
use crate::tools::{Caller, ToolError};

/// Deletes memories.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Forget {
    /// Ids of memories, as `recall` gives them; at most 10.
    #[garde(length(min = 1, max = 10))]
    #[schema(min_items = 1, max_items = 10)]
    memory_ids: Vec<Uuid>,
    /// The code of the first call, once the user has said yes.
    #[serde(default)]
    #[garde(length(chars, max = 100))]
    #[schema(max_length = 100)]
    confirm: Option<String>,
}

impl Tool for Forget {
    const NAME: &'static str = "forget";
    const DESCRIPTION: &'static str = "Deletes memories that the user wants forgotten, in two calls. The first, without `confirm`, deletes nothing: it tells what would go, and a code. Show the user what would go; only after a yes call again with the same ids and the code as `confirm`.";
    const SCOPES: &'static [&'static str] = &["memory:read", "memory:write"];
    const READS_ONLY: bool = false;

    async fn run(self, caller: Caller) -> Result<Found, ToolError> {
        let own = own(&caller, &self.memory_ids).await?;
        let (state, user) = (&caller.state, &caller.user);
        let deed = deed(&own);
        let ids: Vec<MemoryId> = own.iter().map(|(id, _)| *id).collect();
        let applied = json!({ "memory_ids": ids });
        let Some(code) = self.confirm else {
            let code = auth::confirmation(state, user.id, &deed)?;
            let data = json!({ "deleted": false, "confirm": code, "items": items(&own) });
            return Ok(Found { data, applied, record: json!({ "memory_ids": ids }), ..Found::default() });
        };
        if !auth::confirms(state, user.id, &deed, code.trim())? {
            return Err(ToolError::new(
                "refused",
                "the code is not of these memories as they are now: call without it and ask the user again",
            ));
        }
        let gone = delete(state, user, ids).await?;
        let data = json!({ "deleted": true, "memory_ids": gone });
        Ok(Found { data, applied, record: json!({ "memory_ids": gone }), ..Found::default() })
    }
}

/// What a code is good for: these memories, saying this.
fn deed(own: &[(MemoryId, String)]) -> String {
    let mut own: Vec<String> = own.iter().map(|(id, content)| format!("{id} {content:?}")).collect();
    own.sort_unstable();
    format!("forget\n{}", own.join("\n"))
}
