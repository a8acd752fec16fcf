//! Matrix product with a right side that is packed once and used often.
//!
//! A general product packs both sides on every call. Here the right side is a
//! weight, constant for the life of the process, so it is stored in the order
//! in which the inner loop reads it; that, and tiles as large as the register
//! file allows, is what makes it faster than the general one.

#![expect(clippy::inline_always, reason = "what is not inlined is not compiled for the instruction set")]

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// Rows and columns that one pass of the inner loop computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tile {
    rows: usize,
    columns: usize,
}

/// The product as this processor does it best.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gemm {
    arch: Arch,
    tile: Tile,
}

/// A right side: panels of `tile.columns` columns, in each the rows one after the other.
#[derive(Debug, Default)]
pub(super) struct Panels {
    depth: usize,
    count: usize,
    data: Vec<f32>,
}

/// A left side: blocks of `tile.rows` rows, in each the columns one after the other.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    depth: usize,
    rows: usize,
    data: Vec<f32>,
}

/// A view of a row-major matrix inside a larger one.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
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
    pub(super) fn dense(data: &'a [f32], columns: usize) -> Self {
        Self { data, stride: columns, rows: data.len() / columns, columns }
    }

    fn row(&self, index: usize) -> &'a [f32] {
        let start = index * self.stride;
        &self.data[start..start + self.columns]
    }
}

impl Gemm {
    /// Asks the processor what it can do.
    pub(super) fn new() -> Self {
        let arch = Arch::new();
        Self { arch, tile: arch.dispatch(AskTile) }
    }

    /// The instruction set, for kernels beside the product.
    pub(super) fn arch(&self) -> Arch {
        self.arch
    }

    /// Columns of a result are rounded up to a multiple of this.
    pub(super) fn padded(&self, columns: usize) -> usize {
        columns.next_multiple_of(self.tile.columns)
    }

    /// Packs the transpose of `matrix` (a weight as it is stored: one row an output).
    pub(super) fn pack_transposed(&self, matrix: Matrix<'_>, into: &mut Panels) {
        let width = self.tile.columns;
        into.reset(matrix.columns, matrix.rows, width);
        for row in 0..matrix.rows {
            let panel = &mut into.data[row / width * width * matrix.columns..];
            let slots = panel[row % width..].iter_mut().step_by(width);
            for (slot, value) in slots.zip(matrix.row(row)) {
                *slot = *value;
            }
        }
    }

    /// Packs `matrix` as it is.
    pub(super) fn pack(&self, matrix: Matrix<'_>, into: &mut Panels) {
        let width = self.tile.columns;
        into.reset(matrix.rows, matrix.columns, width);
        for row in 0..matrix.rows {
            for (panel, values) in matrix.row(row).chunks(width).enumerate() {
                let start = (panel * matrix.rows + row) * width;
                into.data[start..start + values.len()].copy_from_slice(values);
            }
        }
    }

    /// Packs a left side.
    pub(super) fn pack_left(&self, matrix: Matrix<'_>, into: &mut Blocks) {
        let height = self.tile.rows;
        into.depth = matrix.columns;
        into.rows = matrix.rows;
        // Rows that pad the last block are computed and thrown away; whatever
        // stands in them is finite, so only the length matters.
        into.data.resize(matrix.rows.next_multiple_of(height) * matrix.columns, 0.0);
        let blocks = into.data.chunks_exact_mut(height * matrix.columns);
        for (index, block) in blocks.enumerate() {
            let first = index * height;
            for row in first..matrix.rows.min(first + height) {
                let slots = block[row - first..].iter_mut().step_by(height);
                for (slot, value) in slots.zip(matrix.row(row)) {
                    *slot = *value;
                }
            }
        }
    }

    /// `into = left * right + bias`, rows of `into` being `stride` apart. An
    /// empty bias is none.
    pub(super) fn multiply(
        &self,
        left: &Blocks,
        right: &Panels,
        bias: &[f32],
        into: &mut [f32],
        stride: usize,
    ) {
        self.arch.dispatch(Product {
            tile: self.tile,
            left,
            depth: right.depth,
            panels: &right.data,
            bias,
            into,
            stride,
        });
    }

