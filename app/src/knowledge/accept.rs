//! Taking texts in: what changed is stored and queued, what did not is skipped.
//!
//! The rows are written in ai first, then one job for all of them in core. A
//! crash in between leaves queued rows without a job; `sweep` finds them.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

use entity::ai::kb_source::{self, Status};
use entity::ids::{JobId, SourceId, UserId};
use sea_orm::ActiveValue::Set;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::delete;
use super::ids::{self, Hash, Parts};
use super::jobs::{self, Item, Payload};
use super::queries;
use super::source::{FileContent, Offer};
use crate::auth::require_account;
use crate::db::Reach;
use crate::error::{Context, Result};
use crate::state::AppState;

/// Most texts taken in at once.
pub const BATCH_MAX: usize = 500;

/// Why nothing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Skipped {
    /// The same text is there already, or on its way.
    Unchanged,
    /// The text is blank.
    Empty,
    /// A later item of the same batch has the same id and another text.
    Superseded,
}

/// What became of an offered text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Its source; none when the text is blank.
    pub id: Option<SourceId>,
    /// How far the source is; none when there is none, or when it waits for another text.
    pub status: Option<Status>,
    /// Why nothing was done.
    pub skipped: Option<Skipped>,
    /// The job that ingests it.
    pub job_id: Option<JobId>,
}

/// Stores what is new and queues its ingestion. Answers in the order of
/// `offers`, of which there are at most [`BATCH_MAX`]. Where two have the same
/// id the last one counts.
pub async fn accept(state: &AppState, asked_by: Option<UserId>, offers: Vec<Offer>) -> Result<Vec<Accepted>> {
    // Hashing large files is no work for the async threads.
    let plan = tokio::task::spawn_blocking(move || Plan::of(offers));
    let mut plan = plan.await.context("looking at texts")?;
    let stored = store(state, &mut plan).await?;
    let job_id = enqueue(state, asked_by, &stored).await?;
    Ok(plan.outcomes(&stored, job_id))
}

/// What is to be done with each offer.
struct Plan {
    verdicts: Vec<Verdict>,
    candidates: HashMap<SourceId, Candidate>,
    /// Sources that are there already, with their state.
    unchanged: HashMap<SourceId, (Status, Option<JobId>)>,
}

enum Verdict {
    Empty,
    Superseded(SourceId),
    Repeated(SourceId),
    Candidate(SourceId),
}

struct Candidate {
    position: usize,
    hash: Hash,
    offer: Offer,
}

impl Plan {
    fn of(offers: Vec<Offer>) -> Self {
        let mut plan = Self {
            verdicts: Vec::with_capacity(offers.len()),
            candidates: HashMap::with_capacity(offers.len()),
            unchanged: HashMap::new(),
        };
        for offer in offers {
            plan.add(offer);
        }
        plan
    }

    fn add(&mut self, offer: Offer) {
        if offer.file.is_none() && offer.input.text.trim().is_empty() {
            self.verdicts.push(Verdict::Empty);
            return;
        }
        let (id, hash) = identity(&offer);
        let candidate = Candidate { position: self.verdicts.len(), hash, offer };
        match self.candidates.entry(id) {
            Entry::Occupied(earlier) if earlier.get().hash == hash => {
                self.verdicts.push(Verdict::Repeated(id));
                return;
            }
            Entry::Occupied(mut earlier) => {
                self.verdicts[earlier.get().position] = Verdict::Superseded(id);
                earlier.insert(candidate);
            }
            Entry::Vacant(place) => {
                place.insert(candidate);
            }
        }
        self.verdicts.push(Verdict::Candidate(id));
    }

    fn outcomes(&self, stored: &[Item], job_id: Option<JobId>) -> Vec<Accepted> {
        let queued: HashMap<SourceId, i64> = stored.iter().map(|item| (item.id, item.generation)).collect();
        let now = |id: &SourceId| match self.unchanged.get(id) {
            Some((status, job_id)) => (*status, *job_id),
            None => (Status::Queued, queued.contains_key(id).then_some(job_id).flatten()),
        };
        let accepted = |id: SourceId, skipped: Option<Skipped>| {
            let (status, job_id) = now(&id);
            Accepted { id: Some(id), status: Some(status), skipped, job_id }
        };
        let outcome = |verdict: &Verdict| match *verdict {
            Verdict::Empty => {
                Accepted { id: None, status: None, skipped: Some(Skipped::Empty), job_id: None }
            }
            Verdict::Superseded(id) => {
                Accepted { id: Some(id), status: None, skipped: Some(Skipped::Superseded), job_id: None }
            }
            Verdict::Repeated(id) => accepted(id, Some(Skipped::Unchanged)),
            Verdict::Candidate(id) => accepted(id, (!queued.contains_key(&id)).then_some(Skipped::Unchanged)),
        };
        self.verdicts.iter().map(outcome).collect()
    }
}

