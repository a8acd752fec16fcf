//! Values the application keeps for itself, in core.

use entity::core::setting;
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ActiveValue::Set, EntityTrait};

use super::handle::CoreConn;
use crate::error::{Error, Result};

/// The value of `key`, if there is one.
pub async fn get(core: &impl CoreConn, key: &str) -> Result<Option<serde_json::Value>> {
    Ok(setting::Entity::find_by_id(key).one(core).await?.map(|row| row.value))
}

/// Makes `value` the value of `key`, whatever it was.
pub async fn put(core: &impl CoreConn, key: &str, value: serde_json::Value) -> Result<()> {
    let row = setting::ActiveModel { key: Set(key.to_owned()), value: Set(value), ..Default::default() };
    let replace = OnConflict::column(setting::Column::Key)
        .update_column(setting::Column::Value)
        .value(setting::Column::UpdatedAt, Expr::cust("now()"))
        .to_owned();
    setting::Entity::insert(row).on_conflict(replace).exec_without_returning(core).await?;
    Ok(())
}

/// The value of `key`; if there is none, `proposed` becomes it. Whoever comes
/// first decides, so replicas agree.
pub async fn get_or_insert(
    core: &impl CoreConn,
    key: &str,
    proposed: serde_json::Value,
) -> Result<serde_json::Value> {
    if let Some(row) = setting::Entity::find_by_id(key).one(core).await? {
        return Ok(row.value);
    }
    let row = setting::ActiveModel { key: Set(key.to_owned()), value: Set(proposed), ..Default::default() };
    setting::Entity::insert(row)
        .on_conflict(OnConflict::column(setting::Column::Key).do_nothing().to_owned())
        .exec_without_returning(core)
        .await?;
    setting::Entity::find_by_id(key).one(core).await?.map(|row| row.value).ok_or(Error::NotFound("setting"))
}
