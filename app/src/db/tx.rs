//! Transactions.
//!
//! The ORM's own begin with a bare `BEGIN`; what a transaction on ai says of
//! itself would be another round trip before its first statement. This one
//! begins with all of it at once. It can also take rows by COPY, which the ORM
//! cannot.

use std::marker::PhantomData;

use bytes::Bytes;
use sea_orm::sqlx::postgres::PgRow;
use sea_orm::sqlx::query::Query;
use sea_orm::sqlx::{self, AssertSqlSafe, Executor, PgConnection, PgPool, Postgres};
use sea_orm::{
    ConnAcquireErr, ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement, Values,
};
use sea_query_sqlx::SqlxValues;
use tokio::sync::Mutex;

type Transaction = sqlx::Transaction<'static, Postgres>;

/// Bytes of a message of COPY: large enough for few messages, small enough for the driver's buffer.
const COPY_PIECE: usize = 64 * 1024;

/// A transaction on the database `M`. Dropped without [`Tx::commit`], it rolls back.
#[derive(Debug)]
pub struct Tx<M> {
    /// None once a COPY was given up halfway: nothing may follow.
    transaction: Mutex<Option<Transaction>>,
    marker: PhantomData<M>,
}

impl<M> Tx<M> {
    /// Begins, and executes `first`, which may be empty, in the same round trip.
    pub(super) async fn begin(pool: &PgPool, first: &str) -> Result<Self, DbErr> {
        Self::begin_if(pool, "", first).await
    }

    /// The same after a `condition`, a statement with its semicolon that may refuse. It is part of
    /// the transaction; as it comes before `BEGIN`, a refusal leaves the connection with none.
    pub(super) async fn begin_if(pool: &PgPool, condition: &str, first: &str) -> Result<Self, DbErr> {
        let transaction = pool.begin_with(AssertSqlSafe(format!("{condition}BEGIN; {first}"))).await;
        Ok(Self { transaction: Mutex::new(Some(transaction.map_err(not_begun)?)), marker: PhantomData })
    }

    /// Makes everything done in it last.
    pub async fn commit(self) -> crate::error::Result<()> {
        let transaction = self.transaction.into_inner().ok_or_else(given_up)?;
        Ok(transaction.commit().await.map_err(not_queried)?)
    }

    /// Writes rows by `COPY t (a, b) FROM STDIN`, in its text format (see
    /// [`super::copy_text`]), and answers how many there were. As any statement that
    /// fails, a COPY that fails ends the transaction.
    ///
    /// The driver must hear the server's last word on a COPY, or the connection answers
    /// the next one with it. So this runs to its end also when the caller goes away.
    pub async fn copy_in(&self, statement: &str, rows: &[u8]) -> crate::error::Result<u64> {
        let mut place = self.transaction.lock().await;
        let transaction = place.take().ok_or_else(given_up)?;
        let work = copy(transaction, statement.to_owned(), Bytes::copy_from_slice(rows));
        #[expect(clippy::disallowed_methods, reason = "bounded by the server's time limit of a statement")]
        let (transaction, copied) = tokio::spawn(work).await.map_err(|_| given_up())?;
        *place = Some(transaction);
        Ok(copied.map_err(not_executed)?)
    }
}

async fn copy(
    mut transaction: Transaction,
    statement: String,
    rows: Bytes,
) -> (Transaction, Result<u64, sqlx::Error>) {
    let copied = async {
        let mut copy = transaction.copy_in_raw(&statement).await?;
        for piece in rows.chunks(COPY_PIECE) {
            copy.send(piece).await?;
        }
        copy.finish().await
    }
    .await;
    (transaction, copied)
}

fn open(transaction: &mut Option<Transaction>) -> Result<&mut PgConnection, DbErr> {
    transaction.as_deref_mut().ok_or_else(given_up)
}

fn given_up() -> DbErr {
    DbErr::Conn(RuntimeErr::Internal("a COPY of this transaction was given up".to_owned()))
}

#[sea_orm_migration::async_trait::async_trait]
impl<M: Send + Sync> ConnectionTrait for Tx<M> {
    fn get_database_backend(&self) -> DbBackend {
        DbBackend::Postgres
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let mut transaction = self.transaction.lock().await;
        let connection = open(&mut transaction)?;
        connection.execute(query(statement)).await.map(Into::into).map_err(not_executed)
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let mut transaction = self.transaction.lock().await;
        let connection = open(&mut transaction)?;
        connection.execute(AssertSqlSafe(sql.to_owned())).await.map(Into::into).map_err(not_executed)
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let mut transaction = self.transaction.lock().await;
        let connection = open(&mut transaction)?;
        let row = connection.fetch_optional(query(statement)).await.map_err(not_queried)?;
        Ok(row.map(Into::into))
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let mut transaction = self.transaction.lock().await;
        let connection = open(&mut transaction)?;
        let rows: Vec<PgRow> = connection.fetch_all(query(statement)).await.map_err(not_queried)?;
        Ok(rows.into_iter().map(Into::into).collect())
    }
}

fn query(statement: Statement) -> Query<'static, Postgres, SqlxValues> {
    let values = statement.values.unwrap_or(Values(Vec::new()));
    sqlx::query_with(AssertSqlSafe(statement.sql), SqlxValues(values))
}

fn not_begun(error: sqlx::Error) -> DbErr {
    match error {
        sqlx::Error::PoolTimedOut => DbErr::ConnectionAcquire(ConnAcquireErr::Timeout),
        sqlx::Error::PoolClosed => DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed),
        // A connection was had, and what it begins with was refused: 22, 42 and 25 are the statement's own
        // classes, TS says that a vector is of another space.
        sqlx::Error::Database(ref refused)
            if refused
                .code()
                .is_some_and(|code| ["22", "25", "42", "TS"].iter().any(|class| code.starts_with(class))) =>
        {
            not_queried(error)
        }
        error => DbErr::Conn(RuntimeErr::SqlxError(error.into())),
    }
}

fn not_executed(error: sqlx::Error) -> DbErr {
    DbErr::Exec(RuntimeErr::SqlxError(error.into()))
}

fn not_queried(error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(error.into()))
}
