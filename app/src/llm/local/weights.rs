//! Reads all-MiniLM-L6-v2 from its safetensors file.

use std::fs::File;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use safetensors::{Dtype, SafeTensors};

use super::gemm::{Gemm, Halves, Matrix, Panels};
use crate::error::{Error, Result};

/// Length of a token's vector, everywhere in the model.
pub(super) const HIDDEN: usize = 384;
/// Width between the two halves of the feed-forward step.
pub(super) const INNER: usize = 1536;
/// Attention heads.
pub(super) const HEADS: usize = 12;
/// Length of a head's vectors.
pub(super) const HEAD: usize = HIDDEN / HEADS;
/// Tokens of a text, both special ones included; what the model was trained on.
pub(super) const WINDOW: usize = 256;

const LAYERS: usize = 6;
const WORDS: &str = "embeddings.word_embeddings.weight";

/// The weights, in the order in which they are used.
pub(super) struct Weights {
    /// Vectors of the words.
    pub words: Words,
    /// Position vectors, the one token type already added.
    pub positions: Vec<f32>,
    /// After both.
    pub norm: Norm,
    /// The transformer.
    pub layers: Vec<Layer>,
}

/// Scale and shift of a layer norm.
pub(super) struct Norm {
    /// Scale.
    pub weight: Vec<f32>,
    /// Shift.
    pub bias: Vec<f32>,
}

/// A linear step.
pub(super) struct Linear {
    /// Packed weights.
    pub weights: Halves,
    /// Added to every row.
    pub bias: Vec<f32>,
}

/// One of the six layers.
pub(super) struct Layer {
    /// Queries, keys and values in one product.
    pub attention: Linear,
    /// Mixes the heads.
    pub mix: Linear,
    /// After the attention.
    pub attention_norm: Norm,
    /// To the inner width.
    pub up: Linear,
    /// And back.
    pub down: Linear,
    /// After the feed-forward step.
    pub output_norm: Norm,
}

/// The table of word vectors, half of the model: it stays in the file, and
/// only pages of words that occur are ever read.
pub(super) struct Words {
    map: Mmap,
    start: usize,
    count: usize,
}

impl Words {
    /// Adds a word's vector to `into`; a word beyond the table adds nothing.
    pub(super) fn add(&self, word: u32, into: &mut [f32]) {
        let word = word as usize;
        if word >= self.count {
            return;
        }
        let start = self.start + word * HIDDEN * 4;
        let (values, _) = self.map[start..start + HIDDEN * 4].as_chunks::<4>();
        for (slot, bytes) in into.iter_mut().zip(values) {
            *slot += f32::from_le_bytes(*bytes);
        }
    }
}

impl Weights {
    /// Reads the file. Whatever is wrong with it is a start-up error that names it.
    pub(super) fn read(path: &Path, gemm: Gemm) -> Result<Self> {
        // Two maps one after the other: dropping the first gives back the pages
        // of the weights that are kept packed, so that they are not held twice.
        let map = map(path)?;
        let reader = Reader { path, gemm, tensors: parse(path, &map)? };
        let mut positions = reader.tensor("embeddings.position_embeddings.weight", &[512, HIDDEN])?;
        positions.truncate(WINDOW * HIDDEN);
        let types = reader.tensor("embeddings.token_type_embeddings.weight", &[2, HIDDEN])?;
        for position in positions.chunks_exact_mut(HIDDEN) {
            for (slot, value) in position.iter_mut().zip(&types[..HIDDEN]) {
                *slot += value;
            }
        }
        let norm = reader.norm("embeddings.LayerNorm")?;
        let layers = (0..LAYERS).map(|index| reader.layer(index)).collect::<Result<_>>()?;
        let (start, count) = reader.words(&map)?;
        drop(map);
        let words = Words { map: self::map(path)?, start, count };
        if words.map.len() < start + count * HIDDEN * 4 {
            return Err(damaged(path, "it changed while it was read"));
        }
        Ok(Self { words, positions, norm, layers })
    }
}

struct Reader<'a> {
    path: &'a Path,
    gemm: Gemm,
    tensors: SafeTensors<'a>,
}

