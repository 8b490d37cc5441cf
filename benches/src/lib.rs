//! Benchmarks of the Larder family, with peers beside us.
//!
//! The benches themselves are in `benches/`: `store` holds each backend beside its raw engine, `http` the server beside
//! a bare handler and beside rmcp, `backends` all backends beside engines and drivers by rate and CPU, `growth`
//! the disk beside its raw engines as it fills. Here is what they share.

pub mod larder;
pub mod measure;
pub mod peers;
pub mod subject;
pub mod workload;
