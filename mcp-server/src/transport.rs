//! Where messages come in and go out: stdio, HTTP, memory. Each feeds the same dispatcher.

mod batch;
#[cfg(test)]
mod bounds;
mod cancellation;
mod http;
mod lines;
mod memory;
mod outgoing;
mod splitter;
pub(crate) mod stdio;
pub(crate) mod stream;

#[cfg(unix)]
pub(crate) use http::serve_unix;
pub(crate) use http::{Endpoint, HttpOptions, bind, serve, serve_until};
pub(crate) use lines::Connection;
pub use memory::{TestClient, TestError};
pub use splitter::MAX_MESSAGE;
