//! From the bytes of a file to what it says. Nothing here knows a database.

use super::activities;
use super::cells::Style;
use super::date::{self, Order};
use super::field::Field;
use super::format::{self, Known};
use super::holdings;
use super::issue::{Code, Issue};
use super::number::{self, Mark};
use super::reading::{Options, Reading};
use super::table::{self, Table};

/// Reads a file. Whatever is in it, this ends with a reading.
pub fn read(bytes: &[u8], options: &Options) -> Reading {
    match parts(bytes, options) {
        Ok((table, known)) => rows(&table, &known, options),
        Err(issue) => Reading::refused(issue),
    }
}

fn parts(bytes: &[u8], options: &Options) -> Result<(Table, Known), Issue> {
    let table = table::read(bytes)?;
    let known = if options.mapping.is_empty() {
        format::detect(&table, options.format)?
    } else {
        format::mapped(&table, &options.mapping)?
    };
    let needs: &[&[Field]] = if known.columns.has(Field::Activity) {
        &[&[Field::Date], &[Field::Quantity, Field::Amount]]
    } else {
        &[
            &[Field::Symbol, Field::UnderlyingSymbol],
            &[Field::Quantity],
            &[Field::EntryPrice, Field::CostBasis, Field::MarketPrice],
        ]
    };
    let is_there = |group: &&&[Field]| group.iter().any(|field| known.columns.has(*field));
    if let Some(missing) = needs.iter().find(|group| !is_there(group)).and_then(|group| group.first()) {
        let message = format!("no column means {}", missing.name());
        return Err(Issue::file(Code::MissingColumn, message));
    }
    Ok((table, known))
}

fn rows(table: &Table, known: &Known, options: &Options) -> Reading {
    let style = style(table, known, options);
    let mut reading = if known.format.has_activities() || known.columns.has(Field::Activity) {
        activities::read(table, known, style)
    } else {
        holdings::read(table, known, style, options)
    };
    if reading.rows == 0 {
        reading.errors.push(Issue::file(Code::Empty, "the file has a heading and no rows"));
    }
    reading.format = Some(known.format);
    reading.columns = known.columns.pairs().collect();
    reading.unused_columns.clone_from(&known.columns.unknown);
    reading.errors.sort_by_key(|issue| issue.line);
    reading.notes.sort_by_key(|issue| issue.line);
    reading
}

