//! Transactions.
//!
//! The ORM's own begin with a bare `BEGIN`; what a transaction on ai says of
//! itself would be another round trip before its first statement. This one
//! begins with all of it at once.

use std::marker::PhantomData;

use sea_orm::sqlx::postgres::PgRow;
use sea_orm::sqlx::query::Query;
use sea_orm::sqlx::{self, AssertSqlSafe, Executor, PgPool, Postgres};
use sea_orm::{
    ConnAcquireErr, ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement, Values,
};
use sea_query_sqlx::SqlxValues;
use tokio::sync::Mutex;

/// A transaction on the database `M`. Dropped without [`Tx::commit`], it rolls back.
#[derive(Debug)]
pub struct Tx<M> {
    transaction: Mutex<sqlx::Transaction<'static, Postgres>>,
    marker: PhantomData<M>,
}

impl<M> Tx<M> {
    /// Begins, and executes `first`, which may be empty, in the same round trip.
    pub(super) async fn begin(pool: &PgPool, first: &str) -> Result<Self, DbErr> {
        let transaction = pool.begin_with(AssertSqlSafe(format!("BEGIN; {first}"))).await;
        Ok(Self { transaction: Mutex::new(transaction.map_err(not_begun)?), marker: PhantomData })
    }

    /// Makes everything done in it last.
    pub async fn commit(self) -> crate::error::Result<()> {
        Ok(self.transaction.into_inner().commit().await.map_err(not_queried)?)
    }
}

#[sea_orm_migration::async_trait::async_trait]
impl<M: Send + Sync> ConnectionTrait for Tx<M> {
    fn get_database_backend(&self) -> DbBackend {
        DbBackend::Postgres
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let connection = &mut **self.transaction.lock().await;
        connection.execute(query(statement)).await.map(Into::into).map_err(not_executed)
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let connection = &mut **self.transaction.lock().await;
        connection.execute(AssertSqlSafe(sql.to_owned())).await.map(Into::into).map_err(not_executed)
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let connection = &mut **self.transaction.lock().await;
        let row = connection.fetch_optional(query(statement)).await.map_err(not_queried)?;
        Ok(row.map(Into::into))
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let connection = &mut **self.transaction.lock().await;
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
        // A connection was had, and what it begins with was refused: 22, 42 and 25 are the statement's own classes.
        sqlx::Error::Database(ref refused)
            if refused
                .code()
                .is_some_and(|code| ["22", "25", "42"].iter().any(|class| code.starts_with(class))) =>
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
