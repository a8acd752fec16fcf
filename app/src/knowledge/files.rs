//! From an uploaded file to a source's text, as the first step of its ingestion.

use super::chunk::Passage;
use super::ingest::check;
use super::jobs::Item;
use super::source::TITLE_CHARS_MAX;
use super::{outline, queries};
use crate::error::{Context, Error, Result};
use crate::jobs::JobContext;
use crate::parse::{self, Document, FileType, Outcome};
use crate::state::AppState;

/// Parses the files among the items, one after the other. A file that cannot
/// be read fails its own source, with a sentence that says why.
pub(super) async fn parse(state: &AppState, context: &JobContext, items: &[Item]) -> Result<()> {
    for item in queries::start_files(&state.ai, context.run, items).await? {
        let Some(file) = queries::file(&state.ai, item).await? else { continue };
        let kind = FileType::named(&file.media_type)
            .ok_or_else(|| Error::internal("reading a file", format!("no parser for {}", file.media_type)))?;
        let (settings, bytes) = (&state.settings.files, file.bytes.into());
        match parse::run(settings, &state.slots, kind, bytes, &context.cancelled).await? {
            Outcome::Read(document) => {
                let (document, title) = titled(kind, document, file.titled).await?;
                check(context)?;
                queries::store_parsed(&state.ai, context.run, item, document, title).await?;
            }
            Outcome::Refused(why) => queries::refuse_file(&state.ai, context.run, item, &why).await?,
        }
    }
    Ok(())
}

/// What a document calls itself, unless the sender said what it is called.
async fn titled(kind: FileType, document: Document, by_sender: bool) -> Result<(Document, Option<String>)> {
    if by_sender {
        return Ok((document, None));
    }
    let look = move || {
        let heading = (kind == FileType::Markdown).then(|| outline::title(&document.text)).flatten();
        let title = document.title.clone().or(heading);
        (document, title.map(|title| title.chars().take(TITLE_CHARS_MAX).collect()))
    };
    tokio::task::spawn_blocking(look).await.context("looking for a title")
}

/// The page on which each passage begins, by where the pages begin in the text.
pub(super) fn pages_of(pages: Option<&serde_json::Value>, passages: &[Passage]) -> Vec<Option<i32>> {
    let starts: Vec<u64> = pages
        .and_then(serde_json::Value::as_array)
        .map(|starts| starts.iter().filter_map(serde_json::Value::as_u64).collect())
        .unwrap_or_default();
    let page = |passage: &Passage| {
        let blank = passage.content.chars().take_while(|letter| letter.is_whitespace()).count();
        let first = (passage.char_start + blank) as u64;
        i32::try_from(starts.partition_point(|start| *start <= first)).ok().filter(|page| *page > 0)
    };
    passages.iter().map(page).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passage(char_start: usize, content: &str) -> Passage {
        Passage {
            heading_path: String::new(),
            content: content.to_owned(),
            char_start,
            char_end: char_start + content.chars().count(),
            embedded: String::new(),
            tokens: 1,
        }
    }

    #[test]
    fn a_passage_is_on_the_page_on_which_it_begins() {
        // The second page is empty.
        let pages = serde_json::json!([0, 10, 10, 30]);
        let passages =
            [passage(0, "a"), passage(9, "\nb"), passage(12, "c to the next page"), passage(40, "d")];
        assert_eq!(pages_of(Some(&pages), &passages), [Some(1), Some(3), Some(3), Some(4)]);
        assert_eq!(pages_of(None, &passages[..1]), [None]);
    }
}
