//! The laws, grouped by what they speak of. Each is a function whose name is the sentence that it checks.
//!
//! They ask nothing that the contract of [`Store`](crate::Store) does not promise: a law about time records when its
//! own calls began and ended and asserts what follows from that, however slow the machine is.
#![expect(clippy::missing_panics_doc, reason = "a law panics where it is broken: that is its answer")]
#![expect(clippy::missing_errors_doc, reason = "the error of a law says why it does not concern the store")]

pub mod atomic;
pub mod batch;
pub mod capabilities;
pub mod drops;
pub mod errors;
pub mod executor;
pub mod expiry;
pub mod lifecycle;
pub mod names;
pub mod pages;
pub mod races;
pub mod scan;
pub mod signals;
pub mod time;
pub mod values;
