//! `tandem ask`

use clap::Args;

use super::{output, users, with_state};
use crate::chat;
use crate::config::Settings;
use crate::error::{Error, Result};
use crate::state::AppState;
use crate::web::live::Entry;

/// Ask.
#[derive(Debug, Args)]
pub(super) struct Ask {
    /// The question
    question: String,
    /// Ask as this user; otherwise as the oldest active one
    #[arg(long = "as", value_name = "EMAIL")]
    email: Option<String>,
    /// Print events as JSON, one a line
    #[arg(long)]
    json: bool,
}

impl Ask {
    pub(super) async fn run(self, settings: Settings) -> Result<()> {
        with_state(settings, async |state: &AppState| {
            let user = users::find_or_oldest(&state.core, self.email.as_deref()).await?;
            let mut events = chat::ask(state, &user, self.question.clone()).await?;
            let mut sources = Sources::default();
            while let Some(event) = events.next().await {
                if self.json {
                    let line =
                        serde_json::json!({ "id": event.seq, "event": event.event, "data": *event.data });
                    output::line(&line.to_string())?;
                } else {
                    show(&event, &mut sources)?;
                }
                if event.event == "error" {
                    let detail = event.data["detail"].as_str().unwrap_or("the turn failed").to_owned();
                    return Err(Error::Upstream { code: "turn_failed", detail });
                }
            }
            Ok(())
        })
        .await
    }
}

/// What is cited, in the order of the numbers.
#[derive(Debug, Default)]
struct Sources(std::collections::BTreeMap<i64, (String, String)>);

fn show(event: &Entry, sources: &mut Sources) -> Result<()> {
    let text = |field: &str| event.data[field].as_str().unwrap_or_default().to_owned();
    match event.event.as_str() {
        "token" => output::write(&text("delta")),
        "citation" => {
            let number = event.data["index"].as_i64().unwrap_or_default();
            let page = event.data["page"].as_i64().map(|page| format!(", page {page}")).unwrap_or_default();
            let day = event.data["as_of"].as_str().map(|day| format!(", {day}")).unwrap_or_default();
            sources.0.entry(number).or_insert_with(|| (text("title") + &page + &day, text("quote")));
            Ok(())
        }
        "done" => {
            output::line("")?;
            if !sources.0.is_empty() {
                output::line("\nSources")?;
            }
            for (number, (title, quote)) in &sources.0 {
                output::line(&format!("  [{number}] {title}\n      \"{quote}\""))?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}
