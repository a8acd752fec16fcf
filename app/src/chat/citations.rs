//! From a marker in the answer to a stored citation that resolves.

use std::collections::HashSet;

use entity::core::citation;
use entity::ids::{CitationId, MessageId};
use sea_orm::ActiveValue::Set;
use uuid::Uuid;

use super::markers::Marker;
use super::queries;
use super::turn::Turn;
use crate::conversation::{self, CitationView};
use crate::db::CoreTx;
use crate::error::Result;
use crate::jobs::outbox;
use crate::knowledge::Passage;
use crate::llm::extractive::best_sentence;

/// Longest statement that is looked at to find the supporting sentence, in characters.
const STATEMENT_MAX: usize = 600;
/// Longest quote, in characters.
const QUOTE_MAX: usize = 500;

/// The citation behind a marker. `text` is the answer up to and with the marker.
pub(super) fn cite(text: &str, marker: Marker, passages: &[Passage]) -> Option<CitationView> {
    let passage = passages.get(marker.index - 1)?;
    Some(CitationView {
        index: i32::try_from(marker.index).ok()?,
        document_id: passage.document_id.0,
        source_id: passage.source_id.0,
        title: passage.title.clone(),
        page: passage.page,
        start: i32::try_from(marker.start).ok()?,
        end: i32::try_from(marker.end).ok()?,
        quote: quote(&statement(text, marker.start), &passage.content),
        deleted: false,
    })
}

/// Stores an answer's citations. Which of the cited sources were deleted since
/// the question.
pub(super) async fn store(tx: &CoreTx, turn: &Turn, cited: &[CitationView]) -> Result<HashSet<Uuid>> {
    let sources: Vec<Uuid> = cited.iter().map(|citation| citation.source_id).collect();
    let gone = outbox::deleted_since(tx, conversation::SOURCE, &sources, turn.user.id, turn.asked_at).await?;
    queries::insert_citations(tx, rows(turn.assistant_message_id, cited, &gone)).await?;
    Ok(gone)
}

/// Sources that were deleted while they were cited leave the turn's log too.
pub(super) async fn forget(turn: &Turn, gone: HashSet<Uuid>) -> Result<()> {
    if gone.is_empty() {
        return Ok(());
    }
    let tx = turn.state.core.begin().await?;
    for source in gone {
        conversation::forget_source(&tx, Some(turn.user.id), source.into()).await?;
    }
    tx.commit().await
}

/// Rows for the citations of an answer, in the order of its text. Those of
/// sources that are gone by now hold none of their words.
fn rows(
    message_id: MessageId,
    citations: &[CitationView],
    gone: &HashSet<Uuid>,
) -> Vec<citation::ActiveModel> {
    let words = |view: &CitationView, words: &str| {
        if gone.contains(&view.source_id) { String::new() } else { words.to_owned() }
    };
    citations
        .iter()
        .zip(0..)
        .map(|(view, ordinal)| citation::ActiveModel {
            id: Set(CitationId(Uuid::now_v7())),
            message_id: Set(message_id),
            ordinal: Set(ordinal),
            index: Set(view.index),
            document_id: Set(view.document_id.into()),
            source_id: Set(view.source_id.into()),
            title: Set(words(view, &view.title)),
            page: Set(view.page),
            quote: Set(words(view, &view.quote)),
            deleted: Set(gone.contains(&view.source_id)),
            span_start: Set(view.start),
            span_end: Set(view.end),
            ..Default::default()
        })
        .collect()
}

/// What the answer says just before the marker: back to the last sentence end
/// that has words after it.
fn statement(text: &str, marker_start: usize) -> String {
    let before: String = text.chars().take(marker_start).collect();
    let before =
        before.trim_end_matches(|c: char| c == ']' || c == '[' || c.is_ascii_digit() || c.is_whitespace());
    let body = before.trim_end_matches(['.', '!', '?', '"', '\u{201d}']);
    let begin = body.rfind(['.', '!', '?', '\n']).map_or(0, |at| at + 1);
    let statement: Vec<char> = before[begin..].trim().chars().collect();
    let skip = statement.len().saturating_sub(STATEMENT_MAX);
    statement[skip..].iter().collect()
}

fn quote(statement: &str, passage: &str) -> String {
    let sentence = best_sentence(statement, passage).unwrap_or(passage).trim();
    sentence.chars().take(QUOTE_MAX).collect()
}
