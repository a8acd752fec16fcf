//! Values the application keeps for itself, in core.

use entity::core::setting;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, EntityTrait};

use super::handle::CoreConn;
use crate::error::{Error, Result};

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
