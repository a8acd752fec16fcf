//! From the bytes of an import to conversations, one after the other.
//!
//! An import is read twice: first as a whole, to refuse what is no import before
//! anything is stored, then conversation by conversation. Neither pass holds more
//! than one conversation, however much a zip unpacks to.

use std::fmt;
use std::io::{BufRead, BufReader, Read};

use bytes::Bytes;
use serde::Deserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::meter::{Meter, Metered};
use super::plan::{Node, Tree};
use super::zipped::Zipped;
use super::{ExportedConversation, SCHEMA, VERSION, chatgpt};
use crate::error::{Error, Result};

/// Most conversations of an import.
const CONVERSATIONS_MAX: usize = 10_000;

/// Longest word of what is wrong, in characters.
const WORDS_CHARACTERS_MAX: usize = 300;

/// What was read of one conversation: itself, or why not.
pub(super) type Found = Result<Tree, String>;

/// An import that can be read.
pub(super) struct Import {
    container: Container,
    field: &'static str,
    is_ours: bool,
}

enum Container {
    Json(Bytes),
    Zip(Zipped),
}

impl Import {
    /// Looks through an import; `field` is what a refusal names.
    pub(super) fn check(bytes: Bytes, field: &'static str) -> Result<Self> {
        let container = if bytes.starts_with(b"PK\x03\x04") {
            Container::Zip(Zipped::open(bytes).map_err(|message| Error::field(field, message))?)
        } else {
            Container::Json(bytes)
        };
        let mut import = Self { container, field, is_ours: false };
        let mut count = 0_usize;
        let outlines = import.read(&mut |_: IgnoredAny| {
            count += 1;
            count <= CONVERSATIONS_MAX
        })?;
        if count > CONVERSATIONS_MAX {
            let message = format!("has more than {CONVERSATIONS_MAX} conversations");
            return Err(Error::field("conversations", message));
        }
        for outline in &outlines {
            outline.check()?;
        }
        import.is_ours = outlines.iter().all(|outline| !outline.is_list);
        Ok(import)
    }

    /// Reads conversation by conversation, until `take` says no.
    pub(super) fn each(&mut self, mut take: impl FnMut(Found) -> bool) -> Result<()> {
        let one = if self.is_ours { ours } else { theirs };
        self.read(&mut |text: Box<RawValue>| take(one(&text).map_err(|error| shortened(&error)))).map(drop)
    }

    /// Reads every part, and gives each conversation to `take`. What the parts
    /// are beside their conversations.
    fn read<T: DeserializeOwned>(&mut self, take: &mut dyn FnMut(T) -> bool) -> Result<Vec<Outline>> {
        let meter = Meter::default();
        let field = self.field;
        match &mut self.container {
            Container::Json(bytes) => {
                Ok(vec![walk(&bytes[..], &meter, take).map_err(|why| why.name(field))?])
            }
            Container::Zip(zip) => {
                let mut outlines = Vec::new();
                for part in 0..zip.parts() {
                    let entry = zip.part(part).map_err(|message| Error::field(field, message))?;
                    outlines.push(walk(entry, &meter, take).map_err(|why| why.name(field))?);
                }
                Ok(outlines)
            }
        }
    }
}

/// What an import is beside its conversations.
#[derive(Debug, Default)]
struct Outline {
    /// It is a list, as ChatGPT's.
    is_list: bool,
    schema: Option<Value>,
    version: Option<Value>,
    has_conversations: bool,
    /// A field that means nothing.
    unknown: Option<String>,
    /// Nobody wanted to read on.
    is_cut: bool,
}

impl Outline {
    fn check(&self) -> Result<()> {
        if self.is_list {
            return Ok(());
        }
        if let Some(name) = &self.unknown {
            let known = "expected one of schema, version, conversations";
            return Err(Error::field(shortened(name), format!("unknown field, {known}")));
        }
        if self.schema != Some(SCHEMA.into()) {
            let message = format!("must be {SCHEMA}, or the import a list of ChatGPT's");
            return Err(Error::field("schema", message));
        }
        if self.version != Some(VERSION.into()) {
            return Err(Error::field("version", format!("must be {VERSION}")));
        }
        if !self.has_conversations {
            return Err(Error::field("conversations", "is missing"));
        }
        Ok(())
    }
}

