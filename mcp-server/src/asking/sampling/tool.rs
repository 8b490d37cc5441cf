//! Tools that a model may use while it answers.

use crate::protocol::Json;

/// A tool that the model may use while it answers one request.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct SamplingTool {
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) input_schema: Json,
}

impl SamplingTool {
    /// A tool of that name whose input is an object of this schema.
    pub fn new(name: impl Into<String>, input_schema: impl Into<Json>) -> Self {
        Self { name: name.into(), description: None, input_schema: input_schema.into() }
    }

    /// What it does.
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = Some(text.into());
        self
    }

    /// Server/tools: names of 1 to 128 characters, and an object as input.
    ///
    /// # Errors
    /// Which of these it breaks.
    pub(super) fn check(&self) -> Result<(), String> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        if !(1..=128).contains(&self.name.len()) || !self.name.bytes().all(fits) {
            return Err("a tool's name is not of 1 to 128 letters, digits, `_`, `-` and `.`".to_owned());
        }
        let schema: serde_json::Map<String, serde_json::Value> = self.input_schema.to().unwrap_or_default();
        if schema.get("type").is_none_or(|kind| kind != "object") {
            return Err(format!("the input schema of the tool `{}` is not that of an object", self.name));
        }
        Ok(())
    }
}

/// Whether the model uses the tools that it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ToolChoice {
    /// It decides.
    Auto,
    /// It must use one at least.
    Required,
    /// It must not.
    None,
}
