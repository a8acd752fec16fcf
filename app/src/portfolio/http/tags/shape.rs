//! Tags as they are asked for and answered.

use chrono::{DateTime, Utc};
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::auth::Change;
use crate::portfolio::tags::Known;
use crate::web::{Cursor, page, text};

const DESCRIPTION_CHARACTERS: usize = 1000;

/// A tag to be.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateTag {
    /// 1 to 50 characters; each of your tags in use has another, whatever the case.
    #[garde(length(chars, max = 50), custom(text::not_blank))]
    #[schema(min_length = 1, max_length = 50)]
    pub name: String,
    /// `#` and six hexadecimal digits.
    #[garde(custom(is_color))]
    #[serde(default = "blue")]
    #[schema(default = "#4A90E2", pattern = "^#[0-9A-Fa-f]{6}$")]
    pub color: String,
    /// At most 1,000 characters.
    #[garde(length(chars, max = DESCRIPTION_CHARACTERS), inner(custom(text::no_nul)))]
    #[schema(max_length = 1000)]
    pub description: Option<String>,
    /// Lower comes first where tags are shown.
    #[garde(range(min = -1_000_000, max = 1_000_000))]
    #[serde(default)]
    #[schema(default = 0)]
    pub display_order: i32,
}

/// What to change in a tag; what is absent stays.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeTag {
    /// 1 to 50 characters.
    #[garde(length(chars, max = 50), inner(custom(text::not_blank)))]
    #[schema(min_length = 1, max_length = 50)]
    pub name: Option<String>,
    /// `#` and six hexadecimal digits.
    #[garde(inner(custom(is_color)))]
    #[schema(pattern = "^#[0-9A-Fa-f]{6}$")]
    pub color: Option<String>,
    /// At most 1,000 characters; null takes it away.
    #[garde(custom(is_description))]
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 1000)]
    pub description: Change<String>,
    /// Lower comes first.
    #[garde(inner(range(min = -1_000_000, max = 1_000_000)))]
    pub display_order: Option<i32>,
}

/// In use or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TagStatus {
    /// In use.
    #[default]
    Active,
    /// Archived.
    Archived,
    /// Both.
    All,
}

/// Which tags to list.
#[derive(Clone, Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TagQuery {
    /// Rows a page, 1 to 200.
    #[garde(range(min = 1, max = page::LIMIT_MAX))]
    #[serde(default = "page::limit_default")]
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: u64,
    /// `next_cursor` of the page before.
    #[garde(skip)]
    #[serde(default)]
    #[param(value_type = Option<String>)]
    pub cursor: Option<Cursor>,
    /// `active`, `archived` or `all`.
    #[garde(skip)]
    #[serde(default)]
    #[param(inline, default = "active")]
    pub status: TagStatus,
}

/// A tag.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Tag {
    /// Key.
    id: Uuid,
    /// What it says.
    name: String,
    /// `#` and six hexadecimal digits.
    color: String,
    /// What it means.
    description: Option<String>,
    /// Lower comes first.
    display_order: i32,
    /// When it was archived; null: it is in use.
    archived_at: Option<DateTime<Utc>>,
    /// How many positions have it.
    positions: i64,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// When it last changed.
    updated_at: DateTime<Utc>,
}

/// The usual tags.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DefaultTags {
    /// Those in use.
    items: Vec<Tag>,
}

impl From<Vec<Known>> for DefaultTags {
    fn from(known: Vec<Known>) -> Self {
        Self { items: known.into_iter().map(Tag::from).collect() }
    }
}

impl From<Known> for Tag {
    fn from(known: Known) -> Self {
        let Known { row, positions } = known;
        Self {
            id: row.id.0,
            name: row.name,
            color: row.color,
            description: row.description,
            display_order: row.display_order,
            archived_at: row.archived_at,
            positions,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

fn blue() -> String {
    "#4A90E2".to_owned()
}

fn is_color<T: AsRef<str>, C>(given: &T, _: &C) -> garde::Result {
    let digits = given.as_ref().strip_prefix('#').unwrap_or_default();
    if digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(());
    }
    Err(garde::Error::new("must be # and six hexadecimal digits"))
}

fn is_description<C>(change: &Change<String>, _: &C) -> garde::Result {
    let Change::Set(text) = change else { return Ok(()) };
    if text.chars().count() > DESCRIPTION_CHARACTERS {
        return Err(garde::Error::new(format!("must have at most {DESCRIPTION_CHARACTERS} characters")));
    }
    text::no_nul(text, &())
}
