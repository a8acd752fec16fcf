//! `tandem doctor recall`

use clap::Args;

use super::{output, with_state};
use crate::config::Settings;
use crate::db::space;
use crate::error::{Error, Result};
use crate::spaces;
use crate::state::AppState;

/// Doctor recall.
#[derive(Debug, Args)]
pub(super) struct Recall {
    /// Searches a class
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    samples: u32,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
}

impl Recall {
    pub(super) async fn run(self, settings: Settings) -> Result<()> {
        with_state(settings, async |state: &AppState| {
            let active = state.spaces.active().await?;
            let classes = spaces::recall(state, self.samples).await?;
            let name = space::named(active.space.embedder.space());
            if self.json {
                output::json(&serde_json::json!({ "space": name, "classes": classes }))?;
            } else {
                output::line(&name)?;
                for class in &classes {
                    let found = match class.recall {
                        Some(recall) => format!("recall@10 {recall:.4} over {} searches", class.samples),
                        None => "no audience and scope of this share".to_owned(),
                    };
                    output::line(&format!("{:<16} {:<11} {found}", class.table, class.class))?;
                }
            }
            let least = f64::from(state.settings.spaces.recall_min);
            match classes.iter().find(|class| class.recall.is_some_and(|recall| recall < least)) {
                None => Ok(()),
                Some(low) => Err(Error::startup(
                    format!("recall@10 of {} ({}) is below {least}", low.table, low.class),
                    "raise knowledge.hnsw_ef_search or memory.hnsw_ef_search, or REINDEX INDEX CONCURRENTLY its index",
                )),
            }
        })
        .await
    }
}
