//! Figures in pieces that can be quoted: the sentences of the prompt, the rows of a result.

use std::fmt::Write;

use sea_orm::prelude::Decimal;
use serde_json::{Map, Value};

use super::amounts::{Amount, amounts};
use crate::llm::extractive::best_sentence;

/// Fields that say what the others of a row are of.
const NAMING: [&str; 6] = ["symbol", "name", "sector", "code", "date", "ex_date"];
/// Pieces of a result, and values of a piece.
const PIECES_MAX: usize = 1000;
const VALUES_MAX: usize = 1000;

/// A piece of what was told.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Piece {
    /// A sentence, or what the values are of.
    about: String,
    values: Vec<Told>,
}

/// A value.
#[derive(Debug, PartialEq)]
struct Told {
    /// Its name and what it is; empty in a sentence, which says both.
    words: String,
    amount: Option<Decimal>,
}

impl Piece {
    /// A sentence with its amounts.
    pub(super) fn sentence(text: &str) -> Self {
        let values =
            amounts(text).into_iter().map(|found| Told { words: String::new(), amount: Some(found.value) });
        Self { about: text.to_owned(), values: values.collect() }
    }

    fn holds(&self, amount: &Amount) -> bool {
        self.values.iter().any(|told| told.amount.is_some_and(|value| amount.says(value)))
    }

    fn is_named_in(&self, statement: &str) -> bool {
        self.about.is_empty() || statement.contains(&self.about)
    }

    /// The piece with those of its values only.
    fn shown(&self, is_wanted: impl Fn(&Told) -> bool) -> String {
        let mut shown = self.about.clone();
        let wanted = self.values.iter().filter(|told| !told.words.is_empty() && is_wanted(told));
        for (place, told) in wanted.enumerate() {
            let between = match (place, shown.is_empty()) {
                (0, true) => "",
                (0, false) => ": ",
                _ => ", ",
            };
            shown.push_str(between);
            shown.push_str(&told.words);
        }
        shown
    }
}

/// Whether any piece holds this amount.
pub(super) fn hold(pieces: &[Piece], amount: &Amount) -> bool {
    pieces.iter().any(|piece| piece.holds(amount))
}

/// What supports a statement: the values that it gives, each with what it is of; else
/// the piece that is most like it. An amount that several pieces hold is of those that
/// the statement names, else of the first.
pub(super) fn quote(pieces: &[Piece], statement: &str) -> String {
    let said = amounts(statement);
    let mut wanted: Vec<usize> = Vec::new();
    for amount in &said {
        let holding = || (0..pieces.len()).filter(|place| pieces[*place].holds(amount));
        let mut named = holding().filter(|place| pieces[*place].is_named_in(statement)).peekable();
        if named.peek().is_some() {
            wanted.extend(named);
        } else {
            wanted.extend(holding().next());
        }
    }
    wanted.sort_unstable();
    wanted.dedup();
    let is_said = |told: &Told| told.amount.is_some_and(|value| said.iter().any(|amount| amount.says(value)));
    let shown: Vec<String> = wanted.into_iter().map(|place| pieces[place].shown(is_said)).collect();
    if !shown.is_empty() {
        return shown.join("\n");
    }
    let whole = pieces.iter().map(|piece| piece.shown(|_| true)).collect::<Vec<_>>().join("\n\n");
    let best = best_sentence(statement, &whole).map(ToOwned::to_owned);
    best.or_else(|| whole.split("\n\n").next().map(ToOwned::to_owned)).unwrap_or_default()
}

/// The pieces of a tool's result: each object with a name of its own is one.
pub(super) fn of(data: &Value) -> Vec<Piece> {
    // A result that was cut in the middle is a text.
    if let Value::String(cut) = data {
        let rows = cut.split(['{', '}']).filter(|row| row.chars().any(char::is_alphanumeric));
        return rows.take(PIECES_MAX).map(Piece::sentence).collect();
    }
    let mut pieces = Vec::new();
    row(data, "", &mut pieces);
    pieces.retain(|piece| !piece.values.is_empty());
    pieces
}

/// A value that is a piece, and those below it.
fn row(value: &Value, above: &str, pieces: &mut Vec<Piece>) {
    if pieces.len() >= PIECES_MAX {
        return;
    }
    let own = value.as_object().and_then(name);
    let about = match (above, own) {
        ("", own) => own.unwrap_or_default().to_owned(),
        (above, None) => above.to_owned(),
        (above, Some(own)) => format!("{above} {own}"),
    };
    let at = pieces.len();
    pieces.push(Piece::default());
    let (mut values, mut below) = (Vec::new(), Vec::new());
    fields(value, "", &mut values, &mut below);
    for value in below {
        row(value, &about, pieces);
    }
    pieces[at] = Piece { about, values };
}

