//! Searching passages by meaning.

use entity::ids::{DocumentId, SourceId};
use garde::Validate;
use sea_orm::FromQueryResult;
use sea_orm::sea_query::extension::postgres::PgBinOper;
use sea_orm::sea_query::{Condition, Expr, ExprTrait};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::query_vector::{SpaceInfo, query_vector, unit};
use super::source::bounded_metadata;
use crate::auth::Audience;
use crate::db::space::Active;
use crate::db::vector::{self, Found, Nearest, Neighbour};
use crate::error::Result;
use crate::state::AppState;
use crate::usage::{QueryVector, embed_query};
use crate::web::text::{no_nul, not_blank};

const TABLE: &str = "ai_kb_documents";

/// Returned with each passage. Its source belongs to the same audience.
const RELATED: [(&str, &str); 1] = [(
    "external_id",
    "(SELECT source.external_id FROM ai_kb_sources AS source WHERE source.id = ai_kb_documents.source_id)",
)];

/// What to search for, and among what.
#[derive(Clone, Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchRequest {
    /// What to search for, in words; at most 32,000 characters. Either this or `embedding`.
    #[serde(default)]
    #[garde(length(chars, max = 32_000), custom(words))]
    #[schema(max_length = 32_000)]
    pub query: Option<String>,
    /// What to search for, as a vector of the active embedding space. Either this or `query`.
    #[serde(default)]
    #[garde(length(max = 4000))]
    pub embedding: Option<Vec<f32>>,
    /// Hits wanted, 1 to 200.
    #[serde(default = "limit_default")]
    #[garde(range(min = 1, max = 200))]
    #[schema(minimum = 1, maximum = 200, default = 10)]
    pub limit: u64,
    /// Only sources with one of these labels; 1 to 100 labels.
    #[serde(default)]
    #[garde(length(min = 1, max = 100), custom(labels))]
    pub scopes: Option<Vec<String>>,
    /// Only sources whose metadata has these values. An array or object matches one that contains it.
    #[serde(default)]
    #[garde(custom(filter_fields))]
    #[schema(value_type = Option<Object>)]
    pub filter: Option<Map<String, Value>>,
    /// How to search; `dense` is the only way there is.
    #[serde(default)]
    #[garde(skip)]
    pub mode: SearchMode,
    /// Whether a source may be found more than once.
    #[serde(default)]
    #[garde(skip)]
    pub group_by: GroupBy,
}

/// How to search.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SearchMode {
    /// By the meaning of whole passages.
    #[default]
    Dense,
}

/// What a hit stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GroupBy {
    /// Every passage for itself.
    #[default]
    Passage,
    /// The best passage of each source for its source.
    Source,
}

/// What was found.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SearchResult {
    /// The hits, best first.
    pub hits: Vec<Hit>,
    /// Fewer than `limit` exist.
    pub under_filled: bool,
    /// The space that was searched.
    pub space: SpaceInfo,
}

/// A passage that was found.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Hit {
    /// The passage.
    pub document_id: Uuid,
    /// Its source.
    pub source_id: Uuid,
    /// The caller's own id of the source.
    pub external_id: Option<String>,
    /// Title of the source.
    pub title: String,
    /// Headings above the passage, outermost first, joined by " > ".
    pub heading_path: String,
    /// The passage.
    pub content: String,
    /// The page of the source on which it begins, from 1; for files with pages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<i32>,
    /// What hits are ordered by; today the similarity.
    pub score: f64,
    /// Cosine similarity, -1 to 1.
    pub similarity: f64,
    /// Metadata of the source.
    #[schema(value_type = Object)]
    pub metadata: Value,
}

/// A passage for an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Passage {
    /// The passage.
    pub document_id: DocumentId,
    /// Its source.
    pub source_id: SourceId,
    /// Title of the source.
    pub title: String,
    /// Headings above it, outermost first, joined by " > ".
    pub heading_path: String,
    /// The passage.
    pub content: String,
    /// The page of the source on which it begins, from 1.
    pub page: Option<i32>,
    /// Cosine similarity to the question, -1 to 1.
    pub similarity: f64,
}

/// Searches what an audience may read. 422 for a vector of another space.
pub async fn search(state: &AppState, audience: &Audience, request: SearchRequest) -> Result<SearchResult> {
    let mut active = state.spaces.active().await?;
    loop {
        match search_in(state, &active, audience, &request).await {
            Err(error) if state.spaces.again(&mut active, &error).await? => {}
            outcome => return outcome,
        }
    }
}

