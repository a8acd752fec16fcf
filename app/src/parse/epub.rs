//! Electronic books: their chapters in the order in which they are read.

use std::collections::HashMap;

use super::archive::Archive;
use super::office::resolved;
use super::paper::{Paper, one_line};
use super::xml::{Node, Xml};
use super::{Document, FileType, Limits, Refused, html};

const CONTAINER: &str = "META-INF/container.xml";
const ENCRYPTION: &str = "META-INF/encryption.xml";
/// Ways to hide fonts, which everybody may undo; chapters are readable all the same.
const HIDDEN_FONTS: [&str; 2] = ["http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC"];
/// Most chapters.
const CHAPTERS_MAX: usize = 5_000;
/// What a chapter that defines words of its own contains; no book needs it.
const ENTITY: &[u8] = b"<!ENTITY";

pub(super) fn read(bytes: &[u8], limits: Limits) -> Result<Document, Refused> {
    let mut archive = Archive::open(bytes, FileType::Epub.called())?;
    let package = package(&mut archive)?;
    refuse_protected(&mut archive)?;
    let book = Book::read(&mut archive, &package)?;
    let names = book.names(&mut archive);
    let mut paper = Paper::new(limits);
    for place in &book.chapters {
        let Some(chapter) = archive.whole(place)? else {
            return Err(Refused::because(format!("the EPUB is damaged: it has no {place}")));
        };
        if chapter.windows(ENTITY.len()).any(|window| window.eq_ignore_ascii_case(ENTITY)) {
            return Err(Refused::because(format!("{place} of the EPUB defines entities, which is refused")));
        }
        let (_, markdown) = html::markdown(&chapter, limits)?;
        let begins_with_heading = markdown.trim_start().starts_with('#');
        if let Some(name) = names.get(place).filter(|_| !begins_with_heading && !markdown.trim().is_empty()) {
            paper.heading(1, name)?;
        }
        paper.block(&markdown)?;
    }
    Ok(Document { title: book.title, text: paper.finish()?, pages: None })
}

/// Where the book's list of parts is.
fn package(archive: &mut Archive<'_>) -> Result<String, Refused> {
    let is_office = archive.has("[Content_Types].xml");
    let meter = archive.meter();
    let Some(part) = archive.part(CONTAINER)? else {
        let really = if is_office { "is a file of Office" } else { "has no META-INF/container.xml" };
        return Err(Refused::because(format!("the file is named like an EPUB, but {really}")));
    };
    let mut xml = Xml::new(part, meter, CONTAINER);
    loop {
        match xml.next()? {
            Node::End => return Err(Refused::because("the EPUB is damaged: it names no list of its parts")),
            Node::Open(tag) if tag.name() == "rootfile" => {
                if let Some(path) = tag.get("full-path") {
                    return Ok(resolved("", &path));
                }
            }
            _ => {}
        }
    }
}

fn refuse_protected(archive: &mut Archive<'_>) -> Result<(), Refused> {
    let meter = archive.meter();
    let Some(part) = archive.part(ENCRYPTION)? else { return Ok(()) };
    let mut xml = Xml::new(part, meter, ENCRYPTION);
    loop {
        match xml.next()? {
            Node::End => return Ok(()),
            Node::Open(tag) if tag.name() == "EncryptionMethod" => {
                let method = tag.get("Algorithm").unwrap_or_default();
                if !HIDDEN_FONTS.contains(&method.as_str()) {
                    return Err(Refused::because(
                        "the EPUB is protected against copying (DRM); it cannot be read",
                    ));
                }
            }
            _ => {}
        }
    }
}

#[derive(Debug, Default)]
struct Book {
    title: Option<String>,
    /// The names of the chapters' parts, in order.
    chapters: Vec<String>,
    /// Where names of chapters are: for reading programs of today, and for older ones.
    contents: [Option<String>; 2],
}

