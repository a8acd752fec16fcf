//! What an answer can cite, under one numbering: passages first, then figures,
//! then whatever tools bring. A number never changes within a turn.

use chrono::NaiveDate;
use serde_json::Value;
use uuid::Uuid;

use super::amounts::{Amount, amounts};
use super::figures::Figures;
use super::pieces::{self, Piece};
use crate::knowledge::Passage;
use crate::tools::{FiguresOf, Report};

/// The sources of a turn, numbered from 1.
#[derive(Debug, Default)]
pub(super) struct Sources(Vec<Source>);

/// Something that can be cited.
#[derive(Debug)]
pub(super) enum Source {
    /// A passage of a document.
    Passage(Passage),
    /// Figures of a portfolio, or prices.
    Figures(Box<FigureSource>),
}

/// Figures as they were told to the model.
#[derive(Debug)]
pub(super) struct FigureSource {
    pub(super) portfolio_id: Option<Uuid>,
    pub(super) title: String,
    pub(super) as_of: Option<NaiveDate>,
    /// The tool that told them and the id of its call; none: the prompt did.
    pub(super) call: Option<(String, String)>,
    pub(super) pieces: Vec<Piece>,
}

impl Sources {
    /// What the prompt told.
    pub(super) fn of(passages: Vec<Passage>, figures: Vec<Figures>) -> Self {
        let mut sources = Vec::with_capacity(passages.len() + figures.len());
        sources.extend(passages.into_iter().map(Source::Passage));
        sources.extend(figures.into_iter().map(|told| {
            let pieces = told.sentences.iter().map(|said| Piece::sentence(said)).collect();
            Source::Figures(Box::new(FigureSource {
                portfolio_id: Some(told.id),
                title: told.name,
                as_of: Some(told.as_of),
                call: None,
                pieces,
            }))
        }));
        Self(sources)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The source of a number.
    pub(super) fn get(&self, number: usize) -> Option<&Source> {
        self.0.get(number.checked_sub(1)?)
    }

    /// Whether any of them are figures.
    pub(super) fn has_figures(&self) -> bool {
        self.figures().next().is_some()
    }

    /// Gives what a tool found its numbers. A passage that is known keeps its own.
    pub(super) fn take(&mut self, report: &mut Report) {
        report.number(|found| self.number_of(found));
        let call = (report.name.clone(), report.id.clone());
        report.number_figures(|of, data| {
            self.0.push(Source::Figures(Box::new(told(of, data, call.clone()))));
            self.0.len()
        });
    }

    fn number_of(&mut self, found: &Passage) -> usize {
        let is_known = |source: &Source| matches!(source, Source::Passage(known) if known.document_id == found.document_id);
        if let Some(at) = self.0.iter().position(is_known) {
            return at + 1;
        }
        self.0.push(Source::Passage(found.clone()));
        self.0.len()
    }

    /// The figures that hold the amounts of a statement to the cent, by number, in the
    /// order of the amounts. An amount that several portfolios hold is of the one that
    /// the statement names, or of none; of one portfolio's sources the newest is meant.
    pub(super) fn holding(&self, statement: &str) -> Vec<usize> {
        let mut numbers = Vec::new();
        for amount in amounts(statement).iter().filter(|amount| amount.is_distinct) {
            let number = self.holder(amount, statement);
            numbers.extend(number.filter(|number| !numbers.contains(number)));
        }
        numbers
    }

    fn holder(&self, amount: &Amount, statement: &str) -> Option<usize> {
        let holding: Vec<(usize, &FigureSource)> =
            self.figures().filter(|(_, told)| pieces::hold(&told.pieces, amount)).collect();
        let newest = |named: &[(usize, &FigureSource)]| {
            let mut portfolios = named.iter().filter_map(|(_, told)| told.portfolio_id);
            let first = portfolios.next();
            let is_one = portfolios.all(|other| Some(other) == first);
            named.last().filter(|_| is_one).map(|(number, _)| *number)
        };
        newest(&holding).or_else(|| {
            let is_named =
                |told: &FigureSource| told.portfolio_id.is_some() && statement.contains(&told.title);
            let named: Vec<_> = holding.iter().copied().filter(|(_, told)| is_named(told)).collect();
            newest(&named)
        })
    }

    fn figures(&self) -> impl Iterator<Item = (usize, &FigureSource)> {
        self.0.iter().zip(1..).filter_map(|(source, number)| match source {
            Source::Figures(told) => Some((number, told.as_ref())),
            Source::Passage(_) => None,
        })
    }
}

fn told(of: &FiguresOf, data: &Value, call: (String, String)) -> FigureSource {
    FigureSource {
        portfolio_id: of.portfolio_id,
        title: of.title.clone(),
        as_of: of.as_of,
        call: Some(call),
        pieces: pieces::of(data),
    }
}
