//! The words of passages: what is indexed, and the upkeep of the index.

use std::sync::atomic::Ordering;
use std::time::Duration;

use entity::ai::kb_document;
use entity::ids::{CollectionId, DocumentId, SourceId, TenantId, UserId};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde_json::Value;
use uuid::Uuid;

use super::chunk::Passage;
use super::queries::Started;
use super::{fields, ids};
use crate::auth::Ownership;
use crate::db::AiTx;
use crate::db::word_index::{Entry, PASSAGES};
use crate::error::{Context, Result};
use crate::ranking::keys::Stored;
use crate::ranking::words;
use crate::state::AppState;

/// Passages a transaction indexes.
const BATCH: u64 = 500;

/// Transactions of a run that folds counts.
const FOLDS_MAX: usize = 20;

/// A start takes few connections, so the first look comes later.
const FIRST_AFTER: Duration = Duration::from_secs(10);

/// Between two batches; and between two looks when everything is indexed.
const PAUSE: Duration = Duration::from_millis(50);
const LOOK_EVERY: Duration = Duration::from_mins(10);

/// Values of metadata that are labels, the first ones; and the longest one.
const LABELS_MAX: usize = 20;
const LABEL_CHARACTERS_MAX: usize = 200;

/// A passage as its words are made of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text<'a> {
    pub(super) audience: Uuid,
    pub(super) title: &'a str,
    pub(super) heading_path: &'a str,
    pub(super) content: &'a str,
    pub(super) scope: &'a str,
    pub(super) metadata: &'a Value,
}

impl Text<'_> {
    /// The row of its words. Title and headings belong to the text: a passage is
    /// found by what stands above it.
    pub(super) fn entry(&self, id: Uuid) -> Entry {
        let Self { audience, title, heading_path, content, .. } = *self;
        let text = words::of_text(&format!("{title}\n{heading_path}\n{content}"));
        Entry {
            id,
            words: Stored::new(audience, &text).found_by(fields::keys_of(audience, self.metadata)),
            labels: Stored::new(audience, &words::of_text(&self.labels())),
            version: words::VERSION,
        }
    }

    /// Title, scope and the short values of metadata. Ids are no names.
    fn labels(&self) -> String {
        let mut values = Vec::new();
        short_values(self.metadata, &mut values);
        let values = values.iter().map(String::as_str).chain([self.title, self.scope]);
        let parts = values.flat_map(|value| value.split([' ', ':', '/']));
        parts.filter(|part| Uuid::try_parse(part).is_err()).collect::<Vec<_>>().join(" ")
    }
}

fn short_values(value: &Value, values: &mut Vec<String>) {
    if values.len() >= LABELS_MAX {
        return;
    }
    match value {
        Value::String(text) if text.chars().nth(LABEL_CHARACTERS_MAX).is_none() => values.push(text.clone()),
        Value::Number(number) => values.push(number.to_string()),
        Value::Array(items) => items.iter().for_each(|item| short_values(item, values)),
        Value::Object(fields) => fields.values().for_each(|field| short_values(field, values)),
        _ => {}
    }
}

/// Who reads a passage, as the database says it.
fn audience(owner: Option<UserId>, tenant: Option<TenantId>, collection: Option<CollectionId>) -> Uuid {
    let ownership = Ownership { owner_id: owner, tenant_id: tenant };
    collection.map_or_else(|| ownership.audience(), |collection| collection.0)
}

/// The rows of the words of a source's passages.
pub(super) fn entries(source: &Started, passages: &[Passage]) -> Vec<Entry> {
    let audience = audience(source.owner_id, source.tenant_id, source.collection_id);
    let entry = |(passage, position): (&Passage, i32)| {
        let text = Text {
            audience,
            title: &source.title,
            heading_path: &passage.heading_path,
            content: &passage.content,
            scope: &source.scope,
            metadata: &source.metadata,
        };
        text.entry(ids::passage(source.id, position, &passage.content).0)
    };
    passages.iter().zip(0..).map(entry).collect()
}