/// Why an import cannot be read.
struct Unreadable(serde_json::Error);

impl Unreadable {
    fn name(self, field: &'static str) -> Error {
        let words = shortened(&self.0.to_string());
        match self.0.classify() {
            Category::Io => Error::field(field, words),
            Category::Data => Error::field(field, format!("is no export of conversations: {words}")),
            Category::Syntax | Category::Eof => {
                Error::Malformed(format!("the import is not valid JSON: {words}"))
            }
        }
    }
}

fn walk<T: DeserializeOwned>(
    reader: impl Read,
    meter: &Meter,
    take: &mut dyn FnMut(T) -> bool,
) -> Result<Outline, Unreadable> {
    let mut reader = BufReader::with_capacity(64 * 1024, reader);
    // Some programs put a mark before UTF-8.
    if reader.fill_buf().is_ok_and(|bytes| bytes.starts_with(b"\xef\xbb\xbf")) {
        reader.consume(3);
    }
    let mut json = serde_json::Deserializer::from_reader(Metered { reader, meter });
    meter.begin_item();
    let mut walk = Walk { meter, take, outline: Outline::default() };
    match Whole(&mut walk).deserialize(&mut json).and_then(|()| json.end()) {
        Err(error) if !walk.outline.is_cut => Err(Unreadable(error)),
        _ => Ok(walk.outline),
    }
}

/// What a pass is doing.
struct Walk<'a, T> {
    meter: &'a Meter,
    take: &'a mut dyn FnMut(T) -> bool,
    outline: Outline,
}

/// The whole: an object with conversations, or a list of them.
struct Whole<'w, 'a, T>(&'w mut Walk<'a, T>);

/// The conversations in it.
struct List<'w, 'a, T>(&'w mut Walk<'a, T>);

impl<'de, T: DeserializeOwned> DeserializeSeed<'de> for Whole<'_, '_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: DeserializeOwned> Visitor<'de> for Whole<'_, '_, T> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object with conversations, or a list of them")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<(), A::Error> {
        self.0.outline.is_list = true;
        List(self.0).visit_seq(items)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let walk = self.0;
        while let Some(name) = fields.next_key::<String>()? {
            walk.meter.begin_item();
            match name.as_str() {
                "schema" => walk.outline.schema = Some(fields.next_value()?),
                "version" => walk.outline.version = Some(fields.next_value()?),
                "conversations" => {
                    walk.outline.has_conversations = true;
                    fields.next_value_seed(List(walk))?;
                }
                _ => {
                    fields.next_value::<IgnoredAny>()?;
                    walk.outline.unknown.get_or_insert(name);
                }
            }
        }
        Ok(())
    }
}

impl<'de, T: DeserializeOwned> DeserializeSeed<'de> for List<'_, '_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T: DeserializeOwned> Visitor<'de> for List<'_, '_, T> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of conversations")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let walk = self.0;
        walk.meter.begin_item();
        while let Some(item) = items.next_element::<T>()? {
            if !(walk.take)(item) {
                walk.outline.is_cut = true;
                return Err(A::Error::custom("nobody reads on"));
            }
            walk.meter.begin_item();
        }
        Ok(())
    }
}

fn ours(text: &RawValue) -> Found {
    let read: ExportedConversation = serde_json::from_str(text.get()).map_err(|error| error.to_string())?;
    let nodes = read.messages.into_iter().map(|message| Node {
        id: message.id.clone(),
        parent: message.parent_id.clone(),
        said: Some(message),
    });
    Ok(Tree { head: read.head, nodes: nodes.collect() })
}

fn theirs(text: &RawValue) -> Found {
    let read: chatgpt::Conversation = serde_json::from_str(text.get()).map_err(|error| error.to_string())?;
    read.into_tree()
}

/// What is wrong can be quoted whole in the words that say so.
fn shortened(words: &str) -> String {
    words.chars().take(WORDS_CHARACTERS_MAX).collect()
}
