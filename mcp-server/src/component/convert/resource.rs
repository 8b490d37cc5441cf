//! What a resource may return.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;
use serde::Serialize;

use super::error::{BoxError, Ending};
use super::tool::not_serialized;
use crate::protocol::{Failure, ReadResult, ResourceContents};

/// What is being read: it becomes part of the contents.
#[derive(Clone, Debug)]
pub struct Reading {
    pub(crate) uri: ByteString,
    /// The type that the resource was declared with.
    pub(crate) mime_type: Option<Arc<str>>,
}

impl Reading {
    /// The URI that was asked for.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// `text` as contents; `mime_type` is used where the resource declares none.
    pub fn text(&self, text: impl Into<String>, mime_type: &str) -> ReadResult {
        let contents = ResourceContents::text(&*self.uri, text);
        ReadResult::new([contents.with_mime_type(self.mime_type.as_deref().unwrap_or(mime_type))])
    }

    /// `bytes` as contents; `mime_type` is used where the resource declares none.
    pub fn blob(&self, bytes: impl Into<Bytes>, mime_type: &str) -> ReadResult {
        let contents = ResourceContents::blob(&*self.uri, bytes);
        ReadResult::new([contents.with_mime_type(self.mime_type.as_deref().unwrap_or(mime_type))])
    }

    /// The JSON of `value` as contents.
    pub(super) fn json<T: Serialize + ?Sized>(&self, value: &T) -> Result<ReadResult, Failure> {
        let text = serde_json::to_string(value).map_err(|error| not_serialized(&error))?;
        Ok(self.text(text, "application/json"))
    }

    /// There is nothing under this URI. On 2026-07-28 the code becomes -32602 when it is sent.
    pub fn not_found(&self) -> Failure {
        Failure::resource_not_found(&self.uri)
    }
}

/// What a handler of [`Resource::new`](crate::Resource::new) may return; functions with `#[resource]` may also return
/// whatever implements `Serialize`, sent as JSON.
///
/// `None` says that there is nothing under the URI.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the contents of a resource",
    label = "not contents",
    note = "return text, `Bytes`, `Vec<u8>`, `ResourceContents`, `ReadResult`, or an `Option` or `Result` of these",
    note = "in a function with `#[resource]`, derive `serde::Serialize` for it to send it as JSON"
)]
pub trait IntoReadResult {
    /// The result.
    ///
    /// # Errors
    /// The error that the client gets.
    fn into_read_result(self, reading: &Reading) -> Result<ReadResult, Failure>;
}

impl IntoReadResult for ReadResult {
    fn into_read_result(mut self, reading: &Reading) -> Result<ReadResult, Failure> {
        for contents in &mut self.contents {
            let (ResourceContents::Text { mime_type, .. } | ResourceContents::Blob { mime_type, .. }) =
                contents;
            if mime_type.is_none() {
                *mime_type = reading.mime_type.as_deref().map(str::to_owned);
            }
        }
        if self.contents.is_empty() { Err(reading.not_found()) } else { Ok(self) }
    }
}

impl IntoReadResult for ResourceContents {
    fn into_read_result(self, reading: &Reading) -> Result<ReadResult, Failure> {
        ReadResult::new([self]).into_read_result(reading)
    }
}

impl IntoReadResult for Vec<ResourceContents> {
    fn into_read_result(self, reading: &Reading) -> Result<ReadResult, Failure> {
        ReadResult::new(self).into_read_result(reading)
    }
}

impl IntoReadResult for String {
    fn into_read_result(self, reading: &Reading) -> Result<ReadResult, Failure> {
        Ok(reading.text(self, "text/plain"))
    }
}

impl IntoReadResult for &'static str {
    fn into_read_result(self, reading: &Reading) -> Result<ReadResult, Failure> {
        Ok(reading.text(self, "text/plain"))
    }
}

impl IntoReadResult for Cow<'static, str> {
    fn into_read_result(self, reading: &Reading) -> Result<ReadResult, Failure> {
        Ok(reading.text(self, "text/plain"))
    }
}

impl IntoReadResult for Vec<u8> {
    fn into_read_result(self, reading: &Reading) -> Result<ReadResult, Failure> {
        Ok(reading.blob(self, "application/octet-stream"))
    }
}

impl IntoReadResult for Bytes {
    fn into_read_result(self, reading: &Reading) -> Result<ReadResult, Failure> {
        Ok(reading.blob(self, "application/octet-stream"))
    }
}

impl IntoReadResult for serde_json::Value {
    fn into_read_result(self, reading: &Reading) -> Result<ReadResult, Failure> {
        reading.json(&self)
    }
}

impl<T: IntoReadResult> IntoReadResult for Option<T> {
    fn into_read_result(self, reading: &Reading) -> Result<ReadResult, Failure> {
        self.ok_or_else(|| reading.not_found())?.into_read_result(reading)
    }
}

/// The error's text goes to the client; an error of a store or of this server is only logged.
impl<T: IntoReadResult, E: Into<BoxError>> IntoReadResult for Result<T, E> {
    fn into_read_result(self, reading: &Reading) -> Result<ReadResult, Failure> {
        match self {
            Ok(value) => value.into_read_result(reading),
            Err(error) => Err(Ending::of_boxed::<E>(&error.into()).into_failure()),
        }
    }
}
