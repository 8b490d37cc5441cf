//! What is particular to this backend: on the server that `LARDER_TEST_OPENSEARCH` names, and on one that is made up
//! where a real one cannot be brought to say what is needed.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod access;
mod batches;
mod clocks;
mod closed;
mod fake;
mod full;
mod index;
mod listing;
mod names;
mod node;
mod outage;
mod proxy;
mod reaping;
mod server;
mod silent;
mod tls;
mod together;
mod traffic;
mod turns;
