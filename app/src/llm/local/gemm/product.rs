//! The inner loop, for whatever instruction set there is.

#![expect(clippy::inline_always, reason = "what is not inlined is not compiled for the instruction set")]

use pulp::{Simd, WithSimd};

use super::Tile;
use super::sides::{Blocks, Side, Values};

/// Finds the tile that fills the registers of an instruction set: two vectors
/// of columns, and rows so that all sums, both vectors and a factor stay inside.
pub(super) struct AskTile;

impl WithSimd for AskTile {
    type Output = Tile;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Tile {
        let rows = if S::REGISTER_COUNT >= 32 { 12 } else { 6 };
        Tile { rows, columns: 2 * S::F32_LANES }
    }
}

/// A product that waits for its instruction set.
pub(super) struct Product<'a> {
    pub(super) tile: Tile,
    pub(super) left: &'a Blocks,
    pub(super) right: Side<'a>,
    pub(super) bias: &'a [f32],
    pub(super) into: &'a mut [f32],
    pub(super) stride: usize,
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if self.tile.rows == 12 {
            self.run::<S, 12, 8, 4>(simd);
        } else {
            self.run::<S, 6, 4, 2>(simd);
        }
    }
}

impl Product<'_> {
    /// `ROWS` are the rows of a block; a last block that is not full goes by `SOME` or
    /// `FEW` of them, because a question is seldom longer than two blocks.
    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const SOME: usize, const FEW: usize>(mut self, simd: S) {
        let depth = self.right.depth;
        match self.right.values {
            Values::Full(values) => {
                for (panel, right) in values.chunks_exact(depth * 2 * S::F32_LANES).enumerate() {
                    let (vectors, _) = S::as_simd_f32s(right).0.as_chunks::<2>();
                    self.panel::<S, ROWS, SOME, FEW, _>(simd, panel, vectors, full::<S>);
                }
            }
            Values::Half(words) => {
                for (panel, right) in words.chunks_exact(depth * S::F32_LANES).enumerate() {
                    let vectors = S::as_simd_u32s(right).0;
                    self.panel::<S, ROWS, SOME, FEW, _>(simd, panel, vectors, unpack::<S>);
                }
            }
        }
    }

    /// One panel against all blocks of rows. `vectors` has the two vectors of
    /// each of the panel's rows, as `read` takes them.
    #[inline(always)]
    fn panel<S: Simd, const ROWS: usize, const SOME: usize, const FEW: usize, V: Copy>(
        &mut self,
        simd: S,
        panel: usize,
        vectors: &[V],
        read: impl Fn(S, V) -> [S::f32s; 2] + Copy,
    ) {
        let width = 2 * S::F32_LANES;
        let column = panel * width;
        let bias = self.bias.get(column..column + width).unwrap_or_default();
        for (block, left) in self.left.data.chunks_exact(self.right.depth * ROWS).enumerate() {
            let first = block * ROWS;
            let rows = ROWS.min(self.left.rows - first);
            let (factors, _) = left.as_chunks::<ROWS>();
            if rows <= FEW {
                let sums = tile::<S, ROWS, FEW, V>(simd, factors, vectors, read, bias);
                self.keep::<S, FEW>(first, rows, column, &sums);
            } else if rows <= SOME {
                let sums = tile::<S, ROWS, SOME, V>(simd, factors, vectors, read, bias);
                self.keep::<S, SOME>(first, rows, column, &sums);
            } else {
                let sums = tile::<S, ROWS, ROWS, V>(simd, factors, vectors, read, bias);
                self.keep::<S, ROWS>(first, rows, column, &sums);
            }
        }
    }

    /// Writes the sums of `rows` rows from `first` on.
    #[inline(always)]
    fn keep<S: Simd, const USED: usize>(
        &mut self,
        first: usize,
        rows: usize,
        column: usize,
        sums: &[[S::f32s; 2]; USED],
    ) {
        for (row, sums) in sums.iter().take(rows).enumerate() {
            let start = (first + row) * self.stride + column;
            let (slots, _) = S::as_mut_simd_f32s(&mut self.into[start..start + 2 * S::F32_LANES]);
            slots.copy_from_slice(sums);
        }
    }
}

#[inline(always)]
fn full<S: Simd>(_: S, vectors: [S::f32s; 2]) -> [S::f32s; 2] {
    vectors
}

#[inline(always)]
fn unpack<S: Simd>(simd: S, words: S::u32s) -> [S::f32s; 2] {
    let first = simd.wrapping_dyn_shl_u32s(words, simd.splat_u32s(16));
    let second = simd.and_u32s(words, simd.splat_u32s(0xffff_0000));
    [simd.transmute_f32s_u32s(first), simd.transmute_f32s_u32s(second)]
}

/// The inner loop: the first `USED` rows of a block by two vectors of sums, held in registers.
#[inline(always)]
fn tile<S: Simd, const ROWS: usize, const USED: usize, V: Copy>(
    simd: S,
    left: &[[f32; ROWS]],
    right: &[V],
    read: impl Fn(S, V) -> [S::f32s; 2],
    bias: &[f32],
) -> [[S::f32s; 2]; USED] {
    let start = match S::as_simd_f32s(bias).0 {
        [first, second] => [*first, *second],
        _ => [simd.splat_f32s(0.0); 2],
    };
    let mut sums = [start; USED];
    for (factors, vectors) in left.iter().zip(right) {
        let vectors = read(simd, *vectors);
        for (sums, factor) in sums.iter_mut().zip(factors) {
            let factor = simd.splat_f32s(*factor);
            sums[0] = simd.mul_add_e_f32s(factor, vectors[0], sums[0]);
            sums[1] = simd.mul_add_e_f32s(factor, vectors[1], sums[1]);
        }
    }
    sums
}
