//! What an API key may do: areas of the API, to read or to write.
//!
//! Deny by default: a key reaches a route only if the route's path and method
//! say which scope that takes, and the key has it.

use axum::http::Method;

use crate::error::{Error, Result};

/// The areas, by the first segment of a path below the API's base. `auth` is
/// not among them: keys do not manage accounts, sessions or keys.
const AREAS: [(&str, &str); 15] = [
    ("admin", "admin"),
    ("analytics", "portfolio"),
    ("characters", "chat"),
    ("chat", "chat"),
    ("data", "portfolio"),
    ("equity-search", "portfolio"),
    ("fundamentals", "portfolio"),
    ("knowledge", "knowledge"),
    ("memories", "memory"),
    ("personas", "chat"),
    ("portfolios", "portfolio"),
    ("positions", "portfolio"),
    ("tags", "portfolio"),
    ("target-prices", "portfolio"),
    // What OpenAI's clients know, which begins at the root.
    ("v1", "chat"),
];

/// Routes any key may use. What a key sees and calls behind `/mcp` is decided
/// tool by tool; GET and DELETE are there to be told that they are not.
const FREE: [(Method, &str); 4] =
    [(Method::GET, "/auth/me"), (Method::POST, "/mcp"), (Method::GET, "/mcp"), (Method::DELETE, "/mcp")];

/// What a route asks of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    /// Any key will do.
    Nothing,
    /// A key with this scope.
    Scope(String),
    /// No key will do.
    Person,
}

/// What a route asks of a key; `path` is its template, below the API's base.
pub(super) fn needs(method: &Method, path: &str) -> Needs {
    if FREE.iter().any(|(free, route)| free == method && *route == path) {
        return Needs::Nothing;
    }
    let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    let Some((_, area)) = AREAS.iter().find(|(segment, _)| *segment == first) else {
        return Needs::Person;
    };
    // A search is a question too long for a URL.
    let reads =
        [Method::GET, Method::HEAD].contains(method) || (method == Method::POST && path.ends_with("/search"));
    Needs::Scope(format!("{area}:{}", if reads { "read" } else { "write" }))
}

/// The scopes of a request in order, each once; 422 names the first that does not exist.
pub(super) fn parse(given: &[String]) -> Result<Vec<String>> {
    let mut scopes = Vec::with_capacity(given.len());
    for (index, scope) in given.iter().enumerate() {
        let known = scope.split_once(':').is_some_and(|(area, deed)| {
            AREAS.iter().any(|(_, a)| *a == area) && ["read", "write"].contains(&deed)
        });
        if !known {
            return Err(Error::field(
                format!("scopes[{index}]"),
                format!("must be one of {}", all().join(", ")),
            ));
        }
        scopes.push(scope.clone());
    }
    scopes.sort();
    scopes.dedup();
    Ok(scopes)
}

/// Whether a scope opens the administration.
pub(super) fn is_admin(scope: &str) -> bool {
    scope.starts_with("admin:")
}

/// Every scope there is.
fn all() -> Vec<String> {
    let mut areas: Vec<&str> = AREAS.iter().map(|(_, area)| *area).collect();
    areas.sort_unstable();
    areas.dedup();
    areas.iter().flat_map(|area| [format!("{area}:read"), format!("{area}:write")]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_without_an_area_is_for_no_key() {
        let scope = |scope: &str| Needs::Scope(scope.to_owned());
        assert_eq!(needs(&Method::GET, "/chat/conversations/{id}"), scope("chat:read"));
        assert_eq!(needs(&Method::POST, "/chat/send"), scope("chat:write"));
        assert_eq!(needs(&Method::POST, "/memories/search"), scope("memory:read"));
        assert_eq!(needs(&Method::DELETE, "/memories"), scope("memory:write"));
        assert_eq!(needs(&Method::GET, "/auth/me"), Needs::Nothing);
        for (method, path) in [
            (Method::POST, "/auth/api-keys"),
            (Method::GET, "/auth/api-keys"),
            (Method::GET, "/somewhere/new"),
            (Method::GET, "/chatter"),
            (Method::GET, ""),
        ] {
            assert_eq!(needs(&method, path), Needs::Person, "{method} {path}");
        }
    }

    #[test]
    fn scopes_are_named_exactly() {
        let parse =
            |scopes: &[&str]| super::parse(&scopes.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>());
        assert_eq!(
            parse(&["memory:read", "chat:write", "chat:write"]).unwrap(),
            ["chat:write", "memory:read"]
        );
        for wrong in ["chat", "chat:", "chat:*", "*", "auth:write", "Chat:read", "chat:read "] {
            assert!(parse(&[wrong]).is_err(), "{wrong}");
        }
    }
}