async fn search_in(
    state: &AppState,
    active: &Active,
    audience: &Audience,
    request: &SearchRequest,
) -> Result<SearchResult> {
    let vector = query_vector(state, active, audience.user(), request).await?;
    let nearest = nearest(state, filter(audience, request), vector, request.limit);
    let ai = state.ai.begin_for_in(&audience.reach(), active.space.id).await?;
    let found: Found<Row> = match request.group_by {
        GroupBy::Passage => vector::nearest(&ai, &nearest).await?,
        GroupBy::Source => vector::nearest_of_each(&ai, &nearest, "source_id").await?,
    };
    Ok(SearchResult {
        hits: found.neighbours.into_iter().map(hit).collect(),
        under_filled: found.under_filled,
        space: SpaceInfo::of(active.space.embedder.space()),
    })
}

/// The passages nearest to a question's vector, for an answer. Nothing is left
/// out for being too far away; that is for the caller to judge. A question whose
/// vector is of a space that is no longer active is embedded again.
pub async fn retrieve(
    state: &AppState,
    audience: &Audience,
    question: &QueryVector,
    limit: u64,
) -> Result<Vec<Passage>> {
    if limit == 0 {
        return Ok(Vec::new());
    }
    match retrieve_in(state, audience, question, limit).await {
        Err(error) if state.spaces.moved(&error).await? => {
            let again = embed_query(state, audience.user(), &question.text).await?;
            retrieve_in(state, audience, &again, limit).await
        }
        outcome => outcome,
    }
}

async fn retrieve_in(
    state: &AppState,
    audience: &Audience,
    question: &QueryVector,
    limit: u64,
) -> Result<Vec<Passage>> {
    let length = u32::try_from(question.vector.len()).unwrap_or(u32::MAX);
    let vector = unit(length, question.vector.clone())?;
    let nearest = nearest(state, audience.condition(), vector, limit);
    let ai = state.ai.begin_for_in(&audience.reach(), question.space).await?;
    let found: Found<Row> = vector::nearest(&ai, &nearest).await?;
    let passage = |neighbour: Neighbour<Row>| Passage {
        similarity: neighbour.similarity(),
        document_id: neighbour.row.id,
        source_id: neighbour.row.source_id,
        title: neighbour.row.title,
        heading_path: neighbour.row.heading_path,
        content: neighbour.row.content,
        page: neighbour.row.page,
    };
    Ok(found.neighbours.into_iter().map(passage).collect())
}

#[derive(Debug, FromQueryResult)]
struct Row {
    id: DocumentId,
    source_id: SourceId,
    external_id: Option<String>,
    title: String,
    heading_path: String,
    content: String,
    page: Option<i32>,
    metadata: Value,
}

fn nearest(state: &AppState, filter: Condition, vector: Vec<f32>, limit: u64) -> Nearest<'_> {
    Nearest {
        table: TABLE,
        columns: &["id", "source_id", "title", "heading_path", "content", "page", "metadata"],
        related: &RELATED,
        filter,
        vector,
        limit,
        exact_below: state.settings.knowledge.exact_below_rows,
        large: &state.large_filters,
    }
}

fn filter(audience: &Audience, request: &SearchRequest) -> Condition {
    let mut filter = audience.condition();
    if let Some(scopes) = &request.scopes {
        filter = filter.add(Expr::col("scope").is_in(scopes.iter().map(String::as_str)));
    }
    if let Some(fields) = request.filter.as_ref().filter(|fields| !fields.is_empty()) {
        let fields = Expr::val(Value::Object(fields.clone()));
        filter = filter.add(Expr::col("metadata").binary(PgBinOper::Contains, fields));
    }
    filter
}

fn hit(neighbour: Neighbour<Row>) -> Hit {
    let similarity = neighbour.similarity();
    let row = neighbour.row;
    Hit {
        document_id: row.id.0,
        source_id: row.source_id.0,
        external_id: row.external_id,
        title: row.title,
        heading_path: row.heading_path,
        content: row.content,
        page: row.page,
        score: similarity,
        similarity,
        metadata: row.metadata,
    }
}

fn limit_default() -> u64 {
    10
}

#[expect(clippy::ref_option, reason = "garde hands over the field")]
fn words<C>(query: &Option<String>, _: &C) -> garde::Result {
    query.as_ref().map_or(Ok(()), |query| not_blank(query, &()))
}

#[expect(clippy::ref_option, reason = "garde hands over the field")]
fn labels<C>(scopes: &Option<Vec<String>>, _: &C) -> garde::Result {
    for scope in scopes.iter().flatten() {
        no_nul(scope, &())?;
        if scope.chars().count() > 100 {
            return Err(garde::Error::new("a scope has at most 100 characters"));
        }
    }
    Ok(())
}

#[expect(clippy::ref_option, reason = "garde hands over the field")]
fn filter_fields<C>(fields: &Option<Map<String, Value>>, _: &C) -> garde::Result {
    fields.as_ref().map_or(Ok(()), |fields| bounded_metadata(fields, &()))
}
