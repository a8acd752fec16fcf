//! Changing what is known of a source, and trying again what failed.

use entity::ai::kb_file;
use entity::ai::kb_source::{self, Column, Status};
use entity::ids::SourceId;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QuerySelect, Statement};
use serde_json::{Map, Value};

use super::{Item, items};
use crate::auth::Ownership;
use crate::db::AiTx;
use crate::error::{Error, Result};
use crate::knowledge::ids::Hash;
use crate::parse::FileType;

/// A source, locked, with its text.
pub(in crate::knowledge) async fn lock(ai: &AiTx, id: SourceId) -> Result<kb_source::Model> {
    let row = kb_source::Entity::find_by_id(id).lock_exclusive().one(ai).await?;
    row.ok_or(Error::NotFound("source"))
}

/// What a source is called and labelled from now on.
#[derive(Debug)]
pub(in crate::knowledge) struct Labels {
    pub(in crate::knowledge) title: String,
    pub(in crate::knowledge) scope: String,
    pub(in crate::knowledge) metadata: Map<String, Value>,
    pub(in crate::knowledge) content_hash: Hash,
}

/// Labels a source anew, which is then to be ingested again.
pub(in crate::knowledge) async fn relabel(ai: &AiTx, id: SourceId, labels: Labels) -> Result<Item> {
    kb_source::Entity::update_many()
        .col_expr(Column::Title, Expr::val(labels.title))
        .col_expr(Column::Scope, Expr::val(labels.scope))
        .col_expr(Column::Metadata, Expr::val(Value::Object(labels.metadata)))
        .col_expr(Column::ContentHash, Expr::val(labels.content_hash.to_vec()))
        .filter(Column::Id.eq(id))
        .exec(ai)
        .await?;
    requeue(ai, id).await
}

/// Queues a source that is locked: from now on no run that knows it writes it.
pub(in crate::knowledge) async fn requeue(ai: &AiTx, id: SourceId) -> Result<Item> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "UPDATE ai_kb_sources
            SET status = 'queued', generation = nextval('ai_generation_seq'), job_id = NULL, lease_owner = NULL,
                error = NULL, updated_at = now()
          WHERE id = $1 RETURNING id, generation",
        [id.0.into()],
    );
    items(&ai.query_all_raw(statement).await?)?.pop().ok_or(Error::NotFound("source"))
}

/// Has the address of a source fetched once more.
pub(in crate::knowledge) async fn fetch_again(ai: &AiTx, row: &kb_source::Model, item: Item) -> Result<()> {
    kb_file::Entity::delete_by_id(row.id).exec(ai).await?;
    let file = kb_file::ActiveModel {
        source_id: Set(item.id),
        generation: Set(item.generation),
        audience: Set(Ownership { owner_id: row.owner_id, tenant_id: row.tenant_id }.audience()),
        media_type: Set(FileType::Html.as_str().to_owned()),
        // Without a title of its own a source is called by its address.
        titled: Set(row.url.as_deref().is_none_or(|url| !url.starts_with(&row.title))),
        bytes: Set(Vec::new()),
        url: Set(row.url.clone()),
        ..Default::default()
    };
    kb_file::Entity::insert(file).exec_without_returning(ai).await?;
    Ok(())
}

/// Whether this is the state of a source that was given up.
pub(in crate::knowledge) fn is_failed(row: &kb_source::Model) -> bool {
    row.status == Status::Failed
}
