//! What imported answers cite. A file remembers words of sources, and figures of
//! portfolios, that are gone or were somebody else's: those do not come back with it.

use std::collections::{BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Utc};
use entity::ai::kb_source;
use entity::core::citation;
use entity::ids::{PortfolioId, SourceId};
use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use crate::auth::CurrentUser;
use crate::conversation::{SOURCE, living_portfolios};
use crate::db::{AiDb, CoreTx};
use crate::error::Result;
use crate::jobs::outbox;

/// Sources asked for at once.
const SOURCES_AT_ONCE: usize = 1_000;

/// Sources that can be cited, with their titles.
pub(super) type Living = HashMap<SourceId, String>;

/// The sources that are there for this user, with their titles. 503 when ai is away.
pub(super) async fn living(ai: &AiDb, user: &CurrentUser, cited: &[citation::ActiveModel]) -> Result<Living> {
    let mut living = Living::new();
    let sources = sources(cited);
    if sources.is_empty() {
        return Ok(living);
    }
    let audience = user.audience();
    let ai = ai.begin_for(&audience.reach()).await?;
    for some in sources.chunks(SOURCES_AT_ONCE) {
        let found: Vec<(SourceId, String)> = kb_source::Entity::find()
            .select_only()
            .columns([kb_source::Column::Id, kb_source::Column::Title])
            .filter(audience.condition())
            .filter(kb_source::Column::Id.is_in(some.iter().copied()))
            .into_tuple()
            .all(&ai)
            .await?;
        living.extend(found);
    }
    Ok(living)
}

/// Leaves the words of the sources and portfolios that live, under the titles they
/// have now. One whose deletion was asked for since then lives no more: until the
/// transaction ends no other is, and what it writes is seen by those that follow.
pub(super) async fn empty_others(
    core: &CoreTx,
    user: &CurrentUser,
    cited: &mut [citation::ActiveModel],
    living: &Living,
    since: DateTime<Utc>,
) -> Result<()> {
    let sources: Vec<Uuid> = living.keys().map(|id| id.0).collect();
    let gone: HashSet<Uuid> = outbox::deleted_since(core, SOURCE, &sources, user.id, since).await?;
    let portfolios = portfolios(cited);
    let portfolios = living_portfolios(core, user.id, &portfolios).await?;
    for citation in cited {
        let source = citation.source_id.try_as_ref().copied().flatten();
        let portfolio = citation.portfolio_id.try_as_ref().copied().flatten();
        let title = match (source, portfolio) {
            (Some(source), _) if !gone.contains(&source.0) => living.get(&source),
            (None, Some(portfolio)) => portfolios.get(&portfolio),
            _ => None,
        };
        // Prices are nobody's.
        let is_of_somebody = source.is_some() || portfolio.is_some();
        match title.filter(|_| citation.deleted != Set(true)) {
            Some(title) => citation.title = Set(title.clone()),
            None if is_of_somebody || citation.deleted == Set(true) => empty(citation),
            None => {}
        }
    }
    Ok(())
}

/// Takes its words. What portfolio it was of is no link: it may be somebody else's.
fn empty(citation: &mut citation::ActiveModel) {
    citation.title = Set(String::new());
    citation.quote = Set(String::new());
    citation.portfolio_id = Set(None);
    citation.deleted = Set(true);
}

fn portfolios(cited: &[citation::ActiveModel]) -> Vec<PortfolioId> {
    let ids: BTreeSet<PortfolioId> =
        cited.iter().filter_map(|citation| citation.portfolio_id.try_as_ref().copied().flatten()).collect();
    ids.into_iter().collect()
}

fn sources(cited: &[citation::ActiveModel]) -> Vec<SourceId> {
    let named = cited.iter().filter(|citation| citation.deleted != Set(true));
    let ids: BTreeSet<SourceId> =
        named.filter_map(|citation| citation.source_id.try_as_ref().copied().flatten()).collect();
    ids.into_iter().collect()
}
