//! The behaviour of `Encrypted`, through the public API.

mod binding;
mod common;
mod key_file;
mod odd;
mod python;
mod rotation;
