//! What is embedded of a passage, from what is stored of it.

use super::{Budget, Cutter, Document, Seen, whole};
use crate::knowledge::outline::{self, Outline};

/// What a model reads of a passage that is stored already: the same as when it was cut.
/// `headings` are those above it, joined by " > ".
pub(in crate::knowledge) fn embedded_again(
    document: &Document<'_>,
    headings: &str,
    is_whole: bool,
    budget: Budget,
    count: &(dyn Fn(&str) -> usize + Sync),
) -> String {
    if is_whole && headings.is_empty() {
        return whole(document, budget, count).embedded;
    }
    let outline = Outline::default();
    let cutter = Cutter { document, outline: &outline, budget, count, seen: Seen::default() };
    let path: Vec<&str> = headings.split(outline::SEPARATOR).filter(|heading| !heading.is_empty()).collect();
    let (lead, _) = cutter.context(&path, document.text);
    lead + document.text
}
