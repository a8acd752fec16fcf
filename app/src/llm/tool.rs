//! Tools as a model sees them.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use serde_json::Value;

use super::count::{COUNTERS, Counter};

/// A tool that a model may call. It is made once and shared: a turn copies no schema.
#[derive(Debug)]
pub struct ToolSpec {
    /// By what it is called.
    pub name: Cow<'static, str>,
    /// When to call it, for the model to read.
    pub description: Cow<'static, str>,
    /// JSON schema of its arguments, an object.
    pub parameters: Value,
    /// What it was counted as, by each way of counting.
    counted: [OnceLock<usize>; COUNTERS],
}

impl ToolSpec {
    /// A tool, to be shared.
    pub fn new(
        name: impl Into<Cow<'static, str>>,
        description: impl Into<Cow<'static, str>>,
        parameters: Value,
    ) -> Arc<Self> {
        let counted = Default::default();
        Arc::new(Self { name: name.into(), description: description.into(), parameters, counted })
    }

    /// Tokens of its name, description and schema; counted once.
    pub fn tokens(&self, counter: Counter) -> usize {
        *self.counted[counter.place()].get_or_init(|| {
            let texts = [self.name.as_ref(), self.description.as_ref(), &self.parameters.to_string()];
            texts.into_iter().map(|text| counter.tokens(text)).sum()
        })
    }
}

impl PartialEq for ToolSpec {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.description, &self.parameters)
            == (&other.name, &other.description, &other.parameters)
    }
}

/// A model's call of a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCall {
    /// The provider's id of the call; made up where the provider gave none.
    pub id: String,
    /// The tool; it need not exist.
    pub name: String,
    /// The arguments as the model wrote them; they need not be JSON.
    pub arguments: String,
}
