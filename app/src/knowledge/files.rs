//! From an uploaded file, or an address, to a source's text, as the first step of its ingestion.

use bytes::Bytes;
use url::Url;

use super::chunk::Passage;
use super::ingest::check;
use super::jobs::Item;
use super::source::TITLE_CHARS_MAX;
use super::{outline, queries};
use crate::error::{Context, Error, Result};
use crate::jobs::JobContext;
use crate::parse::{self, Document, FileType, Hints, Outcome};
use crate::state::AppState;
use crate::web::fetch::{self, Failure};

/// Fetches and parses the files among the items, one after the other. A file
/// that cannot be read fails its own source, with a sentence that says why. An
/// address that may answer later is what is returned: the job is to run again.
pub(super) async fn parse(state: &AppState, context: &JobContext, items: &[Item]) -> Result<Option<Error>> {
    let mut later = None;
    for item in queries::start_files(&state.ai, context.run, items).await? {
        let Some(file) = queries::file(&state.ai, item).await? else { continue };
        let given = match &file.url {
            Some(url) => fetched(state, context, url).await?,
            None => Ok((named(&file.media_type)?, Bytes::from(file.bytes))),
        };
        let (kind, bytes) = match given {
            Ok(given) => given,
            Err(Failure::Passing(why)) if !context.is_last_attempt => {
                later = Some(Error::Unavailable { code: "source_unreachable", detail: why, source: None });
                continue;
            }
            Err(Failure::Refused(why) | Failure::Passing(why)) => {
                check(context)?;
                queries::refuse_file(&state.ai, context.run, item, &why).await?;
                continue;
            }
        };
        match parse::run(&state.settings.files, &state.slots, kind, bytes, &context.cancelled).await? {
            Outcome::Read(document) => {
                let (document, title) = titled(kind, document, file.titled).await?;
                check(context)?;
                queries::store_parsed(&state.ai, context.run, item, kind, document, title).await?;
            }
            Outcome::Refused(why) => queries::refuse_file(&state.ai, context.run, item, &why).await?,
        }
    }
    Ok(later)
}

fn named(media_type: &str) -> Result<FileType> {
    FileType::named(media_type)
        .ok_or_else(|| Error::internal("reading a file", format!("no parser for {media_type}")))
}

/// What an address holds, and how it is to be read.
async fn fetched(
    state: &AppState,
    context: &JobContext,
    address: &str,
) -> Result<Result<(FileType, Bytes), Failure>> {
    let url = Url::parse(address).context("reading a stored address")?;
    let fetching = fetch::fetch(&url, &state.settings.files);
    let Some(answer) = context.cancelled.run_until_cancelled(fetching).await else {
        return Err(Error::conflict("stopped", "the process stops; the address is fetched later"));
    };
    Ok(answer.and_then(|answer| {
        let content_type = answer.content_type.as_deref();
        // Servers know pages better than their addresses do, but call much else plain text.
        let told = content_type.and_then(FileType::named).filter(|kind| *kind != FileType::Text);
        let hints = Hints {
            media_type: told.map(FileType::as_str),
            file_name: answer.file_name.as_deref(),
            content_type,
        };
        let kind = FileType::detect(hints, &answer.bytes).ok_or_else(|| {
            let called = content_type.unwrap_or("content of no type");
            Failure::Refused(format!("the address answers with {called}, which cannot be read"))
        })?;
        Ok((kind, answer.bytes))
    }))
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
