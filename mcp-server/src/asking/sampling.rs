//! Samples of the client's model.

mod balance;
mod message;
mod preferences;
mod sampled;
mod tool;
mod wire;

pub use message::{SamplingContent, SamplingMessage, ToolUse};
pub use preferences::ModelPreferences;
pub use sampled::Sampled;
pub use tool::{SamplingTool, ToolChoice};

use crate::protocol::{Json, Role};

/// A request to the client's model (client/sampling), with the messages before its turn.
///
/// ```
/// use mcp_server::{ModelPreferences, Sampling};
///
/// let request = Sampling::new(100)
///     .user("What is the capital of France?")
///     .system_prompt("You are a helpful assistant.")
///     .prefer(ModelPreferences::new().hint("sonnet").intelligence(0.8));
/// # let _ = request;
/// ```
///
/// A model that uses tools answers with uses of them; run them, and ask again with their results:
///
/// ```
/// use mcp_server::protocol::ToolResult;
/// use mcp_server::{Sampled, Sampling, SamplingTool};
/// use serde_json::json;
///
/// # fn next(answer: Sampled) -> Sampling {
/// let city = json!({ "type": "object", "properties": { "city": { "type": "string" } } });
/// let request = Sampling::new(1000)
///     .user("What's the weather like in Paris and London?")
///     .tool(SamplingTool::new("get_weather", city).description("Get current weather for a city"));
/// // let answer: Sampled = ..;
/// let results: Vec<_> = answer.tool_uses().map(|used| used.answered(ToolResult::text("18°C"))).collect();
/// request.then(answer.into_message()).results(results)
/// # }
/// ```
///
/// Put a bound on the rounds of such a loop, and ask with [`ToolChoice::None`] in the last.
///
/// Deprecated since 2026-07-28 (SEP-2577): ask a model's provider directly instead.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Sampling {
    messages: Vec<SamplingMessage>,
    max_tokens: u32,
    system_prompt: Option<String>,
    temperature: Option<f64>,
    stop_sequences: Vec<String>,
    preferences: Option<ModelPreferences>,
    tools: Vec<SamplingTool>,
    tool_choice: Option<ToolChoice>,
    metadata: Option<Json>,
}

impl Sampling {
    /// A request for at most `max_tokens` tokens, without messages yet.
    pub const fn new(max_tokens: u32) -> Self {
        Self {
            messages: Vec::new(),
            max_tokens,
            system_prompt: None,
            temperature: None,
            stop_sequences: Vec::new(),
            preferences: None,
            tools: Vec::new(),
            tool_choice: None,
            metadata: None,
        }
    }

    /// Adds text of the person.
    pub fn user(self, text: impl Into<String>) -> Self {
        self.then(SamplingMessage::user(text))
    }

    /// Adds text of the model.
    pub fn assistant(self, text: impl Into<String>) -> Self {
        self.then(SamplingMessage::assistant(text))
    }

    /// Adds the results of all the tool uses of the message before.
    pub fn results(self, results: impl IntoIterator<Item = SamplingContent>) -> Self {
        self.then(SamplingMessage::new(Role::User, results))
    }

    /// Adds a message.
    pub fn then(mut self, message: SamplingMessage) -> Self {
        self.messages.push(message);
        self
    }

    /// What the model is told first. The client may change it.
    pub fn system_prompt(mut self, text: impl Into<String>) -> Self {
        self.system_prompt = Some(text.into());
        self
    }

    /// How random the answer is; which numbers make sense depends on the model.
    pub fn temperature(mut self, temperature: f64) -> Self {
        self.temperature = Some(temperature);
        self
    }

    /// Adds a text at which the model stops.
    pub fn stop_sequence(mut self, text: impl Into<String>) -> Self {
        self.stop_sequences.push(text.into());
        self
    }

    /// Which model is wanted.
    pub fn prefer(mut self, preferences: ModelPreferences) -> Self {
        self.preferences = Some(preferences);
        self
    }

    /// Adds a tool that the model may use. It need not be one of the server's.
    pub fn tool(mut self, tool: SamplingTool) -> Self {
        self.tools.push(tool);
        self
    }

