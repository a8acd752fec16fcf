//! Export: written as it is read, a few messages at a time.

use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use entity::core::{citation, message};
use entity::ids::{ConversationId, UserId};
use sea_orm::{ColumnTrait, EntityLoaderTrait, QueryFilter, QueryOrder};
use serde::Serialize;
use tokio::sync::mpsc::{Sender, channel};
use uuid::Uuid;

use super::super::queries;
use super::super::{ConversationView, MessageView};
use super::{ConversationHead, Export, ExportedMessage, SCHEMA, VERSION};
use crate::auth::CurrentUser;
use crate::db::CoreDb;
use crate::error::{Context, Error, Result};
use crate::state::AppState;
use crate::web::{PageQuery, Path, Problems};

/// Messages held at once.
const MESSAGES_AT_ONCE: u64 = 50;
/// Conversations read at once, without their messages.
const CONVERSATIONS_AT_ONCE: u64 = 50;
/// A reader that takes no more for so long has left.
const PATIENCE: Duration = Duration::from_mins(1);

/// Export a conversation.
///
/// With every branch, citations and times, in the format that `/chat/import` reads.
#[utoipa::path(get, path = "/chat/conversations/{id}/export", tag = "chat",
    params(("id" = Uuid, Path, description = "The conversation")), responses((status = 200, body = Export), Problems))]
pub async fn export_one(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
) -> Result<Response> {
    let conversation = queries::find_owned(&state.core, user.id, ConversationId(id)).await?;
    Ok(stream(&state, user.id, Some(conversation.into())))
}

/// Export all conversations.
///
/// The user's own, newest first, streamed.
#[utoipa::path(get, path = "/chat/export", tag = "chat", responses((status = 200, body = Export), Problems))]
pub async fn export_all(State(state): State<AppState>, user: CurrentUser) -> Result<Response> {
    // Said now, while there is still a status to say it with.
    state.core.promptly(queries::list(&state.core, user.id, &PageQuery { limit: 1, cursor: None })).await?;
    Ok(stream(&state, user.id, None))
}

fn stream(state: &AppState, user: UserId, only: Option<ConversationView>) -> Response {
    let (sender, receiver) = channel(1);
    let writer = Writer { core: state.core.clone(), sender, piece: Vec::new() };
    state.tasks.spawn(async move { writer.run(user, only).await });
    let body =
        futures::stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)));
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"conversations.json\""),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, Body::from_stream(body)).into_response()
}

struct Writer {
    core: CoreDb,
    sender: Sender<Result<Bytes>>,
    piece: Vec<u8>,
}

impl Writer {
    /// Writes to the end, or cuts the body off: a half is not taken for a whole.
    async fn run(mut self, user: UserId, only: Option<ConversationView>) {
        let written = match only {
            Some(conversation) => self.document(vec![conversation]).await,
            None => self.all(user).await,
        };
        if let Err(error) = written {
            tracing::warn!(%error, "an export was not completed");
            // A reader that has left needs no word of it.
            drop(self.sender.try_send(Err(error)));
        }
    }

    async fn document(&mut self, conversations: Vec<ConversationView>) -> Result<()> {
        self.begin();
        let mut is_first = true;
        for conversation in conversations {
            self.conversation(conversation, &mut is_first).await?;
        }
        self.end().await
    }

    async fn all(&mut self, user: UserId) -> Result<()> {
        self.begin();
        let mut is_first = true;
        let mut page = PageQuery { limit: CONVERSATIONS_AT_ONCE, cursor: None };
        loop {
            let found = queries::list(&self.core, user, &page).await?;
            for conversation in found.items {
                self.conversation(conversation, &mut is_first).await?;
            }
            // Each page ends before the last one: as many rounds as there are pages.
            match found.next_cursor {
                Some(cursor) => page.cursor = Some(cursor),
                None => return self.end().await,
            }
        }
    }

    fn begin(&mut self) {
        let head = format!("{{\"schema\":\"{SCHEMA}\",\"version\":{VERSION},\"conversations\":[");
        self.piece.extend_from_slice(head.as_bytes());
    }

    async fn end(&mut self) -> Result<()> {
        self.piece.extend_from_slice(b"]}");
        self.flush().await
    }

    async fn conversation(&mut self, conversation: ConversationView, is_first: &mut bool) -> Result<()> {
        let id = ConversationId(conversation.id);
        if !std::mem::take(is_first) {
            self.piece.push(b',');
        }
        self.json(&head(conversation))?;
        // The object is left open for its messages.
        self.piece.pop();
        self.piece.extend_from_slice(b",\"messages\":[");
        let mut after = 0;
        loop {
            let rows = message::Entity::load()
                .filter(message::Column::ConversationId.eq(id))
                .filter(message::Column::Position.gt(after))
                .order_by_asc(message::Column::Position)
                .with(citation::Entity)
                .paginate(&self.core, MESSAGES_AT_ONCE)
                .fetch()
                .await?;
            let Some(last) = rows.last().map(|row| row.position) else { break };
            for row in rows {
                if after > 0 {
                    self.piece.push(b',');
                }
                after = row.position;
                self.json(&exported(MessageView::from(row)))?;
            }
            after = last;
            self.flush().await?;
        }
        self.piece.extend_from_slice(b"]}");
        Ok(())
    }

    fn json(&mut self, value: &impl Serialize) -> Result<()> {
        serde_json::to_writer(&mut self.piece, value).context("writing an export")
    }

    async fn flush(&mut self) -> Result<()> {
        let piece = Bytes::from(std::mem::take(&mut self.piece));
        let sent = tokio::time::timeout(PATIENCE, self.sender.send(Ok(piece))).await;
        match sent {
            Ok(Ok(())) => Ok(()),
            _ => Err(Error::internal("exporting", "the reader has left")),
        }
    }
}

fn head(view: ConversationView) -> ConversationHead {
    let metadata = match view.metadata {
        serde_json::Value::Object(fields) => fields,
        _ => serde_json::Map::new(),
    };
    ConversationHead {
        id: view.id.to_string(),
        title: view.title,
        metadata,
        active_message_id: view.active_message_id.map(|id| id.to_string()),
        created_at: Some(view.created_at),
        updated_at: Some(view.updated_at),
    }
}

fn exported(view: MessageView) -> ExportedMessage {
    ExportedMessage {
        id: view.id.to_string(),
        parent_id: view.parent_id.map(|id| id.to_string()),
        role: view.role,
        status: view.status,
        content: view.content,
        model: view.model,
        mode: view.mode,
        created_at: Some(view.created_at),
        completed_at: view.completed_at,
        citations: view.citations,
    }
}
