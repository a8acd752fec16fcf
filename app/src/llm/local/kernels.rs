//! Elementwise steps of the model, written so that the compiler vectorises them.
//!
//! `Arch::dispatch` compiles a closure for every instruction set and picks one
//! at run time. Sums are kept in [`LANES`] independent parts, because the
//! compiler may not reorder a plain floating-point sum.

#![expect(clippy::inline_always, reason = "what is not inlined is not compiled for the instruction set")]

use pulp::Arch;

const LANES: usize = 16;

/// Added to a variance before its root, as the model was trained.
const NORM_EPSILON: f32 = 1e-12;

/// `x * Φ(x)` in place, with the exact `erf` and not the tanh approximation.
pub(super) fn gelu(arch: Arch, values: &mut [f32]) {
    arch.dispatch(|| {
        for value in values {
            *value *= 0.5 + 0.5 * erf(*value * std::f32::consts::FRAC_1_SQRT_2);
        }
    });
}

/// Adds `more` to `rows` and normalises each row of `weight.len()` values.
pub(super) fn add_and_norm(arch: Arch, rows: &mut [f32], more: &[f32], weight: &[f32], bias: &[f32]) {
    arch.dispatch(|| {
        let width = weight.len();
        for (row, more) in rows.chunks_exact_mut(width).zip(more.chunks_exact(width)) {
            for (value, more) in row.iter_mut().zip(more) {
                *value += more;
            }
            norm_row(row, weight, bias);
        }
    });
}

/// Softmax of the first `columns` values of each row of `stride` values.
pub(super) fn softmax(arch: Arch, rows: &mut [f32], stride: usize, columns: usize) {
    arch.dispatch(|| {
        for row in rows.chunks_exact_mut(stride) {
            softmax_row(&mut row[..columns]);
        }
    });
}

/// Adds each row to `total`.
pub(super) fn sum_rows(arch: Arch, rows: &[f32], total: &mut [f32]) {
    arch.dispatch(|| {
        for row in rows.chunks_exact(total.len()) {
            for (total, value) in total.iter_mut().zip(row) {
                *total += value;
            }
        }
    });
}

#[inline(always)]
fn norm_row(row: &mut [f32], weight: &[f32], bias: &[f32]) {
    #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
    let count = row.len() as f32;
    let mean = sum(row, |value| value) / count;
    let variance = sum(row, |value| (value - mean) * (value - mean)) / count;
    let scale = 1.0 / (variance + NORM_EPSILON).sqrt();
    for ((value, weight), bias) in row.iter_mut().zip(weight).zip(bias) {
        *value = (*value - mean) * scale * weight + bias;
    }
}

#[inline(always)]
fn softmax_row(row: &mut [f32]) {
    let mut peaks = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        for (peak, value) in peaks.iter_mut().zip(chunk) {
            *peak = if *value > *peak { *value } else { *peak };
        }
    }
    let peak = peaks.iter().chain(rest).fold(f32::NEG_INFINITY, |peak, value| peak.max(*value));
    for value in row.iter_mut() {
        *value = exp(*value - peak);
    }
    let scale = 1.0 / sum(row, |value| value);
    for value in row {
        *value *= scale;
    }
}

#[inline(always)]
fn sum(values: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    let mut parts = [0.0_f32; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for (part, value) in parts.iter_mut().zip(chunk) {
            *part += term(*value);
        }
    }
    parts.iter().sum::<f32>() + rest.iter().map(|value| term(*value)).sum::<f32>()
}

/// `erf` to a few units of the last place: a rational function, since beyond
/// 4 the result is 1 in single precision.
#[inline(always)]
fn erf(x: f32) -> f32 {
    let x = x.clamp(-4.0, 4.0);
    let square = x * x;
    let mut above = -2.726_142_4e-10_f32;
    above = above * square + 2.770_681_5e-8;
    above = above * square - 2.101_024e-6;
    above = above * square - 5.692_506_4e-5;
    above = above * square - 7.349_906e-4;
    above = above * square - 2.954_6e-3;
    above = above * square - 1.609_603_3e-2;
    let mut below = -1.456_607_2e-5_f32;
    below = below * square - 2.133_740_6e-4;
    below = below * square - 1.682_828e-3;
    below = below * square - 7.373_329e-3;
    below = below * square - 1.426_474e-2;
    x * above / below
}

/// `exp` of a value that is not above zero, to a few units of the last place.
#[inline(always)]
fn exp(x: f32) -> f32 {
    // Adding this rounds to an integer, which then stands in the low bits.
    const ROUND: f32 = 12_582_912.0;
    // ln 2 in two parts, so that taking off multiples of it loses nothing.
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let x = if x < -87.0 { -87.0 } else { x };
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let whole = shifted - ROUND;
    let rest = (x - whole * LN_2_HIGH) - whole * LN_2_LOW;
    let mut power = 1.987_569_1e-4_f32;
    power = power * rest + 1.398_199_9e-3;
    power = power * rest + 8.333_452e-3;
    power = power * rest + 4.166_579_6e-2;
    power = power * rest + 1.666_666_5e-1;
    power = power * rest + 0.5;
    let power = power * rest * rest + rest + 1.0;
    power * f32::from_bits((shifted.to_bits() << 23).wrapping_add(1.0_f32.to_bits()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_exact_to_single_precision() {
        for step in 0..8700_u16 {
            let x = -f32::from(step) / 100.0;
            let exact = f64::from(x).exp();
            assert!((f64::from(exp(x)) / exact - 1.0).abs() < 3e-7, "exp({x})");
        }
    }

    #[test]
    fn erf_is_exact_to_a_millionth() {
        // erf at 0.25, 0.5, 1, 1.5, 2, 3 and 5, from a table of ten digits.
        let table = [
            (0.0, 0.0),
            (0.25, 0.276_326_390_2),
            (0.5, 0.520_499_877_8),
            (1.0, 0.842_700_792_9),
            (1.5, 0.966_105_146_5),
            (2.0, 0.995_322_265_0),
            (3.0, 0.999_977_909_5),
            (5.0, 1.0),
        ];
        for (x, exact) in table {
            assert!((f64::from(erf(x)) - exact).abs() < 1e-6, "erf({x})");
            assert!((f64::from(erf(-x)) + exact).abs() < 1e-6, "erf(-{x})");
        }
    }

    #[test]
    fn softmax_sums_to_one_and_leaves_the_padding() {
        let mut rows: Vec<f32> = (0..64_u8).map(f32::from).collect();
        softmax(Arch::new(), &mut rows, 32, 20);
        for row in rows.chunks(32) {
            assert!((row[..20].iter().sum::<f32>() - 1.0).abs() < 1e-6);
        }
        assert_eq!(rows[31].to_bits(), 31.0_f32.to_bits());
    }

    #[test]
    fn a_normalised_row_has_mean_zero_and_variance_one() {
        let mut row: Vec<f32> = (0..384_u16).map(|step| f32::from(step % 7)).collect();
        let more = row.clone();
        add_and_norm(Arch::new(), &mut row, &more, &[1.0; 384], &[0.0; 384]);
        let mean = row.iter().sum::<f32>() / 384.0;
        let variance = row.iter().map(|value| value * value).sum::<f32>() / 384.0;
        assert!(mean.abs() < 1e-6 && (variance - 1.0).abs() < 1e-5);
    }
}
