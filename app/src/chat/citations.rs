//! From a marker in the answer to a stored citation that resolves.

use std::collections::{BTreeSet, HashSet};

use entity::core::citation::{self, CitationKind};
use entity::ids::{CitationId, MessageId, PortfolioId};
use uuid::Uuid;

use super::markers::Marker;
use super::sources::{FigureSource, Source, Sources};
use super::turn::Turn;
use super::{pieces, queries};
use crate::conversation::{self, CitationView};
use crate::db::CoreTx;
use crate::error::Result;
use crate::jobs::outbox;
use crate::knowledge::Passage;
use crate::llm::extractive::best_sentence;

/// Longest statement that is looked at to find what supports it, in bytes.
const STATEMENT_MAX: usize = 600;
/// Longest quote, in characters.
const QUOTE_MAX: usize = 500;

/// What was cited and is gone by now.
#[derive(Debug, Default)]
pub(super) struct Gone {
    sources: HashSet<Uuid>,
    portfolios: HashSet<Uuid>,
}

impl Gone {
    fn holds(&self, view: &CitationView) -> bool {
        view.source_id.is_some_and(|id| self.sources.contains(&id))
            || view.portfolio_id.is_some_and(|id| self.portfolios.contains(&id))
    }
}

/// The citation behind a marker. `text` is the answer up to and with the marker.
pub(super) fn cite(text: &str, marker: Marker, sources: &Sources) -> Option<CitationView> {
    let statement = statement(text, marker.start);
    let (cited, quote) = match sources.get(marker.index)? {
        Source::Passage(passage) => (of_passage(passage), quote(statement, &passage.whole())),
        Source::Figures(told) => (of_figures(told), pieces::quote(&told.pieces, statement)),
    };
    Some(CitationView {
        index: i32::try_from(marker.index).ok()?,
        start: i32::try_from(marker.start).ok()?,
        end: i32::try_from(marker.end).ok()?,
        quote: quote.chars().take(QUOTE_MAX).collect(),
        ..cited
    })
}

fn of_passage(passage: &Passage) -> CitationView {
    CitationView {
        kind: CitationKind::Passage,
        document_id: Some(passage.document_id.0),
        source_id: Some(passage.source_id.0),
        title: passage.title.clone(),
        page: passage.page,
        ..Default::default()
    }
}

fn of_figures(told: &FigureSource) -> CitationView {
    let (tool, tool_call_id) = told.call.clone().unzip();
    CitationView {
        kind: CitationKind::Figures,
        portfolio_id: told.portfolio_id,
        tool,
        tool_call_id,
        as_of: told.as_of,
        title: told.title.clone(),
        ..Default::default()
    }
}

/// Stores an answer's citations. Which of what is cited was deleted since the question.
pub(super) async fn store(tx: &CoreTx, turn: &Turn, cited: &[CitationView]) -> Result<Gone> {
    let sources: Vec<Uuid> = cited.iter().filter_map(|citation| citation.source_id).collect();
    let portfolios: BTreeSet<Uuid> = cited.iter().filter_map(|citation| citation.portfolio_id).collect();
    let portfolios: Vec<PortfolioId> = portfolios.into_iter().map(PortfolioId).collect();
    let living = conversation::living_portfolios(tx, turn.user.id, &portfolios).await?;
    let dead = portfolios.into_iter().filter(|id| !living.contains_key(id));
    let gone = Gone {
        sources: outbox::deleted_since(tx, conversation::SOURCE, &sources, turn.user.id, turn.asked_at)
            .await?,
        portfolios: dead.map(Uuid::from).collect(),
    };
    queries::insert_citations(tx, rows(turn.assistant_message_id, cited, &gone)).await?;
    Ok(gone)
}

/// What was deleted while it was cited leaves the turn's log too.
pub(super) async fn forget(turn: &Turn, gone: Gone) -> Result<()> {
    if gone.sources.is_empty() && gone.portfolios.is_empty() {
        return Ok(());
    }
    let tx = turn.state.core.begin().await?;
    for source in gone.sources {
        conversation::forget_source(&tx, Some(turn.user.id), source.into()).await?;
    }
    for portfolio in gone.portfolios {
        conversation::forget_portfolio(&tx, turn.user.id, portfolio.into()).await?;
    }
    tx.commit().await
}

/// Rows for the citations of an answer, in the order of its text. Those of
/// what is gone by now hold none of its words.
fn rows(message_id: MessageId, citations: &[CitationView], gone: &Gone) -> Vec<citation::ActiveModel> {
    let row = |(view, ordinal): (&CitationView, i32)| {
        let id = CitationId(Uuid::now_v7());
        if !gone.holds(view) {
            return view.row(id, message_id, ordinal);
        }
        let mut view = view.clone();
        view.forget();
        view.row(id, message_id, ordinal)
    };
    citations.iter().zip(0..).map(row).collect()
}

/// What the answer says just before the marker: back to the last sentence end
/// that has words after it.
fn statement(text: &str, marker_start: usize) -> &str {
    let end = text.char_indices().nth(marker_start).map_or(text.len(), |(at, _)| at);
    let before = without_markers(&text[..end]);
    let body = before.trim_end_matches(['.', '!', '?', '"', '\u{201d}', '*', ')']);
    let mut ends = body.rmatch_indices(['.', '!', '?', '\n']);
    // A point between digits ends nothing.
    let is_end =
        |(at, mark): &(usize, &str)| *mark == "\n" || body[at + 1..].starts_with(char::is_whitespace);
    let begin = ends.find(is_end).map_or(0, |(at, _)| at + 1);
    let statement = before[begin..].trim();
    let skip = statement.len().saturating_sub(STATEMENT_MAX);
    &statement[statement.ceil_char_boundary(skip)..]
}

/// A text without the markers and the space at its end.
fn without_markers(text: &str) -> &str {
    let mut text = text.trim_end();
    while let Some(open) = text.strip_suffix(']').and_then(|inner| inner.rfind('[')) {
        if !text[open + 1..text.len() - 1].bytes().all(|byte| byte.is_ascii_digit()) {
            break;
        }
        text = text[..open].trim_end();
    }
    text
}

fn quote(statement: &str, passage: &str) -> String {
    best_sentence(statement, passage).unwrap_or(passage).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_the_sentence_before_its_marker() {
        for (text, expected) in [
            ("One. Two is 12.50 USD [1]", "Two is 12.50 USD"),
            ("One. Two is 12.50 [1]", "Two is 12.50"),
            ("One. Two is 12.50. [2][1]", "Two is 12.50."),
            ("One [3].\nTwo [1]", "Two"),
            ("[1]", ""),
        ] {
            let start = text.chars().count() - 3;
            assert_eq!(statement(text, start), expected, "{text}");
        }
        let long = "ü".repeat(1000) + " [1]";
        assert_eq!(statement(&long, 1001).len(), STATEMENT_MAX);
    }
}
