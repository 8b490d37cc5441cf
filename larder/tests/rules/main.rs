//! The rules of the front door: which backend, which wrappers, which key, which default.

#![cfg(all(feature = "memory", feature = "disk", feature = "encrypt"))]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod defaults;
mod fake;
mod keys;
mod note;
mod parameters;
mod schemes;
mod secrets;