    /// The same on all threads: for few rows, where the right side is split instead of the rows.
    pub(super) fn multiply_wide(
        &self,
        left: &Blocks,
        right: &Panels,
        bias: &[f32],
        into: &mut [f32],
        stride: usize,
    ) {
        let share = right.count.div_ceil(rayon::current_num_threads() * 2).max(1);
        let width = share * self.tile.columns;
        let parts: Vec<Vec<f32>> = right
            .data
            .par_chunks(share * self.tile.columns * right.depth)
            .enumerate()
            .map(|(index, panels)| {
                let columns = panels.len() / right.depth;
                let mut part = vec![0.0; left.rows * columns];
                let bias = bias.get(index * width..index * width + columns).unwrap_or_default();
                let product = Product {
                    tile: self.tile,
                    left,
                    depth: right.depth,
                    panels,
                    bias,
                    into: &mut part,
                    stride: columns,
                };
                self.arch.dispatch(product);
                part
            })
            .collect();
        for (index, part) in parts.iter().enumerate() {
            let columns = part.len() / left.rows.max(1);
            for (row, values) in part.chunks_exact(columns.max(1)).enumerate() {
                let start = row * stride + index * width;
                into[start..start + columns].copy_from_slice(values);
            }
        }
    }
}

impl Panels {
    /// Rows of the right side.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    fn reset(&mut self, depth: usize, columns: usize, width: usize) {
        self.depth = depth;
        self.count = columns.div_ceil(width);
        self.data.clear();
        self.data.resize(self.count * width * depth, 0.0);
    }
}

/// Finds the tile that fills the registers of an instruction set: two vectors
/// of columns, and rows so that all sums, both vectors and a factor stay inside.
struct AskTile;

impl WithSimd for AskTile {
    type Output = Tile;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Tile {
        let rows = if S::REGISTER_COUNT >= 32 { 12 } else { 6 };
        Tile { rows, columns: 2 * S::F32_LANES }
    }
}

struct Product<'a> {
    tile: Tile,
    left: &'a Blocks,
    depth: usize,
    panels: &'a [f32],
    bias: &'a [f32],
    into: &'a mut [f32],
    stride: usize,
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if self.tile.rows == 12 {
            self.run::<S, 12>(simd);
        } else {
            self.run::<S, 6>(simd);
        }
    }
}

impl Product<'_> {
    #[inline(always)]
    fn run<S: Simd, const ROWS: usize>(self, simd: S) {
        let width = 2 * S::F32_LANES;
        for (panel, right) in self.panels.chunks_exact(self.depth * width).enumerate() {
            let column = panel * width;
            let bias = self.bias.get(column..column + width).unwrap_or_default();
            for (block, left) in self.left.data.chunks_exact(self.depth * ROWS).enumerate() {
                let sums = tile::<S, ROWS>(simd, left, right, bias);
                let first = block * ROWS;
                let rows = ROWS.min(self.left.rows - first);
                for (row, sums) in sums.iter().take(rows).enumerate() {
                    let start = (first + row) * self.stride + column;
                    let (slots, _) = S::as_mut_simd_f32s(&mut self.into[start..start + width]);
                    slots.copy_from_slice(sums);
                }
            }
        }
    }
}

/// The inner loop: `ROWS` by two vectors of sums, held in registers.
#[inline(always)]
fn tile<S: Simd, const ROWS: usize>(
    simd: S,
    left: &[f32],
    right: &[f32],
    bias: &[f32],
) -> [[S::f32s; 2]; ROWS] {
    let start = match S::as_simd_f32s(bias).0 {
        [first, second] => [*first, *second],
        _ => [simd.splat_f32s(0.0); 2],
    };
    let mut sums = [start; ROWS];
    let (factors, _) = left.as_chunks::<ROWS>();
    let (vectors, _) = S::as_simd_f32s(right).0.as_chunks::<2>();
    for (factors, vectors) in factors.iter().zip(vectors) {
        for (sums, factor) in sums.iter_mut().zip(factors) {
            let factor = simd.splat_f32s(*factor);
            sums[0] = simd.mul_add_e_f32s(factor, vectors[0], sums[0]);
            sums[1] = simd.mul_add_e_f32s(factor, vectors[1], sums[1]);
        }
    }
    sums
}
