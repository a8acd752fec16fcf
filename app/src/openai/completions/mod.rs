//! `/v1/chat/completions`: an answer that is not stored, from the client's own
//! messages and the user's knowledge and memories.

mod request;
mod response;

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt, stream};
use serde_json::{Value, json};
use uuid::Uuid;

pub use request::CompletionRequest;
use response::{Head, annotation};

use super::no_such_model;
use crate::auth::CurrentUser;
use crate::chat::{self, Answering, Piece, Question};
use crate::error::Result;
use crate::state::AppState;
use crate::web::Json;

/// With `off` the answer rests on the messages alone.
const RETRIEVAL_HEADER: &str = "x-tandem-retrieval";

/// Answers the messages. What the user's documents and memories hold is used
/// unless the body's `tandem` or the header `x-tandem-retrieval: off` says no;
/// citations come as annotations. Nothing is stored.
#[utoipa::path(post, path = "/v1/chat/completions", tag = "openai", request_body = CompletionRequest,
    responses((status = 200, description = "The answer, as one body or as events", content((Object = "application/json"), (String = "text/event-stream")))))]
pub async fn create(
    State(state): State<AppState>,
    user: CurrentUser,
    headers: HeaderMap,
    Json(request): Json<CompletionRequest>,
) -> Result<Response> {
    let there_is = chat::model_name(&state, None);
    if request.model != there_is {
        return Err(no_such_model(&request.model, &there_is));
    }
    let is_off = headers.get(RETRIEVAL_HEADER).is_some_and(|value| value == "off");
    let question = Question {
        messages: request.prompt()?,
        options: request.options(),
        knowledge: request.tandem.knowledge && !is_off,
        memory: request.tandem.memory && !is_off,
    };
    let answering = chat::complete(&state, &user, question).await?;
    let head = Head::new(Uuid::now_v7(), there_is);
    if request.stream.unwrap_or(false) {
        let includes_usage = request.stream_options.unwrap_or_default().include_usage;
        Ok(streamed(&state, head, answering, includes_usage))
    } else {
        Ok(Json(whole(&head, answering).await?).into_response())
    }
}

async fn whole(head: &Head, mut answering: Answering) -> Result<Value> {
    let (mut text, mut citations, mut usage) = (String::new(), Vec::new(), None);
    while let Some(piece) = answering.next().await {
        match piece? {
            Piece::Text(more) => text.push_str(&more),
            Piece::Citation(citation) => citations.push(citation),
            Piece::Usage(said) => usage = Some(said),
        }
    }
    chat::has_words(&text)?;
    Ok(head.whole(&text, &citations, usage))
}

fn streamed(state: &AppState, head: Head, answering: Answering, includes_usage: bool) -> Response {
    let heartbeat = Duration::from_secs(state.settings.chat.heartbeat_s);
    let headers =
        [(header::CACHE_CONTROL, "no-cache"), (header::HeaderName::from_static("x-accel-buffering"), "no")];
    let events =
        events(head, answering, includes_usage).map(|data| Ok::<_, Infallible>(Event::default().data(data)));
    (headers, Sse::new(events).keep_alive(KeepAlive::new().interval(heartbeat))).into_response()
}

/// The pieces as a client reads them, `[DONE]` last.
fn events(head: Head, answering: Answering, includes_usage: bool) -> impl Stream<Item = String> {
    let first = head.piece(&json!({ "role": "assistant", "content": "" }), None).to_string();
    let ending = head.clone();
    let (mut usage, mut citations) = (None, 0);
    let pieces = answering.map(Some).chain(stream::iter([None])).scan(false, move |has_failed, piece| {
        let lines = match piece {
            _ if *has_failed => Vec::new(),
            Some(Ok(Piece::Text(text))) => vec![head.piece(&json!({ "content": text }), None).to_string()],
            Some(Ok(Piece::Citation(citation))) => {
                let delta = json!({ "annotations": [annotation(citations, &citation)] });
                citations += 1;
                vec![head.piece(&delta, None).to_string()]
            }
            Some(Ok(Piece::Usage(said))) => {
                usage = Some(said);
                Vec::new()
            }
            Some(Err(error)) => {
                *has_failed = true;
                tracing::warn!(%error, "an answer in OpenAI's form failed");
                let error = json!({ "message": error.public_detail(), "type": "server_error", "param": null, "code": error.code() });
                vec![json!({ "error": error }).to_string()]
            }
            None => {
                let mut last = vec![ending.piece(&json!({}), Some("stop")).to_string()];
                if includes_usage {
                    last.push(ending.usage(usage).to_string());
                }
                last.push("[DONE]".to_owned());
                last
            }
        };
        futures::future::ready(Some(stream::iter(lines)))
    });
    stream::iter([first]).chain(pieces.flatten())
}