    /// Whether the model uses the tools; by default it decides.
    pub fn tool_choice(mut self, choice: ToolChoice) -> Self {
        self.tool_choice = Some(choice);
        self
    }

    /// What the model's provider is given beside, an object.
    pub fn metadata(mut self, metadata: impl Into<Json>) -> Self {
        self.metadata = Some(metadata.into());
        self
    }

    /// Whether the client must know tools for it.
    pub(super) fn uses_tools(&self) -> bool {
        !self.tools.is_empty()
            || self.tool_choice.is_some()
            || self.messages.iter().any(SamplingMessage::uses_tools)
    }

    /// Whether it may be asked.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.max_tokens == 0 {
            return Err("it needs room for an answer: `max_tokens` is zero".to_owned());
        }
        if self.temperature.is_some_and(|temperature| !temperature.is_finite()) {
            return Err("`temperature` is not a number".to_owned());
        }
        if self.metadata.as_ref().is_some_and(|metadata| !metadata.is_object()) {
            return Err("`metadata` is not an object".to_owned());
        }
        self.preferences.as_ref().map_or(Ok(()), ModelPreferences::check)?;
        self.check_tools()?;
        balance::check(&self.messages)
    }

    fn check_tools(&self) -> Result<(), String> {
        for (index, tool) in self.tools.iter().enumerate() {
            tool.check()?;
            if self.tools.iter().take(index).any(|other| other.name == tool.name) {
                return Err(format!("the tool `{}` is there twice", tool.name));
            }
        }
        if self.tools.is_empty() && self.tool_choice == Some(ToolChoice::Required) {
            return Err("it requires the use of a tool and has none".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{ModelPreferences, Sampling, SamplingTool, ToolChoice};

    fn request() -> Sampling {
        Sampling::new(100).user("What is the capital of France?")
    }

    fn refused(request: &Sampling, wrong: &str) {
        let error = request.check().unwrap_err();
        assert!(error.contains(wrong), "{error}");
    }

    #[test]
    fn numbers_are_within_their_ranges() {
        assert_eq!(request().temperature(0.1).check(), Ok(()));
        refused(&Sampling::new(0).user("Hi"), "max_tokens");
        refused(&request().temperature(f64::NAN), "temperature");
        assert_eq!(request().prefer(ModelPreferences::new().cost(0.0).speed(1.0)).check(), Ok(()));
        for (wrong, priority) in [("cost", 1.1), ("cost", -0.1), ("cost", f64::NAN)] {
            refused(&request().prefer(ModelPreferences::new().cost(priority)), wrong);
        }
        refused(&request().prefer(ModelPreferences::new().intelligence(2.0)), "intelligence");
    }

    #[test]
    fn metadata_is_an_object() {
        assert_eq!(request().metadata(json!({ "user": 1 })).check(), Ok(()));
        refused(&request().metadata(json!([1])), "metadata");
    }

    #[test]
    fn tools_have_a_name_of_their_own_and_take_an_object() {
        let tool = |name: &str| SamplingTool::new(name, json!({ "type": "object" }));
        let with = |tool: SamplingTool| request().tool(tool);
        assert_eq!(with(tool("a")).tool(tool("b")).tool_choice(ToolChoice::Required).check(), Ok(()));
        refused(&with(tool("a")).tool(tool("a")), "twice");
        for name in ["", "a b", &"a".repeat(129)] {
            refused(&with(tool(name)), "name");
        }
        for schema in [json!({}), json!({ "type": "string" }), json!([])] {
            refused(&with(SamplingTool::new("a", schema)), "input schema");
        }
        refused(&request().tool_choice(ToolChoice::Required), "requires the use");
        assert_eq!(request().tool_choice(ToolChoice::None).check(), Ok(()));
    }

    #[test]
    fn tools_are_known_by_all_that_belongs_to_them() {
        assert!(!request().uses_tools());
        assert!(request().tool(SamplingTool::new("a", json!({ "type": "object" }))).uses_tools());
        assert!(request().tool_choice(ToolChoice::Auto).uses_tools());
    }
}
