//! Long texts in blocks.

use std::ops::Range;

/// The splitters look at all that is left of a text for each passage, so a
/// long text is given to them in blocks of this many bytes.
const BLOCK_BYTES_MAX: usize = 16 * 1024;

/// Cuts a long text into blocks: where an element begins if one does in the
/// second half of the block, else after a paragraph, a line, a word.
pub(super) fn blocks(text: &str, elements: &[usize]) -> Vec<Range<usize>> {
    let mut blocks = Vec::new();
    let mut start = 0;
    while text.len() - start > BLOCK_BYTES_MAX {
        let end = text.floor_char_boundary(start + BLOCK_BYTES_MAX);
        let half = text.floor_char_boundary(start + BLOCK_BYTES_MAX / 2);
        let element = elements[..elements.partition_point(|&element| element <= end)]
            .last()
            .filter(|&&element| element > half);
        let window = &text[half..end];
        let cut = element.copied().unwrap_or_else(|| {
            ["\n\n", "\n", " "]
                .iter()
                .find_map(|separator| window.rfind(separator).map(|at| half + at + separator.len()))
                .unwrap_or(end)
        });
        blocks.push(start..cut);
        start = cut;
    }
    blocks.push(start..text.len());
    blocks
}
