//! The layer: claims the key, runs the request, keeps its answer.

use std::panic::resume_unwind;

use axum::body::{Body, HttpBody, to_bytes};
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use entity::core::idempotency_key::{Model, State as Stage};
use tracing::Instrument;
use uuid::Uuid;

use super::attempt::{Attempt, REPLAYED};
use super::queries::{self, Answer, Claim, Identity, LEASE, Lease};
use super::{HEADER, body};
use crate::auth::CurrentUser;
use crate::db::CoreDb;
use crate::error::{CanFail, Context, Error, Result};
use crate::state::AppState;
use crate::web::problem::REQUEST_ID;

/// Longest key.
const KEY_CHARACTERS_MAX: usize = 255;
/// Longer paths belong to no row: their ids are malformed.
const PATH_CHARACTERS_MAX: usize = 500;
/// Room for the parts of an upload beside the file; its handler is as generous.
const UPLOAD_REST_BYTES: usize = 256 * 1024;
/// Largest body that is kept; one that is larger is not answered twice.
const KEPT_BYTES_MAX: u64 = 1 << 20;

/// How a route's answer is given again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// As it was: status and body are kept.
    Kept,
    /// By the handler, from what was made: a turn is followed or read.
    Turn,
}

/// A route that heeds the header.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// As it is registered.
    pub path: &'static str,
    /// How it answers again.
    pub kind: Kind,
}

/// What [`keep`] needs to know.
#[derive(Clone, Debug)]
pub struct Keeper {
    /// Where keys are kept.
    pub state: AppState,
    /// The routes, all of them POST.
    pub rules: &'static [Rule],
}

/// Answers a request that was made before with the answer that was given
/// before. Stands behind the gate: keys are the user's own.
pub async fn keep(
    keeper: &Keeper,
    route: Option<&MatchedPath>,
    request: Request,
    next: Next,
) -> Result<Response> {
    let kind = route
        .filter(|_| request.method() == Method::POST)
        .and_then(|route| keeper.rules.iter().find(|rule| rule.path == route.as_str()))
        .map(|rule| rule.kind);
    let (Some(kind), Some(key)) = (kind, key(request.headers())?) else {
        return Ok(next.run(request).await);
    };
    if request.uri().path().len() > PATH_CHARACTERS_MAX {
        return Ok(next.run(request).await);
    }
    let user = request.extensions().get::<CurrentUser>().map(|user| user.id);
    let user = user.ok_or(Error::NotFound("user"))?;
    let path = request.uri().path().to_owned();
    let (parts, sent) = request.into_parts();
    let settings = &keeper.state.settings;
    let limit = if is_upload(&parts.headers) {
        settings.files.upload_limit_bytes.saturating_add(UPLOAD_REST_BYTES)
    } else {
        settings.http.json_limit_bytes
    };
    let reading = body::read(&parts.headers, sent, limit);
    let sent = tokio::time::timeout(settings.files.upload_timeout(), reading).await.map_err(|_| {
        let limit = settings.files.upload_timeout_s;
        Error::Malformed(format!("the body was not complete after {limit} seconds"))
    })??;
    let identity = Identity { user, method: "POST", path, key, hash: sent.hash };
    let mut request = Request::from_parts(parts, sent.body);
    match queries::claim(&keeper.state.core, &identity).await? {
        Claim::Held(lease) => {
            let attempt = Attempt { id: lease.resource_id, is_first: lease.is_first, is_held: true };
            request.extensions_mut().insert(attempt);
            run(keeper.state.clone(), kind, lease, request, next).await
        }
        Claim::Known(known) if known.request_hash != identity.hash => {
            Err(Error::field("Idempotency-Key", "was used with another body; use a new key"))
        }
        Claim::Known(known) if kind == Kind::Turn => {
            let attempt = Attempt { id: known.resource_id, is_first: false, is_held: false };
            request.extensions_mut().insert(attempt);
            Ok(next.run(request).await)
        }
        Claim::Known(known) => replay(*known),
    }
}

fn is_upload(headers: &HeaderMap) -> bool {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    given.is_some_and(|given| given.to_ascii_lowercase().starts_with("multipart/"))
}

