//! The inverted index over words, for every table with texts.
//!
//! A table of texts has one beside it that holds the words of each as numbers
//! ([`crate::ranking::keys`]), under a GIN index, and two with counts. Here are the
//! statements over them; what the numbers mean is the callers' business.
//!
//! A search reads the texts of the rarest words first, and a bounded number of
//! them: a word that most texts have brings none by itself.

use std::collections::HashMap;

use sea_orm::sea_query::extension::postgres::{PgBinOper, PgFunc};
use sea_orm::sea_query::{Alias, Condition, Expr, ExprTrait, Order, Query, SelectStatement};
use sea_orm::{ConnectionTrait, DbBackend, QueryResult, Statement};
use uuid::Uuid;

use super::copy_text::Row;
use super::handle::{AiConn, AiTx};
use crate::error::Result;
use crate::ranking::keys::Stored;

/// The tables of one index.
#[derive(Clone, Copy, Debug)]
pub struct WordIndex {
    /// The texts: a table with `id`.
    pub texts: &'static str,
    /// Their words.
    pub words: &'static str,
    /// The column of `words` that names a text.
    pub text_id: &'static str,
    /// Counts, and changes of them.
    pub counts: &'static str,
    /// See `counts`.
    pub changes: &'static str,
}

/// Of passages.
pub const PASSAGES: WordIndex = WordIndex {
    texts: "ai_kb_documents",
    words: "ai_kb_words",
    text_id: "document_id",
    counts: "ai_kb_word_counts",
    changes: "ai_kb_word_changes",
};

/// Changes folded into counts by one transaction.
const FOLDED_MAX: i64 = 50_000;

/// What texts a search by words reads, without scanning tables: the planner
/// cannot know how few texts a hash stands for.
pub const BY_INDEX: &str =
    "; SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off";

/// How often a key occurs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Texts that have it.
    pub texts: i64,
    /// Words of those texts.
    pub words: i64,
}

/// A text's words.
#[derive(Clone, Debug)]
pub struct Words {
    /// The text.
    pub id: Uuid,
    /// Its words in their order; none when they are not indexed yet.
    pub sequence: Option<Vec<u8>>,
    /// The words of its labels.
    pub labels: Option<Vec<u8>>,
}

/// A text's row to be.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The text.
    pub id: Uuid,
    /// Its words.
    pub words: Stored,
    /// The words of its labels; nothing is found by them.
    pub labels: Stored,
    /// By which rules they were made.
    pub version: i16,
}

