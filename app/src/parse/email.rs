//! E-mails: who wrote to whom, when and about what, and the words.

use mail_parser::{Address, DateTime, Message, MessageParser, MessagePart, MimeHeaders, PartType};

use super::paper::{Paper, one_line};
use super::{Document, FileType, Limits, Refused, html};

/// Most parts that hold other parts.
const NESTED_MAX: usize = 500;
/// Messages attached to attached messages, and so on.
const ATTACHED_MAX: usize = 5;
/// Most attachments that are named.
const NAMED_MAX: usize = 100;
/// Most addresses that are named in a line.
const ADDRESSES_MAX: usize = 50;

pub(super) fn read(bytes: &[u8], limits: Limits) -> Result<Document, Refused> {
    if nested(bytes) > NESTED_MAX {
        return Err(Refused::because(format!(
            "the e-mail is nested too deeply: more than {NESTED_MAX} of its parts hold others"
        )));
    }
    let message = MessageParser::default().parse(bytes);
    let message = message.filter(|message| {
        message.from().is_some()
            || message.to().is_some()
            || (message.subject().is_some() && message.date().is_some())
    });
    let message = message.ok_or_else(|| {
        let called = FileType::Email.called();
        Refused::because(format!("the file is no {called}: it does not say who wrote it to whom"))
    })?;
    let mut paper = Paper::new(limits);
    write(&message, &mut paper, limits, 1)?;
    let title = message.subject().map(one_line).filter(|title| !title.is_empty());
    Ok(Document { title, text: paper.finish()?, pages: None })
}

/// How many parts say that they hold others: `multipart/mixed`, `message/rfc822`.
fn nested(bytes: &[u8]) -> usize {
    let holds = |words: &[u8], name: &[u8]| {
        words.len() >= name.len() && words[words.len() - name.len()..].eq_ignore_ascii_case(name)
    };
    let types = bytes.split(|byte| *byte == b'/');
    types.filter(|words| holds(words, b"multipart") || holds(words, b"message")).count()
}

fn write(message: &Message<'_>, paper: &mut Paper, limits: Limits, depth: usize) -> Result<(), Refused> {
    let subject = message.subject().map(one_line).filter(|subject| !subject.is_empty());
    let from = message.from().or_else(|| message.sender()).map(people);
    let date = message.date().filter(|date| date.is_valid());
    // Every passage of the message stands under this, so it says what matters of it.
    let mut heading = subject.clone().unwrap_or_else(|| "E-mail".to_owned());
    if let Some(from) = &from {
        heading.extend([", from ", from.as_str()]);
    }
    if let Some(date) = date {
        heading.extend([", ", day(date).as_str()]);
    }
    paper.heading(depth, &heading)?;
    let to = message.to().map(people);
    let cc = message.cc().map(people);
    for (name, value) in
        [("Subject", subject), ("From", from), ("To", to), ("Cc", cc), ("Date", date.map(moment))]
    {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            paper.items(&format!("- {name}: {value}"))?;
        }
    }
    for part in message.text_bodies() {
        match &part.body {
            PartType::Text(words) => paper.plain(words)?,
            PartType::Html(page) => paper.block(&html::markdown(page.as_bytes(), limits)?.1)?,
            _ => {}
        }
    }
    for part in message.attachments().take(NAMED_MAX) {
        match &part.body {
            PartType::Message(attached) if depth <= ATTACHED_MAX => {
                write(attached, paper, limits, depth + 1)?;
            }
            _ => name(part, paper)?,
        }
    }
    Ok(())
}

/// Names an attachment; what is in it is a file of its own.
fn name(part: &MessagePart<'_>, paper: &mut Paper) -> Result<(), Refused> {
    match part.attachment_name().map(one_line).filter(|name| !name.is_empty()) {
        Some(name) => paper.items(&format!("- Attachment: {name}")),
        None => Ok(()),
    }
}

fn people(address: &Address<'_>) -> String {
    let one = |name: Option<&str>, address: Option<&str>| match (name.map(one_line), address.map(one_line)) {
        (Some(name), Some(address)) => format!("{name} <{address}>"),
        (Some(only), None) | (None, Some(only)) => only,
        (None, None) => String::new(),
    };
    let all = address.iter().take(ADDRESSES_MAX).map(|person| one(person.name(), person.address()));
    all.filter(|person| !person.is_empty()).collect::<Vec<_>>().join(", ")
}

fn day(date: &DateTime) -> String {
    format!("{:04}-{:02}-{:02}", date.year, date.month, date.day)
}

fn moment(date: &DateTime) -> String {
    let sign = if date.tz_before_gmt { '-' } else { '+' };
    let zone = format!("{sign}{:02}:{:02}", date.tz_hour, date.tz_minute);
    format!("{} {:02}:{:02} {zone}", day(date), date.hour, date.minute)
}