fn style(table: &Table, known: &Known, options: &Options) -> Style {
    let cells = |places: Vec<usize>| {
        let rows = table.rows.iter().skip(known.heading + 1);
        rows.flat_map(move |row| places.clone().into_iter().filter_map(|place| row.cells.get(place)))
            .map(String::as_str)
    };
    let numbers = cells(known.columns.places(Field::is_number));
    let dates = cells(known.columns.places(Field::is_date));
    let american = known.format.is_american();
    // Where cells stand between semicolons, commas may stand in numbers.
    let silent = (table.is_json || table.delimiter != b';').then_some(Mark::Point);
    let mark = if american || table.is_json { Some(Mark::Point) } else { number::mark_of(numbers, silent) };
    let told = || date::order_of(dates).or(american.then_some(Order::MonthFirst));
    Style { mark, order: options.order.or_else(told), today: options.today }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;
    use entity::core::position::{InvestmentClass, PositionType};

    use super::*;
    use crate::portfolio::import::format::Format;
    use crate::portfolio::import::reading::{Close, Lot};

    fn options() -> Options {
        Options {
            format: None,
            mapping: Vec::new(),
            order: None,
            entry_date: None,
            today: NaiveDate::from_ymd_opt(2026, 11, 21).unwrap(),
        }
    }

    fn checked(text: &str) -> Reading {
        let reading = read(text.as_bytes(), &options());
        let counted = reading.used + reading.rejected + reading.noted;
        assert_eq!(counted, reading.rows, "every row is in one count: {reading:#?}");
        reading
    }

    fn brief(lot: &Lot) -> String {
        let close = |close: &Close| format!(" -{}@{} {}", close.quantity, close.price, close.date);
        let closes = lot.closes.iter().map(close).collect::<Vec<_>>().concat();
        let date = if lot.is_dated { lot.entry_date.to_string() } else { "undated".to_owned() };
        format!("{} {:?} {}@{} {date}{closes}", lot.symbol, lot.position_type, lot.quantity, lot.entry_price)
    }

    fn briefs(reading: &Reading) -> Vec<String> {
        reading.lots.iter().map(brief).collect()
    }

    #[test]
    fn the_template_tells_shares_options_private_assets_and_closed_lots() {
        let reading = checked(
            "symbol,quantity,entry_price,entry_date,class,subtype,underlying,strike,expiry,option_type,exit_date,exit_price\n\
             AAPL,100,150.25,2024-01-05,PUBLIC,STOCK,,,,,,\n\
             TSLA,-20,240,2024-01-05,,,,,,,,\n\
             NVDA,2,12.5,2024-01-05,OPTIONS,,NVDA,500,2027-01-15,CALL,,\n\
             SPY261218P00400000,-1,8,2024-01-05,,,,,,,,\n\
             HOUSE,1,500000,2020-05-01,PRIVATE,REAL_ESTATE,,,,,,\n\
             MSFT,10,300,2023-01-05,PUBLIC,,,,,,2024-02-01,400\n",
        );
        assert!(reading.errors.is_empty(), "{:#?}", reading.errors);
        assert_eq!(
            briefs(&reading),
            [
                "AAPL Long 100@150.25 2024-01-05",
                "TSLA Short -20@240 2024-01-05",
                "NVDA270115C00500000 LongCall 2@12.5 2024-01-05",
                "SPY261218P00400000 ShortPut -1@8 2024-01-05",
                "HOUSE Long 1@500000 2020-05-01",
                "MSFT Long 10@300 2023-01-05 -10@400 2024-02-01",
            ]
        );
        assert_eq!(reading.lots[4].class, InvestmentClass::Private);
        assert_eq!(reading.lots[2].multiplier, 100.into());
        assert_eq!(reading.format, Some(Format::Template));
    }

    #[test]
    fn a_european_file_decides_marks_and_order() {
        let reading = checked(
            "Symbol;Quantity;Entry Price;Entry Date\nSAP;1.000;12,5;03/04/2024\nBMW;2;80,00;31/12/2023\n",
        );
        assert_eq!(briefs(&reading), ["SAP Long 1000@12.5 2024-04-03", "BMW Long 2@80 2023-12-31"]);
        let open = checked("Symbol;Quantity;Entry Price;Entry Date\nSAP;1.000;12;03/04/2024\n");
        let codes: Vec<Code> = open.errors.iter().map(|issue| issue.code).collect();
        assert_eq!(codes, [Code::AmbiguousNumber, Code::AmbiguousDate]);
    }

    #[test]
    fn sales_close_the_oldest_lots_first_also_after_a_split() {
        let reading = checked(
            "date,symbol,quantity,activityType,unitPrice,currency,fee,amount\n\
             2024-01-02,NVDA,10,BUY,100,USD,1,\n\
             2024-02-01,NVDA,5,BUY,120,USD,1.5,\n\
             2024-03-01,NVDA,0,SPLIT,0,USD,0,10\n\
             2024-04-01,NVDA,120,SELL,13,USD,0,\n\
             2024-04-02,NVDA,31,SELL,13,USD,0,\n\
             2024-04-03,$CASH-USD,1,DEPOSIT,1,USD,0,500.00\n\
             2024-04-03,$CASH-USD,1,WITHDRAWAL,1,USD,0,20\n\
             2024-04-03,NVDA,1,DIVIDEND,2,USD,0,2\n\
             2024-04-03,NVDA,1,CONJURE,2,USD,0,2\n",
        );
        assert_eq!(
            briefs(&reading),
            [
                "NVDA Long 10@100 2024-01-02 -10@130 2024-04-01",
                "NVDA Long 5@120 2024-02-01 -2@130 2024-04-01",
            ]
        );
        let codes: Vec<(Option<u64>, Code)> =
            reading.errors.iter().map(|issue| (issue.line, issue.code)).collect();
        assert_eq!(codes, [(Some(6), Code::NotHeld), (Some(10), Code::UnknownActivity)]);
        let flows: Vec<String> = reading.flows.iter().map(|flow| flow.amount.to_string()).collect();
        assert_eq!(flows, ["500", "-20"]);
        assert!(reading.notes.iter().any(|note| note.code == Code::Fees && note.message.contains("2.5")));
    }

    #[test]
    fn options_are_opened_closed_and_expire() {
        let reading = checked(
            "\"Activity Date\",\"Process Date\",\"Settle Date\",\"Instrument\",\"Description\",\"Trans Code\",\"Quantity\",\"Price\",\"Amount\"\n\
             \"3/22/2024\",\"3/22/2024\",\"3/22/2024\",\"SPY\",\"Option Expiration for SPY 3/20/2024 Put $480.00\",\"OEXP\",\"1S\",\"\",\"\"\n\
             \"3/3/2024\",\"3/3/2024\",\"3/5/2024\",\"SPY\",\"SPY 3/20/2024 Call $580.00\",\"STC\",\"2\",\"$4.25\",\"$850.00\"\n\
             \"3/2/2024\",\"3/2/2024\",\"3/5/2024\",\"SPY\",\"SPY 3/20/2024 Put $480.00\",\"STO\",\"1\",\"$2.00\",\"$200.00\"\n\
             \"3/1/2024\",\"3/1/2024\",\"3/5/2024\",\"SPY\",\"SPY 3/20/2024 Call $580.00\",\"BTO\",\"3\",\"$4.00\",\"($1,200.00)\"\n\
             \"2/1/2024\",\"2/1/2024\",\"2/1/2024\",\"\",\"ACH Deposit\",\"ACH\",\"\",\"\",\"$5,000.00\"\n\
             \"The data provided is for informational purposes only.\"\n",
        );
        assert_eq!(
            briefs(&reading),
            [
                "SPY240320P00480000 ShortPut -1@2 2024-03-02 -1@0 2024-03-22",
                "SPY240320C00580000 LongCall 3@4 2024-03-01 -2@4.25 2024-03-03",
            ]
        );
        assert_eq!((reading.flows.len(), reading.errors.len()), (1, 0), "{:#?}", reading.errors);
    }

    #[test]
    fn a_mapping_says_what_columns_mean() {
        let mapping = [
            ("Wertpapier", Field::Symbol),
            ("Stück", Field::Quantity),
            ("Einstand gesamt", Field::CostBasis),
        ];
        let mapping = mapping.map(|(name, field)| (name.to_owned(), field)).to_vec();
        let text = "Depot 1\nWertpapier;Stück;Einstand gesamt;Farbe\nSAP;4;1.000,00;rot\n";
        let reading = read(text.as_bytes(), &Options { mapping: mapping.clone(), ..options() });
        assert_eq!(briefs(&reading), ["SAP Long 4@250 undated"]);
        assert_eq!(reading.unused_columns, ["Farbe"]);
        let other = read(b"a;b\n1;2\n", &Options { mapping, ..options() });
        assert_eq!(other.errors[0].code, Code::MissingColumn);
    }

    /// No bytes make it panic or lose a row.
    #[test]
    fn anything_ends_with_a_reading() {
        let head = "symbol,quantity,entry_price,entry_date,strike,expiry,option_type,underlying,exit_date,exit_price\n";
        let pieces = [
            "AAPL",
            "-",
            "",
            "1e9",
            "\"",
            "999999999999",
            "0.00000001",
            "2024-02-30",
            "03/04/05",
            ",",
            "\n",
            "PUT",
            "é",
            "(1)",
            "'",
            "\u{0}",
            "=",
        ];
        let mut seed = 7_u64;
        for _ in 0..2000 {
            let mut text = head.to_owned();
            for _ in 0..40 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                text.push_str(pieces[usize::try_from(seed >> 33).unwrap() % pieces.len()]);
            }
            let reading = read(text.as_bytes(), &options());
            assert_eq!(reading.used + reading.rejected + reading.noted, reading.rows, "{text}");
            assert_eq!(reading.lots.len(), reading.used);
            assert!(
                reading
                    .lots
                    .iter()
                    .all(|lot| lot.position_type == PositionType::Long || lot.quantity != 0.into())
            );
        }
    }
}
