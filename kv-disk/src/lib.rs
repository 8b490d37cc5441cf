//! The embedded disk backend of Larder, on sled or redb.

mod config;
mod directory;
mod engine;
mod error;
mod news;
mod open;
mod poison;
mod queue;
mod scan;
mod shared;
mod store;
mod submit;
mod wire;

pub use config::{DiskConfig, Durability, Engine};
pub use store::{DiskStore, Held};
