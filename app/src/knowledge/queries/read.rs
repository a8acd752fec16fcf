//! Showing sources.

use entity::ai::kb_source::{self, Column as SourceColumn, Status};
use entity::ids::{CollectionId, JobId, SourceId, TenantId, UserId};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ColumnTrait, DbBackend, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect, Statement,
};

use crate::auth::{Audience, Ownership};
use crate::db::AiDb;
use crate::error::Result;
use crate::web::Cursor;

/// A source as it is shown: without its text.
#[derive(Clone, Debug, FromQueryResult)]
pub(in crate::knowledge) struct Shown {
    pub(in crate::knowledge) id: SourceId,
    pub(in crate::knowledge) owner_id: Option<UserId>,
    pub(in crate::knowledge) tenant_id: Option<TenantId>,
    pub(in crate::knowledge) collection_id: Option<CollectionId>,
    pub(in crate::knowledge) external_id: Option<String>,
    pub(in crate::knowledge) scope: String,
    pub(in crate::knowledge) title: String,
    pub(in crate::knowledge) media_type: String,
    pub(in crate::knowledge) metadata: serde_json::Value,
    pub(in crate::knowledge) status: Status,
    pub(in crate::knowledge) generation: i64,
    pub(in crate::knowledge) documents: i32,
    pub(in crate::knowledge) bytes: i64,
    pub(in crate::knowledge) job_id: Option<JobId>,
    pub(in crate::knowledge) url: Option<String>,
    pub(in crate::knowledge) error: Option<String>,
    pub(in crate::knowledge) created_at: chrono::DateTime<chrono::Utc>,
    pub(in crate::knowledge) updated_at: chrono::DateTime<chrono::Utc>,
}

/// Which sources to list; what is none does not matter.
#[derive(Clone, Debug, Default)]
pub(in crate::knowledge) struct Wanted {
    pub(in crate::knowledge) status: Option<Status>,
    pub(in crate::knowledge) scope: Option<String>,
    pub(in crate::knowledge) collection: Option<CollectionId>,
    /// The reader's own, or those of others.
    pub(in crate::knowledge) is_own: Option<bool>,
    /// What the title contains, in any case.
    pub(in crate::knowledge) title: Option<String>,
}

impl Wanted {
    fn narrow(
        &self,
        audience: &Audience,
        mut query: sea_orm::Select<kb_source::Entity>,
    ) -> sea_orm::Select<kb_source::Entity> {
        if let Some(status) = self.status {
            query = query.filter(SourceColumn::Status.eq(status));
        }
        if let Some(scope) = &self.scope {
            query = query.filter(SourceColumn::Scope.eq(scope));
        }
        if let Some(collection) = self.collection {
            query = query.filter(SourceColumn::CollectionId.eq(collection));
        }
        if let Some(is_own) = self.is_own {
            let own = Expr::col("owner_id").eq(audience.user().0);
            // Without an owner it is somebody else's.
            let own = Expr::expr(sea_orm::sea_query::Func::coalesce([own, Expr::val(false)]));
            query = query.filter(own.eq(is_own));
        }
        if let Some(title) = &self.title {
            let found = Expr::cust_with_values("strpos(lower(title), lower($1)) > 0", [title.as_str()]);
            query = query.filter(found);
        }
        query
    }
}

/// A page of what an audience sees, newest first, and one row more if there is one.
pub(in crate::knowledge) async fn list(
    ai: &AiDb,
    audience: &Audience,
    wanted: &Wanted,
    after: Option<Cursor>,
    limit: u64,
) -> Result<Vec<Shown>> {
    let mut query = wanted.narrow(audience, seen_by(audience));
    if let Some(Cursor { at, id }) = after {
        let place = Expr::tuple([Expr::col("created_at"), Expr::col("id")]);
        query = query.filter(place.lt(Expr::tuple([Expr::val(at), Expr::val(id)])));
    }
    let ai = ai.begin_for(&audience.reach()).await?;
    Ok(query
        .order_by_desc(SourceColumn::CreatedAt)
        .order_by_desc(SourceColumn::Id)
        .limit(limit + 1)
        .into_model::<Shown>()
        .all(&ai)
        .await?)
}

/// One source, if the audience sees it.
pub(in crate::knowledge) async fn find(
    ai: &AiDb,
    audience: &Audience,
    id: SourceId,
) -> Result<Option<Shown>> {
    let ai = ai.begin_for(&audience.reach()).await?;
    Ok(seen_by(audience).filter(SourceColumn::Id.eq(id)).into_model::<Shown>().one(&ai).await?)
}

/// Those of these sources that the audience sees.
pub(in crate::knowledge) async fn find_all(
    ai: &AiDb,
    audience: &Audience,
    ids: &[SourceId],
) -> Result<Vec<Shown>> {
    let ai = ai.begin_for(&audience.reach()).await?;
    let query = seen_by(audience).filter(SourceColumn::Id.is_in(ids.iter().copied()));
    Ok(query.into_model::<Shown>().all(&ai).await?)
}

/// A source that belongs to a folder.
#[derive(Clone, Debug, FromQueryResult)]
pub(in crate::knowledge) struct OfFolder {
    pub(in crate::knowledge) id: SourceId,
    pub(in crate::knowledge) external_id: String,
    pub(in crate::knowledge) generation: i64,
}

/// The sources of this ownership whose ids begin like this.
pub(in crate::knowledge) async fn of_folder(
    ai: &AiDb,
    ownership: Ownership,
    prefix: &str,
) -> Result<Vec<OfFolder>> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT id, external_id, generation FROM ai_kb_sources
          WHERE coalesce(owner_id, tenant_id, '00000000-0000-0000-0000-000000000000') = $1 AND starts_with(external_id, $2)",
        [ownership.audience().into(), prefix.into()],
    );
    let ai = ai.begin_for(&ownership.reach()).await?;
    Ok(OfFolder::find_by_statement(statement).all(&ai).await?)
}

fn seen_by(audience: &Audience) -> sea_orm::Select<kb_source::Entity> {
    kb_source::Entity::find()
        .select_except([
            SourceColumn::Content,
            SourceColumn::ContentHash,
            SourceColumn::TextHash,
            SourceColumn::Pages,
        ])
        // Known without the text being read.
        .expr_as(Expr::cust("octet_length(content)::bigint"), "bytes")
        .filter(audience.condition())
}
