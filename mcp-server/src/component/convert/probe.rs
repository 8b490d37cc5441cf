//! Which conversion a macro uses for a return type, chosen by the compiler where the function stands.
//!
//! serde and schemars implement their traits for `Result` and `Option` too, so blanket impls would overlap. Instead
//! each case is a trait implemented for one more level of references; a method call on the outermost reference takes
//! the first case whose bounds hold (autoref). A case answers with a marker that knows the types; the last case
//! accepts every type and has the bound on the marker's methods, so that the error names what is missing.

use std::error::Error;
use std::fmt::{self, Display};
use std::marker::PhantomData;

use schemars::JsonSchema;
use serde::Serialize;

use super::error::Ending;
use super::tool::serialized;
use super::{IntoPromptResult, IntoReadResult, IntoToolResult, Reading};
use crate::component::schema::output_schema;
use crate::protocol::{Failure, Json, PromptResult, ReadResult, ToolResult};

/// A marker is nothing but the types it stands for.
macro_rules! marker {
    ($(#[$doc:meta])* $name:ident<$($type:ident),+>) => {
        $(#[$doc])*
        pub struct $name<$($type),+>(PhantomData<fn() -> ($($type,)+)>);

        impl<$($type),+> $name<$($type),+> {
            /// The marker.
            pub const NEW: Self = Self(PhantomData);
        }

        impl<$($type),+> Clone for $name<$($type),+> {
            fn clone(&self) -> Self {
                *self
            }
        }

        impl<$($type),+> Copy for $name<$($type),+> {}

        impl<$($type),+> fmt::Debug for $name<$($type),+> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    };
}

marker!(/** The type that a function returns, before a `Result` is taken apart. */ Returned<R>);
marker!(/** A value on its way to be a tool's result. */ ToolValue<T>);
marker!(/** A value on its way to be a resource's contents. */ ResourceValue<T>);
marker!(/** A value on its way to be a prompt's messages. */ PromptValue<T>);

marker!(/** A `Result` whose error can be seen as one that crosses threads: `anyhow::Error`, boxed errors. */ Report<T, E>);
marker!(/** A `Result` whose error can be seen as one that stays on its thread: `Box<dyn Error>`. */ LocalReport<T, E>);
marker!(/** A `Result` of an error. */ Fault<T, E>);
marker!(/** A `Result` whose error is only text. */ Shown<T, E>);
marker!(/** A `Result` whose error cannot be told. */ Untold<T, E>);
marker!(/** Not a `Result`. */ Plain<T>);

marker!(/** The type says itself what becomes of it. */ Explicit<T>);
marker!(/** Structured content with an output schema. */ Described<T>);
marker!(/** Structured content, or JSON, without a schema. */ Undescribed<T>);
marker!(/** JSON, or nothing at all. */ Perhaps<T>);

/// Something that can be told as an error.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be told to the client",
    label = "this error type implements neither `Error` nor `Display`",
    note = "implement `std::fmt::Display` for it, or return `Result<_, String>`"
)]
pub trait Tellable {
    /// The text.
    fn told(&self) -> String;
}

/// The cases, each a trait with one method, imported by the macros.
pub mod levels {
    use super::{
        Described, Display, Error, Explicit, Fault, IntoReadResult, IntoToolResult, JsonSchema, LocalReport,
        Perhaps, Plain, PromptValue, Report, ResourceValue, Returned, Serialize, Shown, ToolValue,
        Undescribed, Untold,
    };

    /// One trait per case: `Trait for level: method -> marker`.
    macro_rules! case {
        ($trait:ident, $method:ident, [$($generics:tt)*] $level:ty => $marker:ty) => {
            #[doc = concat!("The case whose marker is `", stringify!($marker), "`.")]
            pub trait $trait {
                /// The marker of this case.
                type Marker;

                /// Takes this case.
                fn $method(&self) -> Self::Marker;
            }

            impl<$($generics)*> $trait for $level {
                type Marker = $marker;

                fn $method(&self) -> Self::Marker {
                    <$marker>::NEW
                }
            }
        };
    }

