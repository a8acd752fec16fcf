//! What a turn is told of external tools.

use entity::core::mcp_server;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::address::usable_url;
use super::pin::Standing;
use super::servers::{SERVERS_MAX, pins};
use super::{ExternalTool, ExternalTools, SEPARATOR};
use crate::error::CanFail;
use crate::llm::{ToolSpec, estimate};
use crate::state::AppState;

/// External tools that a turn has; more are not offered.
const OFFERED_MAX: usize = 32;
/// Tokens that they take of a prompt together, about; what goes beyond is not offered.
pub const TOKENS_MAX: usize = 6000;

/// The external tools of a turn; none where they are off. Never fails: a turn
/// goes on without them.
pub async fn offered(state: &AppState) -> ExternalTools {
    if !state.settings.tools.external_mcp || state.settings.tools.rounds == 0 {
        return ExternalTools::default();
    }
    let servers = mcp_server::Entity::find()
        .filter(mcp_server::Column::IsEnabled.eq(true))
        .order_by_asc(mcp_server::Column::Name)
        .limit(SERVERS_MAX)
        .all(&state.core)
        .await;
    let servers = servers.unwrap_or_else(|error| {
        Err::<(), _>(error).can_fail("the turn goes on without external tools");
        Vec::new()
    });
    let tools = servers.iter().filter(|server| usable_url(&state.settings.tools, server).is_ok());
    let tools = tools.flat_map(|server| {
        let approved = pins(server).into_iter().filter(|pin| pin.standing == Standing::Approved);
        approved.map(move |pin| ExternalTool {
            server_id: server.id,
            spec: ToolSpec::new(
                format!("{}{SEPARATOR}{}", server.name, pin.name),
                pin.description,
                pin.schema,
            ),
            name: pin.name,
        })
    });
    let mut left = TOKENS_MAX;
    let fitting = tools.take(OFFERED_MAX).take_while(|tool| {
        let rest = left.checked_sub(cost_of(&tool.spec));
        left = rest.unwrap_or_default();
        rest.is_some()
    });
    fitting.collect()
}

/// Tokens of a tool in a prompt, about, from above.
fn cost_of(spec: &ToolSpec) -> usize {
    let texts = [spec.name.as_ref(), spec.description.as_ref(), &spec.parameters.to_string()];
    texts.into_iter().map(|text| estimate::tokens(text) * 2 + 10).sum()
}
