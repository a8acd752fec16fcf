//! all-MiniLM-L6-v2: six transformer layers on the processor.
//!
//! Texts are packed one after the other without padding, so every linear step
//! is one product over all their tokens; only the attention goes text by text.
//! Groups of texts run on the threads independently. A single small group
//! splits its products over the threads instead, for the sake of latency.
//!
//! A question has a dozen tokens, and its time is that of fetching the weights
//! from memory. They are kept in half the space (bfloat16, sums in single
//! precision): the vectors are within a cosine of 1e-5 of the exact ones.

use std::path::Path;

use rayon::prelude::*;
use tokenizers::Tokenizer;

use super::engine::{Engine, Vectors};
use super::gemm::{Blocks, Gemm, Matrix, Panels};
use super::kernels::{add_and_norm, gelu, softmax, sum_rows};
use super::weights::{HEAD, HEADS, HIDDEN, Layer, Linear, WINDOW, Weights, damaged, missing};
use crate::error::Result;
use crate::llm::unit::to_unit_length;
use crate::llm::{EmbedKind, ModelError};

/// Tokens of a group: enough rows for the products to be efficient, few
/// enough for the rows to stay in a core's cache.
const GROUP_TOKENS: usize = 256;
const GROUP_TOKENS_MIN: usize = 96;

/// The model, ready to use.
pub(super) struct MiniLm {
    gemm: Gemm,
    weights: Weights,
    tokenizer: Tokenizer,
    first: u32,
    last: u32,
}

/// Buffers of one thread, kept from group to group.
#[derive(Default)]
struct Scratch {
    states: Vec<f32>,
    attention: Vec<f32>,
    context: Vec<f32>,
    inner: Vec<f32>,
    output: Vec<f32>,
    scores: Vec<f32>,
    left: Blocks,
    right: Panels,
}

impl MiniLm {
    /// Reads the model's two files from `folder`.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("tokenizer.json");
        let bytes = std::fs::read(&path).map_err(|error| missing(&path, &error))?;
        let mut tokenizer =
            Tokenizer::from_bytes(bytes).map_err(|error| damaged(&path, &error.to_string()))?;
        // The file asks for a fixed length; texts are cut in here and never padded.
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(|error| damaged(&path, &error.to_string()))?;
        let special =
            |token| tokenizer.token_to_id(token).ok_or_else(|| damaged(&path, "a special token is missing"));
        let (first, last) = (special("[CLS]")?, special("[SEP]")?);
        let gemm = Gemm::new();
        let weights = Weights::read(&folder.join("model.safetensors"), gemm)?;
        Ok(Self { gemm, weights, tokenizer, first, last })
    }

    fn tokenize(&self, text: &str) -> Result<Vec<u32>, ModelError> {
        let encoding = self.tokenizer.encode_fast(text, false).map_err(|error| ModelError::Local {
            detail: format!("a text cannot be split into tokens: {error}"),
        })?;
        let words = encoding.get_ids();
        let words = &words[..words.len().min(WINDOW - 2)];
        Ok([&[self.first], words, &[self.last]].concat())
    }

    /// The mean of a text's final states, at unit length, for each text of a group.
    /// `wide`: each product on all threads.
    fn forward(&self, texts: &[Vec<u32>], scratch: &mut Scratch, wide: bool) -> Vec<Vec<f32>> {
        self.embed_words(texts, scratch);
        for layer in &self.weights.layers {
            self.layer(layer, texts, scratch, wide);
        }
        let mut rest = &scratch.states[..];
        texts
            .iter()
            .map(|text| {
                let (rows, after) = rest.split_at(text.len() * HIDDEN);
                rest = after;
                let mut vector = vec![0.0; HIDDEN];
                sum_rows(self.gemm.arch(), rows, &mut vector);
                to_unit_length(&mut vector);
                vector
            })
            .collect()
    }

    fn embed_words(&self, texts: &[Vec<u32>], scratch: &mut Scratch) {
        let tokens: usize = texts.iter().map(Vec::len).sum();
        scratch.states.clear();
        scratch.states.resize(tokens * HIDDEN, 0.0);
        scratch.output.clear();
        for text in texts {
            scratch.output.extend_from_slice(&self.weights.positions[..text.len() * HIDDEN]);
        }
        let words = texts.iter().flatten();
        for (state, word) in scratch.states.chunks_exact_mut(HIDDEN).zip(words) {
            self.weights.words.add(*word, state);
        }
        let norm = &self.weights.norm;
        add_and_norm(self.gemm.arch(), &mut scratch.states, &scratch.output, &norm.weight, &norm.bias);
    }

    fn layer(&self, layer: &Layer, texts: &[Vec<u32>], scratch: &mut Scratch, wide: bool) {
        let arch = self.gemm.arch();
        self.linear(&layer.attention, &scratch.states, &mut scratch.attention, &mut scratch.left, wide);
        scratch.context.resize(scratch.states.len(), 0.0);
        self.attend(texts, scratch);
        let Scratch { states, context, inner, output, left, .. } = scratch;
        self.linear(&layer.mix, context, output, left, wide);
        add_and_norm(arch, states, output, &layer.attention_norm.weight, &layer.attention_norm.bias);
        self.linear(&layer.up, states, inner, left, wide);
        gelu(arch, inner);
        self.linear(&layer.down, inner, output, left, wide);
        add_and_norm(arch, states, output, &layer.output_norm.weight, &layer.output_norm.bias);
    }

    fn linear(&self, step: &Linear, from: &[f32], into: &mut Vec<f32>, left: &mut Blocks, wide: bool) {
        let (right, outputs) = (step.weights.side(), step.bias.len());
        let width = step.weights.depth();
        into.resize(from.len() / width * outputs, 0.0);
        self.gemm.pack_left(Matrix::dense(from, width), left);
        if wide {
            self.gemm.multiply_wide(left, right, &step.bias, into, outputs);
        } else {
            self.gemm.multiply(left, right, &step.bias, into, outputs);
        }
    }

    /// Attention of each text to itself, head by head.
    fn attend(&self, texts: &[Vec<u32>], scratch: &mut Scratch) {
        let Scratch { attention, context, scores, left, right, .. } = scratch;
        let stride = 3 * HIDDEN;
        let mut first = 0;
        for text in texts {
            let rows = text.len();
            let width = self.gemm.padded(rows);
            scores.resize(rows * width, 0.0);
            for head in 0..HEADS {
                let part = |which: usize| Matrix {
                    data: &attention[first * stride + which * HIDDEN + head * HEAD..],
                    stride,
                    rows,
                    columns: HEAD,
                };
                self.gemm.pack_left(part(0), left);
                self.gemm.pack_transposed(part(1), right);
                self.gemm.multiply(left, right.side(), &[], scores, width);
                softmax(self.gemm.arch(), scores, width, rows);
                self.gemm.pack_left(Matrix { data: scores, stride: width, rows, columns: rows }, left);
                self.gemm.pack(part(2), right);
                let into = &mut context[first * HIDDEN + head * HEAD..];
                self.gemm.multiply(left, right.side(), &[], into, HIDDEN);
            }
            first += rows;
        }
    }
}

