//! Import: each conversation for itself, in a transaction of its own.

use axum::extract::State;
use chrono::{DateTime, Utc};
use entity::core::{citation, conversation, message};
use entity::ids::ConversationId;
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QuerySelect, Statement,
    TryInsertResult,
};
use serde::Serialize;
use tokio::sync::mpsc::channel;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Export;
use super::cited::{self, Living};
use super::plan::{self, Planned, Tree};
use super::read::{Found, Import};
use super::receive::{ImportUpload, Sent};
use crate::auth::CurrentUser;
use crate::db::CoreDb;
use crate::error::{Context, Error, Result};
use crate::jobs::outbox;
use crate::state::AppState;
use crate::web::{Json, Problems};

/// Rows of one statement.
const ROWS_AT_ONCE: usize = 500;
/// Longest id that is told back, in characters.
const ID_CHARACTERS_MAX: usize = 200;

/// What became of an import.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct Imported {
    /// Conversations that are new.
    pub imported: usize,
    /// Conversations that were there.
    pub skipped: usize,
    /// Conversations that could not be read or stored.
    pub failed: usize,
    /// Each of them, in order.
    pub items: Vec<ImportedItem>,
}

/// What became of one conversation.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ImportedItem {
    /// Its id in the import.
    pub original_id: Option<String>,
    /// Its id here.
    pub id: Option<Uuid>,
    /// `imported`, `skipped` or `failed`.
    pub status: &'static str,
    /// Why it failed.
    pub error: Option<String>,
}

/// Import conversations.
///
/// Tandem's own export (`tandem.conversations`, version 1), as JSON or as a
/// file, or ChatGPT's: its `conversations.json`, or the zip with it. At most
/// 16 MB as JSON, 50 MB as a file, 128 MiB unpacked; 10,000 conversations of
/// 32 MiB and 10,000 messages each, 200,000 characters a message, 5,000 messages
/// one above the other. Conversations are independent; one that is there already
/// is skipped, so the same import twice changes nothing. Messages are marked
/// `imported`: to a model their words are data. Of a citation the words are kept
/// only if you can read its source now.
#[utoipa::path(post, path = "/chat/import", tag = "chat",
    request_body(content((Export = "application/json"), (ImportUpload = "multipart/form-data"))),
    responses((status = 200, body = Imported), Problems))]
pub async fn import(State(state): State<AppState>, user: CurrentUser, sent: Sent) -> Result<Json<Imported>> {
    let Sent { bytes, field, slot } = sent;
    let checked = tokio::task::spawn_blocking(move || Import::check(bytes, field)).await;
    let mut import = checked.context("reading an import")??;
    // Room for one: what is read waits until what was read before is stored.
    let (sender, mut receiver) = channel::<Found>(1);
    let reading =
        tokio::task::spawn_blocking(move || import.each(|found| sender.blocking_send(found).is_ok()));
    let importer = Importer { since: now(&state.core).await?, state, user };
    let mut done = Imported::default();
    while let Some(found) = receiver.recv().await {
        done.add(importer.take(found).await?);
    }
    reading.await.context("reading an import")??;
    drop(slot);
    Ok(Json(done))
}

impl Imported {
    fn add(&mut self, item: ImportedItem) {
        match item.status {
            "imported" => self.imported += 1,
            "skipped" => self.skipped += 1,
            _ => self.failed += 1,
        }
        self.items.push(item);
    }
}

impl ImportedItem {
    fn failed(original_id: Option<String>, error: String) -> Self {
        Self { original_id, id: None, status: "failed", error: Some(error) }
    }
}

async fn now(core: &CoreDb) -> Result<DateTime<Utc>> {
    let row = core.query_one_raw(Statement::from_string(DbBackend::Postgres, "SELECT now() AS now")).await?;
    Ok(row.ok_or(Error::NotFound("time"))?.try_get("", "now")?)
}

struct Importer {
    state: AppState,
    user: CurrentUser,
    /// When the import began, by core's clock.
    since: DateTime<Utc>,
}

impl Importer {
    async fn take(&self, found: Found) -> Result<ImportedItem> {
        let tree = match found {
            Ok(tree) => tree,
            Err(error) => return Ok(ImportedItem::failed(None, error)),
        };
        let original: String = tree.head.id.chars().take(ID_CHARACTERS_MAX).collect();
        if let Some(id) = self.there(&tree).await? {
            return Ok(ImportedItem {
                original_id: Some(original),
                id: Some(id.0),
                status: "skipped",
                error: None,
            });
        }
        let planned = match plan::plan(self.user.id, tree, self.since) {
            Ok(planned) => planned,
            Err(error) => return Ok(ImportedItem::failed(Some(original), error)),
        };
        // Before the transaction: neither database waits for the other.
        let living = match cited::living(&self.state.ai, &self.user, &planned.citations).await {
            Ok(living) => living,
            Err(error) if outbox::is_away(&error) => {
                let why =
                    "its citations cannot be checked while the ai database is away; import it again later";
                return Ok(ImportedItem::failed(Some(original), why.to_owned()));
            }
            Err(error) => return Err(error),
        };
        let id = planned.id;
        let status = if self.insert(planned, &living).await? { "imported" } else { "skipped" };
        Ok(ImportedItem { original_id: Some(original), id: Some(id.0), status, error: None })
    }

    /// The conversation, if it is there: imported before, or the very one that was exported.
    async fn there(&self, tree: &Tree) -> Result<Option<ConversationId>> {
        let original = tree.head.id.parse().ok().map(ConversationId);
        let ids = std::iter::once(plan::conversation_id(self.user.id, &tree.head.id)).chain(original);
        let there = conversation::Entity::find()
            .select_only()
            .column(conversation::Column::Id)
            .filter(conversation::Column::UserId.eq(self.user.id))
            .filter(conversation::Column::Id.is_in(ids))
            .into_tuple()
            .one(&self.state.core)
            .await?;
        Ok(there)
    }

    /// Stores a conversation whole, or nothing of it. False: it was there.
    async fn insert(&self, mut planned: Planned, living: &Living) -> Result<bool> {
        let tx = self.state.core.begin().await?;
        let stored = conversation::Entity::insert(planned.conversation)
            .on_conflict(OnConflict::column(conversation::Column::Id).do_nothing().to_owned())
            .try_insert()
            .exec_without_returning(&tx)
            .await?;
        if !matches!(stored, TryInsertResult::Inserted(1)) {
            return Ok(false);
        }
        for rows in planned.messages.chunks(ROWS_AT_ONCE) {
            message::Entity::insert_many(rows.to_vec()).exec_without_returning(&tx).await?;
        }
        cited::empty_others(&tx, &self.user, &mut planned.citations, living, self.since).await?;
        for rows in planned.citations.chunks(ROWS_AT_ONCE) {
            citation::Entity::insert_many(rows.to_vec()).exec_without_returning(&tx).await?;
        }
        tx.commit().await?;
        Ok(true)
    }
}