impl Book {
    fn read(archive: &mut Archive<'_>, package: &str) -> Result<Self, Refused> {
        let folder = package.rsplit_once('/').map_or("", |(folder, _)| folder);
        let meter = archive.meter();
        let Some(part) = archive.part(package)? else {
            return Err(Refused::because(format!("the EPUB is damaged: it has no {package}")));
        };
        let mut xml = Xml::new(part, meter, package);
        let mut book = Self::default();
        let mut parts: HashMap<String, String> = HashMap::new();
        let (mut title, mut inside) = (String::new(), false);
        loop {
            match xml.next()? {
                Node::End => break,
                Node::Close(_) => inside = false,
                Node::Text(words) if inside => title.push_str(&words),
                Node::Open(tag) => match tag.name() {
                    "title" => inside = title.is_empty(),
                    "item" => {
                        let (Some(id), Some(place)) = (tag.get("id"), tag.get("href")) else { continue };
                        let place = resolved(folder, &unescaped(&place));
                        if tag.get("properties").is_some_and(|all| all.split(' ').any(|one| one == "nav")) {
                            book.contents[0] = Some(place.clone());
                        }
                        if tag.get("media-type").is_some_and(|kind| kind == "application/x-dtbncx+xml") {
                            book.contents[1] = Some(place.clone());
                        }
                        parts.insert(id, place);
                    }
                    "itemref" => {
                        book.chapters.extend(tag.get("idref").and_then(|id| parts.get(&id).cloned()));
                        if book.chapters.len() > CHAPTERS_MAX {
                            return Err(Refused::because(format!(
                                "the EPUB has more than {CHAPTERS_MAX} chapters"
                            )));
                        }
                    }
                    _ => {}
                },
                _ => {}
            }
        }
        book.title = Some(one_line(&title)).filter(|title| !title.is_empty());
        if book.chapters.is_empty() {
            return Err(Refused::because("the EPUB is damaged: it has no chapters"));
        }
        Ok(book)
    }

    /// What chapters are called in the table of contents. A table that cannot
    /// be read costs the names only.
    fn names(&self, archive: &mut Archive<'_>) -> HashMap<String, String> {
        let [new, old] = &self.contents;
        let mut names = HashMap::new();
        if let Some(place) = new.as_ref().or(old.as_ref()) {
            let _ = contents(archive, place, &mut names);
        }
        names
    }
}

/// Reads a table of contents: `<a href>` words in new ones, `<text>` words before `<content src>` in old ones.
fn contents(
    archive: &mut Archive<'_>,
    place: &str,
    names: &mut HashMap<String, String>,
) -> Result<(), Refused> {
    let folder = place.rsplit_once('/').map_or("", |(folder, _)| folder);
    let meter = archive.meter();
    let Some(part) = archive.part(place)? else { return Ok(()) };
    let mut xml = Xml::new(part, meter, place);
    let (mut words, mut target, mut inside) = (String::new(), None, false);
    let target_of = |place: &str| {
        let path = place.split('#').next().unwrap_or_default();
        resolved(folder, &unescaped(path))
    };
    loop {
        match xml.next()? {
            Node::End => return Ok(()),
            Node::Open(tag) => match tag.name() {
                "a" => {
                    target = tag.get("href").map(|place| target_of(&place));
                    words.clear();
                    inside = true;
                }
                "text" => {
                    words.clear();
                    inside = true;
                }
                "content" => {
                    if let Some(place) = tag.get("src") {
                        names.entry(target_of(&place)).or_insert_with(|| one_line(&words));
                    }
                }
                _ => {}
            },
            Node::Text(more) if inside => words.push_str(&more),
            Node::Close("a") => {
                inside = false;
                if let Some(target) = target.take() {
                    names.entry(target).or_insert_with(|| one_line(&words));
                }
            }
            Node::Close("text") => inside = false,
            _ => {}
        }
    }
}

/// A place without the escapes of URLs.
fn unescaped(place: &str) -> String {
    // A plus sign is one in a path.
    form_urlencoded::parse(place.replace('+', "%2B").replace('&', "%26").replace('=', "%3D").as_bytes())
        .next()
        .map(|(path, _)| path.into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_lose_their_escapes() {
        assert_eq!(unescaped("Chapter%20one+a%C3%A9&b=c.xhtml"), "Chapter one+aé&b=c.xhtml");
        assert_eq!(unescaped(""), "");
    }
}