impl Reader<'_> {
    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let (values, _) = self.bytes(name, shape)?.as_chunks::<4>();
        Ok(values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }

    fn bytes(&self, name: &str, shape: &[usize]) -> Result<&[u8]> {
        let view = self.tensors.tensor(name).map_err(|error| damaged(self.path, &error.to_string()))?;
        if view.dtype() != Dtype::F32 || view.shape() != shape {
            let found = format!("{name} is {:?} {:?}, expected F32 {shape:?}", view.dtype(), view.shape());
            return Err(damaged(self.path, &found));
        }
        Ok(view.data())
    }

    /// Where the word vectors lie in the file, and how many there are.
    fn words(&self, map: &Mmap) -> Result<(usize, usize)> {
        let view = self.tensors.tensor(WORDS).map_err(|error| damaged(self.path, &error.to_string()))?;
        let count = view.shape().first().copied().unwrap_or_default();
        let data = self.bytes(WORDS, &[count, HIDDEN])?;
        Ok((data.as_ptr().addr() - map.as_ptr().addr(), count))
    }

    fn norm(&self, name: &str) -> Result<Norm> {
        Ok(Norm {
            weight: self.tensor(&format!("{name}.weight"), &[HIDDEN])?,
            bias: self.tensor(&format!("{name}.bias"), &[HIDDEN])?,
        })
    }

    fn linear(&self, name: &str, inputs: usize, outputs: usize) -> Result<Linear> {
        let weight = self.tensor(&format!("{name}.weight"), &[outputs, inputs])?;
        Ok(self.packed(Matrix::dense(&weight, inputs), self.tensor(&format!("{name}.bias"), &[outputs])?))
    }

    fn packed(&self, weight: Matrix<'_>, bias: Vec<f32>) -> Linear {
        let mut panels = Panels::default();
        self.gemm.pack_transposed(weight, &mut panels);
        Linear { weights: self.gemm.halve(&panels), bias }
    }

    fn layer(&self, index: usize) -> Result<Layer> {
        let name = format!("encoder.layer.{index}");
        Ok(Layer {
            attention: self.attention(&format!("{name}.attention.self"))?,
            mix: self.linear(&format!("{name}.attention.output.dense"), HIDDEN, HIDDEN)?,
            attention_norm: self.norm(&format!("{name}.attention.output.LayerNorm"))?,
            up: self.linear(&format!("{name}.intermediate.dense"), HIDDEN, INNER)?,
            down: self.linear(&format!("{name}.output.dense"), INNER, HIDDEN)?,
            output_norm: self.norm(&format!("{name}.output.LayerNorm"))?,
        })
    }

    /// Queries, keys and values one under the other; the scale of the scores
    /// is multiplied into the queries, so that nobody has to do it later.
    fn attention(&self, name: &str) -> Result<Linear> {
        let mut weight = Vec::with_capacity(3 * HIDDEN * HIDDEN);
        let mut bias = Vec::with_capacity(3 * HIDDEN);
        for part in ["query", "key", "value"] {
            weight.extend(self.tensor(&format!("{name}.{part}.weight"), &[HIDDEN, HIDDEN])?);
            bias.extend(self.tensor(&format!("{name}.{part}.bias"), &[HIDDEN])?);
        }
        #[expect(clippy::cast_precision_loss, reason = "32")]
        let scale = 1.0 / (HEAD as f32).sqrt();
        let scaled = weight[..HIDDEN * HIDDEN].iter_mut().chain(&mut bias[..HIDDEN]);
        scaled.for_each(|value| *value *= scale);
        Ok(self.packed(Matrix::dense(&weight, HIDDEN), bias))
    }
}

fn map(path: &Path) -> Result<Mmap> {
    let file = File::open(path).map_err(|error| missing(path, &error))?;
    #[expect(
        unsafe_code,
        reason = "a map is unsafe because another process could shorten the file; setup writes it once and renames it into place"
    )]
    let map = unsafe { Mmap::map(&file) };
    map.map_err(|error| missing(path, &error))
}

fn parse<'a>(path: &Path, map: &'a Mmap) -> Result<SafeTensors<'a>> {
    SafeTensors::deserialize(map).map_err(|error| damaged(path, &error.to_string()))
}

/// A file of the model that is not there.
pub(super) fn missing(path: &Path, error: &std::io::Error) -> Error {
    let path: PathBuf = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    Error::startup(
        format!("the embedding model's file {} cannot be read: {error}", path.display()),
        "run `make setup`, which fetches it, or set EMBEDDING_MODEL=pocket for the small model inside the binary",
    )
}

/// A file of the model that is there and wrong.
pub(super) fn damaged(path: &Path, found: &str) -> Error {
    Error::startup(
        format!("the embedding model's file {} is damaged: {found}", path.display()),
        "delete it and run `make setup`, or set EMBEDDING_MODEL=pocket for the small model inside the binary",
    )
}
