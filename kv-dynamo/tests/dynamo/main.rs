//! What DynamoDB adds to the laws: tables, limits, clocks, refusals, and a server that goes away and comes back.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

mod batches;
mod clocks;
mod environment;
mod limits;
mod refusals;
mod requests;
mod restart;
mod scripted;
mod sharing;
mod support;
mod tables;