    case!(SplitReport, split, [T, E: AsRef<dyn Error + Send + Sync>] &&&&&Returned<Result<T, E>> => Report<T, E>);
    case!(SplitLocal, split, [T, E: AsRef<dyn Error>] &&&&Returned<Result<T, E>> => LocalReport<T, E>);
    case!(SplitFault, split, [T, E: Error + 'static] &&&Returned<Result<T, E>> => Fault<T, E>);
    case!(SplitShown, split, [T, E: Display] &&Returned<Result<T, E>> => Shown<T, E>);
    case!(SplitUntold, split, [T, E] &Returned<Result<T, E>> => Untold<T, E>);
    case!(SplitPlain, split, [T] Returned<T> => Plain<T>);

    case!(ToolExplicit, tool, [T: IntoToolResult] &&&ToolValue<T> => Explicit<T>);
    case!(ToolDescribed, tool, [T: Serialize + JsonSchema] &&ToolValue<T> => Described<T>);
    case!(ToolUndescribed, tool, [T: Serialize] &ToolValue<T> => Undescribed<T>);
    case!(ToolUnknown, tool, [T] ToolValue<T> => Explicit<T>);

    case!(ResourceExplicit, resource, [T: IntoReadResult] &&&ResourceValue<T> => Explicit<T>);
    case!(ResourcePerhaps, resource, [T: Serialize] &&ResourceValue<Option<T>> => Perhaps<T>);
    case!(ResourceJson, resource, [T: Serialize] &ResourceValue<T> => Undescribed<T>);
    case!(ResourceUnknown, resource, [T] ResourceValue<T> => Explicit<T>);

    case!(PromptAny, prompt, [T] PromptValue<T> => Explicit<T>);
}

/// What every case of a `Result` can do: give the type of success on, and take a value apart.
macro_rules! division {
    ($marker:ident<$($type:ident),+>, $returned:ty, [$($bounds:tt)*], $value:ident => $divided:expr) => {
        impl<$($type),+> $marker<$($type),+> {
            /// The type of success, as a tool's.
            pub const fn of_tool(self) -> ToolValue<T> {
                ToolValue::NEW
            }

            /// The type of success, as a resource's.
            pub const fn of_resource(self) -> ResourceValue<T> {
                ResourceValue::NEW
            }

            /// The type of success, as a prompt's.
            pub const fn of_prompt(self) -> PromptValue<T> {
                PromptValue::NEW
            }

            /// The value of success, or how the error ends the call.
            ///
            /// # Errors
            /// The error's ending.
            pub fn divide(self, $value: $returned) -> Result<T, Ending>
            where
                $($bounds)*
            {
                $divided
            }
        }
    };
}

division!(Report<T, E>, Result<T, E>, [E: AsRef<dyn Error + Send + Sync>], value => {
    value.map_err(|error| Ending::of_error(error.as_ref()))
});
division!(LocalReport<T, E>, Result<T, E>, [E: AsRef<dyn Error>], value => {
    value.map_err(|error| Ending::of_error(error.as_ref()))
});
division!(Fault<T, E>, Result<T, E>, [E: Error + 'static], value => {
    value.map_err(|error| Ending::of_error(&error))
});
division!(Shown<T, E>, Result<T, E>, [E: Display], value => value.map_err(|error| Ending::of_text(&error)));
division!(Untold<T, E>, Result<T, E>, [E: Tellable], value => value.map_err(|error| Ending::Told(error.told())));
division!(Plain<T>, T, [], value => Ok(value));

impl<T> Explicit<T> {
    /// The output schema.
    pub fn schema(self) -> Option<Json>
    where
        T: IntoToolResult,
    {
        T::output_schema()
    }

    /// The tool's result.
    ///
    /// # Errors
    /// The failure that the value stands for.
    pub fn tool_result(self, value: T) -> Result<ToolResult, Failure>
    where
        T: IntoToolResult,
    {
        value.into_tool_result()
    }

    /// The resource's contents.
    ///
    /// # Errors
    /// The failure that the value stands for.
    pub fn read_result(self, value: T, reading: &Reading) -> Result<ReadResult, Failure>
    where
        T: IntoReadResult,
    {
        value.into_read_result(reading)
    }

    /// The prompt's messages.
    ///
    /// # Errors
    /// The failure that the value stands for.
    pub fn prompt_result(self, value: T) -> Result<PromptResult, Failure>
    where
        T: IntoPromptResult,
    {
        value.into_prompt_result()
    }
}

impl<T: Serialize + JsonSchema> Described<T> {
    /// The output schema.
    pub fn schema(self) -> Option<Json> {
        output_schema::<T>()
    }

    /// The tool's result.
    ///
    /// # Errors
    /// The value cannot be written as JSON.
    pub fn tool_result(self, value: T) -> Result<ToolResult, Failure> {
        let written = serialized(&value);
        drop(value);
        written
    }
}

impl<T: Serialize> Undescribed<T> {
    /// No output schema.
    pub fn schema(self) -> Option<Json> {
        None
    }

    /// The tool's result.
    ///
    /// # Errors
    /// The value cannot be written as JSON.
    pub fn tool_result(self, value: T) -> Result<ToolResult, Failure> {
        let written = serialized(&value);
        drop(value);
        written
    }

    /// The resource's contents.
    ///
    /// # Errors
    /// The value cannot be written as JSON.
    pub fn read_result(self, value: T, reading: &Reading) -> Result<ReadResult, Failure> {
        let written = reading.json(&value);
        drop(value);
        written
    }
}

impl<T: Serialize> Perhaps<T> {
    /// The resource's contents; there is nothing under the URI where the value is `None`.
    ///
    /// # Errors
    /// There is no value, or it cannot be written as JSON.
    pub fn read_result(self, value: Option<T>, reading: &Reading) -> Result<ReadResult, Failure> {
        let value = value.ok_or_else(|| reading.not_found())?;
        let written = reading.json(&value);
        drop(value);
        written
    }
}
