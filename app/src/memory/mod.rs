#![allow(missing_docs, dead_code, unused)]
//! stub
use crate::{auth::*, error::*, state::*};
use entity::ids::*;
#[derive(Clone, Debug)]
pub struct Recollection { pub id: MemoryId, pub content: String, pub similarity: f64 }
pub async fn recall(_: &AppState, _: &Audience, _: &[f32], _: u64) -> Result<Vec<Recollection>> { Ok(vec![]) }
pub async fn remember(_: &AppState, _: &CurrentUser, _: &str, _: MessageId) -> Result<MemoryId> { Err(Error::NotFound("x")) }
pub fn remember_request(_: &str) -> Option<String> { None }
