//! stub
#![allow(missing_docs, clippy::all)]
#[derive(Debug)]
pub struct EmbeddedServer;
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Serve,
    Command,
}
impl EmbeddedServer {
    pub async fn open(_: &crate::config::Embedded, _: Purpose) -> crate::error::Result<Self> {
        Ok(Self)
    }
    pub fn connect_options(&self, _: &str) -> sea_orm::sqlx::postgres::PgConnectOptions {
        sea_orm::sqlx::postgres::PgConnectOptions::new_without_pgpass()
    }
    pub async fn close(self) -> crate::error::Result<()> {
        Ok(())
    }
}
