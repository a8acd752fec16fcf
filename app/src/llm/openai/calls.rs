//! Puts a model's calls of tools together from the pieces they are streamed in.
//!
//! OpenAI numbers the calls and sends id and name once, then the arguments in
//! pieces. Other servers send whole calls, without numbers, all with the number
//! zero, repeat id and name with every piece, or send the arguments as an object.

use serde_json::Value;
use uuid::Uuid;

use crate::llm::{ModelError, ToolCall};

/// Calls of one answer.
const CALLS_MAX: usize = 64;
/// Bytes of the arguments of all of them.
const ARGUMENT_BYTES_MAX: usize = 256 * 1024;
/// Characters of an id and of a name; what is longer is none.
const NAME_CHARACTERS_MAX: usize = 200;

/// Calls that are being read.
#[derive(Debug, Default)]
pub(super) struct Calls {
    begun: Vec<Begun>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Begun {
    index: Option<u64>,
    id: String,
    name: String,
    arguments: String,
}

impl Calls {
    /// Takes the `tool_calls` of one delta.
    pub(super) fn push(&mut self, pieces: &Value) -> Result<(), ModelError> {
        for piece in pieces.as_array().into_iter().flatten() {
            self.piece(piece)?;
        }
        Ok(())
    }

    /// The calls that were read, whole; none are left.
    pub(super) fn finish(&mut self) -> Result<Vec<ToolCall>, ModelError> {
        let mut calls: Vec<ToolCall> = Vec::with_capacity(self.begun.len());
        for begun in std::mem::take(self).begun {
            if begun.name.is_empty() {
                return Err(malformed("a call of a tool without a name"));
            }
            let is_taken = begun.id.is_empty() || calls.iter().any(|call| call.id == begun.id);
            let id = if is_taken { format!("call_{}", Uuid::now_v7().simple()) } else { begun.id };
            let arguments = if begun.arguments.trim().is_empty() { "{}".to_owned() } else { begun.arguments };
            calls.push(ToolCall { id, name: begun.name, arguments });
        }
        Ok(calls)
    }

    fn piece(&mut self, piece: &Value) -> Result<(), ModelError> {
        let index = piece.get("index").and_then(Value::as_u64);
        let id = word(piece.get("id"))?;
        let function = piece.get("function").unwrap_or(&Value::Null);
        let name = word(function.get("name"))?;
        let arguments = match function.get("arguments") {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
        };
        self.bytes += arguments.len();
        if self.bytes > ARGUMENT_BYTES_MAX {
            return Err(malformed("arguments of a tool without an end"));
        }
        let call = self.call_of(index, id, name)?;
        // Whoever repeats id or name with every piece means the same call.
        if call.id.is_empty() {
            id.clone_into(&mut call.id);
        }
        if call.name.is_empty() {
            name.clone_into(&mut call.name);
        }
        call.arguments.push_str(&arguments);
        Ok(())
    }

    /// The call that a piece belongs to: that of its number, unless its id says
    /// that it begins another; without a number that of its id, else the last,
    /// unless a name begins one.
    fn call_of(&mut self, index: Option<u64>, id: &str, name: &str) -> Result<&mut Begun, ModelError> {
        let is_other = |call: &Begun| !id.is_empty() && !call.id.is_empty() && call.id != id;
        let at = match index {
            Some(_) => self
                .begun
                .iter()
                .rposition(|call| call.index == index)
                .filter(|at| !is_other(&self.begun[*at])),
            None if !id.is_empty() => self.begun.iter().rposition(|call| call.id == id),
            None if name.is_empty() => self.begun.len().checked_sub(1),
            None => None,
        };
        let at = match at {
            Some(at) => at,
            None if self.begun.len() == CALLS_MAX => return Err(malformed("calls of tools without an end")),
            None => {
                self.begun.push(Begun { index, ..Begun::default() });
                self.begun.len() - 1
            }
        };
        Ok(&mut self.begun[at])
    }
}

/// An id or a name; empty if there is none.
fn word(value: Option<&Value>) -> Result<&str, ModelError> {
    let word = value.and_then(Value::as_str).unwrap_or_default();
    if word.chars().count() > NAME_CHARACTERS_MAX || word.chars().any(char::is_control) {
        return Err(malformed("an id or a name of a call that is none"));
    }
    Ok(word)
}

fn malformed(detail: &str) -> ModelError {
    ModelError::Malformed { detail: detail.to_owned() }
}
