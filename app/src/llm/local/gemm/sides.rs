//! The two sides of a product, in the order in which the inner loop reads them.

/// A right side: panels of `tile.columns` columns, in each the rows one after the other.
#[derive(Debug, Default)]
pub(in crate::llm::local) struct Panels {
    pub(super) depth: usize,
    pub(super) data: Vec<f32>,
}

/// A right side in half the space: of each value the upper half, rounded
/// (bfloat16). A word holds the same place of a panel's two vectors of columns.
#[derive(Debug, Default)]
pub(in crate::llm::local) struct Halves {
    pub(super) depth: usize,
    pub(super) data: Vec<u32>,
}

/// A right side, or a run of its panels.
#[derive(Clone, Copy)]
pub(in crate::llm::local) struct Side<'a> {
    pub(super) depth: usize,
    pub(super) values: Values<'a>,
}

#[derive(Clone, Copy)]
pub(super) enum Values<'a> {
    Full(&'a [f32]),
    Half(&'a [u32]),
}

/// A left side: blocks of `tile.rows` rows, in each the columns one after the other.
#[derive(Debug, Default)]
pub(in crate::llm::local) struct Blocks {
    pub(super) depth: usize,
    pub(super) rows: usize,
    pub(super) data: Vec<f32>,
}

/// A view of a row-major matrix inside a larger one.
#[derive(Clone, Copy)]
pub(in crate::llm::local) struct Matrix<'a> {
    /// Starts at the first element; may be longer than the matrix.
    pub data: &'a [f32],
    /// Elements from one row to the next.
    pub stride: usize,
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub columns: usize,
}

impl<'a> Matrix<'a> {
    /// A matrix that fills its slice.
    pub(in crate::llm::local) fn dense(data: &'a [f32], columns: usize) -> Self {
        Self { data, stride: columns, rows: data.len() / columns, columns }
    }

    pub(super) fn row(&self, index: usize) -> &'a [f32] {
        let start = index * self.stride;
        &self.data[start..start + self.columns]
    }
}

impl Panels {
    /// As a right side.
    pub(in crate::llm::local) fn side(&self) -> Side<'_> {
        Side { depth: self.depth, values: Values::Full(&self.data) }
    }

    pub(super) fn reset(&mut self, depth: usize, columns: usize, width: usize) {
        self.depth = depth;
        self.data.clear();
        self.data.resize(columns.next_multiple_of(width) * depth, 0.0);
    }
}

impl Halves {
    /// Rows of the right side.
    pub(in crate::llm::local) fn depth(&self) -> usize {
        self.depth
    }

    /// As a right side.
    pub(in crate::llm::local) fn side(&self) -> Side<'_> {
        Side { depth: self.depth, values: Values::Half(&self.data) }
    }
}

impl Side<'_> {
    /// Columns, the last panel's padding included.
    pub(super) fn columns(&self) -> usize {
        match self.values {
            Values::Full(values) => values.len() / self.depth,
            Values::Half(words) => 2 * words.len() / self.depth,
        }
    }

    /// At most `width` columns from `first`, both whole panels.
    pub(super) fn run(&self, first: usize, width: usize) -> Self {
        let end = self.columns().min(first + width);
        let values = match self.values {
            Values::Full(values) => Values::Full(&values[first * self.depth..end * self.depth]),
            Values::Half(words) => Values::Half(&words[first * self.depth / 2..end * self.depth / 2]),
        };
        Self { depth: self.depth, values }
    }
}

/// The upper half of a finite value, rounded to even.
pub(super) fn half(value: f32) -> u32 {
    let bits = value.to_bits();
    (bits + 0x7fff + (bits >> 16 & 1)) >> 16
}
