//! From rows to the tables: staged by COPY, compared, written, counted.

use chrono::NaiveDate;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use super::table::{Column, Follow, Table};
use crate::db::CoreTx;
use crate::error::{Error, Result};

/// Repeated lines that are named; all are counted.
const REPEATED_SHOWN: i64 = 1_000;
/// Longest statement of an import; millions of rows take longer than any request.
const STATEMENT_MAX: &str = "10min";

/// Prepares a transaction for an import; answers the latest day that has come anywhere.
pub(in crate::market) async fn prepare(tx: &CoreTx) -> Result<NaiveDate> {
    let statement = format!("SET LOCAL statement_timeout = '{STATEMENT_MAX}'");
    tx.execute_unprepared(&statement).await?;
    let clock = Statement::from_string(
        DbBackend::Postgres,
        "SELECT (now() AT TIME ZONE 'UTC' + interval '14 hours')::date",
    );
    let row = tx.query_one_raw(clock).await?.ok_or_else(|| DbErr::RecordNotFound("the clock".to_owned()))?;
    Ok(row.try_get_by_index(0)?)
}

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::market) struct Written {
    /// Not known before.
    pub new: u64,
    /// Known with other values.
    pub changed: u64,
    /// Known as they are.
    pub unchanged: u64,
    /// Left out: rows with the key of an earlier one.
    pub repeated: u64,
    /// Their lines, the first 1,000.
    pub repeated_lines: Vec<u64>,
}

/// A staging table, alive until it is written or the transaction ends.
pub(in crate::market) struct Stage<'a> {
    tx: &'a CoreTx,
    table: &'a Table,
    columns: Vec<&'static str>,
}

impl<'a> Stage<'a> {
    /// Makes it, for rows of a line number and these columns.
    pub(in crate::market) async fn begin(
        tx: &'a CoreTx,
        table: &'a Table,
        columns: &[&Column],
    ) -> Result<Self> {
        let columns: Vec<&'static str> = columns.iter().map(|column| column.name).collect();
        let statement = format!(
            "CREATE TEMP TABLE market_stage ON COMMIT DROP AS SELECT 0::bigint AS line, {} FROM {} WITH NO DATA",
            columns.join(", "),
            table.name
        );
        tx.execute_unprepared(&statement).await?;
        Ok(Self { tx, table, columns })
    }

