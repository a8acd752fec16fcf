//! How often log-ins failed of late.

use sea_orm::entity::prelude::*;

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "login_failures")]
pub struct Model {
    /// HMAC of what is counted: an account, an address, or both.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: Vec<u8>,
    /// Failures in the window.
    pub failures: i32,
    /// Attempts being checked, which may turn out to be failures.
    pub pending: i32,
    /// When counting begins anew.
    pub window_ends_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
