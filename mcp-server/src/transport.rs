//! Where messages come in and go out: stdio, HTTP, memory. Each feeds the same dispatcher.

mod batch;
mod cancellation;
mod http;
mod lines;
mod memory;
mod outgoing;
mod splitter;
pub(crate) mod stdio;
pub(crate) mod stream;

pub(crate) use http::{Endpoint, Flights, HttpOptions, bind, serve};
pub(crate) use lines::Connection;
pub use memory::{TestClient, TestError};
pub use splitter::MAX_MESSAGE;
