//! Which styles of a document are headings.

use std::collections::HashMap;

use crate::parse::Refused;
use crate::parse::archive::Archive;
use crate::parse::xml::{Node, Xml};

/// How many styles a style may be based on.
const BASES_MAX: usize = 10;

/// Which styles are headings.
#[derive(Debug, Default)]
pub(super) struct Styles {
    by_id: HashMap<String, Style>,
}

#[derive(Debug, Default)]
struct Style {
    /// Its level as a heading, 1 and more.
    level: Option<usize>,
    is_title: bool,
    based_on: Option<String>,
}

impl Styles {
    pub(super) fn read(archive: &mut Archive<'_>, part: &str) -> Result<Self, Refused> {
        let mut styles = Self::default();
        let meter = archive.meter();
        let Some(reader) = archive.part(part)? else { return Ok(styles) };
        let mut xml = Xml::new(reader, meter, part);
        let mut id = String::new();
        loop {
            let Node::Open(tag) = (match xml.next()? {
                Node::End => return Ok(styles),
                node => node,
            }) else {
                continue;
            };
            if tag.name() == "style" {
                id = tag.get("styleId").unwrap_or_default();
                styles.by_id.insert(id.clone(), Style::default());
                continue;
            }
            let Some(style) = styles.by_id.get_mut(&id) else { continue };
            match (tag.name(), tag.get("val")) {
                ("name", Some(name)) => {
                    let name = name.to_ascii_lowercase();
                    style.is_title = name == "title";
                    if let Some(level) = name.strip_prefix("heading ").and_then(|level| level.parse().ok()) {
                        style.level = Some(level);
                    }
                }
                ("basedOn", base) => style.based_on = base,
                ("outlineLvl", Some(level)) => style.level = outline_level(&level),
                _ => {}
            }
        }
    }

    /// The level of a heading, and whether it is the document's title.
    pub(super) fn of(&self, id: &str) -> (Option<usize>, bool) {
        let mut next = self.by_id.get(id);
        for _ in 0..BASES_MAX {
            let Some(style) = next else { break };
            if style.is_title {
                return (Some(1), true);
            }
            if style.level.is_some() {
                return (style.level, false);
            }
            next = style.based_on.as_ref().and_then(|base| self.by_id.get(base));
        }
        (None, false)
    }
}

/// Word counts from 0, and 9 is the body.
pub(super) fn outline_level(value: &str) -> Option<usize> {
    value.parse::<usize>().ok().filter(|level| *level < 9).map(|level| level + 1)
}
