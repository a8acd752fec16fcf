//! `/v1/chat/completions`: an answer that is not stored, from the client's own
//! messages and the user's knowledge and memories.

mod request;
mod response;
mod stream;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use serde_json::{Value, json};
use uuid::Uuid;

pub use request::CompletionRequest;
use response::{Answer, Head};

use super::models;
use crate::auth::CurrentUser;
use crate::chat::{self, Answering, Piece, Question};
use crate::error::Result;
use crate::state::AppState;
use crate::web::Json;

/// Answers the messages. What the user's documents and memories hold is used
/// unless the body's `tandem` or the header `x-tandem-retrieval: off` says no;
/// citations come as annotations. Tools are the client's own: the model's calls
/// of them come back. Nothing is stored.
#[utoipa::path(post, path = "/v1/chat/completions", tag = "openai", request_body = CompletionRequest,
    responses((status = 200, description = "The answer, as one body or as events", content((Object = "application/json"), (String = "text/event-stream")))))]
pub async fn create(
    State(state): State<AppState>,
    user: CurrentUser,
    headers: HeaderMap,
    Json(request): Json<CompletionRequest>,
) -> Result<Response> {
    let model = models::chosen(&state, &request.model).await?;
    let extension = request.tandem.under(&headers);
    let question = Question {
        messages: request.prompt()?,
        options: request.options()?,
        model: model.clone(),
        answer_tokens: request.answer_tokens()?,
        knowledge: extension.knowledge,
        memory: extension.memory,
    };
    question.check("messages")?;
    let answering = Box::pin(chat::complete(&state, &user, question)).await?;
    let head = Head::new(Uuid::now_v7(), model);
    if request.stream.unwrap_or(false) {
        let includes_usage = request.stream_options.unwrap_or_default().include_usage;
        Ok(stream::respond(&state, head, answering, includes_usage))
    } else {
        Ok(Json(whole(&head, answering).await?).into_response())
    }
}

async fn whole(head: &Head, mut answering: Answering) -> Result<Value> {
    let mut answer = Answer::default();
    while let Some(piece) = answering.next().await {
        match piece? {
            Piece::Text(more) => answer.text.push_str(&more),
            Piece::Citation(citation) => answer.citations.push(json!(citation)),
            Piece::Usage(said) => answer.usage = Some(said),
            Piece::Cut(cut) => answer.cut = Some(cut),
            Piece::Calls(calls) => answer.calls = calls,
        }
    }
    answer.is_one()?;
    Ok(head.whole(&answer))
}
