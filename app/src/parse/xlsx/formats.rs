//! How numbers are shown: many are dates, and only their format says so.

use std::collections::HashMap;

use chrono::{Days, NaiveDate, NaiveTime};

use crate::parse::Refused;
use crate::parse::archive::Archive;
use crate::parse::xml::{Node, Xml};

/// Days are counted up to the end of the year 9999.
const DAYS_MAX: f64 = 2_958_466.0;
const SECONDS_A_DAY: f64 = 86_400.0;

/// What a number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Number,
    Percent,
    Date,
    Time,
    Moment,
}

/// The formats of a workbook's cells.
#[derive(Debug)]
pub(super) struct Formats {
    by_style: Vec<Format>,
    /// The day with the number 0.
    epoch: NaiveDate,
}

impl Formats {
    /// Without styles, dates are counted from the end of 1899, or from 1904.
    pub(super) fn new(from_1904: bool) -> Self {
        let epoch = if from_1904 { (1904, 1, 1) } else { (1899, 12, 30) };
        let epoch = NaiveDate::from_ymd_opt(epoch.0, epoch.1, epoch.2).unwrap_or_default();
        Self { by_style: Vec::new(), epoch }
    }

    /// Reads the styles of the cells.
    pub(super) fn read(&mut self, archive: &mut Archive<'_>, part: &str) -> Result<(), Refused> {
        let meter = archive.meter();
        let Some(reader) = archive.part(part)? else { return Ok(()) };
        let mut xml = Xml::new(reader, meter, part);
        let mut own: HashMap<u32, Format> = HashMap::new();
        let mut of_cells = false;
        loop {
            match xml.next()? {
                Node::End => return Ok(()),
                Node::Close("cellXfs") => of_cells = false,
                Node::Open(tag) => match tag.name() {
                    "cellXfs" => of_cells = true,
                    "numFmt" => {
                        if let (Some(id), Some(code)) = (tag.number("numFmtId"), tag.get("formatCode")) {
                            own.insert(id, of_code(&code));
                        }
                    }
                    "xf" if of_cells => {
                        let id = tag.number("numFmtId").unwrap_or_default();
                        self.by_style.push(own.get(&id).copied().unwrap_or_else(|| built_in(id)));
                    }
                    _ => {}
                },
                _ => {}
            }
        }
    }

    /// A number as it is shown to somebody who reads the sheet.
    pub(super) fn shown(&self, value: &str, style: Option<u32>) -> String {
        let format = style.and_then(|style| self.by_style.get(usize::try_from(style).ok()?)).copied();
        let Ok(number) = value.parse::<f64>() else { return value.to_owned() };
        match format.unwrap_or(Format::Number) {
            Format::Number => plain(value, number),
            Format::Percent => format!("{}%", plain("", number * 100.0)),
            date => self.date(number, date).unwrap_or_else(|| plain(value, number)),
        }
    }

    fn date(&self, number: f64, format: Format) -> Option<String> {
        if !(0.0..DAYS_MAX).contains(&number) {
            return None;
        }
        // Both are small and not negative by now.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within DAYS_MAX")]
        let (days, seconds) = (number.trunc() as u64, (number.fract() * SECONDS_A_DAY).round() as u32);
        let day = self.epoch.checked_add_days(Days::new(days))?;
        let time = NaiveTime::from_num_seconds_from_midnight_opt(seconds, 0).unwrap_or(NaiveTime::MIN);
        Some(match format {
            Format::Time => time.format("%H:%M:%S").to_string(),
            Format::Moment if seconds > 0 => format!("{day} {}", time.format("%H:%M:%S")),
            _ => day.to_string(),
        })
    }
}

/// A number without the noise of its binary form.
fn plain(written: &str, number: f64) -> String {
    let is_short = written.len() <= 15 && !written.is_empty() && !written.contains(['e', 'E']);
    if is_short {
        return written.to_owned();
    }
    let rounded = format!("{number:.14e}").parse::<f64>().unwrap_or(number);
    rounded.to_string()
}

/// The formats that every program knows by number.
fn built_in(id: u32) -> Format {
    match id {
        9 | 10 => Format::Percent,
        14..=17 => Format::Date,
        18..=21 | 45..=47 => Format::Time,
        22 => Format::Moment,
        _ => Format::Number,
    }
}

/// By a format of the workbook's own, such as `dd.mm.yyyy hh:mm`.
fn of_code(code: &str) -> Format {
    let mut letters = String::new();
    let mut rest = code.split(';').next().unwrap_or_default().chars();
    while let Some(letter) = rest.next() {
        match letter {
            '"' => drop(rest.by_ref().find(|letter| *letter == '"')),
            '\\' | '_' | '*' => drop(rest.next()),
            '[' => {
                // A colour or a country; elapsed hours are a time.
                let inside: String = rest.by_ref().take_while(|letter| *letter != ']').collect();
                if inside.chars().all(|letter| "hHmMsS".contains(letter)) {
                    letters.push_str(&inside.to_ascii_lowercase());
                }
            }
            letter => letters.extend(letter.to_lowercase()),
        }
    }
    if letters == "general" {
        return Format::Number;
    }
    let has = |any: &[char]| letters.contains(any);
    match (has(&['y', 'd']), has(&['h', 's'])) {
        (true, true) => Format::Moment,
        (true, false) => Format::Date,
        (false, true) => Format::Time,
        (false, false) if letters.contains("mmm") => Format::Date,
        (false, false) if has(&['%']) => Format::Percent,
        (false, false) => Format::Number,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_told_apart() {
        for (code, format) in [
            ("dd.mm.yyyy", Format::Date),
            ("yyyy\\-mm\\-dd hh:mm", Format::Moment),
            ("[h]:mm", Format::Time),
            ("[Red]0.00", Format::Number),
            ("#,##0.00 \"days\"", Format::Number),
            ("0.0%", Format::Percent),
            ("General", Format::Number),
            ("mmm", Format::Date),
        ] {
            assert_eq!(of_code(code), format, "{code}");
        }
    }

    #[test]
    fn numbers_are_shown_as_they_are_read() {
        let mut formats = Formats::new(false);
        formats.by_style = vec![Format::Number, Format::Percent, Format::Date, Format::Time, Format::Moment];
        for (value, style, shown) in [
            ("42", 0, "42"),
            ("0.30000000000000004", 0, "0.3"),
            ("1E-3", 0, "0.001"),
            ("5.0999999999999997E-2", 1, "5.1%"),
            ("45292", 2, "2024-01-01"),
            ("0.5", 3, "12:00:00"),
            ("45292.25", 4, "2024-01-01 06:00:00"),
            ("-1", 2, "-1"),
            ("1e300", 2, "1000"),
        ] {
            let told = formats.shown(value, Some(style));
            assert!(told == shown || (value == "1e300" && told.len() > 300), "{value}: {told}");
        }
        assert_eq!(Formats::new(true).date(0.0, Format::Date).as_deref(), Some("1904-01-01"));
    }
}