impl WordIndex {
    /// Writes the rows of texts that have none.
    pub async fn insert(&self, ai: &AiTx, entries: &[Entry]) -> Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        let mut rows = Vec::new();
        for entry in entries {
            Row::on(&mut rows)
                .put(entry.id)
                .put(entry.words.keys.as_slice())
                .put(entry.words.sequence.as_slice())
                .put(entry.labels.sequence.as_slice())
                .put(entry.version)
                .end();
        }
        let Self { words, text_id, .. } = self;
        let statement = format!("COPY {words} ({text_id}, keys, sequence, labels, version) FROM STDIN");
        ai.copy_in(&statement, &rows).await?;
        Ok(())
    }

    /// How often keys occur; those that never do are left out.
    pub async fn counts(&self, ai: &impl AiConn, keys: Vec<i64>) -> Result<HashMap<i64, Count>> {
        let Self { counts, changes, .. } = self;
        let sql = format!(
            "SELECT key, sum(passages)::bigint AS texts, sum(words)::bigint AS words
               FROM (SELECT key, passages, words FROM {counts} WHERE key = ANY ($1)
                     UNION ALL
                     SELECT key, passages, words FROM {changes} WHERE key = ANY ($1)) AS counted
              GROUP BY key"
        );
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [keys.into()]);
        let rows = ai.query_all_raw(statement).await?;
        rows.iter()
            .map(|row| {
                let count = Count { texts: row.try_get("", "texts")?, words: row.try_get("", "words")? };
                Ok((row.try_get("", "key")?, count))
            })
            .collect()
    }

    /// At most `limit` texts that have one of the keys; with a filter, those that pass it.
    /// Without one nothing but the keys says whose texts these are (they are made of the
    /// audience too), and a text's own row is not looked at.
    pub async fn having_any(
        &self,
        ai: &impl AiConn,
        keys: Vec<i64>,
        filter: Option<Condition>,
        limit: u64,
    ) -> Result<Vec<Words>> {
        let has_any = self.column("keys").binary(PgBinOper::Overlap, Expr::val(keys));
        let mut select = match filter {
            Some(filter) => self.joined(filter),
            None => self.selected(self.column(self.text_id)).from(self.words).to_owned(),
        };
        select.and_where(has_any).limit(limit);
        self.read(ai, &select).await
    }

    /// At most `limit` texts that pass the filter, with or without words.
    pub async fn all(&self, ai: &impl AiConn, filter: Condition, limit: u64) -> Result<Vec<Words>> {
        let select = self
            .selected(self.text())
            .from(self.texts)
            .left_join(self.words, self.text().equals((Alias::new(self.words), Alias::new(self.text_id))))
            .cond_where(filter)
            .limit(limit)
            .to_owned();
        self.read(ai, &select).await
    }

    /// The words of these texts, of those that pass the filter.
    pub async fn of(&self, ai: &impl AiConn, ids: Vec<Uuid>, filter: Condition) -> Result<Vec<Words>> {
        let mut select = self.joined(filter);
        select.and_where(self.column(self.text_id).eq(PgFunc::any(ids)));
        self.read(ai, &select).await
    }

    fn joined(&self, filter: Condition) -> SelectStatement {
        self.selected(self.column(self.text_id))
            .from(self.words)
            .inner_join(self.texts, self.text().equals((Alias::new(self.words), Alias::new(self.text_id))))
            .cond_where(filter)
            .to_owned()
    }

    /// The columns of [`Words`], in their order.
    fn selected(&self, id: Expr) -> SelectStatement {
        Query::select().expr(id).expr(self.column("sequence")).expr(self.column("labels")).to_owned()
    }

    fn text(&self) -> Expr {
        Expr::col((Alias::new(self.texts), Alias::new("id")))
    }

    fn column(&self, name: &'static str) -> Expr {
        Expr::col((Alias::new(self.words), Alias::new(name)))
    }

    async fn read(&self, ai: &impl AiConn, select: &SelectStatement) -> Result<Vec<Words>> {
        let rows = ai.query_all(select).await?;
        let words = |row: &QueryResult| {
            let (id, sequence, labels) = row.try_get_many_by_index()?;
            Ok(Words { id, sequence, labels })
        };
        rows.iter().map(words).collect()
    }

    /// Texts whose words are missing or made by other rules, and removes the latter.
    pub async fn take_missing(&self, ai: &AiTx, version: i16, limit: u64) -> Result<Vec<Uuid>> {
        let current = Query::select()
            .expr(Expr::val(1))
            .from(self.words)
            .and_where(self.column(self.text_id).eq(self.text()))
            .and_where(self.column("version").eq(version))
            .to_owned();
        let select = Query::select()
            .expr_as(self.text(), "id")
            .from(self.texts)
            .and_where(Expr::exists(current).not())
            .order_by_expr(self.text(), Order::Asc)
            .limit(limit)
            .to_owned();
        let ids: Vec<Uuid> =
            ai.query_all(&select).await?.iter().map(|row| row.try_get("", "id")).collect::<Result<_, _>>()?;
        if !ids.is_empty() {
            let old = Query::delete()
                .from_table(self.words)
                .and_where(Expr::col(self.text_id).is_in(ids.iter().copied()))
                .to_owned();
            ai.execute(&old).await?;
        }
        Ok(ids)
    }

    /// Folds changes into counts; how many. One process at a time.
    pub async fn fold(&self, ai: &AiTx) -> Result<u64> {
        let Self { counts, changes, .. } = self;
        let lock = Statement::from_sql_and_values(
            DbBackend::Postgres,
            "SELECT pg_try_advisory_xact_lock(hashtext($1)) AS got",
            [changes.to_owned().into()],
        );
        let got = ai.query_one_raw(lock).await?.map(|row| row.try_get::<bool>("", "got")).transpose()?;
        if got != Some(true) {
            return Ok(0);
        }
        let sql = format!(
            "WITH folded AS (
                 DELETE FROM {changes} WHERE id IN (SELECT id FROM {changes} ORDER BY id LIMIT $1)
                 RETURNING key, passages, words),
             summed AS (
                 SELECT key, sum(passages) AS passages, sum(words) AS words FROM folded GROUP BY key),
             counted AS (
                 INSERT INTO {counts} AS c (key, passages, words)
                 SELECT key, passages, words FROM summed
                 ON CONFLICT (key) DO UPDATE SET passages = c.passages + excluded.passages, words = c.words + excluded.words)
             SELECT count(*) AS folded FROM folded"
        );
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [FOLDED_MAX.into()]);
        let row = ai.query_one_raw(statement).await?;
        let folded: i64 = row.map(|row| row.try_get("", "folded")).transpose()?.unwrap_or(0);
        if folded > 0 {
            // Words that no text has any more.
            ai.execute_unprepared(&format!("DELETE FROM {counts} WHERE passages = 0")).await?;
        }
        Ok(folded.unsigned_abs())
    }
}