/// The key of a request, if it has one.
fn key(headers: &HeaderMap) -> Result<Option<String>> {
    let mut given = headers.get_all(HEADER).iter();
    let Some(key) = given.next() else { return Ok(None) };
    let wrong = |message: &str| Err(Error::field("Idempotency-Key", message));
    if given.next().is_some() {
        return wrong("stands twice");
    }
    let bytes = key.as_bytes();
    if !(1..=KEY_CHARACTERS_MAX).contains(&bytes.len()) || !bytes.iter().all(u8::is_ascii_graphic) {
        return wrong("must have 1 to 255 visible ASCII characters");
    }
    Ok(Some(String::from_utf8_lossy(bytes).into_owned()))
}

/// Runs the request to its end, in a task of its own: a client that leaves
/// changes nothing about what is done and kept.
async fn run(state: AppState, kind: Kind, lease: Lease, request: Request, next: Next) -> Result<Response> {
    let request_id = REQUEST_ID.try_with(Clone::clone).unwrap_or_default();
    let core = state.core.clone();
    let work = async move {
        let mut answered = std::pin::pin!(next.run(request));
        let response = loop {
            match tokio::time::timeout(LEASE / 3, &mut answered).await {
                Ok(response) => break response,
                Err(_) => queries::prolong(&core, lease).await.can_fail("the lease may last all the same"),
            }
        };
        settle(&core, kind, lease, response).await
    };
    let task = state.tasks.spawn(REQUEST_ID.scope(request_id, work).in_current_span());
    match task.await {
        Ok(response) => response,
        // For the layer that answers panics.
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        Err(error) => Err(error).context("running a request"),
    }
}

/// Decides what becomes of the key.
async fn settle(core: &CoreDb, kind: Kind, lease: Lease, response: Response) -> Result<Response> {
    const LOST: &str = "the answer is right all the same; a repetition is made again, with the same id";
    let status = response.status();
    if status.is_client_error() {
        queries::release(core, lease).await.can_fail(LOST);
        return Ok(response);
    }
    if !status.is_success() {
        queries::abandon(core, lease).await.can_fail(LOST);
        return Ok(response);
    }
    let size = response.body().size_hint().exact();
    if kind == Kind::Turn || size.is_none_or(|size| size > KEPT_BYTES_MAX) {
        let answer = Answer { status: status.as_u16(), content_type: None, body: None, made: None };
        queries::finish(core, lease, answer).await.can_fail(LOST);
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::try_from(KEPT_BYTES_MAX).unwrap_or(usize::MAX))
        .await
        .context("keeping an answer")?;
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let answer = Answer {
        status: status.as_u16(),
        content_type: content_type.map(str::to_owned),
        body: Some(bytes.to_vec()),
        made: made(&bytes),
    };
    queries::finish(core, lease, answer).await.can_fail(LOST);
    Ok(Response::from_parts(parts, Body::from(bytes)))
}

/// The id an answer speaks of, so that the answer can go with the thing.
fn made(body: &[u8]) -> Option<Uuid> {
    #[derive(serde::Deserialize)]
    struct Made {
        id: Uuid,
    }
    serde_json::from_slice::<Made>(body).ok().map(|made| made.id)
}

fn replay(known: Model) -> Result<Response> {
    let conflict =
        |code, detail: &str| Error::Conflict { code, detail: detail.to_owned(), id: Some(known.resource_id) };
    if known.state == Stage::Running {
        return Err(conflict(
            "idempotency_in_progress",
            "a request with this key is being answered; try again shortly",
        ));
    }
    let status = known.status.and_then(|status| u16::try_from(status).ok());
    let status = status.and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or(StatusCode::OK);
    let Some(body) = known.body else {
        return Err(conflict(
            "idempotency_answer_not_kept",
            "this was done before; its answer was too large to keep",
        ));
    };
    let mut response = (status, [REPLAYED], body).into_response();
    response.headers_mut().remove(header::CONTENT_TYPE);
    if let Some(content_type) = known.content_type.and_then(|value| value.parse().ok()) {
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    }
    Ok(response)
}