impl Engine for MiniLm {
    fn embed(&self, _kind: EmbedKind, texts: &[&str]) -> Result<Vectors, ModelError> {
        // One step into the threads' pool and out again: from outside each product
        // would be handed in for itself, and waking somebody takes as long as it does.
        rayon::scope(|_| self.embed_inside(texts))
    }

    fn count_tokens(&self, text: &str) -> usize {
        // The tokenizer fails only on inconsistent vocabularies; the length in
        // characters is then an upper bound.
        self.tokenizer
            .encode_fast(text, false)
            .map_or_else(|_| text.chars().count(), |encoding| encoding.len())
    }
}

impl MiniLm {
    fn embed_inside(&self, texts: &[&str]) -> Result<Vectors, ModelError> {
        let texts: Vec<Vec<u32>> =
            texts.par_iter().map(|text| self.tokenize(text)).collect::<Result<_, _>>()?;
        let tokens: usize = texts.iter().map(Vec::len).sum();
        let share = (tokens / rayon::current_num_threads()).clamp(GROUP_TOKENS_MIN, GROUP_TOKENS);
        let groups = groups(&texts, share);
        let vectors = if let [group] = groups.as_slice() {
            self.forward(group, &mut Scratch::default(), true)
        } else {
            let done: Vec<Vec<Vec<f32>>> = groups
                .par_iter()
                .map_init(Scratch::default, |scratch, group| self.forward(group, scratch, false))
                .collect();
            done.into_iter().flatten().collect()
        };
        let tokens = texts.iter().map(|text| text.len() as u64).collect();
        Ok(Vectors { vectors, tokens })
    }
}

/// Cuts the texts, order kept, into runs of about `share` tokens.
fn groups(texts: &[Vec<u32>], share: usize) -> Vec<&[Vec<u32>]> {
    let mut groups = Vec::new();
    let mut start = 0;
    let mut tokens = 0;
    for (index, text) in texts.iter().enumerate() {
        if index > start && tokens + text.len() > share {
            groups.push(&texts[start..index]);
            start = index;
            tokens = 0;
        }
        tokens += text.len();
    }
    if start < texts.len() {
        groups.push(&texts[start..]);
    }
    groups
}
