//! Tools: functions that a model may call.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::IntoToolResult;
use super::about::{About, about_methods};
use super::arguments::{bad_arguments, whole};
use super::private::Nowhere;
use super::schema::{object_output, schema_for};
use super::validator::Validator;
use crate::Context;
use crate::middleware::BoxFuture;
use crate::protocol::{Failure, Icon, Json, ParamHeaders, ToolResult, WireForm};

/// Hints to the client about what a tool does (server/tools, `ToolAnnotations`). They bind nobody, this server
/// included.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ToolAnnotations {
    /// A name for people, as clients before 2025-06-18 read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// It changes nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_only_hint: Option<bool>,
    /// It may destroy something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destructive_hint: Option<bool>,
    /// Calling it twice with the same arguments is calling it once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotent_hint: Option<bool>,
    /// It reaches things outside this server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_world_hint: Option<bool>,
}

type Handler = Arc<dyn Fn(Context, Json) -> BoxFuture<Result<ToolResult, Failure>> + Send + Sync>;

/// A function that a model may call. `#[tool]` makes one of a Rust function; [`Tool::new`] makes one by hand.
#[derive(Clone)]
pub struct Tool {
    about: About,
    input_schema: Json,
    output_schema: Option<Json>,
    annotations: ToolAnnotations,
    manner: Manner,
    by_hand: bool,
    output_by_hand: bool,
    validator: Option<Validator>,
    output_validator: Option<Validator>,
    param_headers: Option<ParamHeaders>,
    handler: Handler,
}

/// What is particular to a handler's runs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Manner {
    /// It goes on when nobody waits any more.
    pub(crate) finish: bool,
    /// The answers to its questions count once.
    pub(crate) single_use: bool,
}

impl Tool {
    /// A tool whose arguments are described by `input_schema`, a JSON schema of an object.
    ///
    /// A schema by hand is enforced by the feature `validate`; without it only one that takes any object is accepted,
    /// and [`Tool::typed`] is the way to say more.
    ///
    /// `handler` gets the arguments as the client sent them, an object; what it returns is a result as
    /// [`IntoToolResult`] says. The output schema is the one of the returned type, if it has one.
    ///
    /// A property of type string, integer or boolean with `"x-mcp-header": "Region"` is repeated by clients of
    /// 2026-07-28 in the HTTP header `Mcp-Param-Region`, where proxies can read it; what differs is refused. With
    /// [`Tool::typed`] that is `#[schemars(extend("x-mcp-header" = "Region"))]` on a field of `A`.
    pub fn new<F, Fut, R>(name: impl Into<String>, input_schema: impl Into<Json>, handler: F) -> Self
    where
        F: Fn(Context, Json) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = R> + Send + 'static,
        R: IntoToolResult,
    {
        Self {
            about: About::new(name),
            input_schema: input_schema.into(),
            output_schema: R::output_schema(),
            annotations: ToolAnnotations::default(),
            manner: Manner::default(),
            by_hand: true,
            output_by_hand: false,
            validator: None,
            output_validator: None,
            param_headers: None,
            handler: Arc::new(move |context, arguments| {
                let answer = handler(context, arguments);
                Box::pin(async move { answer.await.into_tool_result() })
            }),
        }
    }

    /// A tool whose arguments are read into `A`, a struct with named fields that derives `serde::Deserialize` and
    /// `schemars::JsonSchema`. The schema is the one of `A`.
    ///
    /// Arguments that do not fit are told to the model, and the handler does not run.
    pub fn typed<A, F, Fut, R>(name: impl Into<String>, handler: F) -> Self
    where
        A: DeserializeOwned + JsonSchema + Send + 'static,
        F: Fn(Context, A) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = R> + Send + 'static,
        R: IntoToolResult,
    {
        let read = move |context, arguments: Json| {
            let answer = whole::<A>(&arguments).map(|arguments| handler(context, arguments));
            async move {
                match answer {
                    Ok(answer) => answer.await.into_tool_result(),
                    Err(wrong) => Ok(bad_arguments(&wrong)),
                }
            }
        };
        Self::new(name, schema_for::<A>(), read).output_schema(R::output_schema()).enforced_by_reading()
    }

    /// The name that clients call it by.
    pub fn name(&self) -> &str {
        &self.about.name
    }

    about_methods!();

    /// The schema of what it returns as structured content; `None` says nothing about it.
    ///
    /// With the feature `validate` a result that does not fit, or has no structured content, is an internal error and
    /// is logged (server/tools, "Output Schema"); without it the handler is trusted.
    #[must_use]
    pub fn output_schema(mut self, schema: impl Into<Option<Json>>) -> Self {
        self.output_schema = schema.into();
        self.output_by_hand = true;
        self
    }

    /// Whether it changes nothing.
    #[must_use]
    pub fn read_only(mut self, hint: bool) -> Self {
        self.annotations.read_only_hint = Some(hint);
        self
    }

    /// Whether it may destroy something.
    #[must_use]
    pub fn destructive(mut self, hint: bool) -> Self {
        self.annotations.destructive_hint = Some(hint);
        self
    }

    /// Whether calling it twice with the same arguments is calling it once.
    #[must_use]
    pub fn idempotent(mut self, hint: bool) -> Self {
        self.annotations.idempotent_hint = Some(hint);
        self
    }

    /// Whether it reaches things outside this server.
    #[must_use]
    pub fn open_world(mut self, hint: bool) -> Self {
        self.annotations.open_world_hint = Some(hint);
        self
    }