    /// Adds rows in the form of [`crate::db::copy_text`].
    pub(in crate::market) async fn add(&self, rows: &[u8]) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let statement = format!("COPY market_stage (line, {}) FROM STDIN", self.columns.join(", "));
        self.tx.copy_in(&statement, rows).await.map(|_| ())
    }

    /// Writes what is new or differs, and tells the list of symbols.
    pub(in crate::market) async fn write(self, source: &str) -> Result<Written> {
        if !(1..=50).contains(&source.chars().count()) || source.contains('\0') {
            return Err(Error::field("source", "must have 1 to 50 characters"));
        }
        self.tx.execute_unprepared("ANALYZE market_stage").await?;
        let mut written = self.drop_repeated().await?;
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, self.sql(), [source.into()]);
        if let Some(row) = self.tx.query_one_raw(statement).await? {
            let count = |index: usize| row.try_get_by_index::<i64>(index).map(i64::unsigned_abs);
            (written.new, written.changed, written.unchanged) = (count(0)?, count(1)?, count(2)?);
        }
        if self.table.follow == Follow::Profile {
            self.tx.execute_unprepared(PROFILED).await?;
        }
        self.tx.execute_unprepared("DROP TABLE market_stage").await?;
        Ok(written)
    }

    async fn drop_repeated(&self) -> Result<Written> {
        let keys = self.table.keys().collect::<Vec<_>>().join(", ");
        let sql = format!(
            "WITH repeated AS (
                 SELECT ctid, row_number() OVER (PARTITION BY {keys} ORDER BY line) AS nth FROM market_stage
             ), dropped AS (
                 DELETE FROM market_stage AS staged USING repeated
                  WHERE staged.ctid = repeated.ctid AND repeated.nth > 1 RETURNING staged.line
             )
             SELECT line, count(*) OVER () FROM dropped ORDER BY line LIMIT {REPEATED_SHOWN}"
        );
        let mut written = Written::default();
        for row in self.tx.query_all_raw(Statement::from_string(DbBackend::Postgres, sql)).await? {
            written.repeated_lines.push(row.try_get_by_index::<i64>(0)?.unsigned_abs());
            written.repeated = row.try_get_by_index::<i64>(1)?.unsigned_abs();
        }
        Ok(written)
    }

    /// One statement compares, writes and counts. Rows are written in the order of their keys: two imports of the
    /// same rows must not wait for each other.
    fn sql(&self) -> String {
        let keys: Vec<&str> = self.table.keys().collect();
        let values: Vec<&str> =
            self.columns.iter().copied().filter(|column| !keys.contains(column)).collect();
        let of = |table: &str, columns: &[&str]| {
            columns.iter().map(|column| format!("{table}.{column}")).collect::<Vec<_>>().join(", ")
        };
        let name = self.table.name;
        let join =
            keys.iter().map(|key| format!("known.{key} = staged.{key}")).collect::<Vec<_>>().join(" AND ");
        let first_key = keys.first().copied().unwrap_or_default();
        let differs = if values.is_empty() {
            "false".to_owned()
        } else {
            format!("ROW({}) IS DISTINCT FROM ROW({})", of("known", &values), of("staged", &values))
        };
        let mut sets: Vec<String> =
            values.iter().map(|column| format!("{column} = excluded.{column}")).collect();
        sets.push("data_source = excluded.data_source".to_owned());
        if self.table.has_updated_at {
            sets.push("updated_at = now()".to_owned());
        }
        let (columns, keys, sets) = (self.columns.join(", "), keys.join(", "), sets.join(", "));
        let followed = self.followed();
        format!(
            "WITH judged AS (
                 SELECT staged.*, known.{first_key} IS NOT NULL AS is_known, {differs} AS differs
                   FROM market_stage AS staged LEFT JOIN {name} AS known ON {join}
             ), written AS (
                 INSERT INTO {name} ({columns}, data_source)
                 SELECT {columns}, $1 FROM judged WHERE NOT is_known OR differs ORDER BY {keys}
                 ON CONFLICT ({keys}) DO UPDATE SET {sets}
             ){followed}
             SELECT count(*) FILTER (WHERE NOT is_known), count(*) FILTER (WHERE is_known AND differs),
                    count(*) FILTER (WHERE is_known AND NOT differs)
               FROM judged"
        )
    }

    /// Symbols that come with prices or events are known from now on; those that somebody
    /// holds already are computed again from the first day that changed.
    fn followed(&self) -> String {
        let Follow::From(day) = self.table.follow else { return String::new() };
        format!(
            ", followed AS (
                 INSERT INTO symbol_universe AS known (symbol, asset_type, is_active, changed_from)
                 SELECT symbol,
                        CASE WHEN symbol ~ '^[A-Z]{{3}}/[A-Z]{{3}}$' THEN 'fx' WHEN symbol LIKE '^%' THEN 'index' ELSE 'equity' END,
                        false, min({day}) FILTER (WHERE NOT is_known OR differs)
                   FROM judged GROUP BY symbol ORDER BY symbol
                 ON CONFLICT ON CONSTRAINT pk_symbol_universe DO UPDATE
                    SET changed_from = least(known.changed_from, excluded.changed_from), updated_at = now()
                  WHERE excluded.changed_from IS NOT NULL
             )"
        )
    }
}

/// What profiles say of symbols. A currency that was not known makes figures change from the first price on.
const PROFILED: &str = "
INSERT INTO symbol_universe AS known (symbol, asset_type, sector, industry, currency, is_active)
SELECT symbol, CASE WHEN is_etf THEN 'etf' WHEN is_fund THEN 'fund' ELSE 'equity' END, sector, industry, currency, false
  FROM company_profiles WHERE symbol IN (SELECT symbol FROM market_stage) ORDER BY symbol
ON CONFLICT ON CONSTRAINT pk_symbol_universe DO UPDATE
   SET asset_type = CASE WHEN known.asset_type IN ('equity', 'etf', 'fund') THEN excluded.asset_type ELSE known.asset_type END,
       sector = excluded.sector, industry = excluded.industry, currency = coalesce(known.currency, excluded.currency),
       changed_from = CASE WHEN known.currency IS NULL AND excluded.currency IS NOT NULL
           THEN least(known.changed_from, (SELECT min(date) FROM market_data_cache AS price WHERE price.symbol = known.symbol))
           ELSE known.changed_from END,
       updated_at = now()
 WHERE ROW(known.sector, known.industry, known.asset_type) IS DISTINCT FROM ROW(excluded.sector, excluded.industry, excluded.asset_type)
    OR (known.currency IS NULL AND excluded.currency IS NOT NULL)
";