fn identity(offer: &Offer) -> (SourceId, Hash) {
    // What an address holds may have changed: it never is what it was.
    let fresh = offer.url().map(|_| Uuid::now_v7().into_bytes());
    let parts = Parts {
        audience: offer.ownership.audience(),
        external_id: offer.input.external_id.as_deref(),
        scope: &offer.scope,
        title: &offer.input.title,
        media_type: offer.media_type(),
        metadata: &offer.input.metadata,
        content: fresh.as_ref().map_or_else(|| offer.content(), |fresh| &fresh[..]),
        url: offer.url(),
    };
    (ids::source(&parts), ids::content_hash(&parts))
}

/// Writes what changed, in one transaction.
async fn store(state: &AppState, plan: &mut Plan) -> Result<Vec<Item>> {
    if plan.candidates.is_empty() {
        return Ok(Vec::new());
    }
    let aggregates: Vec<_> = plan.candidates.keys().map(|id| delete::aggregate(*id)).collect();
    // What is to be deleted of them goes first: what is made now comes after it.
    state.outbox.drain(&aggregates).await?;
    let owners: BTreeSet<UserId> =
        plan.candidates.values().filter_map(|candidate| candidate.offer.ownership.owner_id).collect();
    let audiences = plan.candidates.values().map(|candidate| candidate.offer.ownership.audience());
    let transaction = state.ai.begin_for(&Reach::default().and_writing(audiences)).await?;
    for owner in owners {
        require_account(&transaction, owner).await?;
    }
    let ids: Vec<SourceId> = plan.candidates.keys().copied().collect();
    for known in queries::lock_known(&transaction, &ids).await? {
        let same =
            plan.candidates.get(&known.id).is_some_and(|candidate| candidate.hash == known.content_hash[..]);
        if same && known.status != Status::Failed {
            plan.unchanged.insert(known.id, (known.status, known.job_id));
        }
    }
    let mut rows = Vec::with_capacity(ids.len() - plan.unchanged.len());
    let mut files = HashMap::new();
    for (id, candidate) in plan.candidates.drain() {
        if !plan.unchanged.contains_key(&id) {
            let audience = candidate.offer.ownership.audience();
            let (row, file) = row(id, candidate);
            rows.push(row);
            files.extend(file.map(|file| (id, (audience, file))));
        }
    }
    let stored = queries::upsert(&transaction, rows).await?;
    queries::replace_files(&transaction, &stored, files).await?;
    transaction.commit().await?;
    Ok(stored)
}

/// A source, and the file it waits for.
fn row(id: SourceId, candidate: Candidate) -> (kb_source::ActiveModel, Option<FileContent>) {
    let media_type = candidate.offer.media_type();
    let Offer { ownership, scope, input, file } = candidate.offer;
    let row = kb_source::ActiveModel {
        id: Set(id),
        owner_id: Set(ownership.owner_id),
        tenant_id: Set(ownership.tenant_id),
        external_id: Set(input.external_id),
        scope: Set(scope),
        title: Set(input.title),
        media_type: Set(media_type.to_owned()),
        content: Set(input.text),
        content_hash: Set(candidate.hash.to_vec()),
        metadata: Set(Value::Object(input.metadata)),
        url: Set(file.as_ref().and_then(|file| file.url.clone())),
        status: Set(Status::Queued),
        ..Default::default()
    };
    (row, file)
}

async fn enqueue(state: &AppState, asked_by: Option<UserId>, stored: &[Item]) -> Result<Option<JobId>> {
    if stored.is_empty() {
        return Ok(None);
    }
    let payload = Payload { items: stored.to_vec(), round: 0 };
    Ok(Some(jobs::enqueue(state, asked_by, payload).await?))
}
