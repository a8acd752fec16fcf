//! What the files of Office have in common: their parts, and how these refer to each other.

use std::collections::HashMap;

use super::Refused;
use super::archive::Archive;
use super::kind::FileType;
use super::xml::{Node, Xml};

const CONTENT_TYPES: &str = "[Content_Types].xml";
const CORE_PROPERTIES: &str = "docProps/core.xml";
/// What a part is, as the end of its content type, and the kind of file it makes.
const MAIN_PARTS: [(&str, Option<FileType>); 7] = [
    ("wordprocessingml.document.main+xml", Some(FileType::Docx)),
    ("word.document.macroEnabled.main+xml", Some(FileType::Docx)),
    ("wordprocessingml.template.main+xml", Some(FileType::Docx)),
    ("spreadsheetml.sheet.main+xml", Some(FileType::Xlsx)),
    ("excel.sheet.macroEnabled.main+xml", Some(FileType::Xlsx)),
    ("spreadsheetml.template.main+xml", Some(FileType::Xlsx)),
    ("presentationml.presentation.main+xml", None),
];

/// The name of the part with which reading begins. Refuses a file of another kind.
pub(super) fn main_part(archive: &mut Archive<'_>, kind: FileType) -> Result<String, Refused> {
    let called = kind.called();
    let really = if archive.has("mimetype") { "an EPUB or an OpenDocument file" } else { "a ZIP archive" };
    let meter = archive.meter();
    let Some(part) = archive.part(CONTENT_TYPES)? else {
        return Err(Refused::because(format!("the file is named like a {called}, but is {really}")));
    };
    let mut found = None;
    let mut xml = Xml::new(part, meter, CONTENT_TYPES);
    loop {
        match xml.next()? {
            Node::End => break,
            Node::Open(tag) if tag.name() == "Override" => {
                let (Some(name), Some(what)) = (tag.get("PartName"), tag.get("ContentType")) else {
                    continue;
                };
                let main = MAIN_PARTS.iter().find(|(end, _)| what.ends_with(end));
                if let Some((_, really)) = main {
                    found = Some((name.trim_start_matches('/').to_owned(), *really));
                }
            }
            _ => {}
        }
    }
    match found {
        Some((name, Some(really))) if really == kind => Ok(name),
        Some((_, really)) => {
            let really = really.map_or("PowerPoint presentation", FileType::called);
            Err(Refused::because(format!(
                "the file is named like a {called}, but holds another kind of content: {really}"
            )))
        }
        None => Err(Refused::because(format!("the file is damaged: no part of it is a {called}"))),
    }
}

/// What a part refers to.
#[derive(Debug, Default)]
pub(super) struct Relations {
    /// The ends of the relations' types, and the parts' names, by id.
    by_id: HashMap<String, (String, String)>,
}

impl Relations {
    /// The part that a relation with this id leads to, if it is of this type.
    pub(super) fn part(&self, id: &str, kind: &str) -> Option<&str> {
        self.by_id.get(id).filter(|(found, _)| found == kind).map(|(_, name)| name.as_str())
    }

    /// The part that a relation of this type leads to.
    pub(super) fn only(&self, kind: &str) -> Option<&str> {
        self.by_id.values().find(|(found, _)| found == kind).map(|(_, name)| name.as_str())
    }
}

/// The relations of a part. Nothing outside of the file is ever followed.
pub(super) fn relations(archive: &mut Archive<'_>, part: &str) -> Result<Relations, Refused> {
    let (folder, name) = part.rsplit_once('/').unwrap_or(("", part));
    let place = if folder.is_empty() { "_rels".to_owned() } else { format!("{folder}/_rels") };
    let place = format!("{place}/{name}.rels");
    let mut relations = Relations::default();
    let meter = archive.meter();
    let Some(part) = archive.part(&place)? else { return Ok(relations) };
    let mut xml = Xml::new(part, meter, &place);
    loop {
        match xml.next()? {
            Node::End => return Ok(relations),
            Node::Open(tag) if tag.name() == "Relationship" => {
                if tag.get("TargetMode").is_some_and(|mode| mode == "External") {
                    continue;
                }
                let (Some(id), Some(kind), Some(target)) =
                    (tag.get("Id"), tag.get("Type"), tag.get("Target"))
                else {
                    continue;
                };
                let kind = kind.rsplit('/').next().unwrap_or_default().to_owned();
                relations.by_id.insert(id, (kind, resolved(folder, &target)));
            }
            _ => {}
        }
    }
}

/// What a document of Office says it is called.
pub(super) fn title(archive: &mut Archive<'_>) -> Result<Option<String>, Refused> {
    let meter = archive.meter();
    let Some(part) = archive.part(CORE_PROPERTIES)? else { return Ok(None) };
    let mut xml = Xml::new(part, meter, CORE_PROPERTIES);
    let (mut title, mut inside) = (String::new(), false);
    loop {
        match xml.next()? {
            Node::End => break,
            Node::Open(tag) => inside = tag.name() == "title",
            Node::Close(_) => inside = false,
            Node::Text(words) if inside => title.push_str(&words),
            _ => {}
        }
    }
    Ok(Some(title.trim().to_owned()).filter(|title| !title.is_empty()))
}

/// A part's name by what another part in this folder calls it.
pub(super) fn resolved(folder: &str, target: &str) -> String {
    let mut steps: Vec<&str> = if target.starts_with('/') { Vec::new() } else { folder.split('/').collect() };
    for step in target.split('/') {
        match step {
            "" | "." => {}
            ".." => drop(steps.pop()),
            step => steps.push(step),
        }
    }
    steps.retain(|step| !step.is_empty());
    steps.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_parts_are_told_from_a_folder() {
        assert_eq!(resolved("word", "styles.xml"), "word/styles.xml");
        assert_eq!(resolved("xl", "/xl/worksheets/sheet1.xml"), "xl/worksheets/sheet1.xml");
        assert_eq!(resolved("OEBPS/a", "../text/./c1.xhtml"), "OEBPS/text/c1.xhtml");
        assert_eq!(resolved("", "../../x"), "x");
    }
}
