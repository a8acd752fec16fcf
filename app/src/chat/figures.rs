//! What a turn knows of the user's portfolios before any tool is called: a few
//! sentences of figures, from the services that the routes use.

use chrono::NaiveDate;
use sea_orm::prelude::Decimal;
use serde_json::{Value, json};
use uuid::Uuid;

use super::turn::Turn;
use crate::analytics::views::{Holding, View, holdings, movers, views};
use crate::error::Result;
use crate::web::Money;

/// Tokens that they take of a prompt together, about; what goes beyond is not told.
pub(super) const TOKENS_MAX: usize = 2500;
/// Portfolios that a turn is told of; tools tell of the others.
const PORTFOLIOS_MAX: usize = 3;
/// Positions that are named.
const NAMED: usize = 3;

/// A portfolio in a few sentences.
#[derive(Clone, Debug)]
pub(super) struct Figures {
    pub(super) id: Uuid,
    pub(super) name: String,
    pub(super) as_of: NaiveDate,
    total_value: Decimal,
    currency: String,
    pub(super) sentences: Vec<String>,
}

impl Figures {
    /// For the `context` event, with the number by which they are cited.
    pub(super) fn shown(&self, index: usize) -> Value {
        let Self { id, name, as_of, total_value, currency, .. } = self;
        json!({ "index": index, "id": id, "name": name, "as_of": as_of, "total_value": Money(*total_value), "currency": currency })
    }
}

/// The user's portfolios, oldest first. Never fails: a turn goes on without them.
pub(super) async fn of(turn: &Turn) -> Vec<Figures> {
    if !turn.has_portfolio || turn.brought.is_some() {
        return Vec::new();
    }
    let deadline = turn.state.settings.chat.retrieval_deadline();
    match tokio::time::timeout(deadline, read(turn)).await {
        Ok(Ok(figures)) => figures,
        Ok(Err(error)) => {
            tracing::warn!(%error, "answering without portfolios");
            Vec::new()
        }
        Err(_) => {
            tracing::warn!("answering without portfolios: the deadline passed");
            Vec::new()
        }
    }
}

async fn read(turn: &Turn) -> Result<Vec<Figures>> {
    let core = &turn.state.core;
    let mut read = Vec::new();
    for view in views(core, turn.user.id, None, None).await?.iter().take(PORTFOLIOS_MAX) {
        read.push(told(view, holdings(core, view).await?));
    }
    Ok(read)
}

fn told(view: &View, holdings: Vec<Holding>) -> Figures {
    let (row, standing) = (&view.row, &view.standing);
    let as_of = view.priced_on.unwrap_or(view.book.day);
    let sum = |amount: Decimal| format!("{amount:.2} {}", row.currency);
    let mut sentences = vec![
        format!("The portfolio {} is worth {} as of {as_of}.", row.name, sum(standing.total_value)),
        format!(
            "Its positions have a value of {}, and its cash is {}.",
            sum(standing.exposures.net()),
            sum(standing.cash_value)
        ),
        format!(
            "Its profit and loss (P&L) since the beginning is {}, of which {} is unrealised and {} realised.",
            sum(standing.cumulative_pnl),
            sum(standing.exposures.unrealized_pnl),
            sum(standing.cumulative.realized)
        ),
    ];
    let largest = holdings.iter().filter_map(|holding| named(holding, holding.market_value));
    let largest: Vec<String> = largest.take(NAMED).collect();
    if !largest.is_empty() {
        sentences.push(format!("Its largest positions by value are {}.", largest.join(", ")));
    }
    let day = view.book.positions.iter().filter_map(|valued| view.day_pnl(valued)).sum();
    let moved: Vec<String> =
        movers(holdings, NAMED).iter().filter_map(|holding| named(holding, holding.day_pnl)).collect();
    if !moved.is_empty() {
        // In an order that a small model repeats without confusing the two.
        let movers = moved.join(", ");
        sentences.push(format!("It was moved most by {movers}: by {} in all on {as_of}.", sum(day)));
    }
    Figures {
        id: row.id.0,
        name: row.name.clone(),
        as_of,
        total_value: standing.total_value,
        currency: row.currency.clone(),
        sentences,
    }
}

fn named(holding: &Holding, amount: Option<Money>) -> Option<String> {
    amount.map(|amount| format!("{} ({:.2})", holding.symbol, amount.0))
}