    /// Lets a call run to its end when the client cancels it: for work that must not stop half-way.
    #[must_use]
    pub fn finish(mut self) -> Self {
        self.manner.finish = true;
        self
    }

    /// Takes the answers to one question of a call once (2026-07-28): sent a second time they are refused. For what must not
    /// happen twice when a client repeats itself.
    #[must_use]
    pub fn single_use(mut self) -> Self {
        self.manner.single_use = true;
        self
    }

    pub(crate) const fn manner(&self) -> Manner {
        self.manner
    }

    /// The schema of the arguments.
    pub(crate) const fn input(&self) -> &Json {
        &self.input_schema
    }

    /// The schema of the structured content.
    pub(crate) const fn output(&self) -> Option<&Json> {
        self.output_schema.as_ref()
    }

    /// The schemas say what the handler's own types say: reading the arguments and writing the result enforce them.
    pub(super) fn enforced_by_reading(mut self) -> Self {
        self.by_hand = false;
        self.output_by_hand = false;
        self
    }

    /// Makes sure that the schemas are enforced.
    ///
    /// # Errors
    /// Names what is not enforced, and the feature that would.
    pub(crate) fn enforce_schemas(&mut self) -> Result<(), String> {
        self.validator = Validator::of(&self.input_schema, self.by_hand)?;
        let output = self.output_schema.as_ref().filter(|_| self.output_by_hand);
        self.output_validator = output.map(Validator::of_output).transpose()?.flatten();
        Ok(())
    }

    /// The headers that its input schema declares.
    pub(crate) const fn param_headers(&self) -> Option<&ParamHeaders> {
        self.param_headers.as_ref()
    }

    /// Sets what its input schema declares, once it was found to be right.
    pub(crate) fn set_param_headers(&mut self, headers: Option<ParamHeaders>) {
        self.param_headers = headers;
    }

    /// Runs the handler, unless the arguments are not what the schema says.
    pub(crate) fn call(&self, context: Context, arguments: Json) -> BoxFuture<Result<ToolResult, Failure>> {
        if let Some(wrong) = self.validator.as_ref().and_then(|validator| validator.complaint(&arguments)) {
            return Box::pin(std::future::ready(Ok(bad_arguments(&wrong))));
        }
        let answer = (self.handler)(context, arguments);
        match &self.output_validator {
            None => answer,
            Some(validator) => {
                let (validator, tool) = (validator.clone(), self.name().to_owned());
                Box::pin(async move { fitting(&tool, &validator, answer.await?) })
            }
        }
    }

    /// The tool as `tools/list` shows it in `form`.
    pub(crate) fn definition(&self, form: WireForm) -> Json {
        let definition = Definition {
            name: &self.about.name,
            title: self.about.title.as_deref(),
            description: self.about.description.as_deref(),
            input_schema: &self.input_schema,
            output_schema: self.output_schema.as_ref().and_then(|schema| shown(schema, form)),
            annotations: (self.annotations != ToolAnnotations::default()).then_some(&self.annotations),
            icons: &self.about.icons,
            meta: self.about.definition_meta(),
        };
        Json::of(&definition).unwrap_or(Json::EMPTY)
    }
}

/// The result, if it is what the output schema says. What a failed call tells the model is bound by none.
fn fitting(tool: &str, validator: &Validator, result: ToolResult) -> Result<ToolResult, Failure> {
    if result.is_error {
        return Ok(result);
    }
    let complaint = match &result.structured {
        Some(structured) => validator.complaint(structured),
        None => Some("there is no structured content".to_owned()),
    };
    match complaint {
        None => Ok(result),
        Some(complaint) => {
            tracing::error!(tool, complaint, "a result is not what the tool's output schema says");
            Err(Failure::internal())
        }
    }
}

impl fmt::Debug for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tool")
            .field("about", &self.about)
            .field("manner", &self.manner)
            .finish_non_exhaustive()
    }
}

/// Structured content exists from 2025-06-18, and may be any JSON from 2026-07-28.
fn shown(schema: &Json, form: WireForm) -> Option<Json> {
    match form {
        WireForm::PlainWithoutAudio | WireForm::Plain => None,
        WireForm::Structured => Some(object_output(schema)),
        WireForm::Stateless => Some(schema.clone()),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Definition<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    input_schema: &'a Json,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_schema: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<&'a ToolAnnotations>,
    #[serde(skip_serializing_if = "<[Icon]>::is_empty")]
    icons: &'a [Icon],
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    meta: Option<Value>,
}

/// What can be given to the server as a tool: a [`Tool`], or the name of a function with `#[tool]`. The kind only tells
/// the compiler which of them it is.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a tool",
    label = "expected a function with `#[tool]`, or a `Tool`",
    note = "write `#[tool]` above the function and pass its name, or make one with `Tool::new(name, schema, handler)`"
)]
pub trait IntoTool<Kind> {
    /// The tool.
    fn into_tool(self) -> Tool;
}

impl IntoTool<Tool> for Tool {
    fn into_tool(self) -> Tool {
        self
    }
}

/// What `#[tool]` makes of a function.
#[diagnostic::do_not_recommend]
impl<F: FnOnce() -> Tool> IntoTool<fn() -> Tool> for F {
    fn into_tool(self) -> Tool {
        self()
    }
}

#[diagnostic::do_not_recommend]
impl<F: Nowhere> IntoTool<Infallible> for F {
    fn into_tool(self) -> Tool {
        self.never()
    }
}
