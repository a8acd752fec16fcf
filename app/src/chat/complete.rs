//! An answer that is not stored: to messages the client keeps itself.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context as Poller, Poll};

use entity::core::message::Status;
use futures::{Stream, StreamExt, stream};

use super::answer::{self, ANSWER_BYTES_MAX};
use super::markers::{Marker, MarkerFilter};
use super::question::Question;
use super::routing::Route;
use super::sources::Sources;
use super::{citations, retrieve};
use crate::auth::CurrentUser;
use crate::conversation::CitationView;
use crate::error::Result;
use crate::llm::{ChatDelta, ChatStream, Cut, ToolCall, Usage};
use crate::persona::Pair;
use crate::state::AppState;
use crate::usage::Unstored;

/// A piece of the answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// More of its text.
    Text(String),
    /// What a marker in the text so far stands for.
    Citation(CitationView),
    /// What it took, near the end.
    Usage(Usage),
    /// It was ended early; near the end.
    Cut(Cut),
    /// The client's own tools that the model calls, at the end.
    Calls(Vec<ToolCall>),
}

/// An answer on its way. Dropped, the model is not listened to any more.
pub struct Answering(Pin<Box<dyn Stream<Item = Result<Piece>> + Send>>);

impl Stream for Answering {
    type Item = Result<Piece>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Poller<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(context)
    }
}

impl std::fmt::Debug for Answering {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Answering")
    }
}

/// Answers a client's question. What it may take is reserved first, and no
/// connection is held from then on until it is settled.
pub async fn complete(state: &AppState, user: &CurrentUser, question: Question) -> Result<Answering> {
    let (route, mut account) = Route::unstored(state, user.id, &question).await?;
    let (searched, wanted) = (question.searched(state), question.wanted(state));
    let asked = retrieve::ask(state, user.id, &searched, wanted);
    let retrieved = retrieve::retrieve(state, user, Pair::default(), asked, wanted).await;
    let request = route.ask(state, &mut account, question.request(&retrieved));
    let started = match answer::start(state, request, &searched, &retrieved, None).await {
        Ok(started) => started,
        Err(error) => {
            account.settle(Status::Failed).await;
            return Err(error.into());
        }
    };
    if let Some((model, _)) = started.switched {
        account.answers(model);
    }
    let filter = question.filter(retrieved.passages.len());
    let (text, ready) = (String::new(), VecDeque::new());
    let sources = Sources::of(retrieved.passages, retrieved.figures);
    let reading = Reading { stream: started.stream, filter, sources, text, ready, account, is_over: false };
    Ok(Answering(pieces(reading).boxed()))
}

struct Reading {
    stream: ChatStream,
    filter: MarkerFilter,
    sources: Sources,
    text: String,
    ready: VecDeque<Piece>,
    account: Unstored,
    is_over: bool,
}

fn pieces(reading: Reading) -> impl Stream<Item = Result<Piece>> + Send {
    stream::try_unfold(reading, async |mut reading| {
        let piece = reading.next().await?;
        Ok(piece.map(|piece| (piece, reading)))
    })
}

impl Reading {
    async fn next(&mut self) -> Result<Option<Piece>> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Ok(Some(piece));
            }
            if self.is_over {
                return Ok(None);
            }
            match self.stream.next().await {
                Some(Ok(delta)) => self.take(delta).await,
                Some(Err(error)) => {
                    self.account.settle(Status::Failed).await;
                    return Err(error.into());
                }
                None => self.end().await,
            }
        }
    }

    async fn take(&mut self, delta: ChatDelta) {
        match delta {
            ChatDelta::Text(text) => {
                self.account.said(&text);
                let (text, markers) = self.filter.push(&text);
                self.add(text, &markers);
                if self.text.len() > ANSWER_BYTES_MAX {
                    self.release();
                    self.ready.push_back(Piece::Cut(Cut::Length));
                    self.end().await;
                }
            }
            ChatDelta::Usage(usage) => {
                self.account.counted(usage);
                self.ready.push_back(Piece::Usage(usage));
            }
            ChatDelta::Cut(cut) => {
                self.release();
                self.ready.push_back(Piece::Cut(cut));
            }
            ChatDelta::ToolCalls(calls) => {
                self.account.called(&calls);
                self.release();
                self.ready.push_back(Piece::Calls(calls));
            }
        }
    }

    /// It is in the ledger before the client sees its end.
    async fn end(&mut self) {
        self.release();
        self.is_over = true;
        self.account.settle(Status::Complete).await;
    }

    /// What the filter held back goes out.
    fn release(&mut self) {
        let held = self.filter.finish();
        self.add(held, &[]);
    }

    fn add(&mut self, text: String, markers: &[Marker]) {
        if text.is_empty() {
            return;
        }
        self.text.push_str(&text);
        self.ready.push_back(Piece::Text(text));
        let cited = markers.iter().filter_map(|marker| citations::cite(&self.text, *marker, &self.sources));
        self.ready.extend(cited.map(Piece::Citation));
    }
}
