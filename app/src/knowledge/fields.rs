//! Metadata as keys, so that a filter over it is answered by an index.
//!
//! Row-level security lets no index on `metadata` be used: its operator is not
//! leakproof. The index over words can be: each value of a passage's metadata,
//! with the path to it, is a key there. What contains a filter has the keys of
//! all its values; whether it does contain it, `@>` decides on those few.

use sea_orm::sea_query::extension::postgres::PgBinOper;
use sea_orm::sea_query::{Condition, Expr, ExprTrait, Query};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::db::word_index::PASSAGES;
use crate::ranking::keys;

/// Values of a passage's metadata that have a key.
const INDEXED_MAX: usize = 200;

/// The path of a passage that has more of them; it may contain any filter.
const MORE: &str = "\0more";

/// The keys of a passage's metadata.
pub(super) fn keys_of(audience: Uuid, metadata: &Value) -> Vec<i64> {
    let mut pairs = Vec::new();
    flatten(metadata, &mut String::new(), &mut pairs);
    let more = pairs.len() > INDEXED_MAX;
    pairs.truncate(INDEXED_MAX);
    let key = |(path, value): &(String, String)| keys::of_field(audience, path, value);
    pairs.iter().map(key).chain(more.then(|| keys::of_field(audience, MORE, ""))).collect()
}

/// What every passage that contains the filter meets, by the index; none for a filter without values.
pub(super) fn condition(audiences: &[Uuid], filter: &Map<String, Value>) -> Option<Condition> {
    let mut pairs = Vec::new();
    flatten_fields(filter, &mut String::new(), &mut pairs);
    if pairs.is_empty() {
        return None;
    }
    let having = pairs.iter().take(INDEXED_MAX).map(|(path, value)| {
        let either = audiences.iter().flat_map(|audience| {
            [keys::of_field(*audience, path, value), keys::of_field(*audience, MORE, "")]
        });
        Expr::col("keys").binary(PgBinOper::Overlap, Expr::val(either.collect::<Vec<i64>>()))
    });
    let ids = Query::select()
        .column(PASSAGES.text_id)
        .from(PASSAGES.words)
        .cond_where(having.fold(Condition::all(), Condition::add))
        .to_owned();
    Some(Condition::all().add(Expr::col("id").in_subquery(ids)))
}

fn flatten(value: &Value, path: &mut String, pairs: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => flatten_fields(fields, path, pairs),
        Value::Array(items) => within(path, "\0[]", |path| {
            for item in items {
                flatten(item, path, pairs);
            }
        }),
        Value::String(text) => pairs.push((path.clone(), format!("s{text}"))),
        Value::Number(number) => pairs.push((path.clone(), format!("n{}", canonical(number)))),
        Value::Bool(is_true) => pairs.push((path.clone(), is_true.to_string())),
        Value::Null => pairs.push((path.clone(), "null".to_owned())),
    }
}

fn flatten_fields(fields: &Map<String, Value>, path: &mut String, pairs: &mut Vec<(String, String)>) {
    for (name, value) in fields {
        within(path, name, |path| flatten(value, path, pairs));
    }
}

fn within(path: &mut String, name: &str, work: impl FnOnce(&mut String)) {
    let length = path.len();
    path.push('\0');
    path.push_str(name);
    work(path);
    path.truncate(length);
}

/// To Postgres 1, 1.0 and 1e0 are the same.
fn canonical(number: &serde_json::Number) -> String {
    match (number.as_i64(), number.as_u64(), number.as_f64()) {
        (Some(whole), ..) => whole.to_string(),
        (_, Some(whole), _) => whole.to_string(),
        // Also prints whole numbers without a point.
        (.., Some(real)) => format!("{real}"),
        _ => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn contains(whole: &Value, part: &Value) -> bool {
        let (whole, part) = (keys_of(Uuid::nil(), whole), keys_of(Uuid::nil(), part));
        part.iter().all(|key| whole.contains(key))
    }

    #[test]
    fn what_contains_a_filter_has_its_keys() {
        let metadata = json!({"year": 2021, "tags": ["a", "b"], "who": {"name": "ann", "age": 3.5}, "draft": false, "x": null});
        for part in [
            json!({"year": 2021.0}),
            json!({"tags": ["b"]}),
            json!({"who": {"age": 3.5}}),
            json!({"draft": false}),
            json!({"x": null}),
            json!({"tags": ["b", "a"], "who": {"name": "ann"}}),
        ] {
            assert!(contains(&metadata, &part), "{part}");
        }
        for part in [
            json!({"year": "2021"}),
            json!({"tags": "b"}),
            json!({"name": "ann"}),
            json!({"draft": true}),
            json!({"who": {"name": "a"}}),
        ] {
            assert!(!contains(&metadata, &part), "{part}");
        }
    }

    #[test]
    fn keys_are_bounded() {
        let many = json!({"n": (0..1000).collect::<Vec<_>>()});
        let keys = keys_of(Uuid::nil(), &many);
        assert_eq!(keys.len(), INDEXED_MAX + 1);
        assert!(keys.contains(&keys::of_field(Uuid::nil(), MORE, "")));
        assert!(condition(&[Uuid::nil()], &Map::new()).is_none());
    }
}
