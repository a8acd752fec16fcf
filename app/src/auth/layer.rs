//! Deny by default: the gate in front of every route.

use axum::RequestExt;
use axum::extract::{MatchedPath, RawPathParams, Request};
use axum::http::{HeaderMap, Method, header};
use url::form_urlencoded;
use uuid::Uuid;

use super::{CurrentUser, Grants, access, api_keys, login, queries, scope, tickets};
use crate::error::{Error, Result};
use crate::state::AppState;

/// What [`require_user`] needs to know.
#[derive(Clone, Debug)]
pub struct Gate {
    /// Where users are and what signs their tokens.
    pub state: AppState,
    /// The routes that need no user, as they are registered.
    pub public: &'static [&'static str],
    /// Routes of one message, given by the only parameter of the path, that
    /// also take a ticket instead of a header, to read.
    pub ticketed: &'static [&'static str],
    /// Where the API lives: what follows it tells which scope a key needs.
    pub base: &'static str,
}

/// Lets a request pass when its route is public, or when it carries a valid
/// access token, or an API key with the scope the route needs, of an active
/// user, who becomes its [`CurrentUser`], with what the credentials grant.
///
/// The user is read on every request, so that disabling an account, a new role
/// or a deletion bites on the next one. A path without a route is 404 for
/// everybody: that says no more than the published document does.
pub async fn require_user(gate: &Gate, route: Option<&MatchedPath>, request: &mut Request) -> Result<()> {
    let route = route.ok_or(Error::NotFound("route"))?;
    if gate.public.contains(&route.as_str()) {
        return Ok(());
    }
    if gate.ticketed.contains(&route.as_str())
        && let Some(ticket) = ticket(request)
    {
        let message = message_of(request).await?;
        let user = gate.state.core.promptly(tickets::redeem(&gate.state.core, &ticket, message)).await?;
        request.extensions_mut().insert(user);
    } else {
        let token = bearer(request.headers())?;
        let (user, grants) = if token.starts_with(api_keys::PREFIX) {
            let path = route.as_str().strip_prefix(gate.base).unwrap_or(route.as_str());
            let needs = scope::needs(request.method(), path);
            let core = &gate.state.core;
            core.promptly(api_keys::authenticate(core, token, needs)).await?
        } else {
            (authenticate(&gate.state, token).await?, Grants::Person)
        };
        request.extensions_mut().insert(user);
        request.extensions_mut().insert(grants);
    }
    Ok(())
}

async fn authenticate(state: &AppState, token: &str) -> Result<CurrentUser> {
    let id = access::verify(&state.signing_key, token)?;
    let user = state.core.promptly(queries::account(&state.core, id)).await?;
    let user = user.ok_or_else(access::invalid_token)?;
    if !user.is_active {
        return Err(login::account_disabled());
    }
    Ok(user.into())
}

/// The ticket of a request that has nothing better.
fn ticket(request: &Request) -> Option<String> {
    if request.method() != Method::GET || request.headers().contains_key(header::AUTHORIZATION) {
        return None;
    }
    let mut parameters = form_urlencoded::parse(request.uri().query()?.as_bytes());
    parameters.find(|(name, _)| name == "ticket").map(|(_, value)| value.into_owned())
}

/// The message that a path names.
async fn message_of(request: &mut Request) -> Result<Uuid> {
    let named = request.extract_parts::<RawPathParams>().await.ok();
    let id = named.iter().flatten().next().and_then(|(_, id)| Uuid::parse_str(id).ok());
    id.ok_or_else(tickets::invalid_ticket)
}

fn bearer(headers: &HeaderMap) -> Result<&str> {
    headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .filter(|token| !token.is_empty())
        .ok_or_else(super::user::missing_token)
}