fn name(fields: &Map<String, Value>) -> Option<&str> {
    NAMING.iter().find_map(|name| fields.get(*name)?.as_str())
}

/// The values of a piece, by their paths; `below` are pieces of their own.
fn fields<'a>(value: &'a Value, path: &str, values: &mut Vec<Told>, below: &mut Vec<&'a Value>) {
    let within = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path} {name}") };
    match value {
        Value::Object(inner) if !path.is_empty() && name(inner).is_some() => below.push(value),
        Value::Object(inner) => {
            let told = inner.iter().filter(|(name, _)| !is_of_machines(name));
            told.for_each(|(name, value)| fields(value, &within(name), values, below));
        }
        Value::Array(items) => items.iter().for_each(|item| match item {
            Value::Array(pair) => pairs(pair, path, values),
            Value::Object(_) => below.push(item),
            scalar => fields(scalar, path, values, below),
        }),
        Value::Number(number) if values.len() < VALUES_MAX => {
            let mut words = path.to_owned();
            let _ = write!(words, " {number}");
            values.push(Told { words, amount: decimal(&number.to_string()) });
        }
        Value::String(text) if values.len() < VALUES_MAX => {
            values.push(Told { words: format!("{path} {text}"), amount: None });
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A day and what was on it.
fn pairs(pair: &[Value], path: &str, values: &mut Vec<Told>) {
    if let [Value::String(day), rest @ ..] = pair {
        let path = format!("{path} {day}");
        for value in rest {
            fields(value, &path, values, &mut Vec::new());
        }
    }
}

/// Ids, and the numbers by which results are cited.
fn is_of_machines(name: &str) -> bool {
    matches!(name, "id" | "number") || name.ends_with("_id")
}

fn decimal(digits: &str) -> Option<Decimal> {
    Decimal::from_str_exact(digits).or_else(|_| Decimal::from_scientific(digits)).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn book() -> Vec<Piece> {
        of(&json!({
            "portfolio": { "id": "x", "name": "A book", "currency": "USD", "total_value": 1532.5, "cash_value": 0.0 },
            "items": [
                { "symbol": "MSFT", "quantity": -5.0, "day_pnl": 20.0, "market_value": -2000.0 },
                { "symbol": "AAPL", "quantity": 10.0, "day_pnl": 17.5, "market_value": 1032.5 },
                { "symbol": "TWIN", "quantity": 10.0, "day_pnl": 20.0, "market_value": 77.25 },
            ],
            "exposures": { "gross": { "amount": 5532.5, "of_equity": 3.61 } },
        }))
    }

    #[test]
    fn a_quote_is_the_values_that_were_said_and_what_they_are_of() {
        let pieces = book();
        for (statement, expected) in [
            ("It is worth $1,532.50.", "A book: total_value 1532.5"),
            ("TWIN brought 20.00 USD.", "TWIN: day_pnl 20.0"),
            ("The most came from one with 20.00.", "MSFT: day_pnl 20.0"),
            ("MSFT (20.00) and AAPL (+17.50) moved it", "MSFT: day_pnl 20.0\nAAPL: day_pnl 17.5"),
            ("Gross exposure is 5,532.50", "exposures gross amount 5532.5"),
            ("AAPL moved it", "AAPL: day_pnl 17.5, market_value 1032.5, quantity 10.0, symbol AAPL"),
        ] {
            assert_eq!(quote(&pieces, statement), expected, "{statement}");
        }
    }

    #[test]
    fn closes_are_told_by_their_days_and_a_cut_result_by_its_text() {
        let data = json!({ "items": [{ "symbol": "AAPL", "closes": [["2024-03-05", 101.5], ["2024-03-06", 103.25]] }] });
        assert_eq!(quote(&of(&data), "AAPL closed at 103.25."), "AAPL: closes 2024-03-06 103.25");
        let text = data.to_string();
        let cut = json!(format!("{} [truncated]", &text[..text.len() - 20]));
        assert!(quote(&of(&cut), "It closed at 101.50.").contains("[\"2024-03-05\",101.5]"));
        assert_eq!(quote(&[], "It closed at 101.50."), "");
    }

    #[test]
    fn a_sentence_is_quoted_whole() {
        let pieces = [Piece::sentence("It is worth 1532.50 USD."), Piece::sentence("It moved by 37.50 USD.")];
        assert_eq!(quote(&pieces, "It moved by $37.50"), "It moved by 37.50 USD.");
        assert_eq!(quote(&pieces, "What moved it?"), "It moved by 37.50 USD.");
    }
}