/// Indexes passages that are not, or by earlier rules: those of a database that
/// was filled before there was an index. Works in the background, in small
/// batches; until it is done such passages are found by meaning alone.
pub fn index_in_background(state: &AppState) {
    let owned = state.clone();
    let work = async move {
        tokio::time::sleep(FIRST_AFTER).await;
        loop {
            let pause = match index_some(&owned).await {
                Ok(0) => LOOK_EVERY,
                Ok(passages) => {
                    tracing::info!(passages, "indexed the words of passages");
                    PAUSE
                }
                Err(error) => {
                    tracing::warn!(%error, "the words of passages wait to be indexed");
                    LOOK_EVERY
                }
            };
            tokio::time::sleep(pause).await;
        }
    };
    state.tasks.spawn(state.shutdown.clone().run_until_cancelled_owned(work));
}

/// Indexes a batch; how many passages that were. Several processes may do so at once.
pub async fn index_some(state: &AppState) -> Result<u64> {
    let ai = state.ai.begin_worker().await?;
    let ids = PASSAGES.take_missing(&ai, words::VERSION, BATCH).await?;
    state.is_word_index_whole.store(ids.is_empty(), Ordering::Release);
    if ids.is_empty() {
        return Ok(0);
    }
    let rows: Vec<Row> = kb_document::Entity::find()
        .filter(kb_document::Column::Id.is_in(ids))
        // A passage that is deleted meanwhile takes no row with it.
        .lock_shared()
        .into_partial_model()
        .all(&ai)
        .await?;
    let indexed = index(&ai, rows).await?;
    ai.commit().await?;
    Ok(indexed)
}

/// Stores the words of a source's passages, which have none since it was moved.
pub(super) async fn index_moved(ai: &AiTx, source: SourceId) -> Result<()> {
    let mut after = -1;
    loop {
        let rows: Vec<Row> = kb_document::Entity::find()
            .filter(kb_document::Column::SourceId.eq(source))
            .filter(kb_document::Column::Position.gt(after))
            .order_by_asc(kb_document::Column::Position)
            .limit(BATCH)
            .into_partial_model()
            .all(ai)
            .await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = last.position;
        index(ai, rows).await?;
    }
}

async fn index(ai: &AiTx, rows: Vec<Row>) -> Result<u64> {
    let entries = tokio::task::spawn_blocking(move || rows.iter().map(Row::entry).collect::<Vec<_>>());
    let entries = entries.await.context("taking passages apart")?;
    PASSAGES.insert(ai, &entries).await?;
    Ok(entries.len() as u64)
}

/// Folds what was counted lately into the counts, in a bounded number of transactions.
pub async fn fold_counts(state: &AppState) -> Result<u64> {
    let mut folded = 0;
    for _ in 0..FOLDS_MAX {
        let ai = state.ai.begin_worker().await?;
        let some = PASSAGES.fold(&ai).await?;
        ai.commit().await?;
        folded += some;
        if some == 0 {
            break;
        }
    }
    Ok(folded)
}

#[derive(Debug, sea_orm::DerivePartialModel)]
#[sea_orm(entity = "kb_document::Entity", from_query_result)]
struct Row {
    id: DocumentId,
    owner_id: Option<UserId>,
    tenant_id: Option<TenantId>,
    collection_id: Option<CollectionId>,
    title: String,
    heading_path: String,
    content: String,
    scope: String,
    metadata: Value,
    position: i32,
}

impl Row {
    fn entry(&self) -> Entry {
        let text = Text {
            audience: audience(self.owner_id, self.tenant_id, self.collection_id),
            title: &self.title,
            heading_path: &self.heading_path,
            content: &self.content,
            scope: &self.scope,
            metadata: &self.metadata,
        };
        text.entry(self.id.0)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn labels_name_and_identify_nothing() {
        let metadata = json!({
            "ticker": "AMZN", "year": 2017, "tags": ["filing"], "long": "x".repeat(300),
            "source": "1b671a64-40d5-491e-99b0-da01ff1f3341", "draft": true
        });
        let text = Text {
            audience: Uuid::nil(),
            title: "Annual report",
            heading_path: "",
            content: "",
            scope: "portfolio:1b671a64-40d5-491e-99b0-da01ff1f3341",
            metadata: &metadata,
        };
        let mut labels: Vec<String> = text.labels().split(' ').map(str::to_owned).collect();
        labels.sort();
        assert_eq!(labels, ["2017", "AMZN", "Annual", "filing", "portfolio", "report"]);
    }
}
