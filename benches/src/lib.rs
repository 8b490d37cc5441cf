//! Benchmarks of the Larder family, with peers beside us.
//!
//! The benches themselves are in `benches/`: `store` holds each backend beside its raw engine, `http` the server beside
//! a bare handler and beside rmcp. Here is the workload that all of them share.

pub mod workload;
