//! What a search is asked.

use chrono::{DateTime, Utc};
use garde::Validate;
use sea_orm::sea_query::extension::postgres::PgBinOper;
use sea_orm::sea_query::{Condition, Expr, ExprTrait};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::Audience;
use crate::error::{Error, Result};
use crate::knowledge::fields;
use crate::knowledge::source::bounded_metadata;
use crate::web::text::{no_nul, not_blank};

/// What to search for, and among what.
#[derive(Clone, Debug, Default, Deserialize, Validate, ToSchema)]
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
    /// Only these sources; 1 to 100.
    #[serde(default)]
    #[garde(length(min = 1, max = 100))]
    pub source_ids: Option<Vec<Uuid>>,
    /// Only sources in these collections; 1 to 100.
    #[serde(default)]
    #[garde(length(min = 1, max = 100))]
    pub collections: Option<Vec<Uuid>>,
    /// Only passages stored at this time or later.
    #[serde(default)]
    #[garde(skip)]
    pub created_from: Option<DateTime<Utc>>,
    /// Only passages stored before this time.
    #[serde(default)]
    #[garde(skip)]
    pub created_before: Option<DateTime<Utc>>,
    /// How to search: `hybrid` where there are words, `dense` for a vector.
    #[serde(default)]
    #[garde(skip)]
    pub mode: Option<SearchMode>,
    /// Whether a source may be found more than once.
    #[serde(default)]
    #[garde(skip)]
    pub group_by: GroupBy,
    /// Whether a hybrid search asks the reranker, where one is configured; without this it does.
    #[serde(default)]
    #[garde(skip)]
    pub rerank: Option<bool>,
    /// Whether to say how each hit came to its place.
    #[serde(default)]
    #[garde(skip)]
    pub explain: bool,
}

/// How to search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SearchMode {
    /// By meaning and by words, each weighed by what it shows for the question.
    Hybrid,
    /// By the meaning of whole passages.
    Dense,
    /// By words (BM25). Needs no embedding.
    Lexical,
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

impl SearchRequest {
    /// How to search, and what for.
    pub(super) fn asked(&self) -> Result<Asked<'_>> {
        match (self.query.as_deref(), self.embedding.as_deref()) {
            (Some(query), None) => Ok(match self.mode.unwrap_or(SearchMode::Hybrid) {
                SearchMode::Hybrid => Asked::Hybrid(query),
                SearchMode::Lexical => Asked::Lexical(query),
                SearchMode::Dense => Asked::Dense(query),
            }),
            (None, Some(embedding)) => match self.mode {
                None | Some(SearchMode::Dense) => Ok(Asked::Vector(embedding)),
                Some(_) => Err(Error::field("mode", "a search by words needs query; a vector has none")),
            },
            (None, None) => Err(Error::field("query", "give either query or embedding")),
            (Some(_), Some(_)) => Err(Error::field("embedding", "give either query or embedding, not both")),
        }
    }

    /// Which rows may be found.
    pub(super) fn condition(&self, audience: &Audience) -> Condition {
        let mut filter = audience.condition();
        if let Some(scopes) = &self.scopes {
            filter = filter.add(Expr::col("scope").is_in(scopes.iter().map(String::as_str)));
        }
        if let Some(fields) = self.filter.as_ref().filter(|fields| !fields.is_empty()) {
            let fields = Expr::val(Value::Object(fields.clone()));
            filter = filter.add(Expr::col("metadata").binary(PgBinOper::Contains, fields));
        }
        if let Some(sources) = &self.source_ids {
            filter = filter.add(Expr::col("source_id").is_in(sources.iter().copied()));
        }
        // Who reads a collection is its passages' audience.
        if let Some(collections) = &self.collections {
            filter = filter.add(Expr::col("audience").is_in(collections.iter().copied()));
            filter = filter.add(Expr::col("collection_id").is_not_null());
        }
        if let Some(from) = self.created_from {
            filter = filter.add(Expr::col("created_at").gte(from));
        }
        if let Some(before) = self.created_before {
            filter = filter.add(Expr::col("created_at").lt(before));
        }
        filter
    }

    /// What of that an index finds that row-level security would not let find it.
    pub(super) fn by_index(&self, audience: &Audience) -> Option<Condition> {
        fields::condition(audience.ids(), self.filter.as_ref()?)
    }

    /// Whether there is any condition but the audience.
    pub(super) fn is_filtered(&self) -> bool {
        let dated = self.created_from.is_some() || self.created_before.is_some();
        let placed = self.source_ids.is_some() || self.collections.is_some();
        self.scopes.is_some() || self.filter.is_some() || placed || dated
    }
}

/// What a request comes to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Asked<'a> {
    /// Words and their meaning.
    Hybrid(&'a str),
    /// Words only.
    Lexical(&'a str),
    /// The meaning of words.
    Dense(&'a str),
    /// A meaning.
    Vector(&'a [f32]),
}

impl Asked<'_> {
    /// Its name in metrics.
    pub(super) fn mode(self) -> &'static str {
        match self {
            Self::Hybrid(_) => "hybrid",
            Self::Lexical(_) => "lexical",
            Self::Dense(_) | Self::Vector(_) => "dense",
        }
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
