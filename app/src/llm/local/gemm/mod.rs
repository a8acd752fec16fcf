//! Matrix product with a right side that is packed once and used often.
//!
//! A general product packs both sides on every call. Here the right side is a
//! weight, constant for the life of the process, so it is stored in the order
//! in which the inner loop reads it; that, and tiles as large as the register
//! file allows, is what makes it faster than the general one.

mod product;
mod sides;

use pulp::Arch;
use rayon::prelude::*;

use product::{AskTile, Product};
use sides::half;
pub(super) use sides::{Blocks, Halves, Matrix, Panels, Side};

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

    /// The same right side in half the space.
    pub(super) fn halve(&self, panels: &Panels) -> Halves {
        let lanes = self.tile.columns / 2;
        let rows = panels.data.chunks_exact(2 * lanes);
        let words = rows.flat_map(|row| {
            let (first, second) = row.split_at(lanes);
            first.iter().zip(second).map(|(first, second)| half(*first) | half(*second) << 16)
        });
        Halves { depth: panels.depth, data: words.collect() }
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
        right: Side<'_>,
        bias: &[f32],
        into: &mut [f32],
        stride: usize,
    ) {
        self.arch.dispatch(Product { tile: self.tile, left, right, bias, into, stride });
    }

    /// The same on all threads: for few rows, where the right side is split instead of the rows.
    pub(super) fn multiply_wide(
        &self,
        left: &Blocks,
        right: Side<'_>,
        bias: &[f32],
        into: &mut [f32],
        stride: usize,
    ) {
        let share = right.columns().div_ceil(self.tile.columns).div_ceil(rayon::current_num_threads() * 2);
        let width = share.max(1) * self.tile.columns;
        let runs = right.columns().div_ceil(width);
        let parts: Vec<Vec<f32>> = (0..runs)
            .into_par_iter()
            .map(|index| {
                let run = right.run(index * width, width);
                let columns = run.columns();
                let mut part = vec![0.0; left.rows * columns];
                let bias = bias.get(index * width..index * width + columns).unwrap_or_default();
                let (tile, into) = (self.tile, part.as_mut_slice());
                self.arch.dispatch(Product { tile, left, right: run, bias, into, stride: columns });
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
