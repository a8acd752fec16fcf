//! XML out of an archive, piece by piece. A document type is refused: with it
//! XML could name files and servers, and grow without end.

use std::borrow::Cow;
use std::io::BufRead;
use std::rc::Rc;

use quick_xml::XmlVersion;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::reader::Reader;

use super::Refused;
use super::archive::{Meter, broken};

/// Most elements that are open at once.
const DEPTH_MAX: usize = 256;

/// Types of documents that books may declare.
const OF_BOOKS: [&str; 3] = ["html", "ncx", "package"];

/// What reads a part of an archive.
pub(super) struct Xml<'a, R> {
    reader: Reader<R>,
    buffer: Vec<u8>,
    meter: Rc<Meter>,
    /// The part, for an error's words.
    name: &'a str,
    depth: usize,
    /// The name of the element that ended last.
    closed: String,
}

/// A piece of XML. Names are without their prefix.
#[derive(Debug)]
pub(super) enum Node<'a> {
    /// An element begins.
    Open(Tag<'a>),
    /// The element of this name ends.
    Close(&'a str),
    /// Words, possibly only some of those that stand here.
    Text(Cow<'a, str>),
    /// What says nothing.
    Other,
    /// There is no more.
    End,
}

/// The beginning of an element.
#[derive(Debug)]
pub(super) struct Tag<'a>(BytesStart<'a>);

impl Tag<'_> {
    pub(super) fn name(&self) -> &str {
        local(self.0.name().into_inner())
    }

    /// The attribute of this name, whatever its prefix.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        let mut attributes = self.0.attributes();
        // One that comes twice matters less than a check of all against all.
        let mut attributes = attributes.with_checks(false).flatten();
        let found = attributes.find(|attribute| local(attribute.key.into_inner()) == name)?;
        Some(
            found
                .normalized_value(XmlVersion::Implicit1_0)
                .map_or_else(|_| found.value.clone().into_owned(), Cow::into_owned),
        )
    }

    /// The attribute of this name, if it is a whole number.
    pub(super) fn number(&self, name: &str) -> Option<u32> {
        self.get(name)?.parse().ok()
    }
}

impl<'n, R: BufRead> Xml<'n, R> {
    pub(super) fn new(part: R, meter: Rc<Meter>, name: &'n str) -> Self {
        let mut reader = Reader::from_reader(part);
        reader.config_mut().expand_empty_elements = true;
        Self { reader, buffer: Vec::new(), meter, name, depth: 0, closed: String::new() }
    }

    pub(super) fn next(&mut self) -> Result<Node<'_>, Refused> {
        self.buffer.clear();
        self.meter.begin_item();
        let name = self.name;
        let event = self.reader.read_event_into(&mut self.buffer).map_err(|error| match error {
            quick_xml::Error::Io(error) => broken(name, &error),
            error => Refused::because(format!("the file is damaged: {name} is no XML: {error}")),
        })?;
        Ok(match event {
            Event::Start(tag) => {
                self.depth += 1;
                if self.depth > DEPTH_MAX {
                    return Err(Refused::because(format!(
                        "{name} is nested too deeply: more than {DEPTH_MAX} elements are open at once"
                    )));
                }
                Node::Open(Tag(tag))
            }
            Event::End(tag) => {
                self.depth = self.depth.saturating_sub(1);
                self.closed.clear();
                self.closed.push_str(local(tag.name().into_inner()));
                Node::Close(&self.closed)
            }
            Event::Text(words) => Node::Text(words.into_inner()),
            Event::CData(words) => Node::Text(words.into_inner()),
            Event::GeneralRef(reference) => Node::Text(Cow::Owned(resolved(&reference, name)?)),
            Event::DocType(words) => {
                // Books name the types of their pages, which nobody fetches.
                let of_book = words.split_whitespace().next().is_some_and(|name| OF_BOOKS.contains(&name));
                if words.contains('[') || !of_book {
                    return Err(Refused::because(format!(
                        "{name} declares a document type, which is refused"
                    )));
                }
                Node::Other
            }
            Event::Eof if self.depth > 0 => {
                return Err(Refused::because(format!("the file is damaged: {name} ends in the middle")));
            }
            Event::Eof => Node::End,
            _ => Node::Other,
        })
    }
}

/// What stands for a character.
fn resolved(reference: &BytesRef<'_>, name: &str) -> Result<String, Refused> {
    let unknown = || Refused::because(format!("{name} refers to an entity that it may not define"));
    match reference.resolve_char_ref() {
        Ok(Some(letter)) => Ok(letter.to_string()),
        Ok(None) => resolve_xml_entity(reference).map(str::to_owned).ok_or_else(unknown),
        Err(error) => Err(Refused::because(format!("the file is damaged: {name} is no XML: {error}"))),
    }
}

/// A name without its prefix.
fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}
