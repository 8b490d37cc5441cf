//! What a tool may return.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Serialize;

use super::error::{BoxError, Ending};
use crate::component::schema::output_schema;
use crate::protocol::{Content, Failure, Json, ToolResult};

/// A value whose type is the tool's output schema: sent as structured content, and as text for clients that have none.
///
/// A function with `#[tool]` returns the value itself; a handler of [`Tool::new`](crate::Tool::new) wraps it in this.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Structured<T>(pub T);

/// What a handler of [`Tool::new`](crate::Tool::new) may return; functions with `#[tool]` may also return whatever
/// implements `Serialize`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the result of a tool",
    label = "not a result",
    note = "derive `serde::Serialize` and `schemars::JsonSchema` for it (without the latter the tool has no output schema)",
    note = "in a handler of `Tool::new` return `Structured(value)`, text, `Content`, `ToolResult` or a `Result` of these"
)]
pub trait IntoToolResult {
    /// The schema of the structured content; `None` where there is none or nothing is known of it.
    fn output_schema() -> Option<Json>
    where
        Self: Sized,
    {
        None
    }

    /// The result.
    ///
    /// # Errors
    /// The failure that the handler asked for. An ordinary error is a [`ToolResult`] with `is_error`.
    fn into_tool_result(self) -> Result<ToolResult, Failure>
    where
        Self: Sized;
}

impl IntoToolResult for ToolResult {
    fn into_tool_result(self) -> Result<ToolResult, Failure> {
        Ok(self)
    }
}

impl IntoToolResult for () {
    fn into_tool_result(self) -> Result<ToolResult, Failure> {
        Ok(ToolResult::default())
    }
}

impl IntoToolResult for Content {
    fn into_tool_result(self) -> Result<ToolResult, Failure> {
        Ok(ToolResult::content([self]))
    }
}

impl IntoToolResult for Vec<Content> {
    fn into_tool_result(self) -> Result<ToolResult, Failure> {
        Ok(ToolResult::content(self))
    }
}

impl<const N: usize> IntoToolResult for [Content; N] {
    fn into_tool_result(self) -> Result<ToolResult, Failure> {
        Ok(ToolResult::content(self))
    }
}

impl IntoToolResult for Option<Content> {
    fn into_tool_result(self) -> Result<ToolResult, Failure> {
        Ok(ToolResult::content(self))
    }
}

impl IntoToolResult for String {
    fn output_schema() -> Option<Json> {
        output_schema::<Self>()
    }

    fn into_tool_result(self) -> Result<ToolResult, Failure> {
        let mut result = structured(&self)?;
        result.content = vec![Content::text(self)];
        Ok(result)
    }
}

impl IntoToolResult for &'static str {
    fn output_schema() -> Option<Json> {
        output_schema::<String>()
    }

    fn into_tool_result(self) -> Result<ToolResult, Failure> {
        self.to_owned().into_tool_result()
    }
}

impl IntoToolResult for Cow<'static, str> {
    fn output_schema() -> Option<Json> {
        output_schema::<String>()
    }

    fn into_tool_result(self) -> Result<ToolResult, Failure> {
        self.into_owned().into_tool_result()
    }
}

impl<T: Serialize + JsonSchema> IntoToolResult for Structured<T> {
    fn output_schema() -> Option<Json> {
        output_schema::<T>()
    }

    fn into_tool_result(self) -> Result<ToolResult, Failure> {
        serialized(&self.0)
    }
}

/// An error is told to the model; one of a store or of this server is only logged.
impl<T: IntoToolResult, E: Into<BoxError>> IntoToolResult for Result<T, E> {
    fn output_schema() -> Option<Json> {
        T::output_schema()
    }

    fn into_tool_result(self) -> Result<ToolResult, Failure> {
        match self {
            Ok(value) => value.into_tool_result(),
            Err(error) => Ending::of_boxed::<E>(&error.into()).into_tool(),
        }
    }
}

/// The value as structured content, and as text: of a string its characters, of anything else its JSON.
pub(super) fn serialized<T: Serialize + ?Sized>(value: &T) -> Result<ToolResult, Failure> {
    let mut result = structured(value)?;
    if let Some(json) = result.structured.as_ref().filter(|json| json.as_str().starts_with('"')) {
        result.content = json.to::<String>().map(|text| vec![Content::text(text)]).unwrap_or_default();
    }
    Ok(result)
}

fn structured<T: Serialize + ?Sized>(value: &T) -> Result<ToolResult, Failure> {
    Json::of(value).map(ToolResult::structured).map_err(|error| not_serialized(&error))
}

pub(super) fn not_serialized(error: &serde_json::Error) -> Failure {
    tracing::error!(%error, "what a handler returned cannot be written as JSON");
    Failure::internal()
}

/// Numbers, truth values and unknown JSON, as what [`Structured`] makes of them.
macro_rules! structured_as_is {
    ($($type:ty),*) => { $(
        impl IntoToolResult for $type {
            fn output_schema() -> Option<Json> {
                output_schema::<Self>()
            }

            fn into_tool_result(self) -> Result<ToolResult, Failure> {
                serialized(&self)
            }
        }
    )* };
}
structured_as_is!(bool, u8, u16, u32, u64, usize, i8, i16, i32, i64, isize, f32, f64, serde_json::Value);
