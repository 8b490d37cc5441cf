//! Cross-crate behaviour of the Larder family: what its tests share.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a helper of tests that fails fails its test"
)]

pub mod effects;
pub mod faults;
pub mod fixture;
pub mod http;
pub mod node;
pub mod proxy;
pub mod raw;
pub mod shared;
