//! Vectors for rows that lack them.

use entity::ids::SpaceId;
use uuid::Uuid;

use crate::db::space::{self, Lease, Place, Space, TABLES, fill, fill::Row, spec_of};
use crate::error::{Error, Result};
use crate::knowledge;
use crate::llm::{EmbedKind, Embedder, ModelError};
use crate::state::AppState;
use crate::usage;

/// Rows embedded and written at once; a process that dies loses no more.
const BATCH: usize = 100;

/// What the model reads of a row.
pub(super) fn text_of(state: &AppState, embedder: &dyn Embedder, table: &str, row: &Row) -> String {
    if table == "ai_memories" {
        return row.content.clone();
    }
    knowledge::text_of(&state.settings.knowledge, embedder, row)
}

/// Fills a space until no row lacks its vector, rows that its model refuses aside:
/// those are an error that names one. Under a lease, it stops when that is lost.
pub async fn missing(state: &AppState, id: SpaceId, lease: Option<&Lease>) -> Result<()> {
    let row = space::find(&state.ai, id).await?;
    let embedder = state.spaces.model(spec_of(&row)).await?;
    let filling = Filling {
        state,
        place: Place::of(row.status),
        space: Space { id, embedder },
        lease: lease.map(|lease| lease.owner),
    };
    for table in TABLES {
        filling.table(table).await?;
    }
    Ok(())
}

struct Filling<'a> {
    state: &'a AppState,
    place: Place,
    space: Space,
    lease: Option<Uuid>,
}

impl Filling<'_> {
    /// Goes through a table until a whole round finds nothing new to do.
    async fn table(&self, table: &'static str) -> Result<()> {
        let ai = &self.state.ai;
        loop {
            let (mut after, mut written, mut refused) = (Uuid::nil(), 0_usize, None);
            loop {
                let rows = fill::lacking(ai, table, self.place, after, BATCH).await?;
                let Some(last) = rows.last() else { break };
                after = last.id;
                let Batch { vectors, tokens, refusal } = self.embed(table, rows).await?;
                refused = refusal.or(refused);
                written += vectors.len();
                let target = (self.place, self.space.id, self.space.embedder.space().dimensions);
                if !fill::write(ai, table, target, self.lease, (vectors, tokens)).await? {
                    return Err(Error::conflict(
                        "lease_lost",
                        "another process goes on with this space, or it has ended",
                    ));
                }
            }
            match refused {
                Some(refusal) => return Err(refusal),
                None if written == 0 => return Ok(()),
                None => {}
            }
        }
    }

    /// Embeds rows together; if the model refuses them, one by one, to find those at fault.
    async fn embed(&self, table: &str, rows: Vec<Row>) -> Result<Batch> {
        let embedder = self.space.embedder.as_ref();
        let texts: Vec<String> = rows.iter().map(|row| text_of(self.state, embedder, table, row)).collect();
        match self.call(texts.clone()).await {
            Ok((vectors, tokens)) => {
                return Ok(Batch { vectors: rows.into_iter().zip(vectors).collect(), tokens, refusal: None });
            }
            Err(error) if error.is_retryable() => return Err(error.into()),
            Err(_) => {}
        }
        let mut batch = Batch { vectors: Vec::new(), tokens: 0, refusal: None };
        for (row, text) in rows.into_iter().zip(texts) {
            match self.call(vec![text]).await {
                Ok((mut vectors, tokens)) => {
                    batch.tokens += tokens;
                    batch.vectors.extend(vectors.pop().map(|vector| (row, vector)));
                }
                Err(error) if error.is_retryable() => return Err(error.into()),
                Err(error) => {
                    let detail = format!("row {} of {table}: {error}", row.id);
                    batch.refusal = Some(Error::Upstream { code: "text_refused", detail });
                }
            }
        }
        Ok(batch)
    }

    async fn call(&self, texts: Vec<String>) -> Result<(Vec<Vec<f32>>, u64), ModelError> {
        let wanted = texts.len();
        let made =
            usage::embed(self.state, self.space.embedder.as_ref(), None, EmbedKind::Passage, texts).await?;
        if made.vectors.len() == wanted {
            return Ok((made.vectors, made.tokens));
        }
        let detail = format!("{} vectors came back for {wanted} texts", made.vectors.len());
        Err(ModelError::Malformed { detail })
    }
}

struct Batch {
    vectors: Vec<(Row, Vec<f32>)>,
    tokens: u64,
    /// Why a row got none, if one did not.
    refusal: Option<Error>,
}
